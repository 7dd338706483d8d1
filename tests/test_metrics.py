"""A metric of the user's own: what it is given, how it is weighed, what is refused."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score

import apbt_rs
from apbt_rs._metrics import resolve

X, Y = apbt_rs.datasets.load_iris()
ROWS = np.arange(0, 150, 4)
QUICK: dict[str, Any] = {"k": 8, "epochs": 20, "readiness": 5, "seed": 0, "progress": False}


def test_probabilities_are_those_of_predict_proba() -> None:
    def own(y_true: pl.Series, probabilities: np.ndarray) -> float:
        assert np.allclose(probabilities.sum(axis=1), 1)
        places = y_true.cast(pl.Enum(sorted(set(Y)))).to_physical().to_numpy()
        return float(probabilities[np.arange(len(places)), places].mean())

    metric = apbt_rs.metric(own, constant=1 / 3, perfect=1, response="predict_proba")
    best = apbt_rs.run(X, Y, **QUICK, metric=metric, validation=ROWS, test=[1, 51, 101]).best
    assert best.validation_score == own(Y[ROWS], best.predict_proba(X[ROWS]))
    assert best.test_score == own(Y[[1, 51, 101]], best.predict_proba(X[[1, 51, 101]]))


def test_anchors_scale_the_skill() -> None:
    """Fitness is `score_base^(100·skill) / size_base^size`, skill 0 at `constant`."""

    def hits(y_true: Any, y_pred: Any) -> float:
        return float(accuracy_score(y_true, y_pred))

    metric = apbt_rs.metric(hits, constant=0.25, perfect=1.25)
    history = apbt_rs.run(X, Y, **QUICK, metric=metric, fitness=(1.5, 1.01)).history
    skill = history["validation_score"] - 0.25
    expected = 100 * skill * np.log(1.5) - history["size"] * np.log(1.01)
    assert np.allclose(history["log_fitness"], expected)


def test_a_metric_says_its_name_and_scores_what_it_is_given() -> None:
    metric = apbt_rs.metric(accuracy_score, name="hits")
    assert repr(metric) == "Metric(hits)"
    assert metric([1, 2], [1, 1]) == 0.5
    assert metric.anchors is None


def test_a_network_does_not_carry_the_users_function() -> None:
    network = apbt_rs.run(X, Y, **QUICK, metric=accuracy_score).chosen
    assert network.metric == "accuracy_score"
    with pytest.raises(ValueError, match=r"'accuracy_score' is a function, which a network"):
        network.score(X, Y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"function": 3}, TypeError, "function=3 cannot be called"),
        ({"constant": 0.0}, ValueError, "give both or neither"),
        ({"constant": 0.0, "perfect": float("nan")}, ValueError, "perfect=nan: expected a finite"),
        ({"constant": "0", "perfect": 1}, ValueError, "constant='0': expected a finite"),
        ({"constant": 1, "perfect": 1}, ValueError, "constant=1 must be below perfect=1"),
        ({"response": "proba"}, ValueError, "response='proba': expected 'predict' or"),
    ],
)
def test_what_no_metric_can_be_made_from(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        apbt_rs.metric(**{"function": accuracy_score, **arguments})


def test_names_and_functions_that_do_not_go_with_the_task() -> None:
    proba = apbt_rs.metric(accuracy_score, response="predict_proba")
    with pytest.raises(ValueError, match="wants probabilities: a regression has none"):
        apbt_rs.run(X[:, :2], X[:, 3], **QUICK, metric=proba)
    with pytest.raises(TypeError, match="metric=3: expected a name or a function"):
        apbt_rs.run(X, Y, **QUICK, metric=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'accuracy' is built in"):
        resolve("accuracy", "classification")([1], [1])


def test_what_is_no_number_stops_the_run_by_name() -> None:
    def words(y_true: Any, y_pred: Any) -> Any:
        return "good"

    with pytest.raises(TypeError, match="metric 'words' returned 'good': expected a number"):
        apbt_rs.run(X, Y, **QUICK, metric=words)


def test_where_nothing_has_a_finite_score_there_is_no_result() -> None:
    def nothing(y_true: Any, y_pred: Any) -> float:
        return float("nan")

    with pytest.raises(ValueError, match=r"metric 'nothing': no network had a finite score"):
        apbt_rs.run(X, Y, **QUICK, metric=nothing)
