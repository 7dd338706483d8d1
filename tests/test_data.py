"""Laws of tables given for validation and test, of row weights, and what of them is refused."""

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

import apbt_rs

X, Y = apbt_rs.datasets.load_iris()
QUICK: dict[str, Any] = {"k": 8, "epochs": 20, "readiness": 5, "seed": 0, "progress": False}
HELD = np.arange(0, 150, 5)
KEPT = np.setdiff1d(np.arange(150), HELD)


def losses(result: apbt_rs.Result) -> list[float | None]:
    return [one.validation_loss for _, one in result._networks()]


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_table_of_its_own_scores_as_the_same_rows_by_index(name: str) -> None:
    """What is trained on is the same; so are the scores, whatever the order of columns."""
    other = {"test": "validation", "validation": "test"}[name]
    rest: dict[str, Any] = {other: "train" if other == "validation" else None}
    rows, table = {**QUICK, **rest}, {**QUICK, **rest}
    rows[name] = HELD
    table[name] = X[HELD].select(reversed(X.columns)), Y[HELD]
    by_rows, given = apbt_rs.run(X, Y, **rows), apbt_rs.run(X[KEPT], Y[KEPT], **table)
    for (_, a), (_, b) in zip(by_rows._networks(), given._networks(), strict=True):
        assert np.array_equal(a.core.parameters, b.core.parameters)
        assert (a.validation_score, a.validation_loss) == (b.validation_score, b.validation_loss)
        assert (a.test_score, a.test_loss) == (b.test_score, b.test_loss)


def test_rows_of_a_table_of_its_own_weigh_as_an_average_one() -> None:
    weights = np.linspace(1, 3, len(KEPT))
    given = apbt_rs.run(
        X[KEPT], Y[KEPT], **QUICK, sample_weight=weights, validation=(X[HELD], Y[HELD])
    )
    every = np.full(150, weights.mean())
    every[KEPT] = weights
    by_rows = apbt_rs.run(X, Y, **QUICK, sample_weight=every, validation=HELD)
    assert losses(given) == losses(by_rows)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"validation": (X,)}, ValueError, r"validation: a tuple of 1: expected \(X, y\)"),
        ({"test": (X, Y, Y)}, ValueError, r"test: a tuple of 3: expected \(X, y\)"),
        ({"validation": (X[:0], Y[:0])}, ValueError, "validation: has no rows"),
        ({"validation": (X[:9], Y[:8])}, ValueError, r"validation\[1\] has 8 rows"),
        ({"test": (X[:, :2], Y)}, ValueError, r"test\[0\] lacks"),
        ({"test": (X, Y.str.to_uppercase())}, ValueError, r"test\[1\] .*never saw"),
        ({"test": HELD, "validation": KEPT}, ValueError, "validation: no row is left to train on"),
        ({"validation": np.arange(50, 150)}, ValueError, "have one class only"),
        ({"sample_weight": "heavy"}, TypeError, "sample_weight of type str cannot be read"),
        ({"sample_weight": np.ones((150, 2))}, ValueError, r"has shape \(150, 2\)"),
        ({"sample_weight": np.ones(149)}, ValueError, "sample_weight has 149 rows"),
        ({"sample_weight": np.zeros(150)}, ValueError, "all weights are zero"),
        ({"sample_weight": np.full(150, 1e101)}, ValueError, "too large"),
        ({"sample_weight": np.full(150, np.inf)}, ValueError, "row 0 has inf"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    wrong: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        apbt_rs.run(X, Y, **QUICK, **wrong)


def test_a_shorter_dtype_of_y_in_a_table_of_its_own_is_no_other_class() -> None:
    codes = Y.cast(pl.Categorical).to_physical().cast(pl.Int64)
    given = apbt_rs.run(
        X[KEPT], codes[KEPT], **QUICK, validation=(X[HELD], codes[HELD].cast(pl.Int8))
    )
    by_rows = apbt_rs.run(X, codes, **QUICK, validation=HELD)
    assert losses(given) == losses(by_rows)


ENUM = pl.Enum(["setosa", "versicolor", "virginica"])


@pytest.mark.parametrize(
    "dtypes",
    [
        (ENUM, pl.Enum(["virginica", "versicolor", "setosa"])),
        (pl.Categorical, ENUM),
        (ENUM, pl.Categorical),
        (pl.String, ENUM),
        (pl.Boolean, pl.Decimal(10, 2)),
    ],
)
@pytest.mark.parametrize("name", ["validation", "test"])
def test_labels_of_a_table_of_its_own_may_have_any_dtype(name: str, dtypes: Any) -> None:
    texts = dtypes[0] != pl.Boolean
    y = Y if texts else (Y == "setosa").cast(pl.Int8)
    told = []

    def metric(labels: pl.Series, predicted: pl.Series) -> float:
        told.append(labels.dtype)
        return float((labels == predicted).mean())  # type: ignore[arg-type]

    settings = {**QUICK, "metric": metric}
    expected, found = (
        apbt_rs.run(
            X[KEPT],
            y[KEPT].cast(dtypes[0]),
            **{**settings, name: (X[HELD], y[HELD].cast(dtype))},
        )
        for dtype in dtypes
    )
    assert losses(found) == losses(expected)
    assert found.chosen.test_score == expected.chosen.test_score
    assert set(told) == {pl.Series(dtype=dtypes[0]).dtype}


def test_quantities_of_a_table_of_its_own_may_be_booleans() -> None:
    y = pl.Series([Decimal(1), Decimal(0)] * 75)
    held = [True, False] * 15
    given, plain = (apbt_rs.run(X, y, **QUICK, validation=(X[HELD], one)) for one in (held, y[:30]))
    assert losses(given) == losses(plain)


def test_a_tuple_of_rows_is_a_list_of_them() -> None:
    rows = tuple(HELD.tolist())
    given = apbt_rs.run(X, Y, **QUICK, validation=rows, test=(1, 2))
    listed = apbt_rs.run(X, Y, **QUICK, validation=list(rows), test=np.array([1, 2]))
    assert losses(given) == losses(listed)
    assert given.chosen.test_score == listed.chosen.test_score


@pytest.mark.parametrize(
    ("y", "task", "warned"),
    [
        ([0.0, 1.0] * 75, "auto", True),
        (np.arange(150.0) % 10, "auto", True),
        (np.arange(150.0) % 11, "auto", False),
        ([0.0, 0.5] * 75, "auto", False),
        ([0.0, 1.0] * 75, "regression", False),
        ([0.0, 1.0] * 75, "classification", False),
        ([0, 1] * 75, "auto", False),
    ],
)
def test_whole_floats_that_may_be_classes_are_a_warning(y: Any, task: str, warned: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        apbt_rs.evolve(X, y, k=4, epochs=1, task=task, seed=0)
    assert any("give task='classification'" in str(one.message) for one in caught) == warned


def test_a_target_that_changes_while_the_run_goes_on_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    told = []

    def metric(targets: np.ndarray, predictions: np.ndarray) -> float:
        told.append(float(np.asarray(targets).sum()))
        return float(np.abs(np.asarray(targets) - np.asarray(predictions)).mean())

    evolution = apbt_rs.evolve(X, y, k=4, epochs=6, readiness=2, metric=metric, seed=0)
    next(evolution)
    y[:] = 1000.0
    evolution.finish()
    assert len(set(told)) == 1


@pytest.mark.parametrize("column", [["a", "b"] * 74 + ["a", "rare"], [1.0] * 149 + [None]])
def test_what_only_test_rows_have_is_told_as_such(column: list[Any]) -> None:
    table = X.with_columns(pl.Series("odd", column))
    message = r"column 'odd' of X .*row 149.* only rows that test= keeps have it: other rows"
    with pytest.raises(ValueError, match=message):
        apbt_rs.run(table, Y, **QUICK, test=[3, 149])
    network = apbt_rs.run(table, Y, **QUICK, test=[3]).chosen
    with pytest.raises(ValueError, match="column 'sepal_length' of X lacks 1 of 150") as told:
        network.predict(table.with_columns(pl.Series("sepal_length", [None] + [1.0] * 149)))
    assert "test=" not in str(told.value)
