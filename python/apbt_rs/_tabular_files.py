"""Tables in files, told apart by the ends of their names: CSV, Parquet, Arrow IPC, JSON lines."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from apbt_rs._dates import (
    NO_ORDER,
    YEAR_FIRST,
    read_dates,
    some,
    warn_of_dates,
    year_first,
    year_last,
)
from apbt_rs._files import check_new, write
from apbt_rs._warnings import warn

__all__ = ["NAMES", "check_writable", "read_frame", "write_frame"]


_FIRST_BLANK_LINES = re.compile(rb"\A(?:[ \r]*\n)+")
_BLANK_LINES = re.compile(rb"\n[ \r\n]*\n")  # with the end of the line before
_SEPARATORS = frozenset(",;\t|")  # of fields, in tables of whatever origin
_PHONE = r"^\s*\+\d{10,}\s*$"  # a telephone number: a quantity has no plus and so many digits
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


def _csv(
    source: bytes, kinds: Kinds | None, nulls: Sequence[str], separator: str = ","
) -> pl.DataFrame:
    _check_utf8(source)
    _, names = next(_lines(source, separator), (0, []))
    _check_header(names, kinds, separator)
    table = _FIRST_BLANK_LINES.sub(b"", source, count=1)
    if len(names) > 1:  # of one column a blank line is a missing value
        table = _without_blank_lines(table)
    known = {} if kinds is None else kinds
    # All rows are looked at: a column that turns to text at its end is text from its start.
    texts = {name: pl.String for name, kind in known.items() if kind == "text"}
    try:
        frame = pl.read_csv(
            table,
            separator=separator,
            infer_schema_length=None,
            schema_overrides=texts,
            null_values=list(nulls),
        )
    except pl.exceptions.PolarsError:
        _refuse_surplus(source, separator)
        if any("_duplicated_" in name for name in names):  # polars names further ones so itself
            _check_header(names, None, separator)
        raise
    dated = (
        series if series.name in texts else read_dates(series) for series in frame.get_columns()
    )
    frame = _parsed(frame.with_columns(dated), known)
    unknown = [series for series in frame.get_columns() if series.name not in known]
    return frame.with_columns(map(_bare_numbers, unknown))


def _check_utf8(source: bytes) -> None:
    """Raise a ValueError if it is none: polars does not look at the header, nor says where."""
    try:
        source.decode()
    except UnicodeDecodeError as error:
        number = source.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {number} is not in UTF-8: save the file as UTF-8") from error


def _check_header(names: Sequence[str], kinds: Kinds | None, separator: str) -> None:
    """Raise a ValueError if a column that counts is there twice, or another sign separates them."""
    counted = names if kinds is None else [name for name in names if name in kinds]
    twice = sorted({name for name in counted if counted.count(name) > 1})
    if twice:
        raise ValueError(f"the columns {twice} are there twice, and names are unique: rename them")
    others = _SEPARATORS - {separator}
    if len(names) == 1 and others.intersection(names[0]) and names[0] not in (kinds or ()):
        raise ValueError(
            f"the header {names[0]!r} is one column: fields are separated by commas in CSV, by "
            "tabs in a file named .tsv: write them so"
        )


def _without_blank_lines(table: bytes) -> bytes:
    """Leave blank lines out, but for those in quotes, before which quotes are odd in number."""
    unpadded = table.rstrip(b" ")
    if unpadded.endswith(b"\n"):
        table = unpadded
    parts, start, quotes = [], 0, 0
    for blank in _BLANK_LINES.finditer(table):
        quotes += table.count(b'"', start, blank.start())
        parts += [table[start : blank.start()], b"\n" if quotes % 2 == 0 else blank[0]]
        start = blank.end()
    return b"".join([*parts, table[start:]])


def _lines(source: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Give the fields of each line that is not blank, with the line's number."""
    text = io.TextIOWrapper(io.BytesIO(source), "utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=separator)
    for fields in reader:
        if len(fields) > 1 or "".join(fields).strip(" "):
            yield reader.line_num, fields


def _refuse_surplus(source: bytes, separator: str) -> None:
    """Raise a ValueError if a line has more fields than the header: polars does not say which."""
    lines = _lines(source, separator)
    with contextlib.suppress(csv.Error):  # then polars' own words must do
        _, header = next(lines, (0, []))
        for number, fields in lines:
            if len(fields) > len(header):
                remedy = (
                    "leave out what stands above the header, and put fields that hold "
                    f"{separator!r} in quotes"
                )
                if not any(fields[len(header) :]):
                    remedy = f"leave out each {separator!r} at the line's end that is one too many"
                raise ValueError(
                    f"line {number} has {len(fields)} fields, and the header, "
                    f"{separator.join(header)!r:.80}, has {len(header)}: {remedy}"
                )


def _bare_numbers(series: pl.Series) -> pl.Series:
    """Read numbers that polars takes for texts: with spaces or a plus sign, or a small nan."""
    if series.dtype != pl.String or series.null_count() == len(series):
        return series
    if series.str.contains(_PHONE).any():
        return series
    bare = series.str.strip_chars()
    numbers = bare.cast(pl.Float64, strict=False)
    signed = bare.str.starts_with("+").any()
    misread = signed or (bare != series).any() or numbers.is_nan().any()
    if not misread or numbers.null_count() > series.null_count():
        return series
    integers = bare.cast(pl.Int64, strict=False)  # class labels stay labels
    return integers if integers.null_count() == series.null_count() else numbers


def _json_lines(source: bytes, kinds: Kinds | None, nulls: Sequence[str]) -> pl.DataFrame:
    return _parsed(pl.read_ndjson(source, infer_schema_length=None), kinds or {})


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
    texts = series
    if kind in (None, "date") and (unsure := year_last(series)).any():
        ordered = year_first(series)
        if ordered is None and kind == "date":
            raise ValueError(
                f"column {series.name!r} holds {series.filter(unsure)[0]!r}, and {NO_ORDER}: "
                f"{YEAR_FIRST}"
            )
        if ordered is None:
            return series
        texts = ordered
    for parse in _PARSERS["date" if kind is None else kind]:
        try:
            parse(some(texts))
            return parse(texts).alias(series.name)
        except pl.exceptions.PolarsError:
            continue
    return series


Reader: TypeAlias = Callable[[bytes, Kinds | None, Sequence[str]], pl.DataFrame]
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
        What training found in columns; others are not needed. By default that is found out, and
        warnings tell of columns that would hold numbers but for a few texts, or dates if their
        order of day, month and year were sure.
    nulls : sequence of str, default=()
        Texts that say in CSV that a value is missing, besides the empty one.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not in the format that its name says, or its name says none, or `nulls` are given
        for a format that has a way of its own to say that a value is missing, or a column of dates
        does not prove in which order day, month and year stand.
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
        frame = _READERS[ending](source, kinds, nulls)
    except (csv.Error, pl.exceptions.PolarsError) as error:
        raise ValueError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if kinds is None and ending in (".csv", ".tsv", ".jsonl", ".ndjson"):
        for series in frame.get_columns():
            warn_of_dates(series, path)
            if ending in (".csv", ".tsv"):
                _warn_of_numbers(series, path)
    return frame


def _warn_of_numbers(series: pl.Series, path: str) -> None:
    """Warn of a column of texts if most of them are numbers."""
    if series.dtype != pl.String or series.str.contains(_PHONE).any():
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
