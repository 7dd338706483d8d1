"""Saved networks and results (DESIGN §8): loading runs no code, and every byte is checked.

A network is one safetensors file, which the core writes and reads; its header is JSON. A result is
a file of several parts (see `_container`): facts as JSON, the history's columns as JSON, and the
networks' files.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from apbt_rs import _core, _fields
from apbt_rs._container import FORMAT, pack, read_json, unpack
from apbt_rs._encoding import Encoder
from apbt_rs._frames import HISTORY, NULLABLE
from apbt_rs._metrics import BUILT_IN, BY_TASK
from apbt_rs._targets import Targets

if TYPE_CHECKING:
    from apbt_rs._network import Network
    from apbt_rs._result import Result

__all__ = [
    *(
        "beside",
        "check_folder",
        "check_name",
        "check_new",
        "load",
        "network_from_bytes",
        "network_to_bytes",
    ),
    *("result_to_bytes", "write"),
]

_RESULT = b"apbt-rs result "
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
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
    """Write a file that appears whole, or not at all; an OSError names it."""
    target = Path(path)
    temporary = beside(target)
    try:
        descriptor = os.open(temporary, _NEW, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        if error.errno is None:
            raise
        # The temporary file's name would tell the caller nothing.
        raise OSError(error.errno, error.strerror, str(target)) from error


def beside(path: Path) -> Path:
    """Return a name in the same folder that nothing has."""
    return path.absolute().parent / f".{path.name}.{secrets.token_hex(8)}"


def check_folder(path: Path, argument: str) -> None:
    """Raise a ValueError, before any work, if there is no folder for something new."""
    try:
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{argument}: there is no folder {path.parent}: make it")
        with contextlib.suppress(FileNotFoundError):
            path.lstat()  # finds a name that none can have, such as a very long one
    except OSError as error:
        raise ValueError(f"{argument}: cannot be written: {error.strerror}") from error


def check_new(path: Path, argument: str) -> None:
    """Raise a ValueError, before any work, if no file can be written there."""
    try:
        if path.is_dir():
            raise ValueError(f"{argument}: is a folder: name a file")
        check_folder(path, argument)
        temporary = beside(path)
        os.close(os.open(temporary, _NEW, 0o666))
        temporary.unlink()
    except OSError as error:
        raise ValueError(f"{argument}: cannot be written: {error.strerror}") from error


def check_name(path: str, argument: str) -> None:
    """Raise a ValueError if no file can have that name."""
    if "\0" in path:
        raise ValueError(f"{argument}: holds a null character, which no name may")


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
        "schedule": _history_to_json(network.lineage),
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
    _fields.text(header["version"], "version")
    activations = [
        _fields.text(one, "activations")
        for one in _fields.items(header["activations"], "activations")
    ]
    scores = _fields.fields(header["scores"], [*_SCORES, *_TEST], "scores")
    score = {name: _from_json(scores[name], f"scores.{name}") for name in _SCORES}
    test_score, test_loss = (
        None if scores[name] is None else _from_json(scores[name], f"scores.{name}", nan=True)
        for name in _TEST
    )
    network = Network(
        core=_core.Network.from_file(data, activations),
        encoder=Encoder.from_dict(header["encoder"]),
        targets=Targets.from_dict(header["targets"]),
        metric=_fields.text(header["metric"], "metric"),
        generation=_fields.count(header["generation"], "generation"),
        member=_fields.count(header["member"], "member"),
        hyperparameters=_hyperparameters(header["hyperparameters"]),
        lineage=_history_from_json(header["schedule"], "schedule"),
        test_score=test_score,
        test_loss=test_loss,
        **score,
    )
    _check_fit(network)
    return network


def _check_fit(network: Network) -> None:
    """Raise a ValueError if a network's parts do not go with each other."""
    task, n_outputs = network.targets.task, network.targets.n_outputs
    shape = (network.encoder.n_inputs, n_outputs)
    if (network.topology[0], network.topology[-1]) != shape:
        raise ValueError(f"a network of topology {network.topology} for an encoding of {shape}")
    if task == "regression":
        known = ["identity"]
    else:
        known = ["sigmoid"] if n_outputs == 1 else ["sigmoid", "softmax"]
    _fields.one_of(network.activations[-1], known, "activations of the output layer")
    if network.metric in BUILT_IN and network.metric not in BY_TASK[task]:
        raise ValueError(f"metric: {network.metric!r} is not one for a {task}")


def result_to_bytes(result: Result) -> bytes:
    """Return a result as a file's bytes."""
    networks = result._networks()
    rest = {"version": _core.__version__, **result._facts(), "names": [one[0] for one in networks]}
    parts = [write_json(one).encode() for one in (rest, _history_to_json(result.history))]
    parts += [network_to_bytes(network) for _, network in networks]
    return pack(_RESULT, parts)


def result_from_bytes(data: bytes) -> Result:
    """Return the result in a file's bytes; raise ValueError if they are not sound."""
    from apbt_rs._result import FACTS, Result

    parts = unpack(_RESULT, data)
    if len(parts) < 2:
        raise ValueError(f"a result of {len(parts)} parts")
    facts = _fields.fields(read_json(parts[0]), ["version", "names", *FACTS], "result")
    history = _history_from_json(read_json(parts[1]), "history")
    names, networks = facts["names"], [network_from_bytes(part) for part in parts[2:]]
    front = len(networks) - 3
    if front < 1 or names != ["best", "most_accurate", "chosen", *["front"] * front]:
        raise ValueError(f"names: {names!r:.80} for {len(networks)} networks")
    _fields.text(facts["version"], "version")
    result = Result.from_parts(facts, history, networks)
    for network in networks:
        if (network.targets.task, network.metric) != (result.task, result.metric):
            raise ValueError("task and metric: a network of the result has others")
    return result


def _check_format(header: Any) -> None:
    if not isinstance(header, dict) or "format" not in header:
        raise ValueError("the header names no format")
    number = _fields.whole(header["format"], "format")
    if number != FORMAT:
        raise ValueError(f"a network of format {number}, not {FORMAT}: upgrade apbt-rs to read it")


def write_json(value: Any) -> str:
    """Return plain data as JSON, which has no NaN."""
    return json.dumps(value, allow_nan=False)


def _to_json(value: float | None) -> float | str | None:
    """Infinite numbers and NaN as text: JSON has none."""
    return value if value is None or math.isfinite(value) else str(value)


def _from_json(value: object, where: str, *, nan: bool = False) -> float:
    if value in ("inf", "-inf") or (nan and value == "nan"):
        return float(str(value))
    return _fields.number(value, where)


def _hyperparameters(value: object) -> dict[str, float | int | str | None]:
    fields = _fields.fields(value, _core.HYPERPARAMETERS, "hyperparameters")
    read: dict[str, Any] = {"batch_size": _fields.count, "optimizer": _optimizer}
    return {
        # Momentum alone is nothing to one of the optimizers.
        name: None
        if one is None and name == "momentum"
        else read.get(name, _fields.number)(one, f"hyperparameters.{name}")
        for name, one in fields.items()
    }


def _optimizer(value: object, where: str) -> str:
    return _fields.one_of(value, _core.OPTIMIZERS, where)


def _history_to_json(frame: pl.DataFrame) -> dict[str, list[Any]]:
    columns = frame.to_dict(as_series=False)
    for name, dtype in HISTORY.items():
        if dtype == pl.Float64:
            columns[name] = [_to_json(value) for value in columns[name]]
    return columns


def _history_from_json(value: object, where: str) -> pl.DataFrame:
    """Return a history, every value of which has been looked at: polars is given nothing else."""
    given = _fields.fields(value, list(HISTORY), where)
    columns = {}
    for name, dtype in HISTORY.items():
        read, place = _reader(dtype), f"{where}.{name}"
        values = _fields.items(given[name], place)
        columns[name] = [
            None if one is None and name in NULLABLE else read(one, place) for one in values
        ]
    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError(f"{where}: the columns are not of one length")
    return pl.DataFrame(columns, schema=HISTORY)


def _reader(dtype: pl.DataType) -> Callable[[object, str], Any]:
    """Return what reads a value of one of the history's dtypes."""
    if isinstance(dtype, pl.List):
        inner: Any = dtype.inner
        read = _reader(inner)

        def several(value: object, where: str) -> list[Any]:
            if not isinstance(value, list):
                raise ValueError(f"{where}: expected a list, got {value!r:.80}")
            return [read(one, where) for one in value]

        return several
    if isinstance(dtype, pl.Enum):
        known = set(dtype.categories)
        return lambda value, where: _fields.one_of(value, known, where)
    return _from_json if dtype == pl.Float64 else _fields.count
