"""Files of several parts, and tables as parts of them.

A file is a line that names its kind and format, a line with the SHA-256 of what follows, and its
parts, each after its length in eight bytes, the lowest first. Whoever alters a file can make its
hash right again, so nothing that a file says is believed: a length is looked up among the bytes
that are there, and columns are numbers or JSON, never a format whose reader allocates what a
header promises.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _fields

__all__ = ["FORMAT", "pack", "read_json", "table_from_bytes", "table_to_bytes", "unpack"]

FORMAT = 1
_LENGTH = 8
# Dtypes that NumPy has, too, and how it writes them; the others are written as texts.
_NUMPY = {"Boolean": "|u1", "Float16": "<f2", "Float32": "<f4", "Float64": "<f8"}
_NUMPY |= {"Int8": "<i1", "Int16": "<i2", "Int32": "<i4", "Int64": "<i8"}
_NUMPY |= {"UInt8": "<u1", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8"}


def pack(magic: bytes, parts: Iterable[bytes]) -> bytes:
    """Return a file of several parts."""
    payload = _join(parts)
    digest = hashlib.sha256(payload).hexdigest().encode()
    return magic + str(FORMAT).encode() + b"\n" + digest + b"\n" + payload


def unpack(magic: bytes, data: bytes) -> list[bytes]:
    """Return the parts of such a file; raise ValueError if it is not sound."""
    first, _, rest = data.partition(b"\n")
    digest, _, payload = rest.partition(b"\n")
    if not first.startswith(magic):
        raise ValueError("not a file of apbt-rs")
    number = first[len(magic) :].decode("ascii", "replace")
    if number != str(FORMAT):
        raise ValueError(f"of format {number!r:.80}, not {FORMAT}: upgrade apbt-rs to read it")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise ValueError("the file is damaged: its hash does not match")
    return _split(payload)


def table_to_bytes(frame: pl.DataFrame) -> bytes:
    """Return a table of numbers and Booleans without missing values as bytes."""
    names = [_dtype_to_json(dtype) for dtype in frame.dtypes]
    parts = [json.dumps([frame.columns, names]).encode()]
    for series in frame.get_columns():
        numpy = _NUMPY.get(str(series.dtype))
        if numpy is None:
            parts.append(json.dumps(series.cast(pl.String).to_list()).encode())
        else:
            parts.append(series.to_numpy().astype(numpy).tobytes())
    return _join(parts)


def table_from_bytes(data: bytes, where: str) -> pl.DataFrame:
    """Read what `table_to_bytes` gave; raise ValueError if it is not sound."""
    head, *parts = _split(data) or [b""]
    described = _fields.items(read_json(head), where)
    if len(described) != 2:
        raise ValueError(f"{where}: expected names and dtypes of columns")
    names = [_fields.text(one, where) for one in _fields.items(described[0], where)]
    _fields.distinct(names, where)
    dtypes = _fields.items(described[1], where)
    if not len(names) == len(dtypes) == len(parts):
        raise ValueError(f"{where}: {len(names)} columns, {len(dtypes)} dtypes, {len(parts)} parts")
    columns = [_series(*one, where) for one in zip(names, dtypes, parts, strict=True)]
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"{where}: the columns are not of one length")
    return pl.DataFrame(columns)


def read_json(text: str | bytes) -> Any:
    """Return what JSON says; raise ValueError if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the header is not readable: {error}") from error


def _join(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(_LENGTH, "little") + part for part in parts)


def _split(data: bytes) -> list[bytes]:
    parts, start = [], 0
    while start < len(data):
        first = start + _LENGTH
        start = first + int.from_bytes(data[start:first], "little")
        if start > len(data):
            raise ValueError("the file is damaged: a part is longer than the file")
        parts.append(data[first:start])
    return parts


def _dtype_to_json(dtype: pl.DataType) -> str | list[Any]:
    if isinstance(dtype, pl.Decimal):
        return ["Decimal", dtype.precision, dtype.scale]
    return str(dtype)


def _series(name: str, dtype: object, data: bytes, where: str) -> pl.Series:
    if isinstance(dtype, str) and dtype in _NUMPY:
        values = np.frombuffer(data, _NUMPY[dtype])  # a ValueError if bytes are over
        if dtype == "Boolean":
            values = values != 0
        return pl.Series(name, values, dtype=getattr(pl, dtype))
    texts = [_fields.text(one, where) for one in _fields.items(read_json(data), where)]
    try:
        return pl.Series(name, texts, dtype=pl.String).cast(_text_dtype(dtype, where))
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{where}: {error}") from error


def _text_dtype(dtype: object, where: str) -> pl.DataType:
    if dtype == "Int128":
        return pl.Int128()
    if dtype == "UInt128" and hasattr(pl, "UInt128"):  # polars 1.34 and newer
        return pl.UInt128()
    if isinstance(dtype, list) and len(dtype) == 3 and dtype[0] == "Decimal":
        precision, scale = (_fields.whole(one, where) for one in dtype[1:])
        if 0 <= scale <= precision <= 38:
            return pl.Decimal(precision, scale)
    raise ValueError(f"{where}: no dtype of numbers, got {dtype!r:.80}")
