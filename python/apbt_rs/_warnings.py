"""Warnings that show the line of the caller's own which led to them."""

from __future__ import annotations

import sys
import warnings


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the nearest line outside the package.

    `skip_file_prefixes` of `warnings.warn` does that from Python 3.12 on.
    """
    level = 2
    frame = sys._getframe(1)
    package = __name__.partition(".")[0]
    while frame.f_back is not None and _package_of(frame.f_globals) == package:
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _package_of(names: dict[str, object]) -> str:
    return str(names.get("__name__")).partition(".")[0]
