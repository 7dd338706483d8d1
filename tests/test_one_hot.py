"""Laws of one-hot encoding: of levels, of rare and unseen ones, whatever dtype holds them."""

from __future__ import annotations

import datetime
import json
import warnings
from decimal import Decimal
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

import apbt_rs
from apbt_rs import _one_hot
from apbt_rs._encoding import Encoder
from apbt_rs._one_hot import MOST_LEVELS, levels_of
from apbt_rs._options import read_options
from apbt_rs._values import numbers

DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12)
VALUES: dict[str, list[Any]] = {
    "text": ["b", "a", "ä", "", "1"],
    "int": [3, -1, 0, 10, 2**62 + 1],
    "float": [0.1, -0.0, 3.0, 1e300, -2.5],
    "bool": [True, False],
    "date": [DAY, DAY + datetime.timedelta(1), datetime.date(1, 1, 1), datetime.date(1969, 12, 31)],
    "instant": [NOON, NOON + datetime.timedelta(microseconds=1), NOON.replace(hour=0)],
    "duration": [datetime.timedelta(hours=6), datetime.timedelta(-1), datetime.timedelta(0)],
    "time": [datetime.time(6), datetime.time(0), datetime.time(23, 59, 59)],
}


@st.composite
def columns(draw: st.DrawFn) -> pl.Series:
    """Any column of few levels, some of its values missing."""
    values = draw(st.sampled_from(list(VALUES.values())))
    drawn = draw(st.lists(st.sampled_from([*values, None]), min_size=1, max_size=40))
    assume(any(value is not None for value in drawn))
    return pl.Series("c", drawn, dtype=pl.Series(values).dtype)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Any option for one-hot encoding."""
    option: dict[str, Any] = {"operation": "one_hot"}
    option["min_frequency"] = draw(st.none() | st.integers(1, 8) | st.floats(0.01, 0.5))
    option["max_categories"] = draw(st.none() | st.integers(2, 6))
    option["handle_unknown"] = draw(st.sampled_from([None, "error", "ignore"]))
    return option


def fitted(series: pl.Series, option: Any = "one_hot") -> Encoder:
    """Fit an encoder without a warning; pass over what leaves no level."""
    frame = series.to_frame()
    rows = np.arange(frame.height, dtype=np.uint32)
    return Encoder.fit(frame, rows, options=read_options({series.name: option}))


def fitted_or_passed(series: pl.Series, option: Any) -> Encoder:
    try:
        return fitted(series, option)
    except ValueError as error:
        assume("leaves no level an input" not in str(error))
        raise


@given(columns(), options())
def test_a_row_has_one_input_and_the_option_is_kept(
    series: pl.Series, option: dict[str, Any]
) -> None:
    encoder = fitted_or_passed(series, option)
    matrix = encoder.transform(series.to_frame())
    assert (matrix.sum(axis=1) == 1).all()
    assert np.isin(matrix, [0, 1]).all()
    assert len(encoder.input_names) == encoder.n_inputs == matrix.shape[1]
    if option["max_categories"] is not None:
        assert encoder.n_inputs <= option["max_categories"]
    (facts,) = encoder.to_dict()["columns"]
    least = option["min_frequency"] or 1
    needed = least * len(series) if isinstance(least, float) else least
    assert (matrix[:, : len(facts["levels"])].sum(axis=0) >= needed).all()
    if facts["other"]:
        # No level that shares an input is more frequent than one that has its own.
        assert facts["handle_unknown"] == "ignore" or facts["rare"]
        own = matrix[:, : len(facts["levels"])].sum(axis=0).min()
        shared = series.to_frame().filter(matrix[:, len(facts["levels"])] == 1)["c"]
        assert shared.value_counts(name="rows")["rows"].max() <= own
    assert facts["missing"] == (series.null_count() > 0)


@given(columns(), options(), st.integers(1, 5))
def test_chunks_files_and_holders_do_not_matter(
    series: pl.Series, option: dict[str, Any], step: int
) -> None:
    encoder = fitted_or_passed(series, option)
    frame = series.to_frame()
    matrix = encoder.transform(frame).tobytes()
    parts = [frame[i : i + step] for i in range(0, frame.height, step)]
    chunked = pl.concat(parts, rechunk=False)
    assert fitted(chunked.to_series(), option) == encoder
    assert encoder.transform(chunked).tobytes() == matrix
    with mock.patch.object(_one_hot, "_ROWS_AT_ONCE", step):
        assert encoder.transform(frame).tobytes() == matrix
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    assert again.transform(frame).tobytes() == matrix
    for held in (frame.lazy(), frame.to_arrow(), {"c": series.to_list()}):
        assert encoder.transform(held).tobytes() == matrix


@given(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=40), options())
def test_levels_and_the_rare_are_those_of_scikit_learn(
    values: list[str], option: dict[str, Any]
) -> None:
    counts = [values.count(level) for level in set(values)]
    assume(len(set(counts)) == len(counts))  # ties are broken otherwise
    # Of as many levels as there may be inputs scikit-learn makes one share an input with none.
    assume(len(counts) != option["max_categories"])
    encoder = fitted_or_passed(pl.Series("c", values), option)
    words = {name: option[name] for name in ("min_frequency", "max_categories")}
    other = OneHotEncoder(sparse_output=False, **words).fit(np.array([values]).T)
    assert (encoder.transform({"c": values}) == other.transform(np.array([values]).T)).all()


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), st.integers(1, 3), st.data())
def test_how_frequent_a_level_is_is_counted_on_the_training_rows(
    values: list[str], least: int, data: st.DataObject
) -> None:
    rows = data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1).map(sorted))
    trained = [values[row] for row in rows]
    frequent = sorted(level for level in set(trained) if trained.count(level) >= least)
    assume(frequent)
    encoder = Encoder.fit(
        pl.DataFrame({"c": values}),
        np.array(rows, dtype=np.uint32),
        options=read_options({"c": {"operation": "one_hot", "min_frequency": least}}),
    )
    (facts,) = encoder.to_dict()["columns"]
    assert facts["levels"] == frequent
    assert facts["other"] == (frequent != sorted(set(values)))
    assert encoder.transform({"c": values}).sum() == len(values)  # other rows' levels are known


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "bool"])
def test_unseen_levels_are_refused_ignored_or_share(kind: str) -> None:
    a, b, new = VALUES[kind][:3]
    seen, unseen = pl.Series("c", [a, a, a, b]), {"c": [new, a]}
    with pytest.raises(ValueError, match=r"'c' of X holds .*never saw.*'handle_unknown': 'ignore'"):
        fitted(seen).transform(unseen)
    zeros = fitted(seen, {"operation": "one_hot", "handle_unknown": "ignore"}).transform(unseen)
    assert zeros.sum(axis=1).tolist() == [0, 1]
    option = {"operation": "one_hot", "min_frequency": 2}
    for sharing in (fitted(seen, option), fitted(seen, option | {"handle_unknown": "ignore"})):
        assert sharing.transform(unseen)[:, -1].tolist() == [1, 0]
    refusing = fitted(seen, option | {"handle_unknown": "error"})
    assert refusing.transform({"c": [b, a]})[:, -1].tolist() == [1, 0]  # rare, but seen
    with pytest.raises(ValueError, match="never saw"):
        refusing.transform(unseen)


@pytest.mark.parametrize(
    ("trained", "same"),
    [
        ([3, 4], [[3.0, 4.0], [Decimal("3.0"), Decimal(4)], np.array([3, 4], np.uint8)]),
        (
            [0.0, 0.5],
            [[-0.0, 0.5], [Decimal("0.0"), Decimal("0.5")], np.array([0, 0.5], np.float32)],
        ),
        ([0.1, -2.7], [np.array([0.1, -2.7], np.float32)]),
        ([True, False], [[1, 0], [1.0, 0.0]]),
        ([DAY, NOON.date().replace(day=1)], [[NOON.replace(hour=0), NOON.replace(day=1, hour=0)]]),
        ([2**62 + 1, 2**62], [np.array([2**62 + 1, 2**62], np.uint64)]),
    ],
)
def test_a_value_is_one_level_in_any_dtype(trained: list[Any], same: list[Any]) -> None:
    encoder = fitted(pl.Series("c", trained))
    expected = encoder.transform({"c": trained})
    assert expected.shape == (2, 2)
    for held in same:
        assert (encoder.transform({"c": held}) == expected).all()
        assert fitted(pl.Series("c", held, strict=False)) == encoder


def test_levels_are_named_as_documented() -> None:
    zoned = pl.Series("c", [NOON]).dt.replace_time_zone("Asia/Tokyo")
    cases: list[tuple[Any, list[str]]] = [
        ([10, 9, -1], ["-1", "10", "9"]),
        ([2.5, 3.0, 1e22], ["10000000000000000000000", "2.5", "3"]),
        ([True, False], ["0", "1"]),
        ([DAY], ["2024-02-29"]),
        ([NOON.replace(minute=30), NOON.replace(hour=0)], ["2024-02-29", "2024-02-29T12:30"]),
        (zoned, ["2024-02-29T03:00"]),
        ([datetime.timedelta(hours=6), datetime.timedelta(2)], ["0.25", "2"]),
        (pl.Series([3, 1], dtype=pl.Int8), ["1", "3"]),
    ]
    for values, levels in cases:
        (facts,) = fitted(pl.Series("c", values)).to_dict()["columns"]
        assert facts["levels"] == levels


@given(st.lists(st.integers(-(10**12), 10**12), min_size=2, unique=True))
def test_durations_are_days_to_the_last_bit(microseconds: list[int]) -> None:
    days = [one / (86_400 * 10**6) for one in microseconds]  # Python rounds once
    texts = [str(int(day)) if day == int(day) else repr(day) for day in days]
    for unit, factor in (("us", 1), ("ns", 1000)):
        series = pl.Series("c", microseconds).cast(pl.Int64) * factor
        durations = series.cast(pl.Duration(unit))  # type: ignore[arg-type]
        assert levels_of(durations, "duration", "X").to_list() == texts
        assert numbers(durations, "X", kind="duration").tolist() == days
    coarse = pl.Series(microseconds).cast(pl.Duration("ms"))
    assert numbers(coarse, "X", kind="duration").tolist() == [
        one / 86_400_000 for one in microseconds
    ]


@pytest.mark.parametrize("kind", ["date", "duration"])
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6))
def test_milliseconds_may_be_too_many_for_microseconds(kind: str, values: list[int]) -> None:
    dtype = pl.Datetime("ms") if kind == "date" else pl.Duration("ms")
    series = pl.Series("c", values).cast(dtype)
    days = numbers(series, "X", kind=kind)
    assert days == pytest.approx([value / 86_400_000 for value in values], rel=1e-15)
    # Not of the values beside it, nor of the unit, where both can hold it.
    for value, day in zip(values, days, strict=True):
        assert numbers(pl.Series([value]).cast(dtype), "X", kind=kind)[0] == day
        if abs(value) < 2**63 // 1000:
            finer = pl.Series([1000 * value]).cast(type(dtype)("us"))
            assert numbers(finer, "X", kind=kind)[0] == day
    texts = levels_of(series, kind, "X")
    assert texts.n_unique() == (len(set(values)) if kind == "date" else len(set(days)))
    encoder = fitted(series, "one_hot")
    assert (encoder.transform(series.to_frame()).sum(axis=1) == 1).all()


def test_another_kind_than_in_training_is_refused() -> None:
    cases: list[tuple[list[Any], list[Any], str]] = [
        ([1, 2], ["1"], "where numbers are needed"),
        ([DAY], [1], "where dates are needed"),
        (["1"], [1], "held strings"),
        ([1], [float("inf")], "infinite"),
    ]
    for trained, other, words in cases:
        with pytest.raises((TypeError, ValueError), match=f"'c' of X .*{words}"):
            fitted(pl.Series("c", trained)).transform({"c": other})
    with pytest.raises(ValueError, match="lacks 1 of 1 values"):
        fitted(pl.Series("c", [1])).transform({"c": [None]})


def test_the_default_cap_holds_where_the_user_names_no_number() -> None:
    texts = pl.Series("count", [f"l{i % 60:02}" for i in range(120)] + ["l00", "l59"])
    with pytest.warns(UserWarning, match=r"'count' of X has 60 levels.*\{'count': \{'operation'"):
        default = Encoder.fit(texts.to_frame(), np.arange(122, dtype=np.uint32))
    with pytest.warns(UserWarning, match="'count' of X has 60 levels"):
        assert fitted(texts) == default
    with pytest.warns(UserWarning, match="'count' of X has 60 levels"):
        fitted(texts, {"operation": "one_hot", "handle_unknown": "error"})
    assert default.n_inputs == MOST_LEVELS + 1
    assert fitted(texts, {"operation": "one_hot", "max_categories": 60}).n_inputs == 60
    assert fitted(texts, {"operation": "one_hot", "min_frequency": 2}).n_inputs == 60
    assert fitted(texts, {"operation": "one_hot", "min_frequency": 3}).n_inputs == 3


def test_levels_that_no_training_row_has_are_no_reason_to_ask_for_less() -> None:
    frame = pl.DataFrame({"c": [None, None, "a"]})
    options = read_options({"c": {"operation": "one_hot", "min_frequency": 1}})
    with pytest.raises(
        ValueError, match="has 0 of 2 training rows: 'drop' it, or train on rows with"
    ):
        Encoder.fit(frame, np.array([0, 1], dtype=np.uint32), options=options)


def test_the_user_may_keep_what_names_its_rows() -> None:
    series = pl.Series("id", [f"key {i}" for i in range(60)])
    with pytest.warns(UserWarning, match="'id' of X has 60 levels"):
        assert fitted(series).n_inputs == MOST_LEVELS + 1
    frame, rows = series.to_frame().with_columns(x=1.0), np.arange(60, dtype=np.uint32)
    with pytest.warns(UserWarning, match=r"left out.*encoding=\{'id': 'one_hot'\} keeps it"):
        encoder = Encoder.fit(frame, rows)
    assert encoder.input_names == ["x"]
    # What has no values cannot be kept, whatever the user wants.
    frame, options = frame.with_columns(id=None), read_options({"id": "one_hot"})
    with pytest.warns(UserWarning, match=r"all its values are missing; encoding=\{'id': 'drop'\}"):
        encoder = Encoder.fit(frame, rows, options=options)
    assert encoder.input_names == ["x"]


@settings(max_examples=20)
@given(columns(), options())
def test_a_saved_network_predicts_as_before(
    tmp_path_factory: pytest.TempPathFactory, series: pl.Series, option: dict[str, Any]
) -> None:
    fitted_or_passed(series, option)
    table = pl.concat([series.to_frame()] * 10).with_row_index("x")
    y = np.arange(table.height) % 2
    if isinstance(least := option["min_frequency"], int):
        option = {**option, "min_frequency": 10 * least}
    quick: dict[str, Any] = {"k": 4, "epochs": 1, "seed": 0, "progress": False}
    network = apbt_rs.run(table, y, validation="train", encoding={"c": option}, **quick).chosen
    path = tmp_path_factory.mktemp("networks") / "network"
    network.save(path)
    loaded = apbt_rs.load(path)
    assert isinstance(loaded, apbt_rs.Network)
    assert loaded.encoder == network.encoder
    assert loaded.predict_proba(table).tobytes() == network.predict_proba(table).tobytes()


@pytest.mark.parametrize("saved", ["network", "result", "checkpoint"])
def test_options_travel_with_the_network(saved: str, tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "month": rng.integers(1, 13, 200),
            "town": rng.choice(
                list("abcdefgh"), 200, p=[0.4, 0.3, 0.2, 0.04, 0.03, 0.01, 0.01, 0.01]
            ),
            "age": rng.normal(size=200),
            "note": [f"note {i}" for i in range(200)],
            "when": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 3, 200), "D"),
        }
    )
    encoding = {
        "month": "one_hot",
        "town": {"operation": "one_hot", "max_categories": 4, "handle_unknown": "error"},
        "age": "as_is",
        "note": "drop",
        "when": {"operation": "one_hot", "handle_unknown": "ignore"},
    }
    y = (table["month"] > 6).to_numpy()
    path = tmp_path / "saved"
    quick: dict[str, Any] = {"k": 6, "epochs": 10, "seed": 0, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = apbt_rs.run(
            table,
            y,
            encoding=encoding,
            checkpoint=path if saved == "checkpoint" else None,
            **quick,
        )
    frame = result.encoding
    assert frame["operation"].to_list() == ["one_hot", "one_hot", "as_is", "drop", "one_hot"]
    assert frame["kind"].to_list() == ["number", "text", "number", None, "date"]
    assert frame["handle_unknown"].to_list() == ["error", "error", None, None, "ignore"]
    assert frame["inputs"].list.len().to_list() == [12, 4, 1, 0, 3]
    assert frame["rare"][1].sort().to_list() == ["d", "e", "f", "g", "h"]
    again: Any
    if saved == "network":
        result.chosen.save(path)
        again = apbt_rs.load(path)
    elif saved == "result":
        result.save(path)
        again = apbt_rs.load(path)
        assert isinstance(again, apbt_rs.Result)
        assert again.encoding.equals(frame)
    else:
        again = apbt_rs.resume(path, epochs=10, progress=False)
        assert again.encoding.equals(frame)
    new = table.assign(when=pd.to_datetime("2030-01-01"))
    assert again.predict(new).equals(result.predict(new))
    assert np.array_equal(again.predict_proba(table), result.predict_proba(table))


def test_a_number_is_the_same_level_in_either_width() -> None:
    values = [0.1, 1.5, 3.0, None]
    texts = [
        levels_of(pl.Series("a", values, dtype=dtype), "number", argument="X").to_list()
        for dtype in (pl.Float32, pl.Float64)
    ]
    assert texts == [["0.1", "1.5", "3", None]] * 2
