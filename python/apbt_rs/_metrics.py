"""Metrics: the built-in ones by name, and those of the user's own."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from apbt_rs import _core
from apbt_rs._nearest import nearest

__all__ = ["TASKS", "Metric", "metric", "resolve"]

_BY_TASK = {
    "classification": _core.CLASSIFICATION_METRICS,
    "regression": _core.REGRESSION_METRICS,
}
TASKS = tuple(_BY_TASK)
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

    def __call__(self, y_true: Any, y_response: Any) -> float:
        """Score a prediction by the user's function."""
        if self.function is None:
            raise TypeError(f"metric {self.name!r} is built in: use Network.score")
        value = self.function(y_true, y_response)
        try:
            return float(value)
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
        DataFrame for several targets) as `y` was given.
    constant, perfect : float, default=None
        What the best constant and a perfect prediction score. From them the skill is worked out
        that fitness weighs against size: `(score - constant) / (perfect - constant)`. Without
        them the score itself is the skill, which suits metrics that run from 0 to 1.
    response : {"predict", "predict_proba"}, default="predict"
        What the function is given: what `Network.predict` returns, or the class probabilities, a
        float32 array of shape (rows, n_classes).
    name : str, default=None
        The metric's name; by default the function's.

    Returns
    -------
    Metric
        To be given to `run` as `metric=`.

    Raises
    ------
    TypeError
        If the function cannot be called.
    ValueError
        If only one of `constant` and `perfect` is given, or they are not in order.

    Examples
    --------
    >>> from sklearn.metrics import balanced_accuracy_score
    >>> import apbt_rs
    >>> apbt_rs.metric(balanced_accuracy_score, constant=1 / 3, perfect=1)
    Metric(balanced_accuracy_score)
    """
    if not callable(function):
        raise TypeError(f"function={function!r:.80} cannot be called: expected f(y_true, y_pred)")
    if (constant is None) != (perfect is None):
        raise ValueError("constant and perfect: give both or neither")
    for argument, value in (("constant", constant), ("perfect", perfect)):
        if value is not None and not (isinstance(value, numbers.Real) and math.isfinite(value)):
            raise ValueError(f"{argument}={value!r}: expected a finite number")
    if constant is not None and perfect is not None and not constant < perfect:
        raise ValueError(f"constant={constant!r} must be below perfect={perfect!r}")
    if response not in ("predict", "predict_proba"):
        raise ValueError(f"response={response!r}: expected 'predict' or 'predict_proba'")
    given = name or getattr(function, "__name__", type(function).__name__)
    # Python's own numbers, which a checkpoint can hold.
    constant, perfect = (None if one is None else float(one) for one in (constant, perfect))
    return Metric(str(given), function, constant, perfect, response)


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
    known = _BY_TASK[task]
    if value == "auto":
        return Metric(_AUTO[task])
    if value not in known:
        hint = nearest(value, known, " or a function")
        raise ValueError(f"metric={value!r} is not one for a {task}: {hint}")
    return Metric(value)
