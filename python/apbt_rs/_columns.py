"""Operations on one column: what the encoder and the targets are lists of.

An operation is plain data. It takes a column and gives one or several float32 columns:

- `AsIs`: the number, cast;
- `Standardize`: (number − mean) / scale in float64, then cast;
- `OneHot`: for each level a column, 1 where the text is that level.

Numbers and Booleans are numbers; strings, Categorical and Enum are texts. Missing and infinite
values are refused, and so are numbers that float32 cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import polars as pl

from apbt_rs import _core, _fields


@dataclass(frozen=True)
class AsIs:
    """A number as it is, cast to float32."""

    column: str
    operation: ClassVar[str] = "as_is"

    @property
    def names(self) -> list[str]:
        """Name of the one input."""
        return [self.column]

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, 1)."""
        return to_float32(numbers(series, argument), series, argument)

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        return {"operation": self.operation, "column": self.column}

    @classmethod
    def from_dict(cls, d: object, where: str) -> AsIs:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column"], where)
        return cls(_fields.text(data["column"], f"{where}.column"))


@dataclass(frozen=True)
class Standardize:
    """A number less `mean`, divided by `scale`, in float64, then cast to float32."""

    column: str
    mean: float
    scale: float
    operation: ClassVar[str] = "standardize"

    @property
    def names(self) -> list[str]:
        """Name of the one input."""
        return [self.column]

    @classmethod
    def fit(cls, series: pl.Series, rows: np.ndarray, *, argument: str = "X") -> Standardize:
        """Take mean and population standard deviation of the rows; of equal ones scale 1."""
        mean, scale = statistics(series, rows, argument)
        return cls(series.name, mean, scale or 1.0)

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, 1)."""
        values = numbers(series, argument)
        with np.errstate(over="ignore", invalid="ignore"):  # to_float32 refuses the outcome
            values = (values - self.mean) / self.scale
        return to_float32(values, series, argument)

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        data = {"operation": self.operation, "column": self.column}
        return {**data, "mean": self.mean, "scale": self.scale}

    @classmethod
    def from_dict(cls, d: object, where: str) -> Standardize:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column", "mean", "scale"], where)
        return cls(
            _fields.text(data["column"], f"{where}.column"),
            _fields.number(data["mean"], f"{where}.mean"),
            _fields.positive(data["scale"], f"{where}.scale"),
        )


@dataclass(frozen=True)
class OneHot:
    """One input for each level, in ascending order of the levels."""

    column: str
    levels: tuple[str, ...]
    operation: ClassVar[str] = "one_hot"

    @property
    def names(self) -> list[str]:
        """Names of the inputs, `column=level`."""
        return [f"{self.column}={level}" for level in self.levels]

    @classmethod
    def fit(cls, series: pl.Series, *, argument: str = "X") -> OneHot:
        """Take the levels from the whole column."""
        refuse_missing(series, argument)
        return cls(series.name, tuple(series.cast(pl.String).unique().sort().to_list()))

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, levels)."""
        refuse_missing(series, argument)
        if not is_text(series.dtype):
            raise TypeError(
                f"{place(series.name, argument)} has dtype {series.dtype}, but held strings in "
                "training: cast it to String, or train again"
            )
        texts = series.cast(pl.String)
        codes = texts.cast(pl.Enum(self.levels), strict=False).to_physical()
        unseen = texts.filter(codes.is_null())
        if len(unseen):
            raise ValueError(
                f"{place(series.name, argument)} holds {unseen[0]!r}, which training never saw; "
                f"known are {shortened(self.levels)}: drop such rows, or train on a table that "
                "has them"
            )
        matrix = np.zeros((len(series), len(self.levels)), dtype=np.float32)
        matrix[np.arange(len(series)), codes.to_numpy()] = 1.0
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        data = {"operation": self.operation, "column": self.column}
        return {**data, "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, d: object, where: str) -> OneHot:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column", "levels"], where)
        return cls(
            _fields.text(data["column"], f"{where}.column"),
            _fields.ascending_texts(data["levels"], f"{where}.levels"),
        )


def is_text(dtype: pl.DataType) -> bool:
    """Return whether values are texts: strings or categories."""
    return dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum))


def numbers(series: pl.Series, argument: str) -> np.ndarray:
    """Return the column as float64, shape (rows,); every value is finite."""
    refuse_missing(series, argument)
    if not series.dtype.is_numeric() and series.dtype != pl.Boolean:
        raise TypeError(
            f"{place(series.name, argument)} has dtype {series.dtype}, where numbers are needed: "
            "cast it to a numeric dtype"
        )
    values = series.cast(pl.Float64).to_numpy()
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise ValueError(
            f"{place(series.name, argument)} holds {infinite} infinite values: "
            "replace them, or drop these rows"
        )
    return values


def refuse_missing(series: pl.Series, argument: str) -> None:
    """Raise a ValueError if values are null or NaN."""
    missing = series.null_count()
    if series.dtype.is_float():
        missing += int(series.is_nan().sum())
    if missing:
        raise ValueError(
            f"{place(series.name, argument)} lacks {missing} of {len(series)} values "
            "(null or NaN): fill them, or drop these rows"
        )


def statistics(series: pl.Series, rows: np.ndarray, argument: str) -> tuple[float, float]:
    """Return mean and population standard deviation of some rows of a column of numbers.

    Equal values have exactly the scale 0. That is looked for by comparing: their mean is rounded,
    so that their deviations from it need not be 0.
    """
    values = numbers(series, argument)
    low, high = float(values[rows].min()), float(values[rows].max())
    if low == high:
        return low, 0.0
    mean, scale = _core.column_statistics(values, rows)
    if not np.isfinite([mean, scale]).all():
        raise too_large(series, argument)
    return mean, scale


def to_float32(values: np.ndarray, series: pl.Series, argument: str) -> np.ndarray:
    """Cast what became of a column to float32, shape (rows, 1)."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(np.float32)
    if not np.isfinite(cast).all():
        raise too_large(series, argument)
    return cast[:, np.newaxis]


def too_large(series: pl.Series, argument: str) -> ValueError:
    """Return the error for a column whose encoding is beyond float32."""
    return ValueError(
        f"{place(series.name, argument)} holds numbers from {series.min()!r} to {series.max()!r}, "
        "too large for float32 or too far from the training rows': rescale it, or take its "
        "logarithm"
    )


def place(column: str, argument: str) -> str:
    """Return the words for a column in an error."""
    return argument if column == argument else f"column {column!r} of {argument}"


def shortened(values: Iterable[object]) -> str:
    """Return the first values as a list in words."""
    first = [repr(value) for value in islice(values, 11)]
    return ", ".join([*first[:10], "…"] if len(first) > 10 else first)
