"""What the operations on columns read from one: numbers, dates as days, and what is missing.

Whatever cannot be read is an error that names the column, what it holds and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import polars as pl

from apbt_rs import _core

MOST_CLASSES = 20  # integers with more distinct values are taken for quantities
KINDS = ("number", "date", "duration")
_MICROSECONDS = 86_400_000_000  # of a day


def kind_of(dtype: pl.DataType) -> str:
    """Return what a column of numbers counts; see `numbers` for what is none."""
    if dtype == pl.Date or dtype == pl.Datetime:
        return "date"
    if dtype == pl.Duration or dtype == pl.Time:
        return "duration"
    return "number"


def _days(series: pl.Series) -> pl.Series:
    """Return dates as days since 1970-01-01, durations and times of day as days."""
    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if series.dtype == pl.Time:
        return (series.cast(pl.Int64) // 1_000).cast(pl.Float64) / _MICROSECONDS
    return series.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64) / _MICROSECONDS


def read_kind(value: object, where: str) -> str:
    """Read what a column of numbers counts from plain data; `where` names it in errors."""
    if value not in KINDS:
        raise ValueError(f"{where}.kind: expected one of {KINDS}, got {value!r:.80}")
    return str(value)


def missing_values(series: pl.Series) -> np.ndarray:
    """Return where values are null or NaN, Booleans of shape (rows,)."""
    if series.dtype.is_float():
        values: np.ndarray = np.isnan(series.to_numpy())  # where null is NaN
        return values
    if series.null_count() == 0:
        return np.zeros(len(series), dtype=bool)
    return series.is_null().to_numpy()


def is_text(dtype: pl.DataType) -> bool:
    """Return whether values are texts: strings or categories."""
    return dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum))


def is_number(dtype: pl.DataType) -> bool:
    """Return whether values are numbers or Booleans, or all missing."""
    return dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)


def numbers(
    series: pl.Series, argument: str, *, kind: str = "number", missing: bool = False
) -> np.ndarray:
    """Return the column as float64, shape (rows,); NaN where a value is missing, if it may be."""
    if not missing:
        refuse_missing(series, argument)
    dtype = series.dtype
    given = kind_of(dtype)
    if dtype == pl.Null:
        series = series.cast(pl.Float64)
    elif given == "number" and not dtype.is_numeric() and dtype != pl.Boolean:
        raise _no_numbers(series, argument)
    elif given != kind:
        words = {"number": "numbers", "date": "dates", "duration": "durations or times of day"}
        raise TypeError(
            f"{place(series.name, argument)} has dtype {dtype}, where {words[kind]} are needed: "
            "cast it"
        )
    elif given != "number":
        series = _days(series)
    values = series.cast(pl.Float64).to_numpy()  # where null is NaN
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise ValueError(
            f"{place(series.name, argument)} holds {infinite} infinite values: "
            "replace them, or drop these rows"
        )
    return values


def check_encodable(series: pl.Series, argument: str) -> None:
    """Raise a TypeError if a column is nested, or otherwise of a dtype without an encoding."""
    dtype = series.dtype
    if not (is_text(dtype) or is_number(dtype)) and kind_of(dtype) == "number":
        raise _no_numbers(series, argument)


def _no_numbers(series: pl.Series, argument: str) -> TypeError:
    if series.dtype.is_nested():
        return TypeError(
            f"{place(series.name, argument)} has dtype {series.dtype}, which is nested: make a "
            "column of each of its parts"
        )
    return TypeError(
        f"{place(series.name, argument)} has dtype {series.dtype}, where numbers are needed: "
        "cast it to a numeric dtype"
    )


def refuse_missing(series: pl.Series, argument: str) -> None:
    """Raise a ValueError if values are null or NaN."""
    missing = int(missing_values(series).sum())
    if missing:
        raise ValueError(
            f"{place(series.name, argument)} lacks {missing} of {len(series)} values "
            "(null or NaN): fill them, or drop these rows"
        )


def statistics(
    series: pl.Series,
    rows: np.ndarray,
    argument: str,
    *,
    kind: str = "number",
    missing: bool = False,
) -> tuple[float, float]:
    """Return mean and population standard deviation of some rows of a column of numbers.

    Missing values are passed over; where there are no others, both are 0.

    Equal values have exactly the scale 0. That is looked for by comparing: their mean is rounded,
    so that their deviations from it need not be 0.
    """
    values = numbers(series, argument, kind=kind, missing=missing)
    if missing:
        rows = rows[~np.isnan(values[rows])]
        if len(rows) == 0:
            return 0.0, 0.0
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
