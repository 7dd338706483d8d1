"""Checkpoints: a run on disk, from which it goes on as if it had never stopped (DESIGN §8).

A checkpoint is a folder that appears whole, of three files and a fourth, `lock`, that keeps all
runs but one out:

- `run`: what does not change: the encoded data, the encoders, the settings; written once;
- `history`: the history's rows in chunks, appended to;
- `state`: population, archive and how many bytes of `history` are valid; replaced as a whole.

A process may be killed at any moment: what it had appended without replacing the state is cut off.
Each file and each chunk carries its SHA-256, and reading runs no code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apbt_rs import _core
from apbt_rs._container import pack, table_to_bytes
from apbt_rs._data import Data
from apbt_rs._files import beside, check_folder, check_name, write, write_json
from apbt_rs._lock import Lock
from apbt_rs._metrics import Metric
from apbt_rs._settings import Settings
from apbt_rs._warnings import warn

__all__ = ["DIGEST", "LENGTH", "RUN", "STATE", "Checkpoint", "Parts", "check_path", "digest"]

INTERVAL = 5.0  # seconds between two writings of the state
RUN, STATE = b"apbt-rs run ", b"apbt-rs state "
LENGTH, DIGEST = 8, 32  # bytes before each chunk of the history


def check_path(checkpoint: Any) -> Path | None:
    """Return where a new checkpoint is to be; raise before any training if it cannot be there."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, (str, os.PathLike)) or isinstance(checkpoint, bytes):
        raise TypeError(f"checkpoint={checkpoint!r}: expected a path or None")
    path, argument = Path(checkpoint), f"checkpoint={os.fspath(checkpoint)!r}"
    check_name(str(path), argument)
    if os.path.lexists(path):
        raise ValueError(
            f"{argument}: is there already: go on with apbt_rs.resume, remove it, or name another "
            "folder"
        )
    check_folder(path, argument)  # what cannot be written there stops no run
    return path


@dataclass(frozen=True)
class Parts:
    """What a run consists of, and its checkpoint holds; `settings` has nothing left to fill in."""

    core: _core.Evolution
    data: Data
    settings: Settings
    metric: Metric
    seconds: float  # that it has taken
    checkpoint: Checkpoint | None


class Checkpoint:
    """Where a run is kept, and how much of it is there already.

    It has the folder's lock from when it is made or read until the run ends. Whoever goes on with
    the run after that takes it again, and writes only if nobody else has meanwhile.
    """

    def __init__(
        self,
        path: Path,
        *,
        rows: int = 0,
        length: int = 0,
        lock: Lock | None = None,
        run: str = "",
    ) -> None:
        self.path = path
        self.rows = rows  # of the history, that are in its file
        self.length = length  # valid bytes of that file
        self.made = lock is not None
        self.written = time.monotonic() if self.made else float("-inf")
        self.failed = False
        self._state = _identity(path) if self.made else None
        self._lock = lock
        self._run = run  # SHA-256 of the file `run`

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def due(self) -> bool:
        """Return whether it is time to write again."""
        return time.monotonic() - self.written >= INTERVAL

    def release(self) -> None:
        """Let others in."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def save(self, parts: Parts) -> None:
        """Write what is new; a disk that refuses is a warning, and the run goes on."""
        try:
            if self.made:
                self._hold()
                self._save(self.path, parts)
            else:
                self._make(parts)
            self.failed = False
        except OSError as error:
            if not self.failed:
                warn(
                    f"checkpoint {str(self.path)!r} could not be written: {error}; the run goes "
                    "on, and can be resumed from what was written before, if anything",
                    RuntimeWarning,
                )
            self.failed = True
        self.written = time.monotonic()

    def _hold(self) -> None:
        """Keep others out; raise an OSError if they are in, or have been since the last writing."""
        if self._lock is None:
            self._lock = Lock(self.path)
        if _identity(self.path) != self._state:
            self.release()
            raise OSError("another run has gone on with it")

    def _make(self, parts: Parts) -> None:
        temporary = beside(self.path)
        temporary.mkdir()
        try:
            run = run_to_bytes(parts)
            write(temporary / "run", run)
            self._run = digest(run)
            (temporary / "history").touch()
            self.rows = self.length = 0
            self._save(temporary, parts)
            temporary.rename(self.path)
            # Not before: Windows renames no folder with an open file in it.
            self._lock = Lock(self.path)
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
                file.write(len(chunk).to_bytes(LENGTH, "little"))
                file.write(hashlib.sha256(chunk).digest())
                file.write(chunk)
                file.truncate()
                length = file.tell()
                file.flush()
                os.fsync(file.fileno())
        facts = {"run": self._run, "history": length, "rows": rows, "seconds": parts.seconds}
        write(folder / "state", pack(STATE, [write_json(facts).encode(), core.state_to_bytes()]))
        self.rows, self.length, self._state = rows, length, _identity(folder)


def digest(run: bytes) -> str:
    """Return the SHA-256 of the file `run`, by which a state names the run that it is of."""
    return hashlib.sha256(run).hexdigest()


def _identity(folder: Path) -> tuple[int, int, int] | None:
    """Return what tells a state from any other: each is a file of its own."""
    try:
        found = (folder / "state").stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


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
        "seed": settings.seed,
        "encoder": data.encoder.to_dict(),
        "targets": data.targets.to_dict(),
    }
    weights = b"" if data.weights is None else np.array(data.weights, "<f8").tobytes()
    test = b"" if data.test is None else data.test.astype("<u4").tobytes()
    return pack(
        RUN,
        [write_json(facts).encode(), parts.core.run_to_bytes(), _answers(data), weights, test],
    )


def _answers(data: Data) -> bytes:
    """Return the targets as the user gave them: class indices, or a table of numbers."""
    if data.codes is not None:
        return data.codes.astype("<u4").tobytes()
    return table_to_bytes(data.frame)
