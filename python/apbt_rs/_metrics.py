"""Metrics: the built-in ones by name, and those of the user's own."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from apbt_rs import _core
from apbt_rs._nearest import nearest

__all__ = ["BUILT_IN", "BY_TASK", "TASKS", "Metric", "metric", "resolve"]

BY_TASK = {
    "classification": _core.CLASSIFICATION_METRICS,
    "regression": _core.REGRESSION_METRICS,
}
BUILT_IN = frozenset(name for names in BY_TASK.values() for name in names)
TASKS = tuple(BY_TASK)
_AUTO = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Metric:
    """A metric: its name and, where it is the user's own, its function; made by `metric`."""

    name: str
    function: Callable[..., float] | None = None
    constant: float | None = None
    perfect: float | None = None
    response: Literal["predict", "predict_proba"] = "predict"

    def __repr__(self) -> str:
        return f"Metric({self.name})"

    @property
    def core_name(self) -> str:
        """The core's name for it."""
        return self.name if self.function is None else "custom"

    @property
    def anchors(self) -> tuple[float, float] | None:
        """The scores of a constant and of a perfect prediction, where the user gave them."""
        if self.constant is None or self.perfect is None:
            return None
        return (self.constant, self.perfect)

    @property
    def weighted(self) -> bool:
        """Whether the user's function takes row weights, as `sample_weight`."""
        signature = None if self.function is None else _signature(self.function)
        one = None if signature is None else signature.parameters.get("sample_weight")
        return one is not None and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)

    def __call__(self, y_true: Any, y_response: Any, sample_weight: Any = None) -> float:
        """Score a prediction by the user's function, by row weights if it takes them."""
        if self.function is None:
            raise TypeError(f"metric {self.name!r} is built in: use Network.score")
        weights: dict[str, Any] = {}
        if sample_weight is not None and self.weighted:
            weights["sample_weight"] = np.asarray(sample_weight)
        try:
            value = self.function(y_true, y_response, **weights)
        except Exception as error:
            raise ValueError(
                f"metric {self.name!r} raised {type(error).__name__}: {error}; it was given "
                f"{_described(y_true)} and {_described(y_response)}"
            ) from error
        try:
            return float(value)
        except OverflowError as error:
            raise ValueError(
                f"metric {self.name!r} returned a whole number too large for a float"
            ) from error
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"metric {self.name!r} returned {value!r:.80}: expected a number"
            ) from error


def metric(
    function: Callable[..., float],
    *,
    constant: float | None = None,
    perfect: float | None = None,
    response: Literal["predict", "predict_proba"] = "predict",
    name: str | None = None,
) -> Metric:
    """Make a metric of your own from a function.

    Parameters
    ----------
    function : callable
        `function(y_true, y_response) -> float`, higher is better. `y_true` is a polars Series (a
        DataFrame for several targets) as `y` was given. If it has a parameter `sample_weight`, as
        scikit-learn's have, and the run has row weights, it is given those of the rows, float64 of
        shape (rows,). Without that parameter its scores do not weigh rows, and a warning says so.
    constant, perfect : float, default=None
        What the best constant and a perfect prediction score. From them the skill is worked out
        that fitness weighs against size: `(score - constant) / (perfect - constant)`. Without
        them the score itself is the skill, which suits metrics that run from 0 to 1.
    response : {"predict", "predict_proba"}, default="predict"
        What the function is given: what `Network.predict` returns, or the class probabilities, a
        float32 array of shape (rows, n_classes); for two classes scikit-learn's functions want its
        second column.
    name : str, default=None
        The metric's name; by default the function's. That of a built-in metric is refused.

    Returns
    -------
    Metric
        To be given to `run` as `metric=`.

    Raises
    ------
    TypeError
        If the function cannot be called with two arguments; a scorer of scikit-learn cannot.
    ValueError
        If only one of `constant` and `perfect` is given, or they are not in order, or the name is
        that of a built-in metric.

    Examples
    --------
    >>> from sklearn.metrics import balanced_accuracy_score
    >>> import apbt_rs
    >>> apbt_rs.metric(balanced_accuracy_score, constant=1 / 3, perfect=1)
    Metric(balanced_accuracy_score)
    """
    if not callable(function):
        raise TypeError(f"function={function!r:.80} cannot be called: expected f(y_true, y_pred)")
    given = str(name or getattr(function, "__name__", type(function).__name__))
    _check_call(function, given)
    if given in BUILT_IN:
        raise ValueError(
            f"metric {given!r}: a function of your own has the name of a built-in metric: give "
            "another by apbt_rs.metric(function, name=...)"
        )
    if (constant is None) != (perfect is None):
        raise ValueError("constant and perfect: give both or neither")
    for argument, value in (("constant", constant), ("perfect", perfect)):
        if value is not None and not _is_finite(value):
            raise ValueError(f"{argument}={value!r:.80}: expected a finite number")
    if constant is not None and perfect is not None and not constant < perfect:
        raise ValueError(f"constant={constant!r} must be below perfect={perfect!r}")
    if response not in ("predict", "predict_proba"):
        raise ValueError(f"response={response!r}: expected 'predict' or 'predict_proba'")
    # Python's own numbers, which a checkpoint can hold.
    constant, perfect = (None if one is None else float(one) for one in (constant, perfect))
    return Metric(given, function, constant, perfect, response)


def resolve(value: Any, task: str) -> Metric:
    """Return the metric that `metric=` names for a task.

    Raises
    ------
    TypeError
        If the value is no name and no function.
    ValueError
        If the name is unknown, or the metric is for the other task.
    """
    if isinstance(value, Metric):
        if value.response == "predict_proba" and task == "regression":
            raise ValueError(f"metric {value.name!r} wants probabilities: a regression has none")
        return value
    if callable(value):
        return metric(value)
    if not isinstance(value, str):
        raise TypeError(f"metric={value!r:.80}: expected a name or a function")
    known = BY_TASK[task]
    if value == "auto":
        return Metric(_AUTO[task])
    if value not in known:
        hint = nearest(value, known, ", or a function f(y_true, y_pred) as metric=")
        raise ValueError(f"metric={value!r} is not one for a {task}: {hint}")
    return Metric(value)


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        own = inspect.signature(function, follow_wrapped=False)
        # What hands all on, as scikit-learn's functions do, takes what the one within takes.
        hands_on = any(one.kind is one.VAR_KEYWORD for one in own.parameters.values())
        return inspect.signature(function) if hands_on else own
    except (TypeError, ValueError):  # some functions in C have none
        return None


def _check_call(function: Callable[..., Any], name: str) -> None:
    """Raise a TypeError if a function cannot be called with two arguments."""
    inner = getattr(function, "_score_func", None)
    if inner is not None:
        plain = getattr(inner, "__name__", "its _score_func")
        lower = getattr(function, "_sign", 1) < 0
        remedy = f"lambda y_true, y_pred: -{plain}(y_true, y_pred)" if lower else plain
        raise TypeError(
            f"metric {plain!r} is a scorer of scikit-learn, to be called with (estimator, X, y): "
            f"give a function of (y_true, y_pred), higher is better, as {remedy} is"
        )
    signature = _signature(function)
    if signature is None:
        return
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"metric {name!r} cannot be called as f(y_true, y_pred): {error}; what else it needs "
            "can be given by functools.partial"
        ) from error


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, numbers.Real) and math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _described(value: Any) -> str:
    """Return in words what a function was given."""
    if isinstance(value, pl.Series):
        return f"a Series of dtype {value.dtype} with {len(value)} rows"
    words = f"a {type(value).__name__} of shape {getattr(value, 'shape', None)}"
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape[1] == 2:
        words += " (of two classes many of scikit-learn's functions want its second column, [:, 1])"
    return words
