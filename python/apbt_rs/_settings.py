"""The settings of a run: what the user gave, checked once, in one place."""

from __future__ import annotations

import math
import numbers
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apbt_rs import _core
from apbt_rs._metrics import Metric
from apbt_rs._nearest import nearest
from apbt_rs._space import DEFAULT_SPACE, PAPER_SPACE

__all__ = ["DEFAULT", "PAPER", "RULES", "Preset", "Settings"]

RULES = ("one_se", "best", "most_accurate")
PAPER_FITNESS = (1.09, 1.02)
MOST_THREADS = 1024  # systems refuse to start many more
MOST_MEMBERS = 10_000_000  # of networks that a machine has room for


@dataclass(frozen=True)
class Preset:
    """What distinguishes the package's own way of working from the paper's.

    Attributes
    ----------
    space : mapping
        The space that the user's is completed from.
    standardize : bool
        Whether numbers are standardised.
    sigmoid_outputs : bool
        Whether a classification has one sigmoid for each class and squared error, or softmax (one
        sigmoid for two classes) and cross-entropy.
    decay_biases : bool
        Whether weight decay works on biases too.
    """

    space: Mapping[str, Any]
    standardize: bool
    sigmoid_outputs: bool
    decay_biases: bool


DEFAULT = Preset(DEFAULT_SPACE, standardize=True, sigmoid_outputs=False, decay_biases=False)
PAPER = Preset(PAPER_SPACE, standardize=False, sigmoid_outputs=True, decay_biases=True)


@dataclass(frozen=True)
class Settings:
    """The arguments of `run` but the data, checked; see there."""

    k: int
    epochs: int | None
    readiness: int | None
    validation: Any
    test: Any
    task: str
    metric: str | Metric | Callable[..., float]
    encoding: Any
    space: Mapping[str, Any] | None
    fitness: tuple[float, float] | None
    rule: str
    patience: int | None
    time_limit: float | None
    seed: int | None
    n_jobs: int | None
    progress: bool
    callbacks: tuple[Callable[..., None], ...]
    checkpoint: Any

    def __post_init__(self) -> None:
        """Check each setting by itself; what depends on the data is checked with it."""
        self._whole("k", 2)
        if self.k > MOST_MEMBERS:
            raise ValueError(f"k={self.k!r:.80}: expected at most {MOST_MEMBERS}")
        for name in ("epochs", "readiness", "patience"):
            self._whole(name, 1)
        if self.time_limit is not None:
            limit = self.time_limit
            if isinstance(limit, bool) or not isinstance(limit, numbers.Real):
                raise TypeError(f"time_limit={limit!r}: expected a number of seconds or None")
            if not limit > 0:
                raise ValueError(f"time_limit={limit!r}: expected more than 0 seconds")
        if self.rule not in RULES:
            raise ValueError(f"rule={self.rule!r}: {nearest(self.rule, RULES)}")
        self._whole("seed", 0)
        if self.seed is not None and self.seed >= 2**64:
            raise ValueError(f"seed={self.seed}: expected less than 2**64")
        if self.n_jobs != -1:
            self._whole("n_jobs", 1, ", or -1 for all processors")
            if self.n_jobs is not None and self.n_jobs > MOST_THREADS:
                raise ValueError(f"n_jobs={self.n_jobs}: expected at most {MOST_THREADS}")
        if not isinstance(self.progress, bool):
            raise TypeError(f"progress={self.progress!r}: expected True or False")
        if not isinstance(self.callbacks, tuple):
            given = self.callbacks
            callbacks = tuple(given) if isinstance(given, Iterable) else (given,)
            object.__setattr__(self, "callbacks", callbacks)
        for callback in self.callbacks:
            if not callable(callback):
                raise TypeError(f"callbacks: {callback!r} cannot be called")
        if self.fitness is not None:
            _check_fitness(self.fitness)

    def _whole(self, name: str, least: int, otherwise: str = "") -> None:
        """Check a whole number, where one is given, and make it one of Python's own."""
        value = getattr(self, name)
        if value is None and name != "k":
            return
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError(
                f"{name}={value!r}: expected a whole number of at least {least}{otherwise}"
            )
        if value < least:
            raise ValueError(f"{name}={value!r}: expected at least {least}{otherwise}")
        object.__setattr__(self, name, int(value))

    def drawn_seed(self) -> int:
        """Return the seed, or one from the system's entropy."""
        return secrets.randbits(63) if self.seed is None else self.seed

    def threads(self) -> int:
        """Return the number of threads."""
        if self.n_jobs is None:
            return _core.default_threads()
        if self.n_jobs == -1:
            if hasattr(os, "sched_getaffinity"):
                return len(os.sched_getaffinity(0))
            return os.cpu_count() or 1
        return self.n_jobs


def automatic_epochs(rows: int) -> int:
    """Return the default number of epochs: 300, fewer for tables of more than 1,000 rows."""
    return max(20, min(300, 300_000 // rows))


def automatic_fitness(n_inputs: int, n_outputs: int, preset: Preset) -> tuple[float, float]:
    """Return fitness's two bases: the paper's, with a gentler price of size for larger tables.

    The network without a hidden layer has `n_inputs · n_outputs` weights, 12 for Iris. Where it
    has more, a weight costs as much less, so that this network's price stays what it is there.
    """
    score_base, size_base = PAPER_FITNESS
    if not preset.sigmoid_outputs:
        size_base = 1 + (size_base - 1) * min(1.0, 12 / (n_inputs * n_outputs))
    return score_base, size_base


def automatic_objective(task: str, n_outputs: int, preset: Preset) -> tuple[str, str]:
    """Return the output layer's activation and the loss that training makes small."""
    if task == "regression":
        return "identity", "squared_error"
    if preset.sigmoid_outputs:
        return "sigmoid", "squared_error"
    return ("sigmoid" if n_outputs == 1 else "softmax"), "cross_entropy"


def _check_fitness(fitness: Any) -> None:
    expected = "expected (score_base, size_base), such as the paper's (1.09, 1.02)"
    if not isinstance(fitness, (tuple, list)) or len(fitness) != 2:
        raise TypeError(f"fitness={fitness!r}: {expected}")
    if any(isinstance(one, bool) or not isinstance(one, numbers.Real) for one in fitness):
        raise TypeError(f"fitness={fitness!r}: {expected}")
    try:
        score_base, size_base = map(float, fitness)
    except OverflowError:
        score_base = size_base = math.inf
    if not (1 < score_base < math.inf and 1 <= size_base < math.inf):
        raise ValueError(f"fitness={fitness!r}: {expected}; above 1, and at least 1, and finite")
