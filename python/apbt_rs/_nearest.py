"""What a wrong name was most likely meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(value: object, known: Iterable[str], further: str = "") -> str:
    """Return the end of an error about an unknown name: the one meant, or all there are.

    With `further`, what may stand in place of a name, it is both.
    """
    known = list(known)
    near = difflib.get_close_matches(str(value), known, 1)
    every = f"expected one of {known}{further}"
    if not near:
        return every
    return f"did you mean {near[0]!r}?" + (f" {every}" if further else "")
