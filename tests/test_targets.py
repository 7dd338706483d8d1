"""Laws of the targets' encoding: what the network learns, and its way back to the user's words."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from apbt_rs._targets import Targets, check_lengths, infer_task, read_target


def all_rows(height: int) -> np.ndarray:
    return np.arange(height, dtype=np.uint32)


def fitted(y: Any, **settings: Any) -> Targets:
    return Targets.fit(y, rows=all_rows(read_target(y).height), **settings)


@st.composite
def quantities(draw: st.DrawFn) -> tuple[pl.DataFrame, np.ndarray]:
    """Any columns of numbers, and training rows on which none is constant."""
    height = draw(st.integers(2, 10))
    number = st.floats(-1e6, 1e6).map(lambda value: round(value, 2))
    column = st.lists(number, min_size=height, max_size=height)
    frame = pl.DataFrame(
        {f"y{i}": values for i, values in enumerate(draw(st.lists(column, min_size=1, max_size=3)))}
    )
    picked = sorted(draw(st.sets(st.integers(0, height - 1), min_size=2)))
    rows = np.array(picked, dtype=np.uint32)
    assume(all(frame[picked].select(pl.all().n_unique() > 1).row(0)))
    return frame, rows


def test_categories_of_pandas_are_classes() -> None:
    for values, classes in (([1.0, 2.5], ["1", "2.5"]), ([1, 2], [1, 2])):
        y = pd.Series(values * 5, dtype="category")
        targets = fitted(y)
        assert (targets.task, targets.classes) == ("classification", classes)
        assert targets.codes(y[:1]).tolist() == [0]  # a slice keeps its dtype's categories


@given(quantities())
def test_quantities_are_standardised_as_by_scikit_learn(
    drawn: tuple[pl.DataFrame, np.ndarray],
) -> None:
    y, rows = drawn
    targets = Targets.fit(y, rows=rows, task="regression")
    matrix = targets.transform(y)
    assert matrix.dtype == np.float32
    assert matrix.shape == y.shape
    assert matrix.flags.c_contiguous
    other = StandardScaler().fit(y.to_numpy()[rows])
    np.testing.assert_allclose(matrix, other.transform(y.to_numpy()), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(targets.scale, other.scale_, rtol=1e-6)
    assert (targets.names, targets.classes, targets.task) == (y.columns, [], "regression")


@given(quantities(), st.booleans())
def test_values_undo_transform(drawn: tuple[pl.DataFrame, np.ndarray], standardize: bool) -> None:
    y, rows = drawn
    targets = Targets.fit(y, rows=rows, task="regression", standardize=standardize)
    values = targets.values(targets.transform(y))
    assert values.dtype == np.float64
    expected = y.to_numpy()[:, 0] if y.width == 1 else y.to_numpy()
    span = np.abs(expected).max()
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6 * span)


@given(quantities(), st.booleans())
def test_round_trip_of_quantities_through_json_is_exact(
    drawn: tuple[pl.DataFrame, np.ndarray], standardize: bool
) -> None:
    y, rows = drawn
    targets = Targets.fit(y, rows=rows, task="regression", standardize=standardize)
    again = Targets.from_dict(json.loads(json.dumps(targets.to_dict())))
    assert again == targets
    outputs = targets.transform(y)
    assert again.values(outputs).tobytes() == targets.values(outputs).tobytes()


@given(quantities())
def test_the_holder_of_quantities_does_not_matter(
    drawn: tuple[pl.DataFrame, np.ndarray],
) -> None:
    y, rows = drawn
    targets = Targets.fit(y, rows=rows, task="regression")
    matrix = targets.transform(y).tobytes()
    for held in [
        y.to_numpy(),
        y.to_pandas(),
        y.to_arrow(),
        y.to_dict(),
        y.rows(),
        y.select(reversed(y.columns)),
        y.to_series() if y.width == 1 else y,
        y.to_series().to_list() if y.width == 1 else y,
    ]:
        assert targets.transform(held).tobytes() == matrix
        again = Targets.fit(held, rows=rows, task="regression")
        assert sorted(again.scale) == sorted(targets.scale)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        (np.array(["a", "b"], dtype=object), "classification"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), "classification"),
        (pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])), "classification"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)), "regression"),
        (np.arange(5, dtype=np.uint8), "classification"),
        ([0.0, 1.0], "regression"),
        ([Decimal("0.5"), Decimal("1.5")], "regression"),
        (np.eye(2), "regression"),
        ([[0, 1], [1, 0]], "regression"),
        (np.array([[1], [2]]), "classification"),
        (pd.Series([1, 2], dtype="category"), "classification"),
    ],
)
def test_the_task_is_inferred_from_the_dtype(y: Any, task: str) -> None:
    assert fitted(y).task == task
    assert infer_task(read_target(y), "auto") == task


def test_quantities_by_hand() -> None:
    targets = Targets.fit([1.0, 3.0, 7.0], rows=all_rows(2))
    assert targets.transform([1.0, 3.0, 7.0]).tolist() == [[-1.0], [1.0], [5.0]]
    assert targets.scale == [1.0]
    assert targets.values(np.array([[5.0]], dtype=np.float32)).tolist() == [7.0]
    assert fitted([True, False], task="regression", standardize=False).scale == [1.0]


def test_no_rows_give_no_targets() -> None:
    assert fitted(["a", "b", "c"]).transform([]).shape == (0, 3)
    assert fitted([0.5, 1.5]).transform(np.empty(0)).shape == (0, 1)
    assert fitted(np.eye(2)).transform(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ("y", "task", "error", "words"),
    [
        (None, "auto", TypeError, ["y of type NoneType", "Series"]),
        ("ab", "auto", TypeError, ["y of type str"]),
        ([], "auto", ValueError, ["y is empty"]),
        (np.empty((0, 2)), "auto", ValueError, ["y is empty"]),
        (np.ones((2, 2, 2)), "auto", TypeError, ["3 dimensions"]),
        ([1, "a"], "auto", TypeError, ["mixes values", "int, str"]),
        (["a", "b"], "guess", ValueError, ["task='guess'", "'auto', 'classification'"]),
        (["a", None, "b"], "auto", ValueError, ["y lacks 1 of 3", "drop"]),
        ([1, None, None], "auto", ValueError, ["y lacks 2 of 3"]),
        ([1.0, float("nan")], "auto", ValueError, ["y lacks 1 of 2"]),
        ([1.0, float("nan")], "classification", ValueError, ["y lacks 1 of 2"]),
        ([1.0, float("inf")], "auto", ValueError, ["y holds 1 infinite"]),
        ([1.0, float("inf")], "classification", ValueError, ["y holds infinite labels"]),
        ([1e300, -1e300], "regression", ValueError, ["y holds", "1e+300", "too large"]),
        (["a", "a"], "auto", ValueError, ["y has the one class 'a'", "two"]),
        ([2.5, 2.5], "auto", ValueError, ["y is 2.5 in all training rows", "check"]),
        (["a", "b"], "regression", TypeError, ["y has dtype String", "cast"]),
        ([datetime.date(2020, 1, 1)] * 2, "auto", TypeError, ["y has dtype Date", "cast"]),
        (
            [datetime.date(2020, 1, 1)] * 2,
            "classification",
            TypeError,
            ["y has dtype Date", "class label", "cast"],
        ),
        ([Decimal("0.5")] * 2, "classification", TypeError, ["y has dtype Decimal", "cast"]),
        (np.eye(2), "classification", ValueError, ["y has 2 columns", "column_1", "one"]),
        ({"a": [1, 2], "b": ["u", "v"]}, "auto", TypeError, ["column 'b' of y", "String"]),
        ({"a": [1, 2], "b": [3, 3]}, "auto", ValueError, ["column 'b' of y is 3.0 in all"]),
    ],
)
def test_what_is_no_target_is_refused(
    y: Any, task: str, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as refusal:
        Targets.fit(y, rows=all_rows(2), task=task)
    assert all(word in str(refusal.value) for word in words), refusal.value


@pytest.mark.parametrize(
    ("trained", "y", "error", "words"),
    [
        (["a", "b"], ["a", "c"], ValueError, ["label 'c'", "'a', 'b'", "drop"]),
        (["1", "2"], [1], ValueError, ["label 1", "'1', '2'"]),
        ([1, 2], [1.5], ValueError, ["label 1.5", "1, 2"]),
        ([1, 2], [2**62], ValueError, ["label 4611686018427387904", "1, 2"]),
        (["a", "b"], [None], ValueError, ["lacks 1 of 1"]),
        (["a", "b"], [["a", "b"]], ValueError, ["2 columns"]),
        ([0.5, 1.5], ["a"], TypeError, ["String", "cast"]),
        ([0.5, 1.5], [1e60], ValueError, ["1e+60", "too large"]),
        (np.eye(2), np.eye(3), ValueError, ["3 columns", "2 are needed"]),
        (np.eye(2), {"a": [1]}, ValueError, ["lacks the columns", "column_0"]),
        (np.eye(2), [1.0, 2.0], ValueError, ["1 columns", "2 are needed"]),
    ],
)
def test_what_does_not_fit_the_training_targets_is_refused(
    trained: Any, y: Any, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as refusal:
        fitted(trained).transform(y, argument="test_y")
    assert all(word in str(refusal.value) for word in [*words, "test_y"]), refusal.value


def test_a_task_has_its_own_answers() -> None:
    outputs = np.zeros((1, 1), dtype=np.float32)
    with pytest.raises(ValueError, match="no quantities; see labels"):
        fitted(["a", "b"]).values(outputs)
    with pytest.raises(ValueError, match="no classes; see values"):
        fitted([0.5, 1.5]).labels(np.array([0]))


def test_lengths_must_agree() -> None:
    check_lengths(3, 3)
    with pytest.raises(ValueError, match="test_y has 2 rows and test_X has 3: give one row"):
        check_lengths(3, 2, X_argument="test_X", y_argument="test_y")


NUMBER: dict[str, Any] = {"operation": "standardize", "column": "a", "kind": "number"}
NUMBER |= {"mean": 0.5, "scale": 2.0, "missing": False}
TEXT = {
    "operation": "labels",
    "column": "kind",
    "classes": ["x", "y"],
    "dtype": "String",
    "categories": None,
    "one_hot": False,
}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (None, "targets.columns: expected a list"),
        ([], "targets.columns: expected a list"),
        ([TEXT, TEXT | {"column": "b"}], "labels must be the only column"),
        ([TEXT, NUMBER], "labels must be the only column"),
        ([NUMBER, NUMBER], "occurs twice"),
        ([{"operation": "one_hot", "column": "a", "levels": ["x"]}], "operation: expected one of"),
    ],
)
def test_malformed_targets_are_refused(columns: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Targets.from_dict({"columns": columns})
