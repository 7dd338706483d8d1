"""What `encoding=` asks for by column, checked before any work.

An option is the name of an operation, or a dict with more to say of `one_hot`, in the words and
with the meanings of scikit-learn's OneHotEncoder.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apbt_rs._arrays import Columns
from apbt_rs._nearest import nearest
from apbt_rs._values import check_encodable, is_text, place

__all__ = ["Option", "check_columns", "read_options"]

OPERATIONS = ("standardize", "as_is", "one_hot", "drop")
UNKNOWN = ("error", "ignore")
_FIELDS = ("operation", "min_frequency", "max_categories", "handle_unknown")
_EXPECTED = f"one of {list(OPERATIONS)}, or a dict such as {{'operation': 'one_hot', …}}"


@dataclass(frozen=True)
class Option:
    """What the user wants of one column; what is None is left to the default.

    Attributes
    ----------
    operation : str
    min_frequency : int or float, or None
        How many rows, or which share of them, a level needs for an input of its own.
    max_categories : int or None
        How many inputs the column has at most, those shared and for missing values included.
    handle_unknown : {"error", "ignore"} or None
        What becomes of levels that training never saw.
    """

    operation: str
    min_frequency: int | float | None = None
    max_categories: int | None = None
    handle_unknown: str | None = None


def read_options(encoding: object) -> dict[str, Option]:
    """Read `encoding=`.

    Raises
    ------
    TypeError
        If it is no dict from names of columns to options.
    ValueError
        If an operation or field is unknown, or a number is out of range.
    """
    if encoding is None:
        return {}
    if not isinstance(encoding, Mapping):
        raise TypeError(
            f"encoding={encoding!r:.80} is of type {type(encoding).__name__}: expected a dict from "
            f"columns to {_EXPECTED}"
        )
    for column in encoding:
        if not isinstance(column, str):
            raise TypeError(
                f"encoding: {column!r} is of type {type(column).__name__}: expected the name of a "
                "column; those of tables without names are 'column_0', 'column_1', …"
            )
    return {column: _option(f"encoding[{column!r}]", given) for column, given in encoding.items()}


def check_columns(options: Mapping[str, Option], frame: Columns, argument: str) -> None:
    """Raise an error if an option is for no column of a table, or does not suit its dtype."""
    for column, option in options.items():
        if column not in frame.columns:
            raise ValueError(
                f"encoding: {argument} has no column {column!r}: {nearest(column, frame.columns)}"
            )
        if option.operation == "drop":
            continue
        series = frame[column]
        dtype = series.dtype
        check_encodable(series, argument)
        if option.operation in ("standardize", "as_is") and is_text(dtype):
            raise TypeError(
                f"encoding[{column!r}]={option.operation!r}: {place(column, argument)} has dtype "
                f"{dtype}, and only numbers and dates can be so encoded: choose 'one_hot' or "
                "'drop', or cast it to a numeric dtype"
            )


def _option(where: str, given: object) -> Option:
    if isinstance(given, str):
        given = {"operation": given}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{where}={given!r:.80} is of type {type(given).__name__}: expected {_EXPECTED}"
        )
    for name in given:
        if name not in _FIELDS:
            raise ValueError(f"{where}: unknown field {name!r}: {nearest(name, _FIELDS)}")
    operation = given.get("operation")
    if operation is None:
        raise ValueError(f"{where}={dict(given)!r:.80}: lacks 'operation': add it, {_EXPECTED}")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        hint = nearest(operation, OPERATIONS)
        raise ValueError(f"{where}: unknown operation {operation!r:.80}: {hint}")
    further = {name: value for name, value in given.items() if name != "operation"}
    if further and operation != "one_hot":
        raise ValueError(
            f"{where}: {next(iter(further))!r} is for 'one_hot', not for {operation!r}: leave it "
            "out, or choose that operation"
        )
    return Option(
        operation,
        _frequency(further.get("min_frequency"), where),
        _categories(further.get("max_categories"), where),
        _unknown(further.get("handle_unknown"), where),
    )


def _frequency(value: Any, where: str) -> int | float | None:
    if value is None:
        return None
    place, expected = (
        f"{where}: min_frequency={value!r:.80}",
        "a whole number of rows of at least 1",
    )
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{place}: expected {expected}, or a share between 0 and 1")
    if isinstance(value, numbers.Integral):
        if int(value) < 1:
            raise ValueError(f"{place}: expected {expected}")
        return int(value)
    if not (0 < value < 1 and 0 < float(value) < 1):  # type: ignore[operator]
        raise ValueError(f"{place}: a share of the rows is above 0 and below 1; or give {expected}")
    return float(value)


def _categories(value: Any, where: str) -> int | None:
    if value is None:
        return None
    place = f"{where}: max_categories={value!r:.80}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{place}: expected a whole number of at least 2")
    if value < 2:
        raise ValueError(f"{place}: expected at least 2, one level and one input for the others")
    return int(value)


def _unknown(value: Any, where: str) -> str | None:
    if value is None or (isinstance(value, str) and value in UNKNOWN):
        return value
    raise ValueError(f"{where}: handle_unknown={value!r:.80}: {nearest(value, UNKNOWN)}")
