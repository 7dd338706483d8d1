"""What a wrong name was most likely meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(value: object, known: Iterable[str], further: str = "") -> str:
    """Return the end of an error about an unknown name: the one meant, or all there are."""
    known = list(known)
    near = difflib.get_close_matches(str(value), known, 1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {known}{further}"
