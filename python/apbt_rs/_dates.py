"""Dates in files of texts, which do not say in which order day, month and year stand."""

from __future__ import annotations

import io

import polars as pl

from apbt_rs._warnings import warn

__all__ = ["NO_ORDER", "read_dates", "some", "warn_of_dates", "year_first", "year_last"]

NO_ORDER = "its values do not prove which order of day, month and year is theirs"
YEAR_FIRST = "write such dates year first, as 2024-12-31"
_CLOCK = r"\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[AaPp][Mm])?"
_YEAR_LAST = rf"^\s*(\d\d?)([/-])(\d\d?)([/-])(\d{{4}}|\d\d)([T ]{_CLOCK})?\s*$"


def read_dates(series: pl.Series) -> pl.Series:
    """Read dates and times as polars finds them in CSV.

    It does so slowly, and takes 01/02/2024 for February without a word: hence column by column.
    """
    if series.dtype != pl.String or year_last(series).any():
        return series
    if not _as_polars_finds(some(series)).dtype.is_temporal():
        return series
    read = _as_polars_finds(series)
    return read if read.dtype.is_temporal() else series


def some(series: pl.Series) -> pl.Series:
    """Return the first text and about a hundred others: where they are no dates, all are none.

    To find that out of all would take long, and most columns of texts are none.
    """
    texts = series.drop_nulls()
    return texts.gather_every(max(1, len(texts) // 100))


def _as_polars_finds(series: pl.Series) -> pl.Series:
    alone = io.BytesIO()
    series.to_frame().write_csv(alone)
    try:
        read = pl.read_csv(alone.getvalue(), infer_schema_length=None, try_parse_dates=True)
    except pl.exceptions.PolarsError:  # dates of several forms
        return series
    return read.to_series().alias(series.name)  # polars doubles the quotes that a name holds


def year_last(series: pl.Series) -> pl.Series:
    """Return which texts may be dates whose year is last, after slashes or dashes."""
    return series.str.contains(r"^\s*[0-3]?\d[/-][0-3]?\d[/-]\d{2}(?:\d{2})?(?:\D|$)")


def year_first(series: pl.Series) -> pl.Series | None:
    """Write dates whose year is last year first, if they prove whether the day or the month leads.

    They do so if one of both orders makes each text a date, and the other does not.
    """
    possible = [dates for dates in _orders(series) if dates.null_count() == series.null_count()]
    # 31/12/24 does not say which century it means, or whether 31 is the year.
    if len(possible) != 1 or series.str.contains(r"[/-]\d+[/-]\d\d(?:\D|$)").any():
        return None
    return possible[0]


def _orders(series: pl.Series) -> list[pl.Series]:
    """Write dates year first, as if the day led and as if the month did; null where none is so."""
    parts = series.str.extract_groups(_YEAR_LAST).struct
    first, sign, second, other_sign, year, clock = (parts.field(str(i)) for i in range(1, 7))
    written = []
    for day, month in ((first, second), (second, first)):
        full = year.str.replace(r"^(\d\d)$", "20${1}")
        date = full + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
        exists = date.str.to_date("%Y-%m-%d", strict=False).is_not_null() & (sign == other_sign)
        written.append((date + clock.fill_null("")).set(~exists, None))
    return written


def warn_of_dates(series: pl.Series, path: str) -> None:
    """Warn of a column of texts that all are dates, in one order or another."""
    if series.dtype != pl.String or not year_last(series).any() or year_first(series) is not None:
        return
    day_led, month_led = _orders(series)
    if day_led.zip_with(day_led.is_not_null(), month_led).null_count() == series.null_count():
        warn(
            f"column {series.name!r} of {path} holds what may be dates, such as "
            f"{series.drop_nulls()[0]!r}, and {NO_ORDER}, so that they stay texts: {YEAR_FIRST}"
        )
