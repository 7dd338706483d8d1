"""Splits: which rows serve for training, and which are held out, as sorted row indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _core

Split = tuple[np.ndarray, np.ndarray]
ACCEPTED = "a share between 0 and 1, or row indices"


def held_out(
    share: float,
    n_rows: int,
    strata: np.ndarray | None,
    seed: int,
    *,
    argument: str = "validation",
) -> Split:
    """Hold out a share of the rows, drawn from each class in proportion.

    Each class gives its proportion, rounded down or up so that the whole is `round(share * n_rows)`
    (largest remainders; of equal ones the first class). The last row of a class is never taken:
    a network cannot learn a class that it has not seen.

    Parameters
    ----------
    share : float
        Above 0 and below 1.
    n_rows : int
        Number of rows.
    strata : integer array of shape (n_rows,) or None
        Class of each row; None for one class.
    seed : int
        Same seed, same rows.
    argument : str
        The caller's name for `share` in errors.

    Returns
    -------
    kept, held : uint32 arrays, sorted
        Every row is in one of them.

    Raises
    ------
    ValueError
        If the share is out of range, rounds to no row, or leaves fewer rows than classes.
    """
    if not 0 < share < 1:
        raise ValueError(f"{argument}={share!r}: a share of the rows is above 0 and below 1")
    if strata is None:
        strata = np.zeros(n_rows, dtype=np.uint32)
    classes, counts = np.unique(strata, return_counts=True)
    total = round(share * n_rows)
    if total == 0:
        raise ValueError(
            f"{argument}={share!r} of {n_rows} rows is none: give a larger share, or row indices"
        )
    if n_rows - total < len(classes):
        raise ValueError(
            f"{argument}={share!r} of {n_rows} rows leaves {n_rows - total} to train on, too few "
            f"for {len(classes)} classes: give a smaller share, or row indices"
        )
    order = _core.permutation(seed, n_rows)
    held = np.concatenate(
        [
            order[strata[order] == label][:quota]
            for label, quota in zip(classes, _quotas(counts.tolist(), total), strict=True)
        ]
    )
    return _partition(held, n_rows)


def resolve_split(
    spec: Any,
    n_rows: int,
    strata: np.ndarray | None,
    seed: int,
    argument: str,
) -> Split:
    """Return the rows that a user's `validation=` or `test=` keeps for training and holds out.

    Parameters
    ----------
    spec : float, sequence of int, bool mask, or "train"
        A share of the rows (see `held_out`); the rows held out; or, for `validation`, the word
        "train": the training rows serve.
    n_rows, strata, seed
        As for `held_out`.
    argument : str
        The user's name for `spec`.

    Returns
    -------
    kept, held : uint32 arrays, sorted

    Raises
    ------
    TypeError
        If `spec` is none of these.
    ValueError
        If the share or the indices are out of range, an index occurs twice, or one of the two
        sides is left without rows.
    """
    words = f"{ACCEPTED}, or 'train'" if argument == "validation" else ACCEPTED
    if isinstance(spec, str):
        if spec == "train" and argument == "validation":
            every = np.arange(n_rows, dtype=np.uint32)
            return every, every
        raise ValueError(f"{argument}={spec!r}: expected {words}")
    if isinstance(spec, (float, np.floating)):
        return held_out(float(spec), n_rows, strata, seed, argument=argument)
    if not isinstance(spec, (Sequence, np.ndarray, pl.Series)) and not hasattr(spec, "__array__"):
        kind = type(spec).__name__
        raise TypeError(f"{argument}={spec!r:.80} is of type {kind}: expected {words}")
    return _partition(_indices(spec, n_rows, argument), n_rows)


def is_pair(spec: Any) -> bool:
    """Return whether a user's `validation=` or `test=` is a table of its own, `(X, y)`.

    A tuple of whole numbers or Booleans is none: it names rows, as a list of them does.
    """
    rows = (int, np.integer, np.bool_)
    return isinstance(spec, tuple) and not all(isinstance(row, rows) for row in spec)


def check_classes(
    targets_codes: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    *,
    classes: Sequence[object] | None = None,
    argument: str = "validation",
) -> None:
    """Raise a ValueError if a class is validated that is not trained.

    Parameters
    ----------
    targets_codes : integer array of shape (rows,)
        Class index of each row.
    train, validation : uint32 arrays
        Indices of the rows.
    classes : sequence or None
        Labels of the class indices, for the error.
    argument : str
        The user's name for the split.
    """
    absent = np.setdiff1d(targets_codes[validation], targets_codes[train])
    if len(absent):
        code = int(absent[0])
        label = "" if classes is None else f" ({classes[code]!r})"
        raise ValueError(
            f"{argument}: class {code}{label} has rows in {argument} and none to train on: "
            "hold out other rows, or drop this class"
        )


def _quotas(counts: list[int], total: int) -> list[int]:
    """Share `total` among classes in proportion to their counts, leaving each at least one."""
    n_rows = sum(counts)
    quotas = [total * count // n_rows for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda i: -(total * counts[i] % n_rows))
    # Exact integers. A second round is needed where a class that is due one more has only one left.
    while sum(quotas) < total:
        for i in by_remainder:
            if sum(quotas) < total and quotas[i] + 1 < counts[i]:
                quotas[i] += 1
    return quotas


def _indices(spec: Any, n_rows: int, argument: str) -> np.ndarray:
    """Read row indices or a mask of rows."""
    try:
        array = np.asarray(spec)
    except ValueError as error:
        raise ValueError(f"{argument}: row indices of different lengths: {error}") from error
    if array.shape == (0,):
        array = array.astype(np.uint32)  # an empty list is of floats to NumPy
    if array.ndim != 1 or array.dtype.kind not in "iub":
        raise TypeError(
            f"{argument} is an array of dtype {array.dtype} and {array.ndim} dimensions: "
            "row indices are integers, or one Boolean for each row, in one dimension"
        )
    if array.dtype.kind == "b":
        if len(array) != n_rows:
            raise ValueError(
                f"{argument} has {len(array)} Booleans for {n_rows} rows: give one for each row"
            )
        array = np.flatnonzero(array)
    outside = array[(array < 0) | (array >= n_rows)]
    if len(outside):
        raise ValueError(
            f"{argument} holds the row {outside[0]}: row indices are 0 to {n_rows - 1}"
        )
    rows, counts = np.unique(array, return_counts=True)
    if len(rows) < len(array):
        raise ValueError(f"{argument} holds the row {rows[counts > 1][0]} twice: give it once")
    if len(rows) in (0, n_rows):
        side = "holds out no row" if len(rows) == 0 else "leaves no row to train on"
        raise ValueError(f"{argument} {side}: give 1 to {n_rows - 1} of the {n_rows} rows")
    return rows


def _partition(held: np.ndarray, n_rows: int) -> Split:
    """Return all other rows, and those held out, in order."""
    mask = np.zeros(n_rows, dtype=bool)
    mask[held] = True
    return np.flatnonzero(~mask).astype(np.uint32), np.flatnonzero(mask).astype(np.uint32)
