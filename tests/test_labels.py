"""Laws of class labels: any labels become targets, and come back as they were."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, OneHotEncoder

from apbt_rs._labels import FEW_ROWS
from apbt_rs._targets import Targets, read_target
from apbt_rs._values import is_text

LABELS: dict[str, Any] = {
    "int": (st.integers(-3, 3), pl.Int8),
    "long": (st.sampled_from([-(2**63), 0, 2**63 - 1]), pl.Int64),
    "unsigned": (st.sampled_from([0, 2**64 - 1]), pl.UInt64),
    "bool": (st.booleans(), pl.Boolean),
    "text": (st.text("ab ä\0😀", max_size=2), pl.String),
    "category": (st.sampled_from(["b", "a", "ä", ""]), pl.Categorical),
    "enum": (st.sampled_from(["z", "m", "a"]), pl.Enum(["z", "q", "m", "a"])),
    "float": (st.sampled_from([-0.5, 0.1, 1.0, 1e300]), pl.Float64),
    "single": (st.sampled_from([-0.5, 0.1, 1.0]), pl.Float32),
}


def all_rows(height: int) -> np.ndarray:
    return np.arange(height, dtype=np.uint32)


def fitted(y: Any, **settings: Any) -> Targets:
    return Targets.fit(y, rows=all_rows(read_target(y).height), **settings)


@st.composite
def labels(draw: st.DrawFn) -> pl.Series:
    """Any labels of at least two classes."""
    strategy, dtype = LABELS[draw(st.sampled_from(list(LABELS)))]
    values = draw(st.lists(strategy, min_size=2, max_size=12))
    series = pl.Series("kind", values, dtype=dtype)
    assume(series.n_unique() > 1)
    return series


@given(labels(), st.booleans())
def test_labels_come_back_in_their_own_dtype(y: pl.Series, one_hot: bool) -> None:
    targets = fitted(y, task="classification", one_hot_binary=one_hot)
    matrix = targets.transform(y)
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert matrix.shape == (len(y), targets.n_outputs)
    codes = matrix.argmax(axis=1) if targets.n_outputs > 1 else matrix[:, 0].astype(np.uint32)
    back = targets.labels(codes)
    assert (back.name, back.dtype, back.to_list()) == (y.name, y.dtype, y.to_list())
    assert (codes == targets.codes(y)).all()
    assert targets.labels(codes[:0]).dtype == y.dtype


@given(labels(), st.booleans())
def test_round_trip_of_labels_through_json_is_exact(y: pl.Series, one_hot: bool) -> None:
    targets = fitted(y, task="classification", one_hot_binary=one_hot)
    again = Targets.from_dict(json.loads(json.dumps(targets.to_dict())))
    assert again == targets
    assert again.transform(y).tobytes() == targets.transform(y).tobytes()
    codes = np.arange(len(targets.classes), dtype=np.uint32)
    assert again.labels(codes).equals(targets.labels(codes), check_dtypes=True)


@given(labels())
def test_classes_are_those_of_scikit_learn(y: pl.Series) -> None:
    targets = fitted(y, task="classification", one_hot_binary=True)
    plain = (y.cast(pl.String) if is_text(y.dtype) else y).to_numpy()
    other = LabelEncoder().fit(plain)
    assert targets.classes == other.classes_.tolist()
    assert targets.codes(y).tolist() == other.transform(plain).tolist()
    one_hot = OneHotEncoder(sparse_output=False).fit_transform(plain[:, np.newaxis])
    assert (targets.transform(y) == one_hot).all()
    assert targets.scale == [1.0] * len(targets.classes)
    assert targets.names == ["kind"]


@given(labels())
def test_many_labels_are_looked_up_as_few_are(y: pl.Series) -> None:
    targets = fitted(y, task="classification")
    places = np.arange(FEW_ROWS + 1) % len(y)
    assert targets.codes(y[places]).tolist() == targets.codes(y)[places].tolist()


@pytest.mark.parametrize("count", [1, FEW_ROWS])
def test_the_first_label_that_was_never_seen_is_named_among_few_and_many(count: int) -> None:
    with pytest.raises(ValueError, match="the label 'd', which training never saw"):
        fitted(["a", "b"]).codes(["a"] * count + ["d", "c"])


@given(labels())
def test_two_classes_share_one_output(y: pl.Series) -> None:
    shared = fitted(y, task="classification")
    single = fitted(y, task="classification", one_hot_binary=True).transform(y)
    if len(shared.classes) == 2:
        assert shared.transform(y).tolist() == single[:, 1:].tolist()
    else:
        assert shared.transform(y).tolist() == single.tolist()


@given(labels())
def test_the_holder_of_labels_does_not_matter(y: pl.Series) -> None:
    targets = fitted(y, task="classification")
    matrix = targets.transform(y).tobytes()
    parts = pl.concat([y[i : i + 1] for i in range(len(y))], rechunk=False)
    frame = y.to_frame()
    holders = [y.to_list(), tuple(y.to_list()), y.to_numpy(), y.to_pandas(), parts, y.to_arrow()]
    for held in [*holders, frame, frame.lazy(), frame.to_pandas(), frame.to_arrow()]:
        assert targets.transform(held).tobytes() == matrix
        assert fitted(held, task="classification").transform(held).tobytes() == matrix


@given(labels(), st.randoms(use_true_random=False))
def test_a_label_is_encoded_by_itself(y: pl.Series, random: Any) -> None:
    targets = fitted(y, task="classification")
    order = [random.randrange(len(y)) for _ in range(len(y))]
    assert (targets.transform(y[order]) == targets.transform(y)[order]).all()
    assert targets.transform(y[:0]).shape == (0, targets.n_outputs)


@pytest.mark.parametrize("name", ["Int128", "UInt128"])
def test_integers_of_128_bits_are_labels(name: str) -> None:
    if not hasattr(pl, name):
        pytest.skip(f"this polars has no {name}")
    y = pl.Series("kind", [2**100, 0, 2**100], dtype=getattr(pl, name))
    targets = Targets.from_dict(json.loads(json.dumps(fitted(y).to_dict())))
    assert targets.task == "classification"
    assert targets.labels(targets.codes(y)).equals(y, check_dtypes=True)


def test_labels_by_hand() -> None:
    targets = fitted([10, 9, 10])
    assert targets.classes == [9, 10]
    assert targets.transform([10, 9.0]).tolist() == [[1.0], [0.0]]
    assert targets.names == ["y"]
    assert fitted(["b", "a", "c"]).transform(["c", "a"]).tolist() == [[0, 0, 1], [1, 0, 0]]


TEXT = {
    "operation": "labels",
    "column": "kind",
    "classes": ["x", "y"],
    "dtype": "String",
    "categories": None,
    "one_hot": False,
}
INT8 = TEXT | {"dtype": "Int8", "classes": [1, 2]}
ENUM = TEXT | {"dtype": "Enum", "categories": ["y", "x"]}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (TEXT | {"more": 1}, "expected a dict with the keys"),
        (TEXT | {"column": None}, "column: expected a string"),
        (TEXT | {"dtype": "__doc__"}, "dtype: no dtype of labels, got '__doc__'"),
        (TEXT | {"dtype": "Object"}, "dtype: no dtype of labels"),
        (TEXT | {"dtype": None}, "dtype: expected a string"),
        (TEXT | {"classes": ["x"]}, "classes: expected two or more"),
        (TEXT | {"classes": ["y", "x"]}, "classes: expected two or more, ascending"),
        (TEXT | {"classes": ["x", "x"]}, "classes: expected two or more, ascending, each once"),
        (TEXT | {"classes": ["x", 2]}, "classes: expected a string"),
        (TEXT | {"classes": ["x", "y", "z"]}, "one_hot: more than two classes"),
        (TEXT | {"one_hot": 0}, "one_hot: expected true or false"),
        (TEXT | {"categories": ["x"]}, "categories: only Enum"),
        (INT8 | {"classes": [1, 300]}, "classes: Int8 cannot hold them"),
        (INT8 | {"classes": [1, 2.0]}, "classes: expected an integer"),
        (INT8 | {"classes": [False, True]}, "classes: expected an integer"),
        (INT8 | {"dtype": "Int64", "classes": [1, 2**99]}, "classes: Int64 cannot hold them"),
        (INT8 | {"dtype": "Float32", "classes": [0.1, 0.2]}, "Float32 cannot hold them exactly"),
        (INT8 | {"dtype": "Float64", "classes": [0, float("inf")]}, "expected a finite number"),
        (INT8 | {"dtype": "Boolean"}, "classes: expected true or false"),
        (ENUM | {"categories": None}, "categories: expected a list"),
        (ENUM | {"categories": ["x", "x", "y"]}, "categories: .* twice"),
        (ENUM | {"categories": ["x", "z"]}, "classes: Enum cannot hold them"),
    ],
)
def test_malformed_labels_are_refused(operation: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Targets.from_dict({"columns": [operation]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("xy", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner),
    max_leaves=6,
)


@given(st.sampled_from([TEXT, INT8, ENUM]), st.sampled_from(list(TEXT)), JSON)
def test_strangers_labels_are_read_or_refused(
    operation: dict[str, Any], field: str, value: Any
) -> None:
    try:
        targets = Targets.from_dict({"columns": [operation | {field: value}]})
    except ValueError:
        return
    assert Targets.from_dict(targets.to_dict()) == targets
    codes = np.arange(len(targets.classes), dtype=np.uint32)
    assert targets.codes(targets.labels(codes)).tolist() == codes.tolist()
