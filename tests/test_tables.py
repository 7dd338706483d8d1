"""Laws of reading tables: what a table holds does not depend on what holds it."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from apbt_rs._tables import has_names, read_table, read_target


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
    packed = np.array(list(map(tuple, X)), dtype=[(name, ">f8") for name in frame.columns])
    records = packed.view(np.recarray)
    held_by_name = {name: packed[name] for name in frame.columns}
    plain = [rows, np.asfortranarray(X), read_only, wide, X.astype(">f8"), longer]
    for held in [*plain, packed, records, held_by_name]:
        assert read_table(held).schema == frame.schema
        assert read_table(held).equals(frame)


@given(st.permutations([1, 2.5, True, None, np.float32(0.5), np.int8(3), Decimal("1.5")]))
def test_the_order_of_python_values_does_not_matter(values: list[Any]) -> None:
    plain = [None if value is None else float(value) for value in values]
    objects = pd.DataFrame({"a": pd.Series(values, dtype=object)})
    rows = [[value] for value in values]
    for held in ({"a": values}, rows, [{"a": value} for value in values], objects):
        assert read_table(held).to_series().to_list() == plain


def test_pandas_categories_that_are_numbers_are_categories() -> None:
    frame = pd.DataFrame({3: pd.Categorical([10, 9, 10]), "b": [1, 2, 3]})
    table = read_table(frame)
    assert table.columns == ["3", "b"]
    assert table["3"].dtype == pl.Categorical
    assert table["3"].to_list() == ["10", "9", "10"]
    assert frame[3].tolist() == [10, 9, 10]


@pytest.mark.parametrize(
    ("categories", "texts"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, 2.0], ["1", "2"]),
        ([0.5, 2.0], ["0.5", "2"]),
        ([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02T06:30")], None),
        ([True, False], ["1", "0"]),
        ([(1, 2), "x"], ["(1, 2)", "x"]),
    ],
)
def test_categories_have_the_texts_of_their_levels(
    categories: list[Any], texts: list[str] | None
) -> None:
    series = pd.Series(pd.Categorical.from_codes([0, 1, -1], categories=pd.Index(categories)))
    texts = texts or ["2024-01-01", "2024-01-02T06:30"]
    assert read_table(pd.DataFrame({"c": series}))["c"].to_list() == [*texts, None]


def test_categories_are_classes() -> None:
    for values, read in (([1.0, 2.0], ["1", "2"]), ([1, 2], [1, 2]), ([True, False],) * 2):
        target = read_target(pd.Series(values, dtype="category"))
        assert target.to_series().to_list() == read
    many = read_target(pd.Series(range(21), dtype="category")).to_series()
    assert many.to_list() == [str(i) for i in range(21)]


@pytest.mark.parametrize("unit", ["Y", "D", "h", "s", "ms", "us", "ns"])
def test_numpys_instants_in_lists_are_those_of_arrays(unit: str) -> None:
    fine = np.timedelta64(1, "ns")
    array = np.array(["2024", "2025", "NaT"], f"M8[{unit}]")
    for held in (array, array - array[0], np.array([fine, fine])):
        read = read_target(list(held))["y"]
        assert read.dtype.is_temporal()
        assert read.to_list() == read_target(held)["y"].to_list()
    with pytest.raises(TypeError, match="mixes values of the types datetime64, int"):
        read_target([np.datetime64("2024-01-01", "ns"), 3])
    with pytest.raises(ValueError, match="beyond"):
        read_target([np.datetime64("2024-01-01", "ns"), np.datetime64(300_000, "Y")])


def test_fields_of_structured_arrays_are_columns() -> None:
    dtype = [("tiny", "i1"), ("wide", ">f8"), ("half", "f2"), ("town", "U4"), ("any", "O")]
    dtype += [("day", "M8[D]"), ("when", "M8[s]"), ("month", "M8[M]"), ("long", "m8[2h]")]
    values = (1, 2.5, 0.5, "Ulm", None, "2024-02-29", "2024-02-29T12", "2024-02", 3)
    structured = np.array([values, values], dtype=dtype)
    structured["any"][1] = "x"
    table = read_table(structured)
    day, noon = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12)
    first = (1, 2.5, 0.5, "Ulm", None, day, noon, day.replace(day=1), datetime.timedelta(hours=6))
    assert table.row(0) == first
    assert table.columns == [name for name, _ in dtype]
    assert has_names(structured)
    assert has_names(structured.view(np.recarray))
    assert not has_names(np.eye(2))
    # One row of a packed array is contiguous, and its fields are still out of line.
    assert read_table(structured[:1]).equals(table[:1])
    assert read_target(structured[["tiny", "wide"]]).rows() == [(1, 2.5)] * 2
    assert read_table(structured[:0], allow_empty=True).shape == (0, len(dtype))


def test_decimals_that_are_no_numbers_are_floats() -> None:
    read = read_table({"a": [Decimal("NaN"), Decimal(1), Decimal("-Infinity")]})["a"]
    assert read.is_nan().to_list() == [True, False, False]
    assert read.to_list()[1:] == [1.0, float("-inf")]


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 2 is the first to have it")
def test_texts_of_numpys_own_kind_are_texts() -> None:
    texts = np.array([["a", "b"], ["c", "d"]], np.dtypes.StringDType())
    assert read_table(texts).rows() == [("a", "b"), ("c", "d")]
    missing = np.array(["a", None], np.dtypes.StringDType(na_object=None))
    assert read_target(missing)["y"].to_list() == ["a", None]


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
        (np.ones(3), TypeError, ["X of type numpy.ndarray", "1 dimensions", ".reshape(1, -1)"]),
        (np.ones((2, 2, 2)), TypeError, ["3 dimensions"]),
        (np.zeros((2, 2), [("a", "f8")]), TypeError, ["2 dimensions, not 1", ".reshape(-1)"]),
        (np.zeros(2, [("a", [("b", "f8")])]), TypeError, ["field 'a'", "nested", "its parts"]),
        (np.zeros(2, [("a", "f8", (2,))]), TypeError, ["field 'a'", "nested", "its parts"]),
        (np.zeros(2, []), ValueError, ["X is empty", "0 columns"]),
        (np.array([[2**62]], "M8[s]"), ValueError, ["datetime64[s] are not exact", "cast"]),
        (np.array([[1]], "m8[ps]"), ValueError, ["timedelta64[ps] are not exact", "cast"]),
        (np.array([[1], [3 * 10**9]], "M8[D]"), ValueError, ["2**31 days", "replace"]),
        (np.array([["6000000"]], "M8[Y]"), ValueError, ["2**31 days", "replace"]),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), TypeError, ["masked", ".filled"]),
        (pl.Series([1, 2]), TypeError, ["polars", "Series", ".to_frame()"]),
        (pd.Series([1, 2]), TypeError, ["pandas", "Series", ".to_frame()"]),
        ([1, 2], TypeError, ["X of type list", "row 0 is of type int", "[[…]]"]),
        ("table.csv", TypeError, ["X of type str", "polars.read_csv", "table['name']"]),
        (Path("table.csv"), TypeError, ["X of type pathlib", "polars.read_csv"]),
        (scipy.sparse.eye(2), TypeError, ["X of type scipy.sparse", "sparse", ".toarray()"]),
        ([[1, 2], "ab"], TypeError, ["row 1 is of type str"]),
        ([[1, 2], [3]], ValueError, ["row 1 has 1 values and row 0 has 2"]),
        ({"a": [1, 2], "b": [1]}, ValueError, ["X of type dict cannot be read"]),
        ({"a": 1}, TypeError, ["X of type dict", "'a' is of type int", "give a list"]),
        ({"a": "text"}, TypeError, ["'a' is of type str", "give a list"]),
        ({"a": None}, TypeError, ["'a' is of type NoneType", "give a list"]),
        ({"a": np.array(1.0)}, TypeError, ["'a' is of type ndarray", "give a list"]),
        ({"a": [1, "x"]}, TypeError, ["column 'a' mixes", "int, str"]),
        ([["x"], [1]], TypeError, ["column 'column_0' mixes", "int, str"]),
        ({"a": [2**200]}, ValueError, ["X of type dict", "too large"]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, ["pandas", "'a'", "twice"]),
        (pd.DataFrame({"a": [1j]}), TypeError, ["pandas", "column 'a' holds complex", ".imag"]),
        (
            pd.DataFrame({"a": [datetime.date(2020, 1, 1), 1]}),
            TypeError,
            ["'a' mixes", "date, int"],
        ),
        (pd.DataFrame({"a": [1, "x"]}), TypeError, ["column 'a' mixes", "int, str", "cast"]),
        (
            pd.DataFrame({0: pd.Categorical(["x"]), "0": 1}),
            ValueError,
            ["column '0' is there twice", "rename"],
        ),
        (
            pd.DataFrame([["x", "y"]], columns=["a", "a"]).astype("category"),
            ValueError,
            ["column 'a' is there twice", "rename"],
        ),
        (
            pa.table({"a": pa.array([Decimal("1.5")], pa.decimal256(50, 2))}),
            ValueError,
            ["X of type pyarrow", "polars has no dtype", "Int256", "cast"],
        ),
        ({"a": [1j, 2]}, TypeError, ["column 'a' holds complex numbers", ".real"]),
        (np.array([[1j]]), TypeError, ["complex numbers", ".real", ".imag"]),
        (np.zeros(2, [("a", "c16")]), TypeError, ["complex numbers", ".real"]),
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
    with pytest.raises(
        TypeError, match=r"X is a pandas.*needs pyarrow: pip install 'apbt-rs\[pandas\]'"
    ):
        read_table(pd.DataFrame({"a": [1]}))


def test_a_list_of_numpys_moments_is_its_array() -> None:
    """`item` makes integers of those in nanoseconds."""
    for array in (
        np.array(["2020-01-01T06", "NaT", "2021-05-05"], dtype="M8[ns]"),
        np.array([1, 2_000_000_000], dtype="m8[ns]"),
    ):
        by_list = read_table({"a": list(array)})
        assert by_list.equals(read_table({"a": array}))
        assert by_list["a"].dtype.is_temporal()


@pytest.mark.parametrize(
    ("X", "words"),
    [
        ({"a": np.array([1, 3 * 10**9], "M8[D]")}, r"2\*\*31 days"),
        ({"a": np.array(["8000000-01-01"], "M8[Y]")}, r"2\*\*31 days"),
        (pd.DataFrame([[1, 2]], columns=[0, "0"]), "column '0' is there twice"),
        (pd.DataFrame([["x", "y"]], columns=["a", "a"], dtype="category"), "'a' is there twice"),
    ],
)
def test_what_no_column_can_hold_is_refused(X: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_table(X)


def test_a_category_that_is_a_whole_number_has_one_name() -> None:
    whole = pd.DataFrame({"a": pd.Series([1, 2, 1], dtype="category")})
    gaps = pd.DataFrame({"a": pd.Series([1, None, 2], dtype="category")})
    assert read_table(whole)["a"].cast(pl.String).to_list() == ["1", "2", "1"]
    assert read_table(gaps)["a"].cast(pl.String).to_list() == ["1", None, "2"]
