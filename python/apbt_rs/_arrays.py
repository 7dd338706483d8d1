"""NumPy arrays as tables: their columns by name, in dtypes that polars knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import polars as pl

__all__ = [
    "ArrayColumns",
    "Columns",
    "array_of",
    "columns_of",
    "complex_numbers",
    "is_matrix_of_numbers",
    "known_to_polars",
]


class ArrayColumns:
    """The columns of a 2-D array of numbers, each made a Series only when it is asked for.

    It has what encoding needs of a DataFrame. As a whole, one would take as much memory again as a
    large array, and more than what becomes of it.
    """

    def __init__(self, array: np.ndarray, columns: list[str] | None = None) -> None:
        self.array = array
        self.height, self.width = array.shape
        self.columns = [f"column_{i}" for i in range(self.width)] if columns is None else columns
        self._places = {name: place for place, name in enumerate(self.columns)}

    def __getitem__(self, name: str) -> pl.Series:
        return pl.Series(name, known_to_polars(self.array[:, self._places[name]]))

    def get_columns(self) -> Iterator[pl.Series]:
        """Make one column after the other."""
        return (self[name] for name in self.columns)

    def rename(self, mapping: Mapping[str, str]) -> ArrayColumns:
        """Return the same columns under other names."""
        return ArrayColumns(self.array, [mapping[name] for name in self.columns])


Columns: TypeAlias = pl.DataFrame | ArrayColumns


def is_matrix_of_numbers(X: Any) -> bool:
    """Return whether an object is a 2-D array of numbers or Booleans, which polars knows."""
    plain = isinstance(X, np.ndarray) and not isinstance(X, np.ma.MaskedArray)
    return plain and X.ndim == 2 and X.dtype.kind in "biuf"


def array_of(X: Any) -> np.ndarray:
    """Return an array, or what an object converts to by `__array__`."""
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError("a masked array hides values: use `.filled(…)`")
    if isinstance(X, np.ndarray):
        return np.asarray(X)
    if hasattr(X, "__array__"):
        return array_of(np.asarray(X))
    if isinstance(X, (str, bytes, os.PathLike)):
        raise TypeError(
            "a name is no table: read a file, as by `polars.read_csv`, or take a column by its "
            "name, as in `table['name']`"
        )
    if hasattr(X, "toarray"):  # SciPy's
        raise TypeError("a sparse matrix is no table here: use `.toarray()`")
    raise TypeError("it is no table")


def columns_of(X: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a 2-D array, or the fields of a structured one, under their names."""
    if X.dtype.names is not None:
        return _fields_of(X)
    if X.ndim != 2:
        remedy = ": use `.reshape(-1, 1)` if it is one column, `.reshape(1, -1)` if it is one row"
        raise TypeError(f"the array has {X.ndim} dimensions, not 2{remedy if X.ndim == 1 else ''}")
    return {f"column_{i}": X[:, i] for i in range(X.shape[1])}


def _fields_of(X: np.ndarray) -> dict[str, np.ndarray]:
    if X.ndim != 1:
        raise TypeError(f"the structured array has {X.ndim} dimensions, not 1: use `.reshape(-1)`")
    for name in X.dtype.names or ():
        field = X.dtype[name]
        if field.names is not None or field.shape:
            raise TypeError(
                f"the field {name!r} of the structured array is nested, of dtype {field}: "
                "make a field of each of its parts"
            )
    # Copies: fields of packed arrays are not where the processor wants them.
    return {name: X[name].copy() for name in X.dtype.names or ()}


def known_to_polars(X: np.ndarray) -> np.ndarray:
    """Return an array of the machine's byte order, and of a width or unit that polars knows."""
    X = X.astype(X.dtype.newbyteorder("="), copy=False)
    if X.dtype.kind == "c":
        raise complex_numbers("the array")
    if X.dtype.kind == "f" and X.dtype.itemsize not in (4, 8):
        return X.astype(np.float64)
    if X.dtype.kind in "mM":
        unit, count = np.datetime_data(X.dtype)
        if count != 1 or unit not in ("ms", "us", "ns"):
            date = X.dtype.kind == "M" and unit in ("Y", "M", "W", "D")
            return _in_unit(X, "D" if date else "us")
    return X


def complex_numbers(what: str) -> TypeError:
    """Return the error for complex numbers, which have no encoding."""
    return TypeError(f"{what} holds complex numbers: make columns of their `.real` and `.imag`")


def _in_unit(X: np.ndarray, unit: str) -> np.ndarray:
    """Return dates or durations in another unit, which NumPy itself lets overflow in silence."""
    cast = X.astype(f"{X.dtype.kind}8[{unit}]")
    if ((cast.astype(X.dtype) != X) & ~np.isnat(X)).any():
        raise ValueError(f"values of {X.dtype} are not exact in {cast.dtype}: cast them to it")
    if unit == "D" and (np.abs(cast[~np.isnat(cast)].astype(np.int64)) >= 2**31).any():
        raise ValueError(
            f"dates of {X.dtype} are more than 2**31 days from 1970, beyond polars' dates: replace "
            "them, or give their years as numbers"
        )
    return cast
