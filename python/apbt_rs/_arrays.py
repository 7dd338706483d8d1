"""NumPy arrays as tables: their columns by name, in dtypes that polars knows."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["array_of", "columns_of", "complex_numbers", "known_to_polars"]


def array_of(X: Any) -> np.ndarray:
    """Return an array, or what an object converts to by `__array__`."""
    if isinstance(X, np.ma.MaskedArray):
        raise TypeError("a masked array hides values: use `.filled(…)`")
    if isinstance(X, np.ndarray):
        return np.asarray(X)
    if hasattr(X, "__array__"):
        return array_of(np.asarray(X))
    raise TypeError("it is no table")


def columns_of(X: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a 2-D array, or the fields of a structured one, under their names."""
    if X.dtype.names is not None:
        return _fields_of(X)
    if X.ndim != 2:
        remedy = ": use `.reshape(-1, 1)` if it is one column" if X.ndim == 1 else ""
        raise TypeError(f"the array has {X.ndim} dimensions, not 2{remedy}")
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
