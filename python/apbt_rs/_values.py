"""What the operations on columns read from one: numbers, dates as days, and what is missing.

Whatever cannot be read is an error that names the column, what it holds and the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice

import numpy as np
import polars as pl

from apbt_rs import _core

MOST_CLASSES = 20  # integers with more distinct values are taken for quantities
KINDS = ("number", "date", "duration")
# In magnitude, of a number as networks have it. Its square and products with weights stay within
# float32, which ends at 3e38, so that neither training nor predicting overflows by it alone.
MOST_ENCODED = 1e18
_MICROSECONDS = 86_400_000_000  # of a day
_LEAST_SCALE = 2.0**-511  # the square of a smaller one is no normal float64


def kind_of(dtype: pl.DataType) -> str:
    """Return what a column of numbers counts; see `numbers` for what is none."""
    if dtype == pl.Date or dtype == pl.Datetime:
        return "date"
    if dtype == pl.Duration or dtype == pl.Time:
        return "duration"
    return "number"


def instants(series: pl.Series) -> tuple[np.ndarray, str]:
    """Return dates, times of day or durations as whole numbers of a unit, 0 where one is missing.

    The unit is "D" for dates, else "us", or "ms" where microseconds would not fit into 64 bits.
    """
    whole: np.ndarray = series.to_physical().cast(pl.Int64).fill_null(0).to_numpy()
    unit = getattr(series.dtype, "time_unit", "ns")  # a time of day is in nanoseconds
    if series.dtype == pl.Date:
        return whole, "D"
    if unit == "ns":
        # Polars' own way from one unit to the other, which it refuses far from 1970.
        whole = whole - np.fmod(whole, 1000) if series.dtype == pl.Duration else whole
        return whole // 1000, "us"
    if unit == "ms" and not _far(whole).any():
        return whole * 1000, "us"
    return whole, unit


def _days(series: pl.Series) -> np.ndarray:
    """Return dates as days since 1970-01-01, durations and times of day as days, as float64."""
    whole, unit = instants(series)
    if unit == "D":
        days = whole.astype(np.float64)
    elif unit == "us":
        days = whole / _MICROSECONDS
    else:
        # A value is the same number of days whatever stands beside it.
        far = _far(whole)
        near = np.where(far, 0, whole) * 1000 / _MICROSECONDS
        days = np.where(far, whole / (_MICROSECONDS // 1000), near)
    days[missing_values(series)] = np.nan
    return days


def _far(milliseconds: np.ndarray) -> np.ndarray:
    """Return which are too many for microseconds in 64 bits."""
    most = np.iinfo(np.int64).max // 1000
    return (milliseconds > most) | (milliseconds < -most)


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
    # Where null is NaN.
    values = series.cast(pl.Float64).to_numpy() if given == "number" else _days(series)
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
    if series.dtype == pl.Binary:
        return TypeError(
            f"{place(series.name, argument)} has dtype Binary, where numbers or texts are needed: "
            "cast it to String, bytes of NumPy by `.astype(str)`"
        )
    return TypeError(
        f"{place(series.name, argument)} has dtype {series.dtype}, where numbers are needed: "
        "cast it to a numeric dtype"
    )


class UnseenError(ValueError):
    """A table holds what the rows that an encoding was made from had nothing of."""


def refuse_missing(series: pl.Series, argument: str, *, unforeseen: bool = False) -> None:
    """Raise a ValueError if values are null or NaN; `unforeseen` if training had none."""
    missing = np.flatnonzero(missing_values(series))
    if len(missing):
        why = ", and training had none" if unforeseen else ""
        error = UnseenError if unforeseen else ValueError
        raise error(
            f"{place(series.name, argument)} lacks {len(missing)} of {len(series)} values "
            f"(null or NaN), the first in row {missing[0]}{why}: fill them, or drop these rows"
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
    so that their deviations from it need not be 0. Tiny numbers, whose squares float64 cannot hold,
    are made larger first.
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
    if scale < _LEAST_SCALE:
        # By a power of two, which rounds nothing.
        _, exponent = math.frexp(max(abs(low), abs(high)))
        every = np.arange(len(rows), dtype=np.uint32)
        mean, scale = _core.column_statistics(np.ldexp(values[rows], -exponent), every)
        mean, scale = math.ldexp(mean, exponent), math.ldexp(scale, exponent)
    if not np.isfinite([mean, scale]).all():
        raise too_large(series, argument)
    if scale == 0:
        raise ValueError(
            f"{place(series.name, argument)} holds numbers from {low} to {high}, whose deviation "
            "is too small for float64: multiply it by a large number"
        )
    return mean, scale


def to_float32(values: np.ndarray, series: pl.Series, argument: str) -> np.ndarray:
    """Cast what became of a column to float32, shape (rows, 1)."""
    if not (np.abs(values) <= MOST_ENCODED).all():
        raise too_large(series, argument)
    return values.astype(np.float32)[:, np.newaxis]


def too_large(series: pl.Series, argument: str) -> ValueError:
    """Return the error for a column whose encoding is beyond what networks work with."""
    if kind_of(series.dtype) == "number":
        what = f"numbers from {series.min()!r} to {series.max()!r}"
    else:
        days = _days(series)  # Python has no dates as far as these may be
        what = f"{series.dtype} from {np.nanmin(days)} to {np.nanmax(days)} days"
    return ValueError(
        f"{place(series.name, argument)} holds {what}, too large or too far from the training "
        f"rows', as a network's inputs and targets are at most {MOST_ENCODED:g} in magnitude: "
        "rescale it, or take its logarithm"
    )


def place(column: str, argument: str) -> str:
    """Return the words for a column in an error."""
    return argument if column == argument else f"column {column!r} of {argument}"


def shortened(values: Iterable[object]) -> str:
    """Return the first values as a list in words."""
    first = [repr(value) for value in islice(values, 11)]
    return ", ".join([*first[:10], "…"] if len(first) > 10 else first)
