"""The search space: what the user says of it, and the core's table made from that."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from apbt_rs import _core

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


# Each hyperparameter's own scale, and whether it is a whole number.
_NUMBERS: dict[str, tuple[Scale, bool]] = {
    "hidden_layers": ("linear", True),
    "hidden_units": ("linear", True),
    "density": ("linear", False),
    "learning_rate": ("log", False),
    "momentum": ("log_one_minus", False),
    "weight_decay": ("log", False),
    "batch_size": ("log", True),
}
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
                near = difflib.get_close_matches(str(name), _NAMES, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {_NAMES}"
                raise ValueError(f"space: unknown hyperparameter {name!r}: {hint}")
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
            near = difflib.get_close_matches(str(one), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {known}"
            raise ValueError(f"space[{name!r}]: unknown value {one!r}: {hint}")
    return values


def _number(name: str, value: Any) -> _core.Domain:
    """Read a fixed number, a range or a list of numbers."""
    where = f"space[{name!r}]={value!r}"
    scale, integer = _NUMBERS[name]
    if isinstance(value, list) and value:
        return _core.Domain.choices([_float(one, where) for one in value], ordered=True)
    if isinstance(value, tuple) and len(value) == 2:
        value = Range(*value)
    if not isinstance(value, Range):
        return _core.Domain.fixed(_float(value, where))
    bounds = (_float(value.low, where), _float(value.high, where))
    start = bounds if value.start is None else tuple(_float(one, where) for one in value.start)
    if len(start) != 2 or not bounds[0] <= start[0] <= start[1] <= bounds[1]:
        raise ValueError(f"{where}: expected low <= start[0] <= start[1] <= high")
    if not math.isfinite(start[1]):
        raise ValueError(f"{where}: give a finite range to start from")
    if scale == "log" and value.scale is None and start[0] <= 0:
        scale = "linear"  # a range from zero has no logarithm
    if integer and any(one != math.floor(one) for one in start):
        raise ValueError(f"{where}: expected whole numbers")
    return _core.Domain.range(start, bounds, value.scale or scale, integer)


def _float(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise TypeError(
            f"{where}: expected a number, a (low, high) tuple, a Range or a list of numbers"
        )
    return float(value)
