"""Tables as people have them: missing values, dates, awkward names, many levels."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import apbt_rs
from apbt_rs._encoding import Encoder

DAY = datetime.date(1970, 1, 1)
ROWS = np.arange(120)
QUICK: dict[str, Any] = {"k": 6, "epochs": 10, "seed": 0, "progress": False}


def mixed() -> pl.DataFrame:
    rng = np.random.default_rng(0)

    def holed(values: Any, dtype: Any = None) -> pl.Series:
        kept = rng.random(120) > 0.1
        items = [value if keep else None for value, keep in zip(values, kept, strict=True)]
        return pl.Series(items, dtype=dtype)

    days = [DAY + datetime.timedelta(days=int(day)) for day in rng.integers(0, 20_000, 120)]
    return pl.DataFrame(
        {
            'größe, in "cm"': holed(rng.normal(size=120).tolist()),
            " ": holed(rng.integers(0, 9, 120).tolist()),
            "name=level": holed(rng.choice(["ä", "β", "", "猫", "null"], 120).tolist()),
            "class": holed(rng.choice(["low", "high"], 120).tolist(), pl.Categorical),
            "when": holed(days),
            "for": holed([datetime.timedelta(hours=int(h)) for h in rng.integers(0, 99, 120)]),
            "flag": holed((rng.random(120) > 0.5).tolist()),
        }
    )


def structured(frame: pl.DataFrame) -> np.ndarray:
    """Return a structured array; integers and Booleans with missing values are objects in it."""
    columns = {
        name: series.to_numpy()
        if series.dtype.is_float() or series.dtype.is_temporal()
        else np.array(series.to_list(), dtype=object)
        for name, series in zip(frame.columns, frame.get_columns(), strict=True)
    }
    array = np.empty(frame.height, [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        array[name] = values
    return array


def fitted(series: pl.Series) -> tuple[Encoder, np.ndarray]:
    frame = series.to_frame("c")
    encoder = Encoder.fit(frame, np.arange(frame.height, dtype=np.uint32))
    return encoder, encoder.transform(frame)


def test_the_same_table_from_everywhere_gives_the_same_bits(tmp_path: Path) -> None:
    frame = mixed()
    y = np.random.default_rng(1).integers(0, 3, 120)
    texts = frame.with_columns(pl.col("class").cast(pl.String))
    pandas = frame.to_pandas()
    chunks = pl.concat([frame[:7], frame[7:50], frame[50:]], rechunk=False)
    tables = [frame, frame.lazy(), chunks, frame.to_arrow(), pandas]
    tables += [{name: texts[name].to_list() for name in frame.columns}, frame.to_dicts()]
    tables += [pandas.convert_dtypes(), structured(frame), structured(frame).view(np.recarray)]
    first, *others = [apbt_rs.run(table, y, **QUICK) for table in tables]
    for other in others:
        assert other.history.equals(first.history)
        for (_, a), (_, b) in zip(first._networks(), other._networks(), strict=True):
            assert np.array_equal(a.core.parameters, b.core.parameters)
            assert list(a.predict(frame)) == list(b.predict(frame))
    first.chosen.save(tmp_path / "net")
    loaded = apbt_rs.load(tmp_path / "net")
    assert isinstance(loaded, apbt_rs.Network)
    assert list(loaded.predict(pandas)) == list(first.chosen.predict(frame))
    assert first.encoding["column"].to_list() == frame.columns
    assert first.encoding["missing"].all()


@given(st.lists(st.none() | st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=2, max_size=40))
def test_a_missing_number_is_the_mean_with_a_mark(values: list[float | None]) -> None:
    present = np.array([v for v in values if v is not None and not np.isnan(v)])
    if len(present) == 0:
        return
    lost = np.array([v is None or np.isnan(v) for v in values])
    _, matrix = fitted(pl.Series(values, dtype=pl.Float64))
    assert matrix.shape == (len(values), 2 if lost.any() else 1)
    assert (matrix[lost, 0] == 0).all()
    if lost.any():
        assert (matrix[:, 1] == lost).all()
    scale = present.std() or 1.0
    expected = (present - present.mean()) / scale
    if np.ptp(present) > 1e-3:
        assert matrix[~lost, 0] == pytest.approx(expected, abs=1e-4)
    # Null and NaN are one: the same bits.
    nulls = pl.Series([None if gone else v for v, gone in zip(values, lost, strict=True)])
    assert np.array_equal(fitted(nulls.cast(pl.Float64))[1], matrix)


def test_a_missing_text_is_a_level() -> None:
    encoder, matrix = fitted(pl.Series(["b", None, "a"]))
    assert encoder.input_names == ["c=a", "c=b", "c=missing"]
    assert matrix.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    # A whole column of nulls has no dtype, and still can be predicted.
    assert encoder.transform({"c": [None, None]}).tolist() == [[0, 0, 1]] * 2


def test_dates_times_and_durations_are_days() -> None:
    noon = datetime.datetime(1970, 1, 2, 12)
    cases: list[tuple[list[Any], list[float]]] = [
        ([datetime.date(1970, 1, 1), datetime.date(1970, 1, 11)], [0.0, 10.0]),
        ([noon, noon + datetime.timedelta(days=1)], [1.5, 2.5]),
        ([datetime.timedelta(days=-1), datetime.timedelta(hours=6)], [-1.0, 0.25]),
        ([datetime.time(6), datetime.time(18)], [0.25, 0.75]),
    ]
    for values, days in cases:
        encoder, matrix = fitted(pl.Series(values))
        (facts,) = encoder.to_dict()["columns"]
        assert facts["mean"] == sum(days) / 2
        assert matrix[:, 0].tolist() == [-1.0, 1.0]
    zoned = pl.Series([noon, noon + datetime.timedelta(days=1)]).dt.replace_time_zone("Asia/Tokyo")
    assert fitted(zoned)[0].to_dict()["columns"][0]["mean"] == 2.0 - 9 / 24


def test_numbers_where_training_had_dates_are_refused() -> None:
    encoder, _ = fitted(pl.Series([DAY, datetime.date(2020, 1, 1)]))
    with pytest.raises(TypeError, match=r"column 'c' of X has dtype Int64, where dates are needed"):
        encoder.transform({"c": [1, 2]})
    assert encoder.transform(pd.DataFrame({"c": pd.to_datetime(["1970-01-01"])})).shape == (1, 1)


def test_many_levels_share_one() -> None:
    texts = [f"l{i % 60:02}" for i in range(120)] + ["l00", "l59"]
    with pytest.warns(UserWarning, match=r"column 'c' of X has 60 levels: the 50 most frequent"):
        encoder, matrix = fitted(pl.Series(texts))
    names = encoder.input_names
    assert len(names) == 51
    assert names[-1] == "c=other"
    assert {"c=l00", "c=l59"} <= set(names)
    assert (matrix.sum(axis=1) == 1).all()
    assert encoder.transform({"c": ["never seen"]})[0, -1] == 1
    assert Encoder.from_dict(encoder.to_dict()) == encoder


def test_identifiers_and_empty_columns_are_left_out() -> None:
    table = {"id": [f"key {i}" for i in range(120)], "x": ROWS, "none": [None] * 120}
    y = ROWS % 2
    with pytest.warns(UserWarning, match="left out") as warned:
        result = apbt_rs.run(table, y, **QUICK)
    words = " ".join(str(one.message) for one in warned)
    assert "'id' of X is left out: its 120 texts are all different" in words
    assert "'none' of X is left out: all its values are missing" in words
    assert result.chosen.topology[0] == 1
    # What is left out need not be there.
    assert len(result.predict({"x": [1, 2, 3]})) == 3
    assert result.encoding["operation"].to_list() == ["drop", "standardize", "drop"]


def test_nothing_left_is_refused() -> None:
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match="X: no column is left"),
    ):
        apbt_rs.run({"id": [f"key {i}" for i in range(120)]}, ROWS % 2, **QUICK)


def test_what_is_left_as_it_is_must_be_there() -> None:
    frame = pl.DataFrame({"c": [1.0, None, 2.0]})
    with pytest.raises(ValueError, match="'c' of X lacks 1 of 3 values"):
        Encoder.fit(frame, np.arange(3, dtype=np.uint32), standardize=False)
