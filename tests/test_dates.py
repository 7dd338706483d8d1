"""Dates in files of texts: how far they are looked for."""

import polars as pl
import pytest

from apbt_rs import _dates


@pytest.mark.parametrize(
    ("texts", "looked_at"),
    [
        (["12lvl"] * 1000, [100]),
        ([None, "1.5-b"] * 1000, [100]),
        (["2024-12-31", *["1-b"] * 999], [100]),
        (["2024-12-31"] * 1000, [100, 1000]),
        (["2024-12-31"] * 9, [9, 9]),
    ],
)
def test_the_slow_search_ends_at_some_texts_that_are_no_dates(
    monkeypatch: pytest.MonkeyPatch, texts: list[str | None], looked_at: list[int]
) -> None:
    heights = []
    search = _dates._as_polars_finds

    def counted(series: pl.Series) -> pl.Series:
        heights.append(len(series))
        return search(series)

    monkeypatch.setattr(_dates, "_as_polars_finds", counted)
    read = _dates.read_dates(pl.Series("day", texts))
    assert heights == looked_at
    assert read.dtype == (pl.String if len(looked_at) == 1 else pl.Date)
