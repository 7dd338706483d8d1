"""Checkpoints: a run on disk, from which it goes on as if it had never stopped (DESIGN §8).

A checkpoint is a folder of three files that appears whole:

- `run`: what does not change: the encoded data, the encoders, the settings; written once;
- `history`: the history's rows in chunks, appended to;
- `state`: population, archive and how many bytes of `history` are valid; replaced as a whole.

A process may be killed at any moment: what it had appended without replacing the state is cut off.
Each file and each chunk carries its SHA-256, and reading runs no code.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _core, _fields
from apbt_rs._data import Data
from apbt_rs._encoding import Encoder
from apbt_rs._files import allow, check_folder, pack, read_json, unpack, write, write_json
from apbt_rs._metrics import Metric, resolve
from apbt_rs._settings import RULES, Settings
from apbt_rs._targets import Targets

__all__ = ["Checkpoint", "Parts", "check_path", "read"]

INTERVAL = 5.0  # seconds between two writings of the state
_RUN, _STATE = b"apbt-rs run ", b"apbt-rs state "
_LENGTH, _DIGEST = 8, 32  # bytes before each chunk of the history
_FACTS = [
    *("version", "k", "epochs", "readiness", "rule", "patience", "task", "metric", "custom"),
    *("response", "constant", "perfect", "output", "seed", "encoder", "targets"),
]


def check_path(checkpoint: Any) -> Path | None:
    """Return where a new checkpoint is to be; raise before any training if it cannot be there."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, (str, os.PathLike)) or isinstance(checkpoint, bytes):
        raise TypeError(f"checkpoint={checkpoint!r}: expected a path or None")
    path = Path(checkpoint)
    if path.exists():
        raise ValueError(
            f"checkpoint={str(path)!r}: is there already: go on with apbt_rs.resume, remove it, or "
            "name another folder"
        )
    check_folder(path, f"checkpoint={str(path)!r}")
    return path


@dataclass(frozen=True)
class Parts:
    """What a run consists of, and its checkpoint holds; `settings` has nothing left to fill in."""

    core: _core.Evolution
    data: Data
    settings: Settings
    metric: Metric
    output: str
    seconds: float  # that it has taken
    checkpoint: Checkpoint | None


class Checkpoint:
    """Where a run is kept, and how much of it is there already."""

    def __init__(self, path: Path, *, rows: int = 0, length: int = 0) -> None:
        self.path = path
        self.rows = rows  # of the history, that are in its file
        self.length = length  # valid bytes of that file
        self.made = length > 0
        self.written = time.monotonic() if self.made else float("-inf")
        self.failed = False

    def due(self) -> bool:
        """Return whether it is time to write again."""
        return time.monotonic() - self.written >= INTERVAL

    def save(self, parts: Parts) -> None:
        """Write what is new; a disk that refuses is a warning, and the run goes on."""
        try:
            if self.made:
                self._save(self.path, parts)
            else:
                self._make(parts)
            self.failed = False
        except OSError as error:
            if not self.failed:
                warnings.warn(
                    f"checkpoint {str(self.path)!r} could not be written: {error}; the run goes "
                    "on, and can be resumed from what was written before, if anything",
                    RuntimeWarning,
                    stacklevel=4,
                )
            self.failed = True
        self.written = time.monotonic()

    def _make(self, parts: Parts) -> None:
        parent = self.path.absolute().parent
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{self.path.name}."))
        try:
            write(temporary / "run", run_to_bytes(parts))
            (temporary / "history").touch()
            self.rows = self.length = 0
            self._save(temporary, parts)
            allow(temporary, 0o777)
            temporary.rename(self.path)
            self.made = True
        finally:
            if not self.made:
                shutil.rmtree(temporary, ignore_errors=True)

    def _save(self, folder: Path, parts: Parts) -> None:
        core, length = parts.core, self.length
        rows = core.n_rows
        if rows > self.rows:
            chunk = core.history_to_bytes(self.rows)
            with (folder / "history").open("r+b") as file:
                file.seek(length)
                file.write(len(chunk).to_bytes(_LENGTH, "little"))
                file.write(hashlib.sha256(chunk).digest())
                file.write(chunk)
                file.truncate()
                length = file.tell()
                file.flush()
                os.fsync(file.fileno())
        facts = {"history": length, "rows": rows, "seconds": parts.seconds}
        write(folder / "state", pack(_STATE, [write_json(facts).encode(), core.state_to_bytes()]))
        self.rows, self.length = rows, length


def run_to_bytes(parts: Parts) -> bytes:
    """Return the bytes of the file `run`."""
    data, settings, metric = parts.data, parts.settings, parts.metric
    facts = {
        "version": _core.__version__,
        "k": settings.k,
        "epochs": settings.epochs,
        "readiness": settings.readiness,
        "rule": settings.rule,
        "patience": settings.patience,
        "task": data.targets.task,
        "metric": metric.name,
        "custom": metric.function is not None,
        "response": metric.response,
        "constant": metric.constant,
        "perfect": metric.perfect,
        "output": parts.output,
        "seed": settings.seed,
        "encoder": data.encoder.to_dict(),
        "targets": data.targets.to_dict(),
    }
    frame = io.BytesIO()
    data.frame.write_ipc(frame)
    weights = b"" if data.weights is None else np.array(data.weights, "<f8").tobytes()
    test = b"" if data.test is None else data.test.astype("<u4").tobytes()
    return pack(
        _RUN,
        [write_json(facts).encode(), parts.core.run_to_bytes(), frame.getvalue(), weights, test],
    )


def read(
    path: str | os.PathLike[str],
    *,
    metric: Metric | Callable[..., float] | None,
    epochs: int | None,
    **changes: Any,
) -> Parts:
    """Read a checkpoint; `changes` are settings that a run may go on with."""
    folder = Path(path)
    try:
        run, state = (folder / "run").read_bytes(), (folder / "state").read_bytes()
        history = (folder / "history").read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"path={os.fspath(path)!r}: no checkpoint is there: {error}") from error
    try:
        return _parts(folder, (run, state, history), metric, epochs, changes)
    except _SettingError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


class _SettingError(ValueError):
    """A wrong argument, rather than a damaged file."""


def _parts(
    folder: Path,
    files: tuple[bytes, bytes, bytes],
    given: Metric | Callable[..., float] | None,
    epochs: int | None,
    changes: dict[str, Any],
) -> Parts:
    head, run, target, weight, test = _unpacked(_RUN, files[0], 5, "run")
    state_head, state = _unpacked(_STATE, files[1], 2, "state")
    facts = _fields.fields(read_json(head), _FACTS, "run")
    progress = _fields.fields(read_json(state_head), ["history", "rows", "seconds"], "state")
    length = _fields.whole(progress["history"], "state.history")
    chunks = _chunks(files[2], length)
    encoder, targets = Encoder.from_dict(facts["encoder"]), Targets.from_dict(facts["targets"])
    settings = Settings(
        k=_fields.whole(facts["k"], "k"),
        epochs=_fields.whole(facts["epochs"], "epochs") if epochs is None else epochs,
        readiness=_fields.whole(facts["readiness"], "readiness"),
        validation="train",
        test=None,
        task=_fields.text(facts["task"], "task"),
        metric=_fields.text(facts["metric"], "metric"),
        encoding=None,
        space=None,
        fitness=None,
        rule=_one_of(facts["rule"], RULES, "rule"),
        patience=None
        if facts["patience"] is None
        else _fields.whole(facts["patience"], "patience"),
        seed=_fields.whole(facts["seed"], "seed"),
        checkpoint=None,
        **changes,
    )
    core = _core.Evolution.from_parts(run, state, chunks, settings.threads())
    table_rows, n_inputs, n_outputs = core.shape
    frame = _frame(target)
    weights = None if not weight else [float(one) for one in np.frombuffer(weight, "<f8")]
    rows = None if not test else np.frombuffer(test, "<u4").astype(np.uint32)
    shape = (encoder.n_inputs, targets.n_outputs)
    sound = (
        (n_inputs, n_outputs) == shape
        and frame.height == table_rows
        and frame.columns == targets.names
        and (weights is None or len(weights) == table_rows)
        and (rows is None or rows.max() < table_rows)
        and core.n_rows == progress["rows"]
        and facts["output"] in _core.ACTIVATIONS
    )
    if not sound:
        raise ValueError("the checkpoint's parts do not fit together")
    metric = _metric(facts, given)
    if settings.epochs is not None and settings.epochs < core.epoch:
        raise _SettingError(f"epochs={epochs}: the checkpoint has {core.epoch} already: give more")
    return Parts(
        core=core,
        data=Data(
            encoder=encoder,
            targets=targets,
            weights=weights,
            train=core.train_rows(),
            validation=core.validation_rows(),
            test=rows,
            frame=frame,
        ),
        settings=settings,
        metric=metric,
        output=str(facts["output"]),
        seconds=_fields.number(progress["seconds"], "state.seconds"),
        checkpoint=Checkpoint(folder, rows=core.n_rows, length=length),
    )


def _metric(facts: dict[str, Any], given: Metric | Callable[..., float] | None) -> Metric:
    name, task = _fields.text(facts["metric"], "metric"), _fields.text(facts["task"], "task")
    custom = _fields.flag(facts["custom"], "custom")
    if given is None:
        if custom:
            raise _SettingError(
                f"metric: the run is scored by your function {name!r}, which a checkpoint does not "
                "hold: give it as metric="
            )
        return resolve(name, task)
    metric = resolve(given, task)
    if metric.name != name or (metric.function is not None) != custom:
        raise _SettingError(f"metric={metric.name!r}: the run is scored by {name!r}; leave it out")
    kept = (facts["response"], facts["constant"], facts["perfect"])
    if (metric.response, metric.constant, metric.perfect) != kept:
        raise _SettingError(
            f"metric={metric.name!r}: was made with response, constant and perfect of {kept}"
        )
    return metric


def _chunks(data: bytes, length: int) -> list[bytes]:
    if len(data) < length:
        raise ValueError(f"history: has {len(data)} bytes, not {length}: it is damaged")
    chunks, start = [], 0
    while start < length:
        first = start + _LENGTH + _DIGEST
        size = int.from_bytes(data[start : start + _LENGTH], "little")
        chunk = data[first : min(first + size, length)]
        digest = data[start + _LENGTH : first]
        if len(chunk) != size or hashlib.sha256(chunk).digest() != digest:
            raise ValueError("history: is damaged: a hash does not match")
        chunks.append(chunk)
        start = first + size
    return chunks


def _unpacked(magic: bytes, data: bytes, count: int, name: str) -> Sequence[bytes]:
    try:
        parts = unpack(magic, data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if len(parts) != count:
        raise ValueError(f"{name}: has {len(parts)} parts, not {count}")
    return parts


def _frame(data: bytes) -> pl.DataFrame:
    try:
        return pl.read_ipc(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise ValueError(f"run: the targets are not readable: {error}") from error


def _one_of(value: object, known: Sequence[str], where: str) -> str:
    if value not in known:
        raise ValueError(f"{where}: {value!r:.80} is none of {list(known)}")
    return str(value)
