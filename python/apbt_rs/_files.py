"""Saved networks and results (DESIGN §8): loading runs no code, and every byte is checked.

A network is one safetensors file, which the core writes and reads; its header is JSON. A result is
a line that names the format, a line with the SHA-256 of what follows, and an Arrow IPC stream with
one row for each part: the networks' files, the history as Parquet, the rest as JSON.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from apbt_rs import _core, _fields
from apbt_rs._encoding import Encoder
from apbt_rs._frames import HISTORY
from apbt_rs._targets import Targets

if TYPE_CHECKING:
    from apbt_rs._network import Network
    from apbt_rs._result import Result

__all__ = ["load", "network_from_bytes", "network_to_bytes", "result_to_bytes", "write"]

FORMAT = 1
_RESULT = b"apbt-rs result "
_SCORES = ("validation_score", "validation_loss", "log_fitness", "fitness")
_TEST = ("test_score", "test_loss")


def load(path: str | os.PathLike[str]) -> Network | Result:
    """Load a network or a result that was saved.

    Parameters
    ----------
    path : path
        What `Network.save` or `Result.save` wrote.

    Returns
    -------
    Network or Result

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not such a file, is damaged, or was written by a newer version.

    Examples
    --------
    >>> import apbt_rs, os, tempfile
    >>> X, y = apbt_rs.datasets.load_iris()
    >>> net = apbt_rs.run(X, y, k=20, epochs=50, seed=0, progress=False).chosen
    >>> path = os.path.join(tempfile.mkdtemp(), "iris.apbt")
    >>> net.save(path)
    >>> apbt_rs.load(path).predict(X).equals(net.predict(X))
    True
    """
    data = Path(path).read_bytes()
    try:
        return result_from_bytes(data) if data.startswith(_RESULT) else network_from_bytes(data)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file that appears whole, or not at all."""
    target = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # The temporary file is for its owner alone; the saved one is as any new file.
        allow(Path(temporary), 0o666)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def allow(path: Path, mode: int) -> None:
    """Give what was made for its owner alone the permissions of anything new."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(mode & ~mask)


def check_folder(path: Path, argument: str) -> None:
    """Raise a ValueError, before any work, if there is no folder for a new file."""
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{argument}: there is no folder {path.parent}: make it")


def network_to_bytes(network: Network) -> bytes:
    """Return a network as a file's bytes."""
    header = {
        "format": FORMAT,
        "version": _core.__version__,
        "activations": network.activations,
        "encoder": network.encoder.to_dict(),
        "targets": network.targets.to_dict(),
        "metric": network.metric,
        "scores": {name: _to_json(getattr(network, name)) for name in (*_SCORES, *_TEST)},
        "generation": network.generation,
        "member": network.member,
        "hyperparameters": network.hyperparameters,
        "schedule": _schedule_to_json(network.lineage),
    }
    return network.core.to_file(write_json(header))


def network_from_bytes(data: bytes) -> Network:
    """Return the network in a file's bytes; raise ValueError if they are not sound."""
    from apbt_rs._network import Network

    header = read_json(_core.read_header(data))
    _check_format(header)
    names = ["format", "version", "activations", "encoder", "targets", "metric", "scores"]
    names += ["generation", "member", "hyperparameters", "schedule"]
    header = _fields.fields(header, names, "header")
    activations = [
        _fields.text(one, "activations")
        for one in _fields.items(header["activations"], "activations")
    ]
    scores = _fields.fields(header["scores"], [*_SCORES, *_TEST], "scores")
    score = {name: _from_json(scores[name], f"scores.{name}") for name in _SCORES}
    test_score, test_loss = (
        None if scores[name] is None else _from_json(scores[name], f"scores.{name}")
        for name in _TEST
    )
    network = Network(
        core=_core.Network.from_file(data, activations),
        encoder=Encoder.from_dict(header["encoder"]),
        targets=Targets.from_dict(header["targets"]),
        metric=_fields.text(header["metric"], "metric"),
        generation=_fields.whole(header["generation"], "generation"),
        member=_fields.whole(header["member"], "member"),
        hyperparameters=_hyperparameters(header["hyperparameters"]),
        lineage=_schedule_from_json(header["schedule"]),
        test_score=test_score,
        test_loss=test_loss,
        **score,
    )
    shape = (network.encoder.n_inputs, network.targets.n_outputs)
    if (network.topology[0], network.topology[-1]) != shape:
        raise ValueError(f"a network of topology {network.topology} for an encoding of {shape}")
    return network


def result_to_bytes(result: Result) -> bytes:
    """Return a result as a file's bytes."""
    history = io.BytesIO()
    result.history.write_parquet(history)
    networks = result.networks()
    rest = {"version": _core.__version__, **result.facts(), "names": [one[0] for one in networks]}
    parts = [write_json(rest).encode(), history.getvalue()]
    parts += [network_to_bytes(network) for _, network in networks]
    return pack(_RESULT, parts)


def pack(magic: bytes, parts: list[bytes]) -> bytes:
    """Return a file of several parts: a line with its format, one with its hash, then the parts."""
    payload = io.BytesIO()
    pl.DataFrame({"part": parts}, schema={"part": pl.Binary}).write_ipc_stream(payload)
    digest = hashlib.sha256(payload.getvalue()).hexdigest().encode()
    return magic + str(FORMAT).encode() + b"\n" + digest + b"\n" + payload.getvalue()


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
    try:
        parts = pl.read_ipc_stream(io.BytesIO(payload))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise ValueError(f"not readable: {error}") from error
    if parts.schema != {"part": pl.Binary} or parts["part"].null_count():
        raise ValueError("the file does not hold what its first line says")
    return parts["part"].to_list()


def result_from_bytes(data: bytes) -> Result:
    """Return the result in a file's bytes; raise ValueError if they are not sound."""
    from apbt_rs._result import Result

    parts = unpack(_RESULT, data)
    facts = read_json(parts[0].decode())
    history = pl.read_parquet(io.BytesIO(parts[1]))
    networks = [network_from_bytes(part) for part in parts[2:]]
    return Result.from_parts(facts, history, networks)


def _check_format(header: Any) -> None:
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise ValueError("the header names no format")
    if header["format"] != FORMAT:
        raise ValueError(
            f"a network of format {header['format']}, not {FORMAT}: upgrade apbt-rs to read it"
        )


def write_json(value: Any) -> str:
    """Return plain data as JSON, which has no NaN."""
    return json.dumps(value, allow_nan=False)


def read_json(text: str | bytes) -> Any:
    """Return what JSON says; raise ValueError if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the header is not readable: {error}") from error


def _to_json(value: float | None) -> float | str | None:
    """Infinite numbers as text: JSON has none."""
    return str(value) if value in (float("inf"), float("-inf")) else value


def _from_json(value: object, where: str) -> float:
    if value in ("inf", "-inf"):
        return float(str(value))
    return _fields.number(value, where)


def _hyperparameters(value: object) -> dict[str, float | int | str | None]:
    fields = _fields.fields(value, _core.HYPERPARAMETERS, "hyperparameters")
    for name, one in fields.items():
        if one is not None and not isinstance(one, (int, float, str)):
            raise ValueError(f"hyperparameters.{name}: {one!r:.80} is no value")
    return fields  # type: ignore[return-value]


def _schedule_to_json(frame: pl.DataFrame) -> dict[str, list[Any]]:
    columns = frame.to_dict(as_series=False)
    for name, dtype in HISTORY.items():
        if dtype == pl.Float64:
            columns[name] = [_to_json(value) for value in columns[name]]
    return columns


def _schedule_from_json(value: object) -> pl.DataFrame:
    columns = dict(_fields.fields(value, list(HISTORY), "schedule"))
    for name, dtype in HISTORY.items():
        values = _fields.items(columns[name], f"schedule.{name}")
        if dtype == pl.Float64:
            columns[name] = [
                None if one is None else _from_json(one, f"schedule.{name}") for one in values
            ]
    try:
        return pl.DataFrame({name: columns[name] for name in HISTORY}, schema=HISTORY)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise ValueError(f"schedule: not a history: {error}") from error
