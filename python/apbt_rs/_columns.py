"""Operations on one column: what the encoder and the targets are lists of.

An operation is plain data. It takes a column and gives none, one or several float32 columns:

- `AsIs`: the number, cast;
- `Standardize`: (number − mean) / scale in float64, then cast;
- `OneHot` (`apbt_rs._one_hot`): for each level a column, 1 where the value is that level;
- `Drop`: nothing.

Numbers and Booleans are numbers; strings, Categorical and Enum are texts; dates, times and
durations are numbers of days (dates since 1970-01-01, UTC where they have a zone), to the
microsecond. Null and NaN are one missing value. Where the training table has missing values, the
number is its mean and a further input, `column=missing`, is 1. Infinite values are refused, and so
are what becomes larger than `MOST_ENCODED`, and missing values where training had none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._one_hot import MOST_LEVELS
from apbt_rs._values import (
    is_text,
    kind_of,
    missing_values,
    numbers,
    read_kind,
    refuse_missing,
    statistics,
    to_float32,
)


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
        return cls(_fields.text(data["column"], f"{where}.column"), read_kind(data["kind"], where))


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
    def fit(cls, series: pl.Series, rows: np.ndarray) -> Standardize:
        """Take mean and population standard deviation of the rows; of equal ones scale 1."""
        kind, missing = kind_of(series.dtype), bool(missing_values(series).any())
        mean, scale = statistics(series, rows, "X", kind=kind, missing=missing)
        return cls(series.name, mean, scale or 1.0, kind, missing)

    def encode(self, series: pl.Series, *, argument: str = "X") -> np.ndarray:
        """Return the column as float32, shape (rows, 1), or (rows, 2) if values may be missing."""
        if not self.missing:
            refuse_missing(series, argument, unforeseen=True)
        values = numbers(series, argument, kind=self.kind, missing=True)
        with np.errstate(over="ignore", invalid="ignore"):  # to_float32 refuses the outcome
            values = (values - self.mean) / self.scale
        if not self.missing:
            return to_float32(values, series, argument)
        missing = np.isnan(values)
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
            read_kind(data["kind"], where),
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

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        return {"operation": self.operation, "column": self.column}

    @classmethod
    def from_dict(cls, d: object, where: str) -> Drop:
        """Read the operation from plain data; `where` names it in errors."""
        data = _fields.fields(d, ["operation", "column"], where)
        return cls(_fields.text(data["column"], f"{where}.column"))


def without_values(series: pl.Series) -> str | None:
    """Return why a column cannot be used, if so."""
    if missing_values(series).all():
        return (
            f"all its values are missing; encoding={{{series.name!r}: 'drop'}} leaves it out "
            "without this warning"
        )
    return None


def identifier(series: pl.Series) -> str | None:
    """Return why a column is left out unless the user wants it, if so: it names its rows."""
    if is_text(series.dtype) and len(series) - series.null_count() > MOST_LEVELS:
        texts = series.drop_nulls()
        if texts.n_unique() == len(texts):
            return (
                f"its {len(series)} texts are all different, as names and keys are, and nothing "
                f"can be learned from them; encoding={{{series.name!r}: 'one_hot'}} keeps it, "
                "'drop' leaves it out without this warning"
            )
    return None
