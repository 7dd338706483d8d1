"""What `run` refuses before any training: the argument, the value and what would be right.

Here is every kind of refusal once, as the user meets it; the files of each part have more.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import apbt_rs
from apbt_rs import paper

X = pl.DataFrame({"a": np.arange(40.0) % 7, "b": ["u", "v"] * 20})
Y = [0, 1] * 20
ONES = [1.0] * 39
Range = apbt_rs.Range
DAY = datetime.date(2020, 1, 1)
# Polars that knows no extension types refuses the whole table.
EXTENSION = ["'c' of X", "cast"] if hasattr(pl, "Extension") else ["pandas.period", "give a polars"]


def start(X: Any = X, y: Any = Y, **settings: Any) -> apbt_rs.Evolution:
    """Start a run, which checks everything and trains nothing."""
    return apbt_rs.evolve(X, y, **{"k": 4, "epochs": 2, "seed": 0, **settings})


def column(values: Any, dtype: Any = None) -> pl.DataFrame:
    return X.with_columns(pl.Series("c", values, dtype=dtype, strict=False))


SETTINGS: list[tuple[dict[str, Any], list[str]]] = [
    ({"k": 1}, ["k=1", "at least 2"]),
    ({"k": -3}, ["k=-3", "at least 2"]),
    ({"k": True}, ["k=True", "whole number"]),
    ({"k": 2.5}, ["k=2.5", "whole number"]),
    ({"k": None}, ["k=None", "whole number"]),
    ({"k": 10**11}, ["k=100000000000", "at most 10000000"]),
    ({"epochs": 0}, ["epochs=0", "at least 1"]),
    ({"epochs": True}, ["epochs=True", "whole number"]),
    ({"epochs": "3"}, ["epochs='3'", "whole number"]),
    ({"readiness": 0}, ["readiness=0", "at least 1"]),
    ({"patience": 0}, ["patience=0", "at least 1"]),
    ({"patience": 1.5}, ["patience=1.5", "whole number"]),
    ({"time_limit": float("nan")}, ["time_limit=nan", "more than 0"]),
    ({"time_limit": 0}, ["time_limit=0", "more than 0"]),
    ({"time_limit": "1"}, ["time_limit='1'", "seconds"]),
    ({"seed": -1}, ["seed=-1", "at least 0"]),
    ({"seed": 2**64}, ["seed=18446744073709551616", "less than 2**64"]),
    ({"n_jobs": 0}, ["n_jobs=0", "at least 1, or -1 for all processors"]),
    ({"n_jobs": 1.5}, ["n_jobs=1.5", "a whole number of at least 1, or -1"]),
    ({"n_jobs": 2000}, ["n_jobs=2000", "at most 1024"]),
    ({"n_jobs": 10**6}, ["n_jobs=1000000", "at most"]),
    ({"progress": 1}, ["progress=1", "True or False"]),
    ({"callbacks": [3]}, ["callbacks: 3", "called"]),
    ({"callbacks": 3}, ["callbacks: 3", "called"]),
    ({"checkpoint": 3}, ["checkpoint=3", "path"]),
    ({"epoch": 3}, ["epoch"]),
    ({"task": "classify"}, ["task='classify'", "did you mean 'classification'?"]),
    ({"task": None}, ["task=None", "expected one of ['auto'"]),
    ({"metric": "neg_logloss"}, ["metric='neg_logloss'", "did you mean 'neg_log_loss'?"]),
    ({"metric": "r2"}, ["metric='r2'", "not one for a classification"]),
    ({"metric": "auc"}, ["metric='auc'", "expected one of ['accuracy'", "or a function"]),
    ({"metric": 3}, ["metric=3", "a name or a function"]),
    ({"rule": "one-se"}, ["rule='one-se'", "did you mean 'one_se'?"]),
    ({"fitness": (float("nan"), 1.02)}, ["fitness=(nan, 1.02)", "(1.09, 1.02)"]),
    ({"fitness": (1.0, 1.0)}, ["fitness=(1.0, 1.0)"]),
    ({"fitness": ("1.09", 1.02)}, ["fitness=('1.09', 1.02)", "(1.09, 1.02)"]),
    ({"fitness": (10**400, 1.5)}, ["fitness=(1000", "finite"]),
    ({"fitness": 1.09}, ["fitness=1.09", "(1.09, 1.02)"]),
    ({"encoding": {"aa": "drop"}}, ["no column 'aa'", "did you mean 'a'?"]),
]
SPACES: list[tuple[Any, list[str]]] = [
    ({"momentun": 0.5}, ["'momentun'", "did you mean 'momentum'?"]),
    (3, ["space=3"]),
    ({"optimizer": "adm"}, ["['optimizer']", "did you mean 'adam'"]),
    ({"lr": 1}, ["'lr'", "expected one of ['hidden_layers'"]),
    ({"activation": "tahn"}, ["['activation']", "'tahn'", "did you mean 'tanh'?"]),
    ({"activation": []}, ["['activation']=[]", "expected one of"]),
    ({"hidden_units": (9, 2)}, ["['hidden_units']=(9, 2)", "low <= high: change"]),
    ({"learning_rate": (1e-1, 1e-3)}, ["['learning_rate']=(0.1, 0.001)", "low <= high: change"]),
    ({"momentum": Range(0.1, 0.9, start=(0.8, 0.2))}, ["['momentum']", "start[0] <= start[1]"]),
    ({"momentum": Range(0.1, 0.5, start=(0.2, 0.6))}, ["['momentum']", "start[1] <= high"]),
    ({"momentum": Range(0.1, 0.5, scale="lin")}, ["'lin'", "did you mean 'linear'?"]),  # type: ignore[arg-type]
    ({"momentum": (0.0, 1.5)}, ["['momentum']=(0.0, 1.5)", "0 to 1"]),
    ({"momentum": (0, 1, 2)}, ["['momentum']=(0, 1, 2)", "a (low, high) tuple"]),
    ({"momentum": (float("nan"), 1)}, ["['momentum']=(nan, 1)", "expected 0 to 1"]),
    ({"batch_size": 0}, ["['batch_size']=0", "expected 1 to"]),
    ({"batch_size": 1.5}, ["['batch_size']=1.5", "whole numbers"]),
]
WEIGHTS: list[tuple[Any, list[str]]] = [
    ([-1.0, *ONES], ["row 0 has -1.0", "not negative"]),
    ([*ONES, float("nan")], ["row 39 has nan", "finite"]),
    ([*ONES, None], ["row 39 has nan", "finite"]),
    ([float("inf"), *ONES], ["row 0 has inf", "finite"]),
    ([0.0] * 40, ["all weights are zero", "positive"]),
    (ONES, ["has 39 rows and X has 40", "give one row"]),
    (3.0, ["of type float cannot be read"]),
    (np.ones((40, 1)), ["shape (40, 1)", "expected (40,)"]),
    (["1"] * 40, ["one number for each row", "String"]),
    (pd.Series(["1", "2"] * 20), ["one number for each row", "String"]),
    (np.array(["1", " 2 "] * 20, object), ["one number for each row", "String"]),
    (np.ma.masked_array([1.0] * 40, [True] * 40), ["masked", ".filled"]),
    ([10**400, *ONES], ["of type list cannot be read", "too large"]),
    ([DAY] * 40, ["one number for each row", "Date"]),
    (np.ones(40, complex), ["complex numbers"]),
    ([[1.0]] * 39 + [[1.0, 2.0]], ["row 39 has 2 values"]),
    ([1e200, *ONES], ["1e+200 is too large", "divide"]),
]
TABLES: list[tuple[Any, list[str]]] = [
    (X.clear(), ["X is empty", "0 rows", "at least one"]),
    ([], ["X is empty"]),
    (None, ["X of type NoneType", "give a polars"]),
    (column([float("inf")] * 40), ["'c' of X", "40 infinite", "replace"]),
    (column([1e300, -1e300] * 20), ["'c' of X", "1e+300", "too large", "rescale"]),
    (column([[1]] * 40), ["'c' of X", "List", "column of each"]),
    (column([{"p": 1}] * 40), ["'c' of X", "Struct", "column of each"]),
    (column(np.ones((40, 2))), ["'c' of X", "Array", "column of each"]),
    (column([b"x"] * 40), ["'c' of X", "Binary", "cast it to String"]),
    ({"a": 1, "b": "u"}, ["column 'a' is of type int", "give a list"]),
    (np.ones(40), [".reshape(-1, 1)", "one column", ".reshape(1, -1)", "one row"]),
    (pd.DataFrame({"c": pd.arrays.SparseArray([0, 1] * 20)}), ["'c' is sparse", ".to_dense()"]),
    (column([object()] * 40, pl.Object), ["'c' of X", "Object", "cast"]),
    (pd.DataFrame({"c": [1, "x"] * 20}), ["'c' mixes", "int, str", "cast"]),
    (pd.DataFrame({"c": [DAY, 1.5] * 20}), ["'c' mixes", "date, float", "cast"]),
    (np.array([[1, "x"]] * 20 + [["x", 1]] * 20, dtype=object), ["'column_0' mixes", "int, str"]),
    (pd.DataFrame(np.ones((40, 2)), columns=["c", "c"]), ["'c' is there twice", "rename"]),
    (pa.table([[1] * 40] * 2, names=["c", "c"]), ["pyarrow", "more than once", '"c"']),
    (pd.DataFrame({"c": [1j] * 40}), ["'c' holds complex", ".real"]),
    (np.ones((40, 2), complex), ["X of type numpy", "complex", ".real"]),
    (pd.DataFrame({"c": pd.period_range("2020", periods=40, freq="D")}), EXTENSION),
]
TARGETS: list[tuple[Any, list[str]]] = [
    ([], ["y is empty"]),
    (Y[:3], ["y has 3 rows and X has 40", "one row of y"]),
    ([1] * 40, ["y has the one class 1", "at least two"]),
    ([2.5] * 40, ["y is 2.5 in all", "check"]),
    ([None, *Y[1:]], ["y lacks 1 of 40", "drop"]),
    ([float("inf"), *ONES], ["y holds 1 infinite", "replace"]),
    ([1, "x"] * 20, ["y of type list", "mixes", "int, str", "cast"]),
    (pd.Series([1, "x"] * 20), ["y of type pandas", "mixes", "int, str", "cast"]),
    (pd.Series([1j] * 40), ["y of type pandas", "complex"]),
    (np.ones(40, complex), ["y of type numpy", "complex"]),
    (pl.Series([[1]] * 40), ["y has dtype List", "each of its parts"]),
    (pl.Series([b"x"] * 40), ["y has dtype Binary", "cast it to String"]),
    (np.array([b"u", b"v"] * 20), ["y has dtype Binary", ".astype(str)"]),
    (pd.Series(pd.arrays.SparseArray([0, 1] * 20)), ["it is sparse", ".to_dense()"]),
    ([DAY] * 40, ["y has dtype Date", "cast"]),
]
SPLITS: list[tuple[dict[str, Any], list[str]]] = [
    ({"validation": 1.5}, ["validation=1.5", "above 0 and below 1"]),
    ({"validation": "trian"}, ["validation='trian'", "'train'"]),
    ({"validation": (X,)}, ["validation: a tuple of 1", "(X, y)"]),
    ({"validation": (X, Y[:3])}, ["validation[1] has 3 rows", "one row of"]),
    ({"validation": (X.clear(), [])}, ["validation: has no rows"]),
    ({"validation": (X, ["q"] * 40)}, ["validation[1]", "'q'", "known are 0, 1"]),
    ({"test": (X.select("b"), Y)}, ["test[0] lacks the columns ['a']", "it has ['b']"]),
    ({"test": 0.99}, ["test=0.99", "2 classes", "smaller share"]),
    ({"test": 2}, ["test=2", "row indices"]),
    ({"test": [41]}, ["test holds the row 41", "0 to 39"]),
    ({"validation": (0, 41)}, ["validation holds the row 41", "0 to 39"]),
    ({"X": column([*[1.0] * 39, None]), "test": [39]}, ["'c' of X lacks 1", "row 39", "fill"]),
    ({"X": column(["q"] * 39 + ["r"]), "test": [39]}, ["'c' of X holds 'r' in row 39", "drop"]),
    ({"y": ["p", "q"] * 19 + ["p", "r"], "test": [39]}, ["test: class 2 ('r')", "drop"]),
    ({"validation": [0], "test": [0]}, ["row 0 is kept for the test"]),
    (
        {"sample_weight": [0.0, *ONES], "validation": [0]},
        ["sample_weight: is zero for all validation rows", "hold out other rows"],
    ),
    ({"sample_weight": [0.0, *ONES], "test": [0]}, ["zero for all test rows", "positive"]),
    (
        {"sample_weight": [1.0, 1.0, *([0.0] * 38)], "validation": [0, 1]},
        ["zero for all training rows", "positive"],
    ),
    (
        {"sample_weight": [1e39, *ONES], "validation": [0]},
        ["row 0 has 1e+39", "1e+39 times", "1e+30 is the most", "less"],
    ),
    (
        {"sample_weight": [1e99, *ONES], "validation": [5, 6]},
        ["sample_weight: the validation rows have at most 1", "0 in float32", "1e+99"],
    ),
    ({"task": "classification", "y": [Decimal("0.5")] * 40}, ["y has dtype Decimal", "cast"]),
    ({"X": np.eye(3), "y": ["a", "b", "c"]}, ["too few for 3 classes", "smaller share"]),
    ({"X": np.eye(2), "y": [1.5, 2.5]}, ["validation=0.2 of 2 rows is none", "row indices"]),
]
EVERY = [
    *SETTINGS,
    *(({"space": space}, words) for space, words in SPACES),
    *(({"sample_weight": weights}, ["sample_weight", *words]) for weights, words in WEIGHTS),
    *(({"X": table}, words) for table, words in TABLES),
    *(({"y": target}, words) for target, words in TARGETS),
    *SPLITS,
]


@pytest.mark.parametrize(("wrong", "words"), EVERY, ids=[words[0] for _, words in EVERY])
def test_it_is_refused_by_name_with_a_remedy(wrong: dict[str, Any], words: list[str]) -> None:
    with pytest.raises((TypeError, ValueError)) as refusal:
        start(**wrong)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_names_of_the_papers_experiments_have_a_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"name='irs': did you mean 'iris'\?"):
        paper.evolve("irs")


@pytest.fixture(scope="module")
def network() -> apbt_rs.Network:
    return start().result().chosen


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (X.select("a"), ["X lacks the columns ['b']", "it has ['a']", "add them, or rename"]),
        (X.rename({"a": "aa"}), ["X lacks the columns ['a']", "['aa', 'b']"]),
        (np.ones((2, 3)), ["X has 3 columns without names", "2 are needed", "['a', 'b']"]),
        (np.zeros(2, [("a", "f8")]), ["X lacks the columns ['b']"]),
        (X.with_columns(a=pl.lit("x")), ["'a' of X has dtype String", "numbers", "cast"]),
        (X.with_columns(a=pl.lit(DAY)), ["'a' of X has dtype Date", "numbers", "cast"]),
        (X.with_columns(b=1), ["'b' of X has dtype Int32", "held strings", "cast it to String"]),
        (X.with_columns(a=float("inf")), ["'a' of X holds 40 infinite", "replace"]),
        (X.with_columns(a=None), ["'a' of X lacks 40 of 40", "fill"]),
        (X.with_columns(b=pl.lit("w")), ["'b' of X holds 'w'", "known are 'u', 'v'", "'ignore'"]),
        (None, ["X of type NoneType", "give a polars"]),
    ],
)
def test_a_table_unlike_the_training_table_is_refused(
    network: apbt_rs.Network, table: Any, words: list[str]
) -> None:
    for ask in (network.predict, network.predict_proba):
        with pytest.raises((TypeError, ValueError)) as refusal:
            ask(table)
        assert all(word in str(refusal.value) for word in words), refusal.value


def test_order_further_columns_and_no_rows_are_forgiven(network: apbt_rs.Network) -> None:
    expected = network.predict_proba(X)
    assert np.array_equal(network.predict_proba(X.select("b", "a").with_columns(z=1)), expected)
    assert network.predict_proba(X.clear()).shape == (0, 2)
    assert len(network.predict(X.clear())) == 0
