"""Tables in files, told apart by the ends of their names: CSV, Parquet, Arrow IPC, JSON lines."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from apbt_rs._files import check_new, write
from apbt_rs._warnings import warn

__all__ = ["NAMES", "check_writable", "read_frame", "write_frame"]


_MOST_NULLS = 3  # distinct texts among numbers that are taken for words for "missing"
Kinds: TypeAlias = Mapping[str, str]  # of columns: "text", "number", "date", "duration"
_PARSERS: dict[str, list[Callable[[pl.Series], pl.Series]]] = {
    "number": [lambda texts: texts.str.strip_chars().cast(pl.Float64)],
    "date": [
        lambda texts: texts.str.to_date("%Y-%m-%d"),
        lambda texts: texts.str.to_datetime(),
    ],
    "duration": [lambda texts: texts.str.to_time("%H:%M:%S%.f")],
}


def _csv(source: bytes, kinds: Kinds, nulls: Sequence[str], separator: str = ",") -> pl.DataFrame:
    head = pl.read_csv(source, separator=separator, has_header=False, n_rows=1, infer_schema=False)
    names = [str(name) for name in head.row(0)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the columns {twice} are there twice, and names are unique: rename them")
    # All rows are looked at: a column that turns to text at its end is text from its start.
    texts = {name: pl.String for name in names if kinds.get(name) == "text"}
    frame = _parsed(
        pl.read_csv(
            source,
            separator=separator,
            infer_schema_length=None,
            try_parse_dates=True,
            schema_overrides=texts,
            null_values=list(nulls),
        ),
        kinds,
    )
    unknown = [series for series in frame.get_columns() if series.name not in kinds]
    return frame.with_columns(map(_bare_numbers, unknown))


def _bare_numbers(series: pl.Series) -> pl.Series:
    """Read numbers that the reader takes for texts: padded by spaces, or nan in small letters."""
    if series.dtype != pl.String or series.null_count() == len(series):
        return series
    bare = series.str.strip_chars()
    numbers = bare.cast(pl.Float64, strict=False)
    misread = (bare != series).any() or numbers.is_nan().any()
    if not misread or numbers.null_count() > series.null_count():
        return series
    integers = bare.cast(pl.Int64, strict=False)  # class labels stay labels
    return integers if integers.null_count() == series.null_count() else numbers


def _json_lines(source: bytes, kinds: Kinds, nulls: Sequence[str]) -> pl.DataFrame:
    return _parsed(pl.read_ndjson(source, infer_schema_length=None), kinds)


def _parsed(frame: pl.DataFrame, kinds: Kinds) -> pl.DataFrame:
    """Give columns of texts the kind that training found; where it is unknown, find ISO dates."""
    return frame.with_columns(
        _as_kind(series, kinds.get(series.name)) for series in frame.get_columns()
    )


def _as_kind(series: pl.Series, kind: str | None) -> pl.Series:
    if kind == "text":
        return series.cast(pl.String) if series.dtype.is_integer() else series
    empty = series.null_count() == len(series)
    if kind is not None and empty:
        return pl.Series(series.name, [None] * len(series), dtype=pl.Null)
    if series.dtype != pl.String or empty:
        return series
    for parse in _PARSERS["date" if kind is None else kind]:
        try:
            return parse(series)
        except pl.exceptions.PolarsError:
            continue
    return series


Reader: TypeAlias = Callable[[bytes, Kinds, Sequence[str]], pl.DataFrame]
_READERS: dict[str, Reader] = {
    ".csv": _csv,
    ".tsv": lambda source, kinds, nulls: _csv(source, kinds, nulls, "\t"),
    ".parquet": lambda source, *_: pl.read_parquet(source),
    ".pq": lambda source, *_: pl.read_parquet(source),
    ".arrow": lambda source, *_: pl.read_ipc(source),
    ".feather": lambda source, *_: pl.read_ipc(source),
    ".ipc": lambda source, *_: pl.read_ipc(source),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
_WRITERS: dict[str, Callable[[pl.DataFrame, Any], Any]] = {
    ".csv": lambda frame, target: _flat(frame).write_csv(target),
    ".tsv": lambda frame, target: _flat(frame).write_csv(target, separator="\t"),
    ".parquet": lambda frame, target: frame.write_parquet(target),
    ".pq": lambda frame, target: frame.write_parquet(target),
    ".arrow": lambda frame, target: frame.write_ipc(target),
    ".feather": lambda frame, target: frame.write_ipc(target),
    ".ipc": lambda frame, target: frame.write_ipc(target),
    ".jsonl": lambda frame, target: frame.write_ndjson(target),
    ".ndjson": lambda frame, target: frame.write_ndjson(target),
}
NAMES = ", ".join(_READERS)


def read_frame(path: str, kinds: Kinds | None = None, nulls: Sequence[str] = ()) -> pl.DataFrame:
    """Read a table.

    Parameters
    ----------
    path : str
        A file whose name says its format; `-` is CSV from standard input.
    kinds : mapping of str to str, default=None
        What training found in columns; by default that is found out, and a warning tells of
        columns that would hold numbers but for a few texts.
    nulls : sequence of str, default=()
        Texts that say in CSV that a value is missing, besides the empty one.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not in the format that its name says, or its name says none, or `nulls` are given
        for a format that has a way of its own to say that a value is missing.
    """
    ending = ".csv" if path == "-" else Path(path).suffix.lower()
    if ending not in _READERS:
        raise ValueError(f"{path}: expected a name that ends in {NAMES}, or - for standard input")
    if nulls and ending not in (".csv", ".tsv"):
        raise ValueError(
            f"--null {nulls[0]}: {path} has a way of its own to say that a value is missing, "
            "CSV alone has none: leave it out"
        )
    if path == "-" and sys.stdin is None:
        raise ValueError("-: standard input is closed")
    # Read first: polars' own errors do not say which file is missing.
    source = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        frame = _READERS[ending](source, kinds or {}, nulls)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    if kinds is None and ending in (".csv", ".tsv"):
        for series in frame.get_columns():
            _warn_of_numbers(series, path)
    return frame


def _warn_of_numbers(series: pl.Series, path: str) -> None:
    """Warn of a column of texts if most of them are numbers."""
    if series.dtype != pl.String:
        return
    texts = series.drop_nulls()
    others = texts.filter(texts.str.strip_chars().cast(pl.Float64, strict=False).is_null())
    if 0 < len(others) <= len(texts) / 4 and others.n_unique() <= _MOST_NULLS:
        found = others.unique().sort().to_list()
        remedy = " ".join(f"--null={shlex.quote(text)}" for text in found)
        warn(
            f"column {series.name!r} of {path} holds numbers, but for {len(others)} values such as "
            f"{found[0]!r}, which make it a column of texts: if they say that a value is missing, "
            f"give {remedy}"
        )


def check_writable(path: Path | None, option: str) -> None:
    """Raise a ValueError, before any work, if a table cannot be written there."""
    if path is None:
        return
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f"{option} {path}: expected a name that ends in {', '.join(_WRITERS)}")
    check_new(path, f"{option} {path}")


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write a table in the format that the name says: a file that appears whole, or not at all."""
    buffer = io.BytesIO()
    _WRITERS[path.suffix.lower()](frame, buffer)
    write(path, buffer.getvalue())


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Join lists by commas: CSV has none."""
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.with_columns(
        pl.col(name).cast(pl.List(pl.String)).list.join(",") for name in lists
    )
