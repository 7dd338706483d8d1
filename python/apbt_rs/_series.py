"""One column from values of any kind, whatever their order."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from apbt_rs._arrays import complex_numbers, known_to_polars

__all__ = ["column_of", "column_words"]


def column_of(name: str, values: Any) -> pl.Series:
    """Return a column; its type follows from all Python values, whatever their order."""
    if isinstance(values, np.ndarray) and values.ndim > 0:
        values = values.tolist() if values.dtype.kind in "OT" else known_to_polars(values)
    if not isinstance(values, (list, tuple)):
        if values is None or isinstance(values, (str, bytes)) or getattr(values, "ndim", 1) == 0:
            raise _no_column(name, values)  # of a text polars makes a column of its letters
        try:
            return pl.Series(name, values)
        except TypeError as error:
            raise _no_column(name, values) from error
    plain = [_plain(value) for value in values]
    kinds = {type(value) for value in plain} - {type(None)}
    if kinds & {np.datetime64, np.timedelta64}:
        return _instants(name, values)
    endless = Decimal in kinds and not all(
        value.is_finite() for value in plain if isinstance(value, Decimal)
    )
    numeric = bool(kinds & {float, Decimal}) and kinds <= {bool, int, float, Decimal}
    if numeric and (kinds != {Decimal} or endless):
        plain = [None if value is None else float(value) for value in plain]
    elif kinds == {bool, int}:
        plain = [None if value is None else int(value) for value in plain]
    elif kinds == {str, float}:  # NaN is how an object array says that a text is missing
        plain = [None if isinstance(v, float) and math.isnan(v) else v for v in plain]
    if complex in kinds:
        raise complex_numbers(column_words(name))
    try:
        return pl.Series(name, plain)
    except TypeError as error:
        raise _mixed(name, kinds) from error


def column_words(name: str) -> str:
    """Return the words for a column; a target has no name, but that of its argument."""
    return f"column {name!r}" if name else "it"


def _plain(value: Any) -> Any:
    """Return a value as one of Python's own, where Python has what NumPy says."""
    if not isinstance(value, np.generic):
        return value
    item = value.item()
    instant = isinstance(value, (np.datetime64, np.timedelta64))
    return value if instant and isinstance(item, int) else item  # too fine or too far for Python


def _instants(name: str, values: Any) -> pl.Series:
    """Return a column of NumPy's own dates or durations, in the finest of their units."""
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) > 1:
        raise _mixed(name, kinds)
    array = np.array(values, "M8" if kinds == {np.datetime64} else "m8")
    for value, cast in zip(values, array, strict=True):  # NumPy lets overflow in silence
        if value is not None and not np.isnat(value) and cast.astype(value.dtype) != value:
            raise ValueError(f"{column_words(name)} holds {value!r}, beyond {array.dtype}: cast it")
    return pl.Series(name, known_to_polars(array))


def _no_column(name: str, values: object) -> TypeError:
    return TypeError(
        f"{column_words(name)} is of type {type(values).__name__}, not a list of values: "
        "give a list, for one row a list of one value"
    )


def _mixed(name: str, kinds: set[type]) -> TypeError:
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    return TypeError(f"{column_words(name)} mixes values of the types {names}: cast them to one")
