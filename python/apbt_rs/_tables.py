"""Reading tables: whatever holds columns becomes one polars DataFrame.

A table either names its columns (DataFrames of polars and pandas, Arrow tables, structured NumPy
arrays, dicts) or does not (other NumPy arrays, lists of rows). Named columns are found by name ever
after, unnamed ones by position. Python values are read column by column, and their order does not
matter: `[1, 2.5]` and `[2.5, 1]` are both floats, where polars would refuse the first.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import numpy as np
import polars as pl

from apbt_rs._arrays import ArrayColumns, Columns, array_of, columns_of, is_matrix_of_numbers
from apbt_rs._pandas import from_pandas
from apbt_rs._series import column_of
from apbt_rs._values import MOST_CLASSES
from apbt_rs._warnings import warn

TABLES = (
    "a polars or pandas DataFrame, an Arrow table, a dict of columns, a 2-D or structured NumPy "
    "array or a list of rows"
)
TARGETS = f"a Series, a 1-D NumPy array or a list of values; for several targets {TABLES}"
REFUSALS = (
    TypeError,
    ValueError,
    OverflowError,
    NotImplementedError,  # what pyarrow cannot convert
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,  # what polars should have refused, such as Arrow's decimal256
)


def read_table(X: Any, *, argument: str = "X", allow_empty: bool = False) -> pl.DataFrame:
    """Read a table.

    Parameters
    ----------
    X : table of shape (rows, columns)
        A polars DataFrame (returned as it is) or LazyFrame, a pandas DataFrame (its index is
        ignored; needs pyarrow), any object with the Arrow PyCapsule interface, a dict of columns,
        a 2-D NumPy array, a structured one (also a record array) or an object that converts to
        one, or a list of rows.
    argument : str
        The caller's name for `X` in errors.
    allow_empty : bool
        Whether a table without rows will do.

    Returns
    -------
    polars.DataFrame
        Columns without names are called `column_0`, `column_1`, ….

    Raises
    ------
    TypeError
        If `X` is no table.
    ValueError
        If `X` has no columns or no rows, or its columns or rows differ in length.
    """
    return _checked(_convert(X, argument, _table, TABLES), argument, allow_empty)


def read_columns(X: Any, *, argument: str = "X", allow_empty: bool = False) -> Columns:
    """Read a table as `read_table` does, but leave a large array where it is.

    Returns
    -------
    polars.DataFrame, or ArrayColumns of a 2-D array of numbers
    """
    if not is_matrix_of_numbers(X):
        return read_table(X, argument=argument, allow_empty=allow_empty)
    columns = ArrayColumns(np.asarray(X))
    _check_size(columns, argument, allow_empty)
    return columns


def read_target(y: Any, *, argument: str = "y", allow_empty: bool = False) -> pl.DataFrame:
    """Read targets: one column, or a table of several.

    Parameters
    ----------
    y : column of shape (rows,) or table of shape (rows, columns)
        A polars or pandas Series, an Arrow array, a 1-D NumPy array, a list of values, or whatever
        `read_table` reads.
    argument : str
        The caller's name for `y` in errors, and the name of a single column without one.
    allow_empty : bool
        Whether a target without rows will do.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    TypeError, ValueError
        As `read_table`.
    """
    frame = _checked(_convert(y, argument, _target, TARGETS), argument, allow_empty)
    if frame.width == 1 and (frame.columns == [""] or not has_names(y)):
        return frame.rename({frame.columns[0]: argument})
    return frame


@overload
def select_columns(
    frame: pl.DataFrame, columns: Sequence[str], *, named: bool, argument: str
) -> pl.DataFrame: ...
@overload
def select_columns(
    frame: Columns, columns: Sequence[str], *, named: bool, argument: str
) -> Columns: ...
def select_columns(
    frame: Columns, columns: Sequence[str], *, named: bool, argument: str
) -> Columns:
    """Return those columns of a table, in that order: by name, or by position if it has no names.

    Parameters
    ----------
    frame : polars.DataFrame or ArrayColumns of shape (rows, at least len(columns))
        What `read_columns` or `read_target` gave.
    columns : sequence of str
        Names of the columns wanted. Others are ignored.
    named : bool
        Whether the names are the user's own; see `has_names`.
    argument : str
        The caller's name for the table in errors.

    Returns
    -------
    polars.DataFrame or ArrayColumns of shape (rows, len(columns))

    Raises
    ------
    ValueError
        If columns are missing, or a table without names has another number of them.
    """
    if isinstance(frame, ArrayColumns) or not named:
        if frame.width != len(columns):
            raise ValueError(
                f"{argument} has {frame.width} columns without names where {len(columns)} are "
                f"needed: give {list(columns)}, in this order"
            )
        return frame.rename(dict(zip(frame.columns, columns, strict=True)))
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(
            f"{argument} lacks the columns {missing}; it has {frame.columns}: "
            "add them, or rename its columns to those of the training table"
        )
    # Not by `select`, whose threads a forked process does not have: it would wait for ever.
    return pl.DataFrame([frame.get_column(name) for name in columns])


def has_names(X: Any) -> bool:
    """Return whether a table names its columns, as arrays and lists of rows do not."""
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], Mapping)
    if isinstance(X, (pl.Series, Mapping)) or _is_frame(X) or _is_arrow(X) or _is_pandas(X):
        return True
    # Whoever holds an array (xarray's and others' own kinds) holds its names, too.
    return getattr(getattr(X, "dtype", None), "names", None) is not None


def _checked(frame: pl.DataFrame, argument: str, allow_empty: bool) -> pl.DataFrame:
    _check_size(frame, argument, allow_empty)
    return frame


def _check_size(frame: Columns, argument: str, allow_empty: bool) -> None:
    if frame.width == 0 or (frame.height == 0 and not allow_empty):
        raise ValueError(
            f"{argument} is empty, with {frame.height} rows and {frame.width} columns: "
            "at least one of each is needed"
        )


def _convert(
    value: Any, argument: str, convert: Callable[[Any], pl.DataFrame], accepted: str
) -> pl.DataFrame:
    """Call `convert(value)`; what it refuses is an error that names the argument and its type."""
    _warn_of_fork()
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if _is_pandas(value) and importlib.util.find_spec("pyarrow") is None:
        raise TypeError(
            f"{argument} is a {kind}, and reading pandas needs pyarrow: "
            "pip install 'apbt-rs[pandas]', or give a polars DataFrame or a NumPy array"
        )
    try:
        return convert(value)
    except REFUSALS as error:
        refusal = TypeError if isinstance(error, TypeError) else ValueError
        if isinstance(error, pl.exceptions.PanicException):
            raise ValueError(
                f"{argument} of type {kind} cannot be read: polars has no dtype for a column, or "
                f"none that holds its values ({error!s:.80}): cast it to one that polars has"
            ) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise refusal(
            f"{argument} of type {kind} cannot be read: {reason}; give {accepted}"
        ) from error


_reader: int | None = None  # the process that read tables


def _warn_of_fork() -> None:
    """Warn once in a process that was forked from one whose tables polars worked on."""
    global _reader
    before, _reader = _reader, os.getpid()
    if before not in (None, _reader):
        warn(
            "polars, which reads tables, lost its threads when this process was forked, and may "
            "wait for them for ever: start processes by spawn or forkserver",
            RuntimeWarning,
        )


def _table(X: Any) -> pl.DataFrame:
    if isinstance(X, pl.LazyFrame):
        return X.collect()
    if isinstance(X, pl.DataFrame):
        return X
    if _is_pandas(X):
        if X.ndim == 1:
            raise TypeError("a Series is one column, not a table: use `.to_frame()`")
        return from_pandas(X)
    if isinstance(X, Mapping):
        return pl.DataFrame([column_of(str(name), values) for name, values in X.items()])
    if isinstance(X, (list, tuple)):
        return _rows(X)
    if isinstance(X, pl.Series):
        raise TypeError("a Series is one column, not a table: use `.to_frame()`")
    if _is_arrow(X):
        return pl.DataFrame(X)
    return _array_table(array_of(X))


def _target(y: Any) -> pl.DataFrame:
    if isinstance(y, pl.Series):
        return y.to_frame()
    if _is_pandas(y):
        return from_pandas(y.to_frame(y.name or "") if y.ndim == 1 else y, keep=MOST_CLASSES)
    if _is_frame(y) or isinstance(y, Mapping):
        return _table(y)
    if isinstance(y, (list, tuple)):
        nested = bool(y) and isinstance(y[0], (list, tuple, np.ndarray, Mapping))
        return _rows(y) if nested else column_of("", y).to_frame()
    if _is_arrow(y):
        series = pl.Series(y)
        return series.struct.unnest() if series.dtype == pl.Struct else series.to_frame()
    array = array_of(y)
    unnamed = array.ndim == 1 and array.dtype.names is None
    return _array_table(array[:, np.newaxis] if unnamed else array)


def _array_table(X: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame([column_of(name, values) for name, values in columns_of(X).items()])


def _rows(rows: Sequence[Any]) -> pl.DataFrame:
    if all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        return _table({name: [row.get(name) for row in rows] for name in names})
    for index, row in enumerate(rows):
        if not isinstance(row, (list, tuple)) and not (
            isinstance(row, np.ndarray) and row.ndim == 1
        ):
            raise TypeError(
                f"row {index} is of type {type(row).__name__}, not a list of values: write one row "
                "as [[…]]"
            )
        if len(row) != len(rows[0]):
            raise ValueError(f"row {index} has {len(row)} values and row 0 has {len(rows[0])}")
    columns = zip(*rows, strict=True)
    return pl.DataFrame([column_of(f"column_{i}", values) for i, values in enumerate(columns)])


def _is_frame(X: Any) -> bool:
    return isinstance(X, (pl.DataFrame, pl.LazyFrame))


def _is_arrow(X: Any) -> bool:
    return hasattr(X, "__arrow_c_stream__") or hasattr(X, "__arrow_c_array__")


def _is_pandas(X: Any) -> bool:
    pandas = sys.modules.get("pandas")  # whoever has a pandas object has imported pandas
    return pandas is not None and isinstance(X, (pandas.DataFrame, pandas.Series))
