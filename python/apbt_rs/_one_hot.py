"""The operation that gives each level of a column an input of its own.

Levels are texts, and numbers, Booleans and dates have one canonical text each, so that a value is
the same level in whatever dtype it comes: see `levels_of`. A level that is rare in the training
table shares an input, `column=other`, if the user or the number of levels makes it do so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._options import UNKNOWN, Option
from apbt_rs._values import (
    UnseenError,
    instants,
    is_text,
    kind_of,
    numbers,
    place,
    read_kind,
    refuse_missing,
    shortened,
)
from apbt_rs._warnings import warn

MOST_LEVELS = 50  # that have an input each, where the user does not say
_ROWS_AT_ONCE = 65_536  # encoded: what all rows become may be as large as the whole table


@dataclass(frozen=True)
class OneHot:
    """One input for each level, in ascending order of the texts; one for the others.

    Attributes
    ----------
    levels : tuple of str
        Those that have an input each.
    kind : {"text", "number", "date", "duration"}
        What the column holds.
    other : bool
        Whether levels that are rare in training share an input, `column=other`.
    rare : tuple of str
        The levels that share it, where others are refused; empty where all others share it.
    handle_unknown : {"error", "ignore"}
        Whether a level that training never saw is refused, or counts as one of the rare; where
        there are none, all inputs are then 0.
    missing : bool
        Whether missing values have an input, `column=missing`, or are refused.
    """

    column: str
    levels: tuple[str, ...]
    kind: str = "text"
    other: bool = False
    rare: tuple[str, ...] = ()
    handle_unknown: str = "error"
    missing: bool = False
    operation: ClassVar[str] = "one_hot"

    @property
    def names(self) -> list[str]:
        """Names of the inputs, `column=level`."""
        further = ["other"] * self.other + ["missing"] * self.missing
        return [f"{self.column}={level}" for level in (*self.levels, *further)]

    @classmethod
    def fit(
        cls,
        series: pl.Series,
        rows: np.ndarray,
        option: Option | None = None,
    ) -> OneHot:
        """Take the levels from the whole column; those that are too rare share an input.

        How frequent they are is counted on the training rows, `rows`. Which are too rare, and the
        words of `option`, are as in scikit-learn's OneHotEncoder, but missing values always have
        an input of their own. Where the user names no limit the most frequent levels have an input
        each, and what shares one is a warning.
        """
        kind = "text" if is_text(series.dtype) else kind_of(series.dtype)
        texts = levels_of(series, kind, "X")
        missing = texts.null_count() > 0
        counts = _counts(texts, rows)
        frequent = _frequent(counts, len(rows), missing, option, place(series.name, "X"))
        limited = option is not None and (option.min_frequency or option.max_categories)
        if not limited and len(frequent) < len(counts):
            warn(
                f"{place(series.name, 'X')} has {len(counts)} levels: the {MOST_LEVELS} most "
                "frequent have an input each, the others share one; to change that, give "
                f"encoding={{{series.name!r}: {{'operation': 'one_hot', 'max_categories': …}}}}, "
                "or 'drop' in its place"
            )
        other = len(frequent) < len(counts)
        unknown = None if option is None else option.handle_unknown
        unknown = unknown or ("ignore" if other else "error")
        rare = set(counts) - set(frequent) if unknown == "error" else ()
        return cls(
            series.name,
            tuple(sorted(frequent)),
            kind,
            other,
            tuple(sorted(rare)),
            unknown,
            missing,
        )

    def parts(self, series: pl.Series, *, argument: str = "X") -> Iterator[tuple[int, np.ndarray]]:
        """Encode the column part by part: the first row of each, and its float32 block."""
        places = self._places(series, argument)
        for start in range(0, len(places), _ROWS_AT_ONCE):
            part = places[start : start + _ROWS_AT_ONCE]
            rows = np.flatnonzero(part >= 0)
            block = np.zeros((len(part), len(self.names)), dtype=np.float32)
            block[rows, part[rows]] = 1.0
            yield start, block

    def _places(self, series: pl.Series, argument: str) -> np.ndarray:
        """Return which input is 1, int32 of shape (rows,); -1 where none is."""
        if not self.missing:
            refuse_missing(series, argument, unforeseen=True)
        texts = levels_of(series, self.kind, argument)
        codes = texts.cast(pl.Enum(self.levels), strict=False).to_physical().cast(pl.Int32)
        if codes.null_count() == 0:
            return codes.to_numpy()
        lost = texts.is_null()
        unlisted = codes.is_null() & ~lost
        unseen = unlisted & ~texts.is_in(list(self.rare)) if self.rare else unlisted
        if self.handle_unknown == "error" and unseen.any():
            row = int(unseen.to_numpy().argmax())
            raise UnseenError(
                f"{place(series.name, argument)} holds {texts[row]!r} in row {row}, which training "
                f"never saw; known are {shortened((*self.levels, *self.rare))}: drop such rows, "
                "train on a table that has them, or train with "
                f"encoding={{{self.column!r}: {{'operation': 'one_hot', "
                "'handle_unknown': 'ignore'}}"
            )
        # What is ignored has no input to share.
        places = codes.fill_null(len(self.levels) if self.other else -1).to_numpy().copy()
        places[lost.to_numpy()] = len(self.names) - 1
        return places

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        return {
            "operation": self.operation,
            "column": self.column,
            "kind": self.kind,
            "levels": list(self.levels),
            "other": self.other,
            "rare": list(self.rare),
            "handle_unknown": self.handle_unknown,
            "missing": self.missing,
        }

    @classmethod
    def from_dict(cls, d: object, where: str) -> OneHot:
        """Read the operation from plain data; `where` names it in errors."""
        names = ["operation", "column", "kind", "levels", "other", "rare", "handle_unknown"]
        data = _fields.fields(d, [*names, "missing"], where)
        kind, unknown = data["kind"], data["handle_unknown"]
        if unknown not in UNKNOWN:
            raise ValueError(
                f"{where}.handle_unknown: expected one of {list(UNKNOWN)}, got {unknown!r:.80}"
            )
        at = f"{where}.rare"
        rare = () if data["rare"] == [] else _fields.ascending_texts(data["rare"], at)
        one = cls(
            _fields.text(data["column"], f"{where}.column"),
            _fields.ascending_texts(data["levels"], f"{where}.levels"),
            "text" if kind == "text" else read_kind(kind, where),
            _fields.flag(data["other"], f"{where}.other"),
            rare,
            str(unknown),
            _fields.flag(data["missing"], f"{where}.missing"),
        )
        if bool(rare) != (one.other and one.handle_unknown == "error"):
            raise ValueError(f"{at}: expected levels where others are refused, and none elsewhere")
        if not set(rare).isdisjoint(one.levels):
            raise ValueError(f"{at}: has levels with an input of their own")
        return one


def levels_of(series: pl.Series, kind: str, argument: str) -> pl.Series:
    """Return each row's level as text, null where the value is missing.

    A whole number is written without a point, whether its dtype has one or not (3 and 3.0 are "3",
    True is "1"), any other by the fewest digits that its dtype tells from all others (0.1 is "0.1"
    as Float32 and as Float64); a duration as its number of days; a date in ISO form, with a time of
    day only where it is not midnight ("2024-02-29", in UTC "2024-02-29T06:30").
    """
    dtype = series.dtype
    if dtype == pl.Null:
        return series.cast(pl.String)
    if kind == "text":
        if not is_text(dtype):
            raise TypeError(
                f"{place(series.name, argument)} has dtype {dtype}, but held strings in "
                "training: cast it to String, or train again"
            )
        return series.cast(pl.String)
    values = numbers(series, argument, kind=kind, missing=True)
    if dtype.is_integer() or dtype == pl.Boolean:
        # Not by float64, in which long keys would fall together.
        return (series.cast(pl.UInt8) if dtype == pl.Boolean else series).cast(pl.String)
    if kind == "date":
        whole, unit = instants(series)
        return _texts(whole.astype(f"datetime64[{unit}]"), np.isnan(values), _date_text)
    own = series.to_numpy() if dtype.is_float() else values  # where null is NaN, too
    return _texts(own, np.isnan(values), _number_text)


def _texts(values: np.ndarray, lost: np.ndarray, text: Callable[[Any], str]) -> pl.Series:
    """Return the text of each value; it is made once for equal ones."""
    distinct, places = np.unique(values[~lost], return_inverse=True)
    codes = np.full(len(values), len(distinct))
    codes[~lost] = places
    return pl.Series([*map(text, distinct), None], dtype=pl.String).gather(codes)


def _number_text(value: np.floating[Any]) -> str:
    return str(int(value)) if value == int(value) else repr(float(str(value)))


def _date_text(value: np.datetime64) -> str:
    return str(np.datetime_as_string(value, unit="auto"))


def _counts(texts: pl.Series, rows: np.ndarray) -> dict[str, int]:
    """Return how often each level is among some rows, the most frequent first, then by the text."""
    levels = texts.unique().to_list()
    seen = dict(texts[rows].rename("level").value_counts().iter_rows())
    counts = {level: seen.get(level, 0) for level in levels if level is not None}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _frequent(
    counts: dict[str, int], rows: int, missing: bool, option: Option | None, where: str
) -> list[str]:
    """Return the levels that have an input each: all, or the most frequent."""
    least = None if option is None else option.min_frequency
    most = None if option is None else option.max_categories
    if least is None and most is None:
        return list(counts)[:MOST_LEVELS]
    needed = 0.0 if least is None else least * rows if isinstance(least, float) else least
    frequent = [level for level, count in counts.items() if count >= needed]
    if not frequent:
        met = max(counts.values())
        remedy = "give less, or 'drop' it" if met > 0 else "'drop' it, or train on rows with values"
        raise ValueError(
            f"{where}: min_frequency={least!r} leaves no level an input of its own; the most "
            f"frequent has {met} of {rows} training rows: {remedy}"
        )
    if most is not None and len(frequent) + (len(frequent) < len(counts)) + missing > most:
        frequent = frequent[: most - 1 - missing]
        if not frequent:
            raise ValueError(
                f"{where}: max_categories={most} leaves no level an input of its own beside those "
                "for missing values and the others: give at least 3"
            )
    return frequent
