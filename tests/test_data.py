"""Laws of tables given for validation and test, of row weights, and what of them is refused."""

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
