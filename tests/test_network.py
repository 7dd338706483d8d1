"""Laws of networks as values: put together, weighted, pickled; and what they refuse."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, r2_score

import apbt_rs
from apbt_rs import _core

X, Y = apbt_rs.datasets.load_iris()
QUICK: dict[str, Any] = {"k": 10, "epochs": 30, "readiness": 5, "seed": 0, "progress": False}


@pytest.fixture(scope="module")
def classifier() -> apbt_rs.Network:
    return apbt_rs.run(X, Y, **QUICK).most_accurate


@pytest.fixture(scope="module")
def regressor() -> apbt_rs.Network:
    return apbt_rs.run(X[:, :2], X["petal_width"], **QUICK).most_accurate


def test_a_network_is_its_parts(classifier: apbt_rs.Network) -> None:
    core = classifier.core
    again = _core.Network(core.topology, core.activations, core.parameters, core.mask)
    inputs = classifier.encoder.transform(X)
    assert np.array_equal(again.outputs(inputs), core.outputs(inputs))
    assert again.to_file("{}") == core.to_file("{}")
    whole = _core.Network([2, 1], ["identity"], np.array([2, 3, 0.5], np.float32))
    assert whole.size == 2
    assert whole.n_parameters == 3
    assert whole.outputs(np.array([[1, 10]], np.float32)).tolist() == [[32.5]]
    assert classifier.n_bytes == 4 * classifier.n_parameters


@pytest.mark.parametrize(
    ("topology", "activations", "count"),
    [
        ([2, 1], ["identity"], 4),
        ([2], [], 0),
        ([2, 0], ["identity"], 0),
        ([2, 1], ["tanh", "identity"], 3),
        ([2, 1], ["cubic"], 3),
        ([2**40, 2**40], ["identity"], 3),
    ],
)
def test_what_is_no_network_is_refused(
    topology: list[int], activations: list[str], count: int
) -> None:
    with pytest.raises(ValueError, match=r"topology|activation|parameters|layers|network"):
        _core.Network(topology, activations, np.zeros(count, np.float32))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=150, max_size=150).filter(any))
def test_a_row_of_weight_n_counts_as_n_rows(
    classifier: apbt_rs.Network, regressor: apbt_rs.Network, weights: list[int]
) -> None:
    rows = np.repeat(np.arange(150), weights)
    expected = accuracy_score(Y[rows], classifier.predict(X[rows]))
    assert classifier.score(X, Y, sample_weight=weights) == pytest.approx(expected)
    y = X["petal_width"]
    if y[rows].n_unique() > 1:
        expected = r2_score(y[rows], regressor.predict(X[rows]))
        assert regressor.score(X, y, weights) == pytest.approx(expected, abs=1e-5)


NO_WEIGHTS: list[Any] = [
    *([-1.0] + [1.0] * 149, [float("nan")] * 150, [0.0] * 150, [float("inf")] * 150),
    *([None] + [1.0] * 149, ["1"] * 150, [1.0] * 149, [], np.ones((150, 1)), np.ones((150, 2))),
    *(dict.fromkeys(range(150), 1.0), pl.DataFrame({"w": [1.0] * 150}), 3.0, "w", [1e101] * 150),
]


@pytest.mark.parametrize("weights", NO_WEIGHTS, ids=range(len(NO_WEIGHTS)))
def test_row_weights_are_checked_as_those_of_a_run(
    classifier: apbt_rs.Network, weights: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^sample_weight") as scored:
        classifier.score(X, Y, sample_weight=weights)
    with pytest.raises((TypeError, ValueError), match=r"^sample_weight") as run:
        apbt_rs.evolve(X, Y, sample_weight=weights)
    assert (scored.type, str(scored.value)) == (run.type, str(run.value))


def test_r2_of_equal_targets_is_nan_with_a_warning(regressor: apbt_rs.Network) -> None:
    """As scikit-learn's of a single row; -inf would stand for a very bad network."""
    few, y = X[:3, :2], [0.2] * 3
    with pytest.warns(
        UserWarning, match="score: all rows have the same 'petal_width', of which r2"
    ):
        assert np.isnan(regressor.score(few, y))
    with pytest.warns(UserWarning, match="score: all rows"):
        assert np.isnan(regressor.score(few, [0.2, 0.2, 0.3], sample_weight=[1, 1, 0]))
    with pytest.warns(
        UserWarning, match="test: all rows have the same 'petal_length', of which r2"
    ):
        best = apbt_rs.run(
            X[:, :2],
            X.select("petal_width", "petal_length"),
            **QUICK,
            test=(few, {"petal_width": [0.1, 0.2, 0.3], "petal_length": [1.5] * 3}),
        ).best
    assert np.isnan(best.test_score or 0.0)
    assert np.isfinite(best.test_loss or np.nan)


def test_many_rows_are_as_few(classifier: apbt_rs.Network) -> None:
    """Shared out among threads, and not."""
    inputs = np.tile(classifier.encoder.transform(X), (100, 1))
    few = np.tile(classifier.core.outputs(inputs[:150]), (100, 1))
    assert np.array_equal(classifier.core.outputs(inputs), few)


def test_a_pickled_network_is_the_same(classifier: apbt_rs.Network) -> None:
    copy = pickle.loads(pickle.dumps(classifier))
    assert copy.core.to_file("{}") == classifier.core.to_file("{}")
    assert repr(copy) == repr(classifier)
    assert copy.classes == ["setosa", "versicolor", "virginica"]


def test_refusals(classifier: apbt_rs.Network, regressor: apbt_rs.Network) -> None:
    with pytest.raises(ValueError, match="predict_proba: a regression has no classes"):
        regressor.predict_proba(X)
    with pytest.raises(ValueError, match=r"X: has 2 encoded columns, not 4"):
        classifier.core.outputs(np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="y has 149 rows and X has 150"):
        classifier.score(X, Y[:149])
    with pytest.raises(ValueError, match="sample_weight has 3 rows"):
        classifier.score(X, Y, [1.0, 2.0, 3.0])


def test_a_row_whose_sums_leave_float32_is_refused(regressor: apbt_rs.Network) -> None:
    large = _core.Network([2, 1], ["identity"], np.array([1e25, 1e25, 0], np.float32))
    network = replace(regressor, core=large)
    rows = X[:, :2].to_numpy().copy()
    rows[3] *= 1e17
    for call in (network.predict, lambda rows: network.score(rows, X["petal_width"])):
        with pytest.raises(ValueError, match="X: row 3 is so far from the training rows"):
            call(rows)
    assert np.isfinite(np.asarray(network.predict(rows[:3]))).all()


@pytest.mark.parametrize("threads_share", [False, True])
def test_columns_that_follow_each_other_are_read_as_they_are_meant(
    classifier: apbt_rs.Network, threads_share: bool
) -> None:
    inputs = np.tile(classifier.encoder.transform(X), (100 if threads_share else 1, 1))
    expected = classifier.core.outputs(inputs)
    for other in (np.asfortranarray(inputs), np.repeat(inputs, 2, axis=0)[::2]):
        assert np.array_equal(classifier.core.outputs(other), expected)
