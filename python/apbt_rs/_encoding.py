"""Encoding of inputs: a table becomes a float32 matrix, by a declarative list of operations.

Each column has one operation (`apbt_rs._columns`). The list is plain data: prediction applies it,
every exporter translates it, and a saved network carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._arrays import Columns
from apbt_rs._columns import AsIs, Drop, Standardize, identifier, without_values
from apbt_rs._one_hot import OneHot
from apbt_rs._options import Option, check_columns
from apbt_rs._tables import has_names, read_columns, select_columns
from apbt_rs._values import is_text, kind_of, numbers, place
from apbt_rs._warnings import warn

Operation: TypeAlias = AsIs | Drop | OneHot | Standardize
READERS: dict[str, Callable[[object, str], Operation]] = {
    "as_is": AsIs.from_dict,
    "drop": Drop.from_dict,
    "one_hot": OneHot.from_dict,
    "standardize": Standardize.from_dict,
}


@dataclass(frozen=True)
class Encoder:
    """The column operations that make a network's inputs from a table.

    Attributes
    ----------
    columns : tuple of AsIs, Standardize, OneHot, Drop
        One operation for each column, in the order of the training table.
    """

    columns: tuple[Operation, ...]

    @classmethod
    def fit(
        cls,
        frame: Columns,
        rows: np.ndarray,
        *,
        known: np.ndarray | None = None,
        standardize: bool = True,
        options: Mapping[str, Option] | None = None,
    ) -> Encoder:
        """Choose and fit an operation for each column.

        Parameters
        ----------
        frame : Columns of shape (rows, columns)
            The whole table, from `read_columns`.
        rows : uint32 array
            Indices of the training rows; means, scales and how frequent levels are come from these.
        known : uint32 array, sorted, or None
            Indices of the rows that tell which levels there are, whether values are missing, and
            whether a column is of use: all but those of a test. None for all.
        standardize : bool
            Whether numbers are standardised, or left as they are, where `options` do not say.
        options : mapping from names of columns to Option
            What the user wants, from `read_options`.

        Raises
        ------
        TypeError
            If a column has a dtype without an encoding, or without the one wanted.
        ValueError
            If an option is for no column or leaves none of its levels, or a column holds infinite
            values or ones too large, or missing ones and is to be left as it is.
        """
        options = {} if options is None else options
        check_columns(options, frame, "X")
        encoder = cls(
            tuple(
                _fitted(series, rows, known, standardize, options.get(series.name))
                for series in frame.get_columns()
            )
        )
        if encoder.n_inputs == 0:
            raise ValueError("X: no column is left to learn from: give others")
        return encoder

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: `column`, or `column=level` for each level, each name once."""
        names: dict[str, None] = {}
        for name in (name for column in self.columns for name in column.names):
            number, unique = 1, name
            while unique in names:  # a level may be called "other", and a column "a=missing"
                number += 1
                unique = f"{name} ({number})"
            names[unique] = None
        return list(names)

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the network."""
        return sum(len(column.names) for column in self.columns)

    def transform(self, X: Any, *, argument: str = "X") -> np.ndarray:
        """Encode a table.

        Parameters
        ----------
        X : table of shape (rows, columns)
            What `read_columns` reads. Columns are matched by name, in any order, and others are
            ignored; those of NumPy arrays and lists of rows, which have no names, by position.
        argument : str
            The caller's name for `X` in errors.

        Returns
        -------
        float32 array of shape (rows, n_inputs), C-contiguous

        Raises
        ------
        TypeError
            If `X` is no table, or a column has another kind of dtype than in training.
        ValueError
            If columns are missing, or hold infinite values, or missing values or levels that
            training never saw.
        """
        frame = self.select(X, argument=argument)
        matrix = np.empty((frame.height, self.n_inputs), dtype=np.float32)
        for row, column, block in self.blocks(frame, argument=argument):
            height, width = block.shape
            matrix[row : row + height, column : column + width] = block
        return matrix

    def select(self, X: Any, *, argument: str = "X") -> Columns:
        """Read a table, and return of it the columns that are used, under their names."""
        frame = read_columns(X, argument=argument, allow_empty=True)
        named = has_names(X)
        names = [op.column for op in self.columns if op.names or not named]
        return select_columns(frame, names, named=named, argument=argument)

    def blocks(
        self, frame: Columns, *, argument: str = "X"
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Encode a table that has all columns used, block by block.

        Yields
        ------
        row, column : int
            Where the block's first number belongs in the encoded table.
        block : float32 array of shape (some rows, inputs of one column)
        """
        if frame.height == 0:
            return  # an empty column's dtype says nothing
        first = 0
        for op in self.columns:
            if isinstance(op, OneHot):
                for row, block in op.parts(frame[op.column], argument=argument):
                    yield row, first, block
            elif not isinstance(op, Drop):
                yield 0, first, op.encode(frame[op.column], argument=argument)
            first += len(op.names)

    def to_dict(self) -> dict[str, Any]:
        """Return the encoder as plain data, ready for JSON."""
        return {"columns": [column.to_dict() for column in self.columns]}

    @classmethod
    def from_dict(cls, d: object) -> Encoder:
        """Read what `to_dict` gave; raise ValueError if anything in it is malformed."""
        data = _fields.fields(d, ["columns"], "encoder")
        columns = _fields.variants(data["columns"], READERS, "encoder.columns")
        _fields.distinct([op.column for op in columns], "encoder.columns")
        return cls(columns)


def _fitted(
    series: pl.Series,
    rows: np.ndarray,
    known: np.ndarray | None,
    standardize: bool,
    option: Option | None,
) -> Operation:
    """Fit the operation that the user wants of a column, or else the one that suits it."""
    wanted = None if option is None else option.operation
    if wanted == "drop":
        return Drop(series.name)
    whole = series
    if known is not None:
        series = series.gather(known)
        rows = np.searchsorted(known, rows).astype(np.uint32)
    reason = without_values(series)
    if reason is None and wanted is None:
        reason = identifier(series)
    if reason is not None:
        warn(f"{place(series.name, 'X')} is left out: {reason}")
        return Drop(series.name)
    if wanted == "one_hot" or is_text(series.dtype):
        return OneHot.fit(series, rows, option)
    if wanted == "standardize" or (standardize and wanted is None):
        return Standardize.fit(series, rows)
    kind = kind_of(series.dtype)
    numbers(whole, "X", kind=kind)
    return AsIs(series.name, kind)
