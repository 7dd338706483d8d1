"""Dates in files of texts, which do not say in which order day, month and year stand."""

from __future__ import annotations

import io

import polars as pl

from apbt_rs._warnings import warn

__all__ = ["YEAR_FIRST", "read_dates", "warn_of_dates", "year_last"]

YEAR_FIRST = "write such dates year first, as 2024-12-31"


def read_dates(series: pl.Series) -> pl.Series:
    """Read dates and times as polars finds them in CSV.

    It does so slowly, and takes 01/02/2024 for February without a word: hence column by column.
    """
    first = None if series.dtype != pl.String else series.drop_nulls().head(1)
    if first is None or not first.str.contains(r"^\s*\d").any() or year_last(series).any():
        return series
    alone = io.BytesIO()
    series.to_frame().write_csv(alone)
    try:
        read = pl.read_csv(alone.getvalue(), infer_schema_length=None, try_parse_dates=True)
    except pl.exceptions.PolarsError:  # dates of several forms
        return series
    # Polars doubles the quotes that a name holds.
    return read.to_series().alias(series.name) if read.dtypes[0].is_temporal() else series


def year_last(series: pl.Series) -> pl.Series:
    """Return which texts are dates of which the day or the month may come first."""
    return series.str.contains(r"^\s*[0-3]?\d[/-][0-3]?\d[/-]\d{2}(?:\d{2})?(?:\D|$)")


def warn_of_dates(series: pl.Series, path: str) -> None:
    """Warn of a column of texts if they are dates that are not read as such."""
    if series.dtype == pl.String and (found := year_last(series)).any() and found.all():
        warn(
            f"column {series.name!r} of {path} holds dates such as {series.drop_nulls()[0]!r}, of "
            f"which the day or the month may come first, so that they stay texts: {YEAR_FIRST}"
        )
