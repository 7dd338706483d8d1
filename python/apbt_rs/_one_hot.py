"""The operation that gives each level of a column an input of its own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._values import is_text, place, refuse_missing, shortened

MOST_LEVELS = 50  # of a column of texts that have an input each


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
