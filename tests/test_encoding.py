"""Laws of the inputs' encoding: a table gives the same bits however it is held."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from apbt_rs._arrays import Columns
from apbt_rs._encoding import Encoder
from apbt_rs._frames import encoding_frame
from apbt_rs._options import read_options
from apbt_rs._tables import read_columns
from apbt_rs._targets import Targets
from apbt_rs._values import MOST_ENCODED, is_text

# Rounded: what is a grain apart in training cannot scale a million into float32.
NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
KINDS: dict[str, Any] = {
    "float": (NUMBERS, pl.Float64),
    "single": (NUMBERS, pl.Float32),
    "int": (st.integers(-(2**40), 2**40), pl.Int64),
    "bool": (st.booleans(), pl.Boolean),
    "text": (st.text("ab ä\0😀", max_size=3), pl.String),
    "category": (st.sampled_from(["b", "a", "ä", ""]), pl.Categorical),
    "enum": (st.sampled_from(["z", "m"]), pl.Enum(["z", "q", "m"])),
}
NOON = datetime.datetime(2024, 2, 29, 12)
MICROSECOND = datetime.timedelta(microseconds=1)
GOOD = pl.DataFrame({"age": [1.0, 2.0, 4.0], "town": ["Ulm", "Bonn", "Ulm"]})


def all_rows(frame: Columns) -> np.ndarray:
    return np.arange(frame.height, dtype=np.uint32)


def fitted(X: Any, *, standardize: bool = True) -> Encoder:
    frame = read_columns(X)
    return Encoder.fit(frame, all_rows(frame), standardize=standardize)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Any table that has an encoding."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=5))
    height = draw(st.integers(1, 8))
    series = []
    for index, kind in enumerate(kinds):
        strategy, dtype = KINDS[kind]
        values = draw(st.lists(strategy, min_size=height, max_size=height))
        series.append(pl.Series(f"{kind}_{index}", values, dtype=dtype))
    return pl.DataFrame(series)


@st.composite
def fits(draw: st.DrawFn) -> tuple[pl.DataFrame, Encoder]:
    """Any table, and an encoder fitted on some of its rows, as any user wants it."""
    frame = draw(frames())
    rows = draw(st.sets(st.integers(0, frame.height - 1), min_size=1))
    picked = np.array(sorted(rows), dtype=np.uint32)
    wanted = {}
    for series in frame.get_columns()[1:]:  # the first is not left out, so that one is left
        operations = ["one_hot", "drop"]
        operations += [] if is_text(series.dtype) else ["standardize", "as_is"]
        if draw(st.booleans()):
            wanted[series.name] = draw(st.sampled_from(operations))
    options, standardize = read_options(wanted), draw(st.booleans())
    encoder = Encoder.fit(frame, picked, standardize=standardize, options=options)
    found = {op.column: op.operation for op in encoder.columns}
    assert found == found | wanted
    return frame, encoder


@given(fits())
def test_matrix_is_float32_in_c_order_with_a_name_for_each_column(
    fit: tuple[pl.DataFrame, Encoder],
) -> None:
    frame, encoder = fit
    matrix = encoder.transform(frame)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert matrix.shape == (frame.height, encoder.n_inputs)
    assert len(encoder.input_names) == encoder.n_inputs
    assert np.isfinite(matrix).all()


def test_names_of_inputs_are_unique() -> None:
    towns = ["other", "other", "missing", "missing", "b", None]
    frame = pl.DataFrame({"a": [1.0, None] * 3, "a=missing": range(6), "c": towns})
    option = read_options({"c": {"operation": "one_hot", "min_frequency": 2}})
    encoder = Encoder.fit(frame, all_rows(frame), options=option)
    names = ["a", "a=missing", "a=missing (2)", "c=missing", "c=other", "c=other (2)"]
    assert encoder.input_names == [*names, "c=missing (2)"]
    assert encoding_frame(encoder)["inputs"].explode().to_list() == encoder.input_names
    assert encoder.transform(frame).shape == (6, encoder.n_inputs)


@given(fits())
def test_round_trip_through_json_is_exact(fit: tuple[pl.DataFrame, Encoder]) -> None:
    frame, encoder = fit
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    assert Encoder.from_dict(encoder.to_dict()) == encoder
    assert again.transform(frame).tobytes() == encoder.transform(frame).tobytes()


@given(fits(), st.randoms(use_true_random=False))
def test_a_rows_encoding_depends_on_that_row_alone(
    fit: tuple[pl.DataFrame, Encoder], random: Any
) -> None:
    frame, encoder = fit
    order = [random.randrange(frame.height) for _ in range(frame.height)]
    assert (encoder.transform(frame[order]) == encoder.transform(frame)[order]).all()


@given(fits(), st.randoms(use_true_random=False))
def test_columns_are_matched_by_name(fit: tuple[pl.DataFrame, Encoder], random: Any) -> None:
    frame, encoder = fit
    shuffled = frame.with_columns(extra=pl.lit("ignored"))
    shuffled = shuffled.select(random.sample(shuffled.columns, shuffled.width))
    assert encoder.transform(shuffled).tobytes() == encoder.transform(frame).tobytes()


@given(frames())
def test_chunks_do_not_matter(frame: pl.DataFrame) -> None:
    frame = frame.with_row_index()
    parts = pl.concat([frame[i : i + 1] for i in range(frame.height)], rechunk=False)
    assert parts.n_chunks() == frame.height
    assert fitted(parts) == fitted(frame)
    assert fitted(parts).transform(parts).tobytes() == fitted(frame).transform(frame).tobytes()


@given(frames())
def test_the_holder_of_a_named_table_does_not_matter(frame: pl.DataFrame) -> None:
    encoder = fitted(frame)
    matrix = encoder.transform(frame).tobytes()
    columns = frame.to_dict(as_series=False)
    for held in [
        frame.lazy(),
        frame.to_pandas(),
        frame.to_arrow(),
        columns,
        {name: tuple(values) for name, values in columns.items()},
        {name: frame[name].to_numpy() for name in frame.columns},
        frame.to_dicts(),
    ]:
        assert fitted(held) == encoder
        assert encoder.transform(held).tobytes() == matrix


@given(frames())
def test_the_holder_of_an_unnamed_table_does_not_matter(frame: pl.DataFrame) -> None:
    encoder = fitted(frame)
    matrix = encoder.transform(frame).tobytes()
    objects = np.empty(frame.shape, dtype=object)
    objects[:] = frame.rows()
    for held in [frame.rows(), [list(row) for row in frame.rows()], objects]:
        assert fitted(held).transform(held).tobytes() == matrix
        assert encoder.transform(held).tobytes() == matrix


@given(
    st.sampled_from(["<f8", ">f8", "<f4", "<f2", "<i8", ">i2", "<u1", "?"]),
    st.sampled_from(["C", "F", "backwards", "every other"]),
    st.lists(st.tuples(*[st.integers(0, 100)] * 3), min_size=1, max_size=12),
)
def test_how_an_array_lies_in_memory_does_not_matter(
    dtype: str, order: str, rows: list[tuple[int, int, int]]
) -> None:
    plain = np.array(rows).astype(dtype)
    array = plain
    if order == "F":
        array = np.asfortranarray(plain)
    elif order == "backwards":
        array = plain[::-1, ::-1].copy()[::-1, ::-1]
    elif order == "every other":
        array = plain.repeat(2, axis=0).repeat(2, axis=1)[::2, ::2]
    expected = fitted(plain.tolist())
    encoder = fitted(array)
    assert encoder == expected
    assert encoder.transform(array).tobytes() == expected.transform(plain.tolist()).tobytes()
    # What another table named is found by position.
    named = fitted(pl.DataFrame(plain.tolist(), schema=["b", "a", "c"], orient="row"))
    assert named.transform(array).tobytes() == encoder.transform(array).tobytes()
    with pytest.raises(ValueError, match="X has 2 columns without names where 3 are needed"):
        named.transform(array[:, :2])


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30, unique=True),
    st.lists(st.floats(-1e3, 1e3), max_size=5),
)
def test_numbers_are_standardised_as_by_scikit_learn(
    train: list[float], others: list[float]
) -> None:
    values = np.round(np.array([train + others]).T, 3)
    rows = np.arange(len(train), dtype=np.uint32)
    if np.ptp(values[rows]) == 0:
        return
    matrix = Encoder.fit(read_columns(values), rows).transform(values)
    expected = StandardScaler().fit(values[rows]).transform(values)
    np.testing.assert_allclose(matrix, expected, rtol=1e-5, atol=1e-5)
    assert matrix[rows].mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert matrix[rows].std(dtype=np.float64) == pytest.approx(1, abs=1e-5)


@given(st.lists(st.sampled_from(["b", "a", "B", "ä", "10", "9", ""]), min_size=1, max_size=12))
def test_levels_are_those_of_scikit_learns_one_hot_encoder(values: list[str]) -> None:
    frame = pl.DataFrame({"c": values})
    encoder = fitted(frame)
    other = OneHotEncoder(sparse_output=False).fit(np.array([values]).T)
    assert (encoder.transform(frame) == other.transform(np.array([values]).T)).all()
    assert encoder.input_names == [f"c={level}" for level in other.categories_[0]]


@given(NUMBERS, st.integers(1, 30))
def test_a_constant_column_becomes_zeros(value: float, count: int) -> None:
    frame = pl.DataFrame({"a": [value] * count})
    assert not fitted(frame).transform(frame).any()
    assert fitted(frame).to_dict()["columns"][0]["scale"] == 1.0


@given(st.integers(-1040, 400), st.lists(st.integers(-9, 9), min_size=2, unique=True))
def test_the_unit_of_numbers_does_not_matter(exponent: int, values: list[int]) -> None:
    """However small they are: their squares need not be float64's."""
    plain = np.array([values]).T
    scaled = np.ldexp(plain, exponent)
    assert fitted(scaled).transform(scaled) == pytest.approx(fitted(plain).transform(plain))
    y = Targets.fit(scaled, rows=all_rows(pl.DataFrame(plain)), task="regression")
    assert y.transform(scaled) == pytest.approx(fitted(plain).transform(plain))


def test_rows_far_from_tiny_training_rows_are_refused_by_name() -> None:
    frame = pl.DataFrame({"a": [1e-320, 3e-320, 1e300]})
    encoder = Encoder.fit(frame, all_rows(frame[:2]))
    assert encoder.transform(frame[:2]).tolist() == [[-1.0], [1.0]]
    with pytest.raises(ValueError, match=r"'a' of X holds .* 1e\+300, too large or too far"):
        encoder.transform(frame)


def test_numbers_without_a_deviation_in_float64_are_refused() -> None:
    least = np.array([[0.0]] * 99 + [[5e-324]])
    with pytest.raises(ValueError, match=r"'column_0' of X .* 5e-324, .* too small .*: multiply"):
        fitted(least)


@pytest.mark.parametrize("standardize", [True, False])
def test_what_networks_work_with_has_an_end(standardize: bool) -> None:
    encoder = fitted(np.array([[-1.0], [1.0]]), standardize=standardize)
    assert encoder.transform([[MOST_ENCODED]]).tolist() == [[np.float32(MOST_ENCODED)]]
    for beyond in (1.01 * MOST_ENCODED, -1e37, 1e300):
        with pytest.raises(ValueError, match=r"too large .* at most 1e\+18 .*: rescale it"):
            encoder.transform([[beyond]])
    with pytest.raises(ValueError, match=r"'c' of X holds Datetime.* days, too large or too far"):
        fitted(pl.DataFrame({"c": [NOON, NOON + MICROSECOND]})).transform(
            pl.DataFrame({"c": pl.Series([2**62]).cast(pl.Datetime("ms"))})
        )


@given(st.lists(st.floats(-(2.0**59), 2.0**59, width=32), min_size=1))
def test_numbers_left_as_they_are_keep_their_bits(values: list[float]) -> None:
    X = np.array([values], dtype=np.float32).T
    assert fitted(X, standardize=False).transform(X).tobytes() == X.tobytes()


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([0, 1, 3], dtype=dtype)
        for dtype in (pl.Int8, pl.UInt8, pl.Int32, pl.UInt64, pl.Int128, pl.Float32, pl.Float64)
    ]
    + [pl.Series([Decimal("0.0"), Decimal("1.0"), Decimal("3.0")])],
    ids=lambda series: str(series.dtype),
)
def test_every_dtype_of_numbers_counts_as_numbers(series: pl.Series) -> None:
    matrix = fitted(series.to_frame("a"), standardize=False).transform(series.to_frame("a"))
    assert matrix.tolist() == [[0.0], [1.0], [3.0]]


def test_a_mixed_table_by_hand() -> None:
    encoder = fitted(GOOD.with_columns(member=pl.Series([True, False, False])), standardize=False)
    assert encoder.input_names == ["age", "town=Bonn", "town=Ulm", "member"]
    matrix = encoder.transform({"town": ["Bonn"], "member": [True], "age": [7]})
    assert matrix.tolist() == [[7.0, 1.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    "empty",
    [
        GOOD.clear(),
        GOOD.clear().lazy(),
        GOOD.clear().to_pandas(),
        {"town": [], "age": []},
        np.empty((0, 2)),
        np.empty((0, 2), dtype=object),
    ],
)
def test_no_rows_to_predict_give_no_rows(empty: Any) -> None:
    matrix = fitted(GOOD).transform(empty)
    assert matrix.shape == (0, 3)
    assert matrix.dtype == np.float32


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ([1.0, float("inf"), float("-inf")], ValueError, ["2 infinite values", "replace"]),
        ([1e300, -1e300, 0.0], ValueError, ["1e+300", "too large", "rescale"]),
        ([1.7e308, -1.7e308, 0.0], ValueError, ["1.7e+308", "too large"]),
        ([[1], [2], [3]], TypeError, ["dtype List", "nested", "each of its parts"]),
        ([b"a"] * 3, TypeError, ["dtype Binary", "cast"]),
        ([object()] * 3, TypeError, ["dtype Object", "cast"]),
    ],
)
@pytest.mark.parametrize("standardize", [True, False])
def test_what_cannot_be_encoded_is_refused(
    values: list[Any], error: type[Exception], words: list[str], standardize: bool
) -> None:
    frame = pl.DataFrame([pl.Series("weight", values, strict=False)])
    with pytest.raises(error) as refusal:
        fitted(frame, standardize=standardize).transform(frame)
    words = [*words, "column 'weight' of X"]
    assert all(word in str(refusal.value) for word in words), refusal.value


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ({"age": [1]}, ValueError, ["lacks the columns ['town']", "['age']", "rename"]),
        (np.ones((1, 3)), ValueError, ["3 columns", "2 are needed", "['age', 'town']"]),
        ({"age": [1], "town": ["Köln"]}, ValueError, ["'town'", "'Köln'", "'Bonn', 'Ulm'"]),
        ({"age": [1], "town": [1]}, TypeError, ["'town'", "Int64", "String"]),
        ({"age": ["1"], "town": ["Ulm"]}, TypeError, ["'age'", "String", "numeric"]),
        ({"age": [None], "town": ["Ulm"]}, ValueError, ["'age'", "lacks 1 of 1"]),
        ({"age": [1], "town": [None]}, ValueError, ["'town'", "lacks 1 of 1"]),
        ({"age": [1e40], "town": ["Ulm"]}, ValueError, ["'age'", "too large"]),
        ({"age": [1e309], "town": ["Ulm"]}, ValueError, ["'age'", "infinite"]),
        (None, TypeError, ["NoneType"]),
    ],
)
def test_what_does_not_fit_the_training_table_is_refused(
    table: Any, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as refusal:
        fitted(GOOD).transform(table, argument="test")
    assert all(word in str(refusal.value) for word in [*words, "test"]), refusal.value


NUMBER: dict[str, Any] = {"operation": "standardize", "column": "a", "kind": "number"}
NUMBER |= {"mean": 0.5, "scale": 2.0, "missing": False}
LEVELS: dict[str, Any] = {"operation": "one_hot", "column": "b", "levels": ["x", "y"]}
LEVELS |= {"kind": "text", "other": False, "rare": [], "handle_unknown": "error", "missing": True}


@pytest.mark.parametrize(
    ("d", "words"),
    [
        (None, "encoder: expected a dict"),
        ({}, "encoder: expected a dict with the keys"),
        ({"columns": [NUMBER], "more": 1}, "encoder: expected"),
        ({"columns": {}}, "encoder.columns: expected a list"),
        ({"columns": []}, "encoder.columns: expected a list of at least one"),
        ({"columns": ["a"]}, r"encoder.columns\[0\]"),
        ({"columns": [NUMBER, LEVELS, NUMBER]}, "occurs twice"),
        ({"columns": [NUMBER | {"operation": "eval"}]}, r"columns\[0\].operation: .*'eval'"),
        ({"columns": [NUMBER | {"operation": ["as_is"]}]}, "operation"),
        ({"columns": [LEVELS, NUMBER | {"more": 1}]}, r"columns\[1\]: expected .* keys"),
        ({"columns": [NUMBER | {"column": 3}]}, "column: expected a string"),
        ({"columns": [NUMBER | {"column": "\ud800"}]}, "column: expected a string"),
        ({"columns": [NUMBER | {"mean": "0"}]}, "mean: expected a finite number"),
        ({"columns": [NUMBER | {"mean": True}]}, "mean: expected a finite number"),
        ({"columns": [NUMBER | {"mean": 10**400}]}, "mean: expected a finite number"),
        ({"columns": [NUMBER | {"mean": float("nan")}]}, "mean: expected a finite number"),
        ({"columns": [NUMBER | {"scale": float("inf")}]}, "scale: expected a finite number"),
        ({"columns": [NUMBER | {"scale": 0}]}, "scale: expected a number above 0"),
        ({"columns": [NUMBER | {"scale": -1.0}]}, "scale: expected a number above 0"),
        ({"columns": [{"operation": "as_is"}]}, "keys"),
        ({"columns": [NUMBER | {"kind": "money"}]}, "kind: expected one of"),
        ({"columns": [NUMBER | {"missing": 1}]}, "missing: expected true or false"),
        ({"columns": [LEVELS | {"other": None}]}, "other: expected true or false"),
        ({"columns": [LEVELS | {"kind": "money"}]}, "kind: expected one of"),
        ({"columns": [LEVELS | {"kind": ["text"]}]}, "kind: expected one of"),
        ({"columns": [LEVELS | {"handle_unknown": "warn"}]}, "handle_unknown: expected one of"),
        ({"columns": [LEVELS | {"rare": ["z"]}]}, "rare: expected levels where others are refused"),
        ({"columns": [LEVELS | {"other": True}]}, "rare: expected levels where others are refused"),
        ({"columns": [LEVELS | {"rare": None}]}, "rare: expected a list"),
        ({"columns": [LEVELS | {"rare": ["b", "a"], "other": True}]}, "rare: .* ascending"),
        ({"columns": [LEVELS | {"rare": ["x"], "other": True}]}, "rare: .* of their own"),
        ({"columns": [LEVELS | {"levels": []}]}, "levels: expected a list"),
        ({"columns": [LEVELS | {"levels": "xy"}]}, "levels: expected a list"),
        ({"columns": [LEVELS | {"levels": ["x", 1]}]}, "levels: expected a string"),
        ({"columns": [LEVELS | {"levels": ["x", "x"]}]}, "levels: .* ascending"),
        ({"columns": [LEVELS | {"levels": ["y", "x"]}]}, "levels: .* ascending"),
    ],
)
def test_a_malformed_encoder_is_refused(d: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Encoder.from_dict(d)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner),
    max_leaves=6,
)


@given(
    st.sampled_from([NUMBER, LEVELS]),
    st.sampled_from([*NUMBER, *LEVELS]),
    JSON,
)
def test_a_strangers_encoder_is_read_or_refused(
    operation: dict[str, Any], field: str, value: Any
) -> None:
    d = {"columns": [operation | {field: value}]}
    try:
        encoder = Encoder.from_dict(d)
    except ValueError:
        return
    assert Encoder.from_dict(encoder.to_dict()) == encoder
