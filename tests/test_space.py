"""The space that is searched: members are born and stay in it, and what is none is refused."""

from typing import Any

import polars as pl
import pytest

import apbt_rs
from apbt_rs import Range

X, Y = apbt_rs.datasets.load_iris()
WRONG: Any = 3
UNKNOWN: Any = "cubic"
QUICK: dict[str, Any] = {"k": 15, "epochs": 40, "readiness": 5, "seed": 0, "progress": False}


def history(**space: Any) -> pl.DataFrame:
    return apbt_rs.run(X, Y, **QUICK, space=space).history


def test_fixed_values_never_change() -> None:
    fixed = {"learning_rate": 0.05, "batch_size": 8, "optimizer": "sgd", "momentum": 0.25}
    rows = history(**fixed)
    for name, value in fixed.items():
        assert rows[name].unique().to_list() == [value]


def test_choices_are_all_that_is_ever_met() -> None:
    rows = history(
        batch_size=[4, 8, 32],
        learning_rate=[0.01, 0.1],
        activation=["relu"],
        hidden_layers=[1, 3],
        hidden_units=[6, 2, 11],
    )
    assert set(rows["batch_size"]) <= {4, 8, 32}
    assert set(rows["learning_rate"]) <= {0.01, 0.1}
    assert {one for layers in rows["activation"] for one in layers} <= {"relu"}
    hidden = [topology[1:-1] for topology in rows["topology"].to_list()]
    assert {len(units) for units in hidden} == {1, 3}
    assert {one for units in hidden for one in units} == {2, 6, 11}


def test_members_are_born_in_the_start_and_kept_in_the_bounds() -> None:
    rate = Range(0.001, 0.2, scale="log", start=(0.15, 0.2))
    rows = history(learning_rate=rate, hidden_layers=(1, 2), hidden_units=(3, 4))
    born = rows.filter(event="born")
    assert born["learning_rate"].is_between(0.15, 0.2).all()
    assert rows["learning_rate"].is_between(0.001, 0.2).all()
    assert (rows["learning_rate"] < 0.15).any()
    hidden = [topology[1:-1] for topology in rows["topology"].to_list()]
    assert all(1 <= len(units) <= 2 and set(units) <= {3, 4} for units in hidden)


def test_a_logarithmic_range_from_zero_becomes_linear() -> None:
    assert history(learning_rate=(0.0, 0.1))["learning_rate"].is_between(0, 0.1).all()


@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        ({"activation": 3}, TypeError, r"space\['activation'\]=3: expected one of"),
        ({"activation": []}, TypeError, r"space\['activation'\]=\[\]: expected one of"),
        ({"activation": ["tanhh"]}, ValueError, "did you mean 'tanh'"),
        ({"optimizer": ["zzz"]}, ValueError, r"unknown value 'zzz': expected one of"),
        ({"learning_rate": "fast"}, TypeError, r"space\['learning_rate'\]='fast'"),
        ({"learning_rate": True}, TypeError, r"space\['learning_rate'\]=True"),
        ({"learning_rate": -1.0}, ValueError, "not -1.0"),
        ({"learning_rate": float("inf")}, ValueError, "finite numbers"),
        ({"batch_size": 2.5}, ValueError, "expected whole numbers, not 2.5"),
        ({"batch_size": []}, TypeError, r"space\['batch_size'\]=\[\]"),
        (
            {"learning_rate": Range(0.01, 0.1, start=WRONG)},
            TypeError,
            r"expected start=\(low, high\)",
        ),
        ({"learning_rate": Range(0.01, 0.1, start=(0.1, 0.2))}, ValueError, "low <= start"),
        ({"learning_rate": Range(0.01, 0.1, scale=UNKNOWN)}, ValueError, "unknown scale 'cubic'"),
        ({"learning_rate": Range(0.0, 0.1, scale="log")}, ValueError, r"start\[0\] > 0"),
        ({"density": Range(0.5, 1.0, scale="log_one_minus")}, ValueError, "high < 1"),
    ],
)
def test_what_is_no_space_is_refused_by_name(
    space: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        apbt_rs.run(X, Y, **QUICK, space=space)
