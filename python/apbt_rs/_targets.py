"""Encoding of targets: labels become class indices or one-hot columns, numbers are standardised.

The list of operations is plain data, as the inputs' is: one `Labels` for a classification, an
`AsIs` or `Standardize` for each column of a regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._columns import AsIs, Standardize
from apbt_rs._labels import Labels
from apbt_rs._nearest import nearest
from apbt_rs._tables import has_names, read_target, select_columns
from apbt_rs._values import MOST_CLASSES, is_text, numbers, place, statistics
from apbt_rs._warnings import warn

__all__ = ["Targets", "check_lengths", "infer_task", "read_target", "warn_of_whole_floats"]

Task: TypeAlias = Literal["classification", "regression"]
Operation: TypeAlias = AsIs | Labels | Standardize
READERS: dict[str, Callable[[object, str], Operation]] = {
    "as_is": AsIs.from_dict,
    "labels": Labels.from_dict,
    "standardize": Standardize.from_dict,
}
FEW_FLOATS = 10  # distinct values that, if all are whole, may be meant as classes
TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True)
class Targets:
    """The operations that make a network's targets from `y`, and answers from its outputs.

    Attributes
    ----------
    columns : tuple of AsIs, Labels, Standardize
        One `Labels`, or one of the others for each column of `y`.
    """

    columns: tuple[Operation, ...]

    @classmethod
    def fit(
        cls,
        y: Any,
        *,
        rows: np.ndarray,
        task: str = "auto",
        standardize: bool = True,
        one_hot_binary: bool = False,
    ) -> Targets:
        """Infer the task and fit its operations.

        Parameters
        ----------
        y : column of shape (rows,) or table of shape (rows, columns)
            What `read_target` reads; classes are taken from all of it.
        rows : uint32 array
            Indices of the training rows; mean and scale are taken from these.
        task : {"auto", "classification", "regression"}
            By "auto", texts, categories, Booleans, and integers of at most 20 distinct values are
            classes; other numbers, and several columns, are quantities. Categories of pandas that
            are Booleans, or at most 20 integers, stay so; other ones come back as texts.
        standardize : bool
            Whether a regression's targets are standardised, or left as they are.
        one_hot_binary : bool
            Whether two classes have an output each, or share one that is 1 for the second.

        Raises
        ------
        TypeError
            If `y` is no column and no table, or its dtype does not suit the task.
        ValueError
            If `y` is empty or holds missing or infinite values; if there are fewer than two
            classes, or classes in several columns; if a regression's training rows are equal.
        """
        frame = read_target(y)
        if infer_task(frame, task) == "classification":
            return cls((Labels.fit(frame.to_series(), one_hot_binary),))
        return cls(tuple(_quantity(series, rows, standardize) for series in frame.get_columns()))

    @property
    def task(self) -> Task:
        """Either "classification" or "regression"."""
        return "classification" if isinstance(self.columns[0], Labels) else "regression"

    @property
    def names(self) -> list[str]:
        """Names of the columns of `y`."""
        return [op.column for op in self.columns]

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return sum(len(op.names) for op in self.columns)

    @property
    def classes(self) -> list[Any]:
        """The classes in ascending order; none for a regression."""
        return [label for op in self.columns if isinstance(op, Labels) for label in op.classes]

    @property
    def scale(self) -> list[float]:
        """What a difference of 1 in each output is in the user's units."""
        return [
            op.scale if isinstance(op, Standardize) else 1.0
            for op in self.columns
            for _ in op.names
        ]

    def transform(self, y: Any, *, argument: str = "y") -> np.ndarray:
        """Encode targets.

        Parameters
        ----------
        y : column of shape (rows,) or table of shape (rows, columns)
            What `read_target` reads. A single column may have any name; several are matched by
            name, or by position if they have none.
        argument : str
            The caller's name for `y` in errors.

        Returns
        -------
        float32 array of shape (rows, n_outputs), C-contiguous

        Raises
        ------
        TypeError
            If `y` is no column and no table, or numbers are needed and it has none.
        ValueError
            If `y` holds missing or infinite values or labels that training never saw, or has
            other columns.
        """
        columns = self.select(y, argument=argument).get_columns()
        if len(columns[0]) == 0:
            return np.empty((0, self.n_outputs), dtype=np.float32)
        pairs = zip(self.columns, columns, strict=True)
        blocks = [op.encode(series, argument=argument) for op, series in pairs]
        return np.ascontiguousarray(np.hstack(blocks))

    def select(self, y: Any, *, argument: str = "y") -> pl.DataFrame:
        """Return the target columns of `y` under their names; errors as `transform`."""
        frame = read_target(y, argument=argument, allow_empty=True)
        if len(self.columns) > 1:
            return select_columns(frame, self.names, named=has_names(y), argument=argument)
        if frame.width != 1:
            raise ValueError(f"{argument} has {frame.width} columns: one is needed, select it")
        return frame.rename({frame.columns[0]: self.names[0]})

    def codes(self, y: Any, *, argument: str = "y") -> np.ndarray:
        """Return the class indices of labels as uint32, shape (rows,); errors as `transform`."""
        series = self.select(y, argument=argument).to_series()
        return self._labels().codes(series, argument=argument)

    def of_codes(self, codes: np.ndarray) -> np.ndarray:
        """Return the targets of class indices; see `codes` and `transform`."""
        return self._labels().of_codes(codes)

    def labels(self, indices: np.ndarray) -> pl.Series:
        """Return the labels of class indices, integers of shape (rows,), in their own dtype."""
        return self._labels().decode(indices)

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """Return a regression's outputs in the user's units.

        Parameters
        ----------
        outputs : float32 array of shape (rows, n_outputs)

        Returns
        -------
        float64 array of shape (rows,) for a single target, else (rows, n_outputs)
        """
        if self.task == "classification":
            raise ValueError("values: a classification's outputs are no quantities; see labels")
        mean = [op.mean if isinstance(op, Standardize) else 0.0 for op in self.columns]
        values: np.ndarray = outputs.astype(np.float64) * self.scale + mean
        return values[:, 0] if self.n_outputs == 1 else values

    def to_dict(self) -> dict[str, Any]:
        """Return the targets as plain data, ready for JSON."""
        return {"columns": [op.to_dict() for op in self.columns]}

    @classmethod
    def from_dict(cls, d: object) -> Targets:
        """Read what `to_dict` gave; raise ValueError if anything in it is malformed."""
        data = _fields.fields(d, ["columns"], "targets")
        columns = _fields.variants(data["columns"], READERS, "targets.columns")
        _fields.distinct([op.column for op in columns], "targets.columns")
        if len(columns) > 1 and any(isinstance(op, Labels) for op in columns):
            raise ValueError("targets.columns: labels must be the only column")
        return cls(columns)

    def _labels(self) -> Labels:
        operation = self.columns[0]
        if not isinstance(operation, Labels):
            raise ValueError("a regression has no classes; see values")
        return operation


def infer_task(frame: pl.DataFrame, task: str) -> Task:
    """Return the task that `task` names, or that the targets suggest if it is "auto"."""
    if task not in TASKS:
        raise ValueError(f"task={task!r}: {nearest(task, TASKS)}")
    if task == "regression":
        return "regression"
    if frame.width > 1:
        if task == "classification":
            raise ValueError(
                f"y has {frame.width} columns {frame.columns}: a classification needs "
                "one column of labels"
            )
        return "regression"
    series = frame.to_series()
    few = series.dtype.is_integer() and series.n_unique() <= MOST_CLASSES
    if task == "classification" or is_text(series.dtype) or series.dtype == pl.Boolean or few:
        return "classification"
    return "regression"


def warn_of_whole_floats(target: pl.DataFrame) -> None:
    """Warn if a quantity looks like class labels of which a table, or NumPy, made floats."""
    series = target.to_series()
    if target.width > 1 or not series.dtype.is_float():
        return
    distinct = series.unique()
    few = 1 < len(distinct) <= min(FEW_FLOATS, len(series) // 2)
    if few and (distinct == distinct.round()).all():
        warn(
            f"y: has {len(distinct)} distinct values, all whole, of dtype {series.dtype}, and is "
            "taken for a quantity: if they are classes, give task='classification' or cast y to an "
            "integer dtype; task='regression' leaves out this warning"
        )


def check_lengths(
    X_rows: int, y_rows: int, *, X_argument: str = "X", y_argument: str = "y"
) -> None:
    """Raise a ValueError unless two arguments have as many rows."""
    if X_rows != y_rows:
        raise ValueError(
            f"{y_argument} has {y_rows} rows and {X_argument} has {X_rows}: "
            f"give one row of {y_argument} for each row of {X_argument}"
        )


def _quantity(series: pl.Series, rows: np.ndarray, standardize: bool) -> AsIs | Standardize:
    if not standardize:
        numbers(series, "y")
        return AsIs(series.name)
    mean, scale = statistics(series, rows, "y")
    if scale == 0:
        raise ValueError(
            f"{place(series.name, 'y')} is {mean} in all training rows, so that there is "
            "nothing to learn: check the column, or how the rows are split"
        )
    return Standardize(series.name, mean, scale)
