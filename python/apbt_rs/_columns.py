"""Operations on one column: what the encoder and the targets are lists of.

An operation is plain data. It takes a column and gives none, one or several float32 columns:

- `AsIs`: the number, cast;
- `Standardize`: (number − mean) / scale in float64, then cast;
- `OneHot`: for each level a column, 1 where the text is that level;
- `Drop`: nothing.

Numbers and Booleans are numbers; strings, Categorical and Enum are texts; dates, times and
durations are numbers of days (dates since 1970-01-01, UTC where they have a zone), to the
microsecond. Null and NaN are one missing value. Where the training table has missing values, the
number is its mean and a further input, `column=missing`, is 1. Infinite values are refused, and so
are numbers that float32 cannot hold, and missing values where training had none.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import polars as pl

from apbt_rs import _core, _fields

MOST_LEVELS = 50  # of a column of texts that have an input each
KINDS = ("number", "date", "duration")
_MICROSECONDS = 86_400_000_000  # of a day


@dataclass(frozen=True)
class AsIs:
    """A number as it is, cast to float32."""

    column: str
    kind: str = "number"
    operation: ClassVar[str] = "as_is"

    @property
    def names(self) -> list[str]:
        """Name of the one input."""
        return [self.column]

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, 1)."""
        return to_float32(numbers(series, argument, kind=self.kind), series, argument)

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        return {"operation": self.operation, "column": self.column, "kind": self.kind}

    @classmethod
    def from_dict(cls, d: object, where: str) -> AsIs:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column", "kind"], where)
        return cls(_fields.text(data["column"], f"{where}.column"), _kind(data["kind"], where))


@dataclass(frozen=True)
class Standardize:
    """A number less `mean`, divided by `scale`, in float64, then cast to float32."""

    column: str
    mean: float
    scale: float
    kind: str = "number"
    missing: bool = False
    operation: ClassVar[str] = "standardize"

    @property
    def names(self) -> list[str]:
        """Names of the inputs: `column`, and `column=missing` if values may be missing."""
        return [self.column, f"{self.column}=missing"] if self.missing else [self.column]

    @classmethod
    def fit(cls, series: pl.Series, rows: np.ndarray, *, argument: str = "X") -> Standardize:
        """Take mean and population standard deviation of the rows; of equal ones scale 1."""
        kind, missing = kind_of(series.dtype), bool(missing_values(series).any())
        mean, scale = statistics(series, rows, argument, kind=kind, missing=missing)
        return cls(series.name, mean, scale or 1.0, kind, missing)

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, 1), or (rows, 2) if values may be missing."""
        values = numbers(series, argument, kind=self.kind, missing=self.missing)
        with np.errstate(over="ignore", invalid="ignore"):  # to_float32 refuses the outcome
            values = (values - self.mean) / self.scale
        if not self.missing:
            return to_float32(values, series, argument)
        missing = missing_values(series)
        values[missing] = 0.0
        encoded = to_float32(values, series, argument)
        return np.hstack([encoded, missing[:, np.newaxis].astype(np.float32)])

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        data = {"operation": self.operation, "column": self.column}
        data |= {"kind": self.kind}
        return {**data, "mean": self.mean, "scale": self.scale, "missing": self.missing}

    @classmethod
    def from_dict(cls, d: object, where: str) -> Standardize:
        """Read the operation from plain data; `where` names it in errors."""
        names = ["operation", "column", "kind", "mean", "scale", "missing"]
        data = _fields.fields(d, names, where)
        return cls(
            _fields.text(data["column"], f"{where}.column"),
            _fields.number(data["mean"], f"{where}.mean"),
            _fields.positive(data["scale"], f"{where}.scale"),
            _kind(data["kind"], where),
            _fields.flag(data["missing"], f"{where}.missing"),
        )


@dataclass(frozen=True)
class OneHot:
    """One input for each level, in ascending order; one for the others, if there are too many.

    Attributes
    ----------
    levels : tuple of str
    other : bool
        Whether levels that are not listed share an input, `column=other`, or are refused.
    missing : bool
        Whether missing values have an input, `column=missing`, or are refused.
    """

    column: str
    levels: tuple[str, ...]
    other: bool = False
    missing: bool = False
    operation: ClassVar[str] = "one_hot"

    @property
    def names(self) -> list[str]:
        """Names of the inputs, `column=level`."""
        further = ["other"] * self.other + ["missing"] * self.missing
        return [f"{self.column}={level}" for level in (*self.levels, *further)]

    @classmethod
    def fit(cls, series: pl.Series, *, argument: str = "X") -> OneHot:
        """Take the levels from the whole column; of too many the most frequent."""
        texts = series.cast(pl.String)
        missing = texts.null_count() > 0
        levels = texts.drop_nulls().unique().sort()
        if len(levels) <= MOST_LEVELS:
            return cls(series.name, tuple(levels.to_list()), missing=missing)
        warnings.warn(
            f"{place(series.name, argument)} has {len(levels)} levels: the {MOST_LEVELS} most "
            "frequent have an input each, the others share one",
            UserWarning,
            stacklevel=2,
        )
        counts = (
            texts.drop_nulls().value_counts().sort(["count", series.name], descending=[True, False])
        )
        frequent = counts[series.name][:MOST_LEVELS].sort().to_list()
        return cls(series.name, tuple(frequent), other=True, missing=missing)

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, len(names))."""
        if not self.missing:
            refuse_missing(series, argument)
        if not is_text(series.dtype) and series.dtype != pl.Null:
            raise TypeError(
                f"{place(series.name, argument)} has dtype {series.dtype}, but held strings in "
                "training: cast it to String, or train again"
            )
        texts = series.cast(pl.String)
        codes = texts.cast(pl.Enum(self.levels), strict=False).to_physical()
        unseen = codes.is_null() & texts.is_not_null()
        if unseen.any() and not self.other:
            raise ValueError(
                f"{place(series.name, argument)} holds {texts.filter(unseen)[0]!r}, which training "
                f"never saw; known are {shortened(self.levels)}: drop such rows, or train on a "
                "table that has them"
            )
        places = codes.cast(pl.Int64).fill_null(len(self.levels)).to_numpy().copy()
        places[texts.is_null().to_numpy()] = len(self.names) - 1
        matrix = np.zeros((len(series), len(self.names)), dtype=np.float32)
        matrix[np.arange(len(series)), places] = 1.0
        return matrix

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        data = {"operation": self.operation, "column": self.column}
        further = {"other": self.other, "missing": self.missing}
        return {**data, "levels": list(self.levels), **further}

    @classmethod
    def from_dict(cls, d: object, where: str) -> OneHot:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column", "levels", "other", "missing"], where)
        return cls(
            _fields.text(data["column"], f"{where}.column"),
            _fields.ascending_texts(data["levels"], f"{where}.levels"),
            _fields.flag(data["other"], f"{where}.other"),
            _fields.flag(data["missing"], f"{where}.missing"),
        )


@dataclass(frozen=True)
class Drop:
    """A column that is not used."""

    column: str
    operation: ClassVar[str] = "drop"

    @property
    def names(self) -> list[str]:
        """No inputs."""
        return []

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return float32 of shape (rows, 0), whatever the column of `argument` holds."""
        return np.empty((len(series), 0), dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        return {"operation": self.operation, "column": self.column}

    @classmethod
    def from_dict(cls, d: object, where: str) -> Drop:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column"], where)
        return cls(_fields.text(data["column"], f"{where}.column"))


def is_identifier(series: pl.Series) -> bool:
    """Return whether each of many texts is another: names and keys, from which nothing follows."""
    texts = series.drop_nulls()
    return is_text(series.dtype) and len(texts) > MOST_LEVELS and texts.n_unique() == len(texts)


def kind_of(dtype: pl.DataType) -> str:
    """Return what a column of numbers counts; see `numbers` for what is none."""
    if dtype == pl.Date or dtype == pl.Datetime:
        return "date"
    if dtype == pl.Duration or dtype == pl.Time:
        return "duration"
    return "number"


def _kind(value: object, where: str) -> str:
    if value not in KINDS:
        raise ValueError(f"{where}.kind: expected one of {KINDS}, got {value!r:.80}")
    return str(value)


def _days(series: pl.Series) -> pl.Series:
    """Return dates as days since 1970-01-01, durations and times of day as days."""
    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if series.dtype == pl.Time:
        return (series.cast(pl.Int64) // 1_000).cast(pl.Float64) / _MICROSECONDS
    return series.dt.cast_time_unit("us").cast(pl.Int64).cast(pl.Float64) / _MICROSECONDS


def missing_values(series: pl.Series) -> np.ndarray:
    """Return where values are null or NaN, Booleans of shape (rows,)."""
    missing = series.is_null()
    if series.dtype.is_float():
        missing |= series.is_nan().fill_null(value=True)
    return missing.to_numpy()


def is_text(dtype: pl.DataType) -> bool:
    """Return whether values are texts: strings or categories."""
    return dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum))


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
        raise TypeError(
            f"{place(series.name, argument)} has dtype {dtype}, where numbers are needed: "
            "cast it to a numeric dtype"
        )
    elif given != kind:
        words = {"number": "numbers", "date": "dates", "duration": "durations or times of day"}
        raise TypeError(
            f"{place(series.name, argument)} has dtype {dtype}, where {words[kind]} are needed: "
            "cast it"
        )
    elif given != "number":
        series = _days(series)
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise ValueError(
            f"{place(series.name, argument)} holds {infinite} infinite values: "
            "replace them, or drop these rows"
        )
    return values


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
        rows = rows[~missing_values(series)[rows]]
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
