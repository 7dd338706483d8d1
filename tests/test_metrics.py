"""A metric of the user's own: what it is given, how it is weighed, what is refused."""

from functools import partial, wraps
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    fbeta_score,
    get_scorer,
    make_scorer,
    roc_auc_score,
)

import apbt_rs
from apbt_rs._metrics import BUILT_IN, resolve

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


@settings(max_examples=15)
@given(st.lists(st.floats(0.1, 10.0), min_size=150, max_size=150))
def test_row_weights_reach_a_function_that_takes_them(weights: list[float]) -> None:
    """They do what they do to the built-in metric of the same meaning."""
    first = [
        next(apbt_rs.evolve(X, Y, k=6, seed=0, sample_weight=weights, metric=metric)).best_score
        for metric in ("accuracy", accuracy_score)
    ]
    assert first[0] == pytest.approx(first[1])


def test_the_weights_of_validation_and_test_rows_are_their_own() -> None:
    weights = np.where(Y == "versicolor", 1.0, np.linspace(1, 20, 150))
    metric = partial(fbeta_score, beta=2, average="macro")
    best = apbt_rs.run(
        X, Y, **QUICK, metric=metric, validation=ROWS, test=[1, 51, 101, 147], sample_weight=weights
    ).most_accurate
    for rows, score in ((ROWS, best.validation_score), ([1, 51, 101, 147], best.test_score)):
        assert score == metric(Y[rows], best.predict(X[rows]), sample_weight=weights[rows])


def test_a_function_that_takes_no_weights_is_said_to_be_unweighted_once() -> None:
    given = []

    def hits(y_true: Any, y_pred: Any, **rest: Any) -> float:
        given.append(rest)
        return float(accuracy_score(y_true, y_pred))

    with pytest.warns(UserWarning, match="'hits' has no parameter sample_weight") as caught:
        best = apbt_rs.run(
            X, Y, **QUICK, metric=hits, validation=ROWS, sample_weight=[1.0, 9.0, 5.0] * 50
        ).best
    assert len(caught) == 1
    assert best.validation_score == accuracy_score(Y[ROWS], best.predict(X[ROWS]))
    assert not any(given)


def test_what_wraps_another_function_takes_what_it_takes_itself() -> None:
    @wraps(accuracy_score)
    def misses(y_true: Any, y_pred: Any) -> float:
        return -float((y_true != y_pred).sum())

    @wraps(accuracy_score)
    def all_on(*args: Any, **kwargs: Any) -> float:
        return float(accuracy_score(*args, **kwargs))

    assert not apbt_rs.metric(misses).weighted
    assert apbt_rs.metric(all_on).weighted
    assert apbt_rs.metric(accuracy_score).weighted


def test_without_row_weights_a_function_gets_none() -> None:
    def hits(y_true: Any, y_pred: Any, sample_weight: Any = "none") -> float:
        assert sample_weight == "none"
        return float(accuracy_score(y_true, y_pred))

    assert apbt_rs.metric(hits).weighted
    assert not apbt_rs.metric(lambda y_true, y_pred: 0.5).weighted
    assert not resolve("accuracy", "classification").weighted
    apbt_rs.run(X, Y, **QUICK, metric=hits)


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
        ({"constant": 10**400, "perfect": 1}, ValueError, "constant=10000.*: expected a finite"),
        ({"response": "proba"}, ValueError, "response='proba': expected 'predict' or"),
        (
            {"function": make_scorer(roc_auc_score, response_method="predict_proba")},
            TypeError,
            r"'roc_auc_score' is a scorer of scikit-learn.* better, as roc_auc_score is",
        ),
        ({"function": get_scorer("accuracy")}, TypeError, "better, as accuracy_score is"),
        (
            {"function": get_scorer("neg_mean_squared_error")},
            TypeError,
            r"higher is better, as lambda y_true, y_pred: -mean_squared_error\(y_true, y_pred\) is",
        ),
        (
            {"function": lambda model, X, y: 0.5},
            TypeError,
            "'<lambda>' cannot be called as f.*missing a required argument: 'y'",
        ),
        ({"function": fbeta_score}, TypeError, "'fbeta_score' cannot .*'beta'.*functools.partial"),
    ],
)
def test_what_no_metric_can_be_made_from(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        apbt_rs.metric(**{"function": accuracy_score, **arguments})


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_name_of_a_built_in_metric_is_no_functions(name: str) -> None:
    """`Network.score` would take one for the other."""

    def own(y_true: Any, y_pred: Any) -> float:
        return 0.123

    with pytest.raises(ValueError, match=f"{name!r}: .* the name of a built-in metric: give anot"):
        apbt_rs.metric(own, name=name)
    own.__name__ = name
    with pytest.raises(ValueError, match=f"{name!r}: .* the name of a built-in metric: give anot"):
        apbt_rs.run(X, Y, **QUICK, metric=own)


def test_an_unknown_name_tells_all_that_may_be_given() -> None:
    with pytest.raises(ValueError, match="metric='balanced_accuracy'") as caught:
        apbt_rs.run(X, Y, **QUICK, metric="balanced_accuracy")
    words = ["did you mean 'accuracy'?", "'soft_accuracy'", "'neg_log_loss'", "f(y_true, y_pred)"]
    assert all(one in str(caught.value) for one in words)


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


def test_a_number_too_large_for_a_float_stops_the_run_by_name() -> None:
    with pytest.raises(ValueError, match="metric 'vast' returned a whole number too large"):
        apbt_rs.run(X, Y, **QUICK, metric=apbt_rs.metric(lambda a, b: 10**5000, name="vast"))


@pytest.mark.parametrize("error", [KeyError("a"), StopIteration(), TypeError("no")])
def test_what_a_function_raises_says_whose_it_is_and_what_it_was_given(error: Exception) -> None:
    def broken(y_true: Any, y_pred: Any) -> float:
        raise error

    name = type(error).__name__
    with pytest.raises(
        ValueError, match=f"metric 'broken' raised {name}: .*with 38 rows"
    ) as caught:
        apbt_rs.run(X, Y, **QUICK, metric=broken, validation=ROWS)
    assert caught.value.__cause__ is error


def test_both_probabilities_of_two_classes_where_one_is_wanted() -> None:
    area = apbt_rs.metric(roc_auc_score, response="predict_proba")
    with pytest.raises(ValueError, match=r"'roc_auc_score' raised .*\(20, 2\) .*column, \[:, 1\]"):
        apbt_rs.run(X[:100], Y[:100], **QUICK, metric=area)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_where_nothing_has_a_finite_score_a_warning_says_so_at_once(value: float) -> None:
    def nothing(y_true: Any, y_pred: Any) -> float:
        return value

    with (
        pytest.warns(UserWarning, match=r"metric 'nothing': no network .* before any training"),
        pytest.raises(ValueError, match=r"metric 'nothing': no network had a finite score"),
    ):
        apbt_rs.run(X, Y, **QUICK, metric=nothing)


def test_a_score_that_is_finite_after_a_while_will_do() -> None:
    calls = []

    def later(y_true: Any, y_pred: Any) -> float:
        calls.append(1)
        return float("nan") if len(calls) <= 2 * QUICK["k"] else 0.5

    with pytest.warns(UserWarning, match="before any training, the first nan"):
        found = apbt_rs.run(X, Y, **QUICK, metric=later)
    assert found.best.validation_score == 0.5
    assert found.best.generation >= 2


def test_one_finite_score_is_enough_to_go_on() -> None:
    values = iter([0.5])

    def seldom(y_true: Any, y_pred: Any) -> float:
        return next(values, float("nan"))

    assert apbt_rs.run(X, Y, **QUICK, metric=seldom).best.validation_score == 0.5
