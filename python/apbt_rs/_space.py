"""The search space: what the user says of it, and the core's table made from that."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from apbt_rs import _core
from apbt_rs._nearest import nearest

__all__ = ["DEFAULT_SPACE", "PAPER_SPACE", "Range", "Space"]

Scale: TypeAlias = Literal["linear", "log", "log_one_minus"]


@dataclass(frozen=True)
class Range:
    """A range in which a hyperparameter is searched.

    Parameters
    ----------
    low, high : float
        What exploring keeps to, both ends included.
    start : tuple of float, default=None
        The range that first values are drawn from; by default the whole.
    scale : {"linear", "log", "log_one_minus"}, default=None
        On which scale values are drawn: evenly, evenly in their logarithm, or evenly in the
        logarithm of one minus the value; by default what suits the hyperparameter.

    Examples
    --------
    >>> import apbt_rs
    >>> apbt_rs.Range(1, 64, start=(2, 10))
    Range(low=1, high=64, start=(2, 10), scale=None)
    """

    low: float
    high: float
    start: tuple[float, float] | None = None
    scale: Scale | None = None


# Each hyperparameter's own scale, whether it is a whole number, and what it may be at the most.
_NUMBERS: dict[str, tuple[Scale, bool, float, float]] = {
    "hidden_layers": ("linear", True, 0, 65536),
    "hidden_units": ("linear", True, 1, 65536),
    "density": ("linear", False, 0, 1),
    "learning_rate": ("log", False, 0, math.inf),
    "momentum": ("log_one_minus", False, 0, 1),
    "weight_decay": ("log", False, 0, math.inf),
    "batch_size": ("log", True, 1, 2**31),
}
_EXPECTED = "expected a number, a (low, high) tuple, a Range or a list of numbers"
_HIDDEN_ACTIVATIONS = [name for name in _core.ACTIVATIONS if name != "softmax"]
_NAMES = [*_NUMBERS, "optimizer", "activation"]

DEFAULT_SPACE: dict[str, Any] = {
    "hidden_layers": (0, 1),
    "hidden_units": Range(1, 256, start=(1, 10)),
    "activation": ["tanh", "relu"],
    "density": 1.0,
    "optimizer": ["sgd", "adam"],
    "learning_rate": (1e-3, 1e-1),
    "momentum": Range(0.0, 0.99, start=(0.5, 0.95)),
    "weight_decay": Range(1e-4, 1.0, start=(1e-3, 0.3)),
    "batch_size": (8, 64),
}
"""What `run` searches where the user says nothing else."""

PAPER_SPACE: dict[str, Any] = {
    "hidden_layers": (1, 4),
    "hidden_units": Range(1, 65536, start=(2, 10)),
    "activation": "sigmoid",
    "density": 1.0,
    "optimizer": "sgd",
    "learning_rate": Range(0.0, math.inf, start=(1e-4, 1e-1), scale="linear"),
    "momentum": Range(0.0, 0.99, start=(0.0, 0.9), scale="linear"),
    "weight_decay": Range(0.0, math.inf, start=(0.0, 0.1), scale="linear"),
    "batch_size": 1,
}
"""The paper's space (DESIGN §4.1); rates are perturbed by a factor, without an upper bound."""


@dataclass(frozen=True)
class Space:
    """A search space as the core takes it."""

    domains: dict[str, _core.Domain]
    activations: list[str]

    @classmethod
    def of(cls, space: Mapping[str, Any] | None, default: Mapping[str, Any]) -> Space:
        """Complete the user's space from a preset's and check it.

        Raises
        ------
        TypeError
            If the space is no mapping, or a value is none of the accepted kinds.
        ValueError
            If a name is unknown or a range is not in order.
        """
        if space is not None and not isinstance(space, Mapping):
            raise TypeError(
                f"space={space!r:.80} is of type {type(space).__name__}: expected a dict from "
                "hyperparameters to a fixed value, a (low, high) tuple, a Range or a list of "
                "choices"
            )
        for name in space or {}:
            if name not in _NAMES:
                raise ValueError(f"space: unknown hyperparameter {name!r}: {nearest(name, _NAMES)}")
        complete = {**default, **(space or {})}
        domains = {name: _number(name, complete[name]) for name in _NUMBERS}
        optimizers = _names("optimizer", complete["optimizer"], _core.OPTIMIZERS)
        places = [float(_core.OPTIMIZERS.index(name)) for name in optimizers]
        domains["optimizer"] = _core.Domain.choices(places, ordered=False)
        return cls(domains, _names("activation", complete["activation"], _HIDDEN_ACTIVATIONS))


def _names(name: str, value: Any, known: list[str]) -> list[str]:
    """Read one name or a list of names."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        raise TypeError(f"space[{name!r}]={value!r}: expected one of {known}, or a list of them")
    for one in values:
        if one not in known:
            raise ValueError(f"space[{name!r}]: unknown value {one!r}: {nearest(one, known)}")
    return values


def _number(name: str, value: Any) -> _core.Domain:
    """Read a fixed number, a range or a list of numbers."""
    where = f"space[{name!r}]={value!r}"
    scale, integer, least, most = _NUMBERS[name]

    def read(one: Any) -> float:
        if isinstance(one, bool) or not isinstance(one, numbers.Real):
            raise TypeError(f"{where}: {_EXPECTED}")
        number = float(one)
        if not least <= number <= most:
            raise ValueError(f"{where}: expected {least} to {most}, not {one}")
        if integer and not number.is_integer():
            raise ValueError(f"{where}: expected whole numbers, not {one}")
        return number

    def read_first(one: Any) -> float:
        number = read(one)
        if not math.isfinite(number):
            raise ValueError(f"{where}: give finite numbers to start from, not {one}")
        return number

    if isinstance(value, list) and value:
        return _core.Domain.choices([read_first(one) for one in value], ordered=True)
    if isinstance(value, tuple) and len(value) == 2:
        value = Range(*value)
    if not isinstance(value, Range):
        return _core.Domain.fixed(read_first(value))
    start: Any = (value.low, value.high) if value.start is None else value.start
    if not isinstance(start, (tuple, list)) or len(start) != 2:
        raise TypeError(f"{where}: expected start=(low, high), not {start!r}")
    bounds = (read(value.low), read(value.high))
    first = (read_first(start[0]), read_first(start[1]))
    if bounds[0] > bounds[1]:
        raise ValueError(f"{where}: expected low <= high: change them round")
    if not bounds[0] <= first[0] <= first[1] <= bounds[1]:
        raise ValueError(f"{where}: expected low <= start[0] <= start[1] <= high")
    if value.scale is not None:
        scale = value.scale
        if scale not in get_args(Scale):
            raise ValueError(f"{where}: unknown scale {scale!r}: {nearest(scale, get_args(Scale))}")
    elif scale == "log" and first[0] <= 0:
        scale = "linear"  # a range from zero has no logarithm
    if scale == "log" and first[0] <= 0:
        raise ValueError(f"{where}: on a logarithmic scale expected start[0] > 0")
    if scale == "log_one_minus" and bounds[1] >= 1:
        raise ValueError(f"{where}: on the scale of one minus the value expected high < 1")
    return _core.Domain.range(first, bounds, scale, integer)
