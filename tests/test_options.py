"""What `encoding=` refuses, before any work, and the words for it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest

import apbt_rs
from apbt_rs import paper
from apbt_rs._options import Option, read_options

TABLE = pl.DataFrame(
    {
        "age": [float(i) for i in range(40)],
        "town": ["Ulm", "Bonn", "Ulm", "Jena"] * 10,
        "hole": [None, *range(39)],
        "tags": [["a"]] * 40,
    }
)
Y = [0, 1] * 20
QUICK: dict[str, Any] = {"k": 4, "epochs": 2, "seed": 0, "progress": False}


def hot(**words: Any) -> dict[str, Any]:
    return {"town": {"operation": "one_hot", **words}, "tags": "drop"}


@pytest.mark.parametrize(
    ("encoding", "error", "words"),
    [
        (3, TypeError, ["encoding=3", "int", "a dict", "'one_hot'"]),
        (["age"], TypeError, ["encoding=['age']", "list", "a dict"]),
        ({0: "drop"}, TypeError, ["encoding: 0", "int", "name of a column", "'column_0'"]),
        ({"tow": "drop"}, ValueError, ["X has no column 'tow'", "did you mean 'town'?"]),
        ({"zip": "drop"}, ValueError, ["X has no column 'zip'", "expected one of ['age', 'town'"]),
        ({"age": "one_hott"}, ValueError, ["['age']", "'one_hott'", "did you mean 'one_hot'?"]),
        ({"age": "zzz"}, ValueError, ["['age']", "'zzz'", "expected one of ['standardize'"]),
        ({"age": None}, TypeError, ["encoding['age']=None", "NoneType", "'drop'"]),
        ({"age": {}}, ValueError, ["encoding['age']={}", "lacks 'operation'"]),
        ({"age": {"operation": ["drop"]}}, ValueError, ["unknown operation ['drop']"]),
        ({"age": {"operation": "drop", "max_category": 3}}, ValueError, ["'max_categories'?"]),
        ({"age": {"operation": "as_is", "max_categories": 3}}, ValueError, ["for 'one_hot', not"]),
        ({"town": "standardize"}, TypeError, ["['town']='standardize'", "String", "'one_hot'"]),
        ({"town": "as_is"}, TypeError, ["['town']='as_is'", "column 'town' of X", "cast"]),
        ({"tags": "one_hot"}, TypeError, ["column 'tags' of X", "List", "each of its parts"]),
        ({"hole": "as_is", "tags": "drop"}, ValueError, ["'hole' of X lacks 1 of 40", "fill"]),
        (dict.fromkeys(TABLE.columns, "drop"), ValueError, ["no column is left"]),
        (hot(min_frequency=0), ValueError, ["['town']: min_frequency=0", "at least 1"]),
        (hot(min_frequency=-3), ValueError, ["min_frequency=-3", "at least 1"]),
        (hot(min_frequency=0.0), ValueError, ["min_frequency=0.0", "above 0 and below 1"]),
        (hot(min_frequency=Fraction(10**400, 3)), ValueError, ["a share of the rows"]),
        (hot(min_frequency=Fraction(1, 10**400)), ValueError, ["a share of the rows"]),
        (hot(min_frequency=1.0), ValueError, ["min_frequency=1.0", "above 0 and below 1"]),
        (hot(min_frequency=float("nan")), ValueError, ["min_frequency=nan"]),
        (hot(min_frequency="3"), TypeError, ["min_frequency='3'", "a share between 0 and 1"]),
        (hot(min_frequency=True), TypeError, ["min_frequency=True", "whole number"]),
        (hot(min_frequency=21), ValueError, ["'town' of X: min_frequency=21", "16 of 32 training"]),
        (hot(min_frequency=0.9), ValueError, ["min_frequency=0.9", "give less, or 'drop'"]),
        (hot(max_categories=1), ValueError, ["['town']: max_categories=1", "at least 2"]),
        (hot(max_categories=2.0), TypeError, ["max_categories=2.0", "whole number"]),
        (hot(max_categories=True), TypeError, ["max_categories=True"]),
        (hot(handle_unknown="ignored"), ValueError, ["handle_unknown='ignored'", "'ignore'?"]),
        (hot(handle_unknown=0), ValueError, ["handle_unknown=0", "['error', 'ignore']"]),
        (
            {"hole": {"operation": "one_hot", "max_categories": 2}, "tags": "drop"},
            ValueError,
            ["'hole' of X: max_categories=2", "missing values", "at least 3"],
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    encoding: Any, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as refusal:
        apbt_rs.evolve(TABLE, Y, encoding=encoding, **QUICK)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_options_are_read_before_the_table() -> None:
    with pytest.raises(ValueError, match="unknown operation"):
        apbt_rs.evolve(object(), Y, encoding={"a": "zzz"}, **QUICK)


def test_numpys_numbers_are_numbers() -> None:
    words = {"min_frequency": np.float32(0.25), "max_categories": np.int8(3)}
    option = read_options({"a": {"operation": "one_hot", **words}})["a"]
    assert option == Option("one_hot", 0.25, 3)
    assert type(option.max_categories) is int
    assert read_options(None) == {}


def test_columns_without_names_are_found_by_those_that_they_get() -> None:
    X = np.column_stack([np.arange(40) % 4, np.arange(40)])
    result = apbt_rs.run(X, Y, encoding={"column_0": "one_hot"}, **QUICK)
    assert result.encoding["operation"].to_list() == ["one_hot", "standardize"]
    assert result.chosen.topology[0] == 5
    assert len(result.predict([[3.0, 1.5]])) == 1


def test_the_papers_presets_take_options_too() -> None:
    name = apbt_rs.datasets.load_iris()[0].columns[0]
    evolution = paper.evolve("iris", encoding={name: "standardize"}, k=4, epochs=2, seed=0)
    operations = evolution.result().encoding["operation"].to_list()
    assert operations == ["standardize", "as_is", "as_is", "as_is"]
