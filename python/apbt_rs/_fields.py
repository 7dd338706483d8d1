"""Reading plain data (what `json.loads` gives) that a stranger may have written.

Each function returns the value in its type, or raises a ValueError that names the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def fields(value: object, names: Collection[str], where: str) -> dict[str, object]:
    """Return a dict that has exactly the keys `names`."""
    if not isinstance(value, dict) or set(value) != set(names):
        got = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise ValueError(f"{where}: expected a dict with the keys {sorted(names)}, got {got}")
    return value


def items(value: object, where: str) -> list[object]:
    """Return a list of at least one item."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where}: expected a list of at least one item, got {value!r:.80}")
    return value


def text(value: object, where: str) -> str:
    """Return a string of valid Unicode; JSON can carry half a surrogate pair, polars cannot."""
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{where}: expected a string of valid Unicode, got {value!r:.80}")
    return value


def flag(value: object, where: str) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise ValueError(f"{where}: expected true or false, got {value!r:.80}")
    return value


def whole(value: object, where: str) -> int:
    """Return an integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{where}: expected an integer, got {value!r:.80}")
    return value


def count(value: object, where: str, bits: int = 63) -> int:
    """Return an integer from 0 on, of at most so many bits."""
    result = whole(value, where)
    if not 0 <= result < 2**bits:
        raise ValueError(
            f"{where}: expected an integer from 0 on, of at most {bits} bits, got {result!r:.80}"
        )
    return result


def one_of(value: object, known: Collection[str], where: str) -> str:
    """Return one of the strings `known`."""
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{where}: expected one of {sorted(known)}, got {value!r:.80}")
    return value


def number(value: object, where: str) -> float:
    """Return a finite float."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        if math.isfinite(result):
            return result
    raise ValueError(f"{where}: expected a finite number, got {value!r:.80}")


def positive(value: object, where: str) -> float:
    """Return a finite float above 0."""
    result = number(value, where)
    if result <= 0:
        raise ValueError(f"{where}: expected a number above 0, got {result!r}")
    return result


def ascending_texts(value: object, where: str) -> tuple[str, ...]:
    """Return strings in ascending order, each once."""
    texts = [text(item, where) for item in items(value, where)]
    if texts != sorted(set(texts)):
        raise ValueError(f"{where}: expected strings in ascending order, each once")
    return tuple(texts)


def distinct(names: Sequence[str], where: str) -> None:
    """Check that each name occurs once."""
    if len(set(names)) != len(names):
        raise ValueError(f"{where}: a column occurs twice")


def variants(
    value: object, readers: Mapping[str, Callable[[object, str], T]], where: str
) -> tuple[T, ...]:
    """Return a list of dicts, each read by the reader that its field `operation` names."""
    result = []
    for index, item in enumerate(items(value, where)):
        place = f"{where}[{index}]"
        operation = item.get("operation") if isinstance(item, dict) else None
        reader = readers.get(operation) if isinstance(operation, str) else None
        if reader is None:
            raise ValueError(
                f"{place}.operation: expected one of {sorted(readers)}, got {operation!r:.80}"
            )
        result.append(reader(item, place))
    return tuple(result)
