"""Laws of reading tables: what a table holds does not depend on what holds it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apbt_rs._encoding import read_table


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_memory_of_an_array_does_not_matter(rows: list[list[float]]) -> None:
    X = np.array(rows)
    frame = read_table(X)
    assert frame.rows() == [tuple(row) for row in rows]
    assert frame.columns == ["column_0", "column_1", "column_2"]
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.repeat(X, 2, axis=1)[:, ::2]
    longer = X.astype(np.longdouble)
    for held in [rows, np.asfortranarray(X), read_only, wide, X.astype(">f8"), longer]:
        assert read_table(held).schema == frame.schema
        assert read_table(held).equals(frame)


@given(st.permutations([1, 2.5, True, None, np.float32(0.5), np.int8(3), np.True_]))
def test_the_order_of_python_values_does_not_matter(values: list[Any]) -> None:
    plain = [None if value is None else float(value) for value in values]
    for held in ({"a": values}, [[value] for value in values], [{"a": value} for value in values]):
        assert read_table(held).to_series().to_list() == plain


def test_pandas_categories_that_are_numbers_are_categories() -> None:
    frame = pd.DataFrame({3: pd.Categorical([10, 9, 10]), "b": [1, 2, 3]})
    table = read_table(frame)
    assert table.columns == ["3", "b"]
    assert table["3"].dtype == pl.Categorical
    assert table["3"].to_list() == ["10", "9", "10"]
    assert frame[3].tolist() == [10, 9, 10]


GOOD = pl.DataFrame({"age": [1.0, 2.0], "town": ["Ulm", "Bonn"]})


class Foreign:
    """Holds a table behind one protocol alone."""

    def __init__(self, held: Any) -> None:
        self.held = held


class ForeignArrow(Foreign):
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.held.__arrow_c_stream__(requested_schema)


class ForeignArray(Foreign):
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.held, dtype=dtype)


def test_protocols_of_foreign_tables() -> None:
    assert read_table(ForeignArrow(GOOD)).equals(GOOD)
    assert read_table(ForeignArray([[1.0, 2.0]])).rows() == [(1.0, 2.0)]


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (None, TypeError, ["X of type NoneType", "polars or pandas DataFrame"]),
        ("text", TypeError, ["X of type str"]),
        (3, TypeError, ["X of type int"]),
        (iter([[1]]), TypeError, ["X of type list_iterator"]),
        (np.float64(3), TypeError, ["X of type numpy.float64", "0 dimensions"]),
        (np.ones(3), TypeError, ["X of type numpy.ndarray", "1 dimensions", ".reshape(-1, 1)"]),
        (np.ones((2, 2, 2)), TypeError, ["3 dimensions"]),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), TypeError, ["masked", ".filled"]),
        (pl.Series([1, 2]), TypeError, ["polars", "Series", ".to_frame()"]),
        (pd.Series([1, 2]), TypeError, ["pandas", "Series", ".to_frame()"]),
        ([1, 2], TypeError, ["X of type list", "row 0 is of type int"]),
        ([[1, 2], "ab"], TypeError, ["row 1 is of type str"]),
        ([[1, 2], [3]], ValueError, ["row 1 has 1 values and row 0 has 2"]),
        ({"a": [1, 2], "b": [1]}, ValueError, ["X of type dict cannot be read"]),
        ({"a": 1}, TypeError, ["X of type dict"]),
        ({"a": [1, "x"]}, TypeError, ["column 'a' mixes", "int, str"]),
        ([["x"], [1]], TypeError, ["column 'column_0' mixes", "int, str"]),
        ({"a": [2**200]}, ValueError, ["X of type dict", "too large"]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, ["pandas", "unique"]),
        (pd.DataFrame({"a": [1j]}), ValueError, ["pandas"]),
        ([], ValueError, ["X is empty", "0 rows"]),
        (np.empty((0, 3)), ValueError, ["X is empty", "0 rows and 3 columns"]),
        (np.empty((3, 0)), ValueError, ["X is empty"]),
        (pl.DataFrame(), ValueError, ["X is empty"]),
        (GOOD.clear(), ValueError, ["X is empty", "0 rows and 2 columns"]),
    ],
)
def test_what_is_no_table_is_refused(table: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as refusal:
        read_table(table)
    assert all(word in str(refusal.value) for word in words), refusal.value


def test_pandas_without_pyarrow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TypeError, match=r"X is a pandas.*needs pyarrow: install pyarrow"):
        read_table(pd.DataFrame({"a": [1]}))
