"""Tables in files, told apart by the ends of their names: CSV, Parquet, Arrow IPC, JSON lines."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from apbt_rs._files import check_new, write

__all__ = ["NAMES", "check_writable", "read_frame", "write_frame"]


def _csv(source: Any, separator: str = ",") -> pl.DataFrame:
    # All rows are looked at: a column that turns to text at its end is text from its start.
    return pl.read_csv(source, separator=separator, infer_schema_length=None)


_READERS: dict[str, Callable[[Any], pl.DataFrame]] = {
    ".csv": _csv,
    ".tsv": lambda source: _csv(source, "\t"),
    ".parquet": pl.read_parquet,
    ".pq": pl.read_parquet,
    ".arrow": pl.read_ipc,
    ".feather": pl.read_ipc,
    ".ipc": pl.read_ipc,
    ".jsonl": lambda source: pl.read_ndjson(source, infer_schema_length=None),
    ".ndjson": lambda source: pl.read_ndjson(source, infer_schema_length=None),
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


def read_frame(path: str) -> pl.DataFrame:
    """Read a table; `-` is CSV from standard input.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not in the format that its name says, or its name says none.
    """
    if path != "-" and Path(path).suffix.lower() not in _READERS:
        raise ValueError(f"{path}: expected a name that ends in {NAMES}, or - for standard input")
    try:
        if path == "-":
            if sys.stdin is None:
                raise ValueError("-: standard input is closed")
            return _csv(sys.stdin.buffer.read())
        # Read first: polars' own errors do not say which file is missing.
        return _READERS[Path(path).suffix.lower()](Path(path).read_bytes())
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


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
