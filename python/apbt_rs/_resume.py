"""Reading a checkpoint: a run that goes on, or a ValueError that says what is wrong with it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _core, _fields
from apbt_rs._checkpoint import DIGEST, LENGTH, RUN, STATE, Checkpoint, Parts, digest
from apbt_rs._container import read_json, table_from_bytes, unpack
from apbt_rs._data import Data, check_weights
from apbt_rs._encoding import Encoder
from apbt_rs._files import check_name
from apbt_rs._lock import Lock, TakenError
from apbt_rs._metrics import TASKS, Metric, resolve
from apbt_rs._settings import RULES, Settings
from apbt_rs._targets import Targets

__all__ = ["read"]

_FACTS = [
    *("version", "k", "epochs", "readiness", "rule", "patience", "task", "metric", "custom"),
    *("response", "constant", "perfect", "seed", "encoder", "targets"),
]


def read(
    path: str | os.PathLike[str],
    *,
    metric: Metric | Callable[..., float] | None,
    epochs: int | None,
    **changes: Any,
) -> Parts:
    """Read a checkpoint; `changes` are settings that a run may go on with."""
    folder, name = _folder(path), os.fspath(path)
    _settings(k=2, epochs=epochs, readiness=None, task="auto", metric="auto", **changes)
    if not os.path.isfile(folder / "state"):  # noqa: PTH113 - names too long are none for it
        raise ValueError(f"path={name!r}: no checkpoint is there")
    try:
        lock = Lock(folder)
    except TakenError:
        raise ValueError(
            f"path={name!r}: another run is writing there: wait until it ends, or end it"
        ) from None
    with contextlib.ExitStack() as stack:
        stack.callback(lock.release)
        try:
            files = [(folder / one).read_bytes() for one in ("run", "state", "history")]
            parts = _parts((folder, lock), files, metric, epochs, changes)
        except _SettingError as error:
            raise ValueError(str(error)) from None
        except FileNotFoundError as error:
            raise ValueError(f"path={name!r}: no checkpoint is there: {error}") from error
        except OSError as error:
            raise ValueError(f"path={name!r}: cannot be read: {error}") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        stack.pop_all()
    return parts


def _folder(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise TypeError(f"path={path!r}: expected the path of a checkpoint")
    check_name(os.fspath(path), f"path={os.fspath(path)!r}")
    return Path(path)


def _settings(**given: Any) -> Settings:
    """Return settings; what only making a run needs is left out."""
    nothing: dict[str, Any] = dict.fromkeys(["test", "encoding", "space", "fitness", "checkpoint"])
    rest: dict[str, Any] = {"rule": "best", "patience": None, "seed": None, "validation": "train"}
    return Settings(**nothing | rest | given)


class _SettingError(ValueError):
    """A wrong argument, rather than a damaged file."""


def _parts(
    place: tuple[Path, Lock],
    files: Sequence[bytes],
    given: Metric | Callable[..., float] | None,
    epochs: int | None,
    changes: dict[str, Any],
) -> Parts:
    folder, lock = place
    head, run, target, weight, test = _unpacked(RUN, files[0], 5, "run")
    state_head, state = _unpacked(STATE, files[1], 2, "state")
    facts = _fields.fields(read_json(head), _FACTS, "run")
    names = ["run", "history", "rows", "seconds"]
    progress = _fields.fields(read_json(state_head), names, "state")
    if _fields.text(progress["run"], "state.run") != digest(files[0]):
        raise ValueError("state: is of another run than the file `run`: a checkpoint is one folder")
    length = _fields.whole(progress["history"], "state.history")
    chunks = _chunks(files[2], length)
    encoder, targets = Encoder.from_dict(facts["encoder"]), Targets.from_dict(facts["targets"])
    settings = _settings(
        k=_fields.whole(facts["k"], "k"),
        epochs=_fields.whole(facts["epochs"], "epochs") if epochs is None else epochs,
        readiness=_fields.whole(facts["readiness"], "readiness"),
        task=_fields.one_of(facts["task"], TASKS, "task"),
        metric=_fields.text(facts["metric"], "metric"),
        rule=_fields.one_of(facts["rule"], RULES, "rule"),
        patience=None
        if facts["patience"] is None
        else _fields.whole(facts["patience"], "patience"),
        seed=_fields.whole(facts["seed"], "seed"),
        **changes,
    )
    core = _core.Evolution.from_parts(run, state, chunks, settings.threads())
    table_rows, n_inputs, n_outputs = core.shape
    frame, codes = _answers(targets, target)
    weights = None if not weight else check_weights(np.frombuffer(weight, "<f8"))
    rows = None if not test else np.frombuffer(test, "<u4").astype(np.uint32)
    sound = (
        (n_inputs, n_outputs) == (encoder.n_inputs, targets.n_outputs)
        and targets.task == facts["task"]
        and frame.height == table_rows
        and (weights is None or len(weights) == table_rows)
        and (rows is None or rows.max() < table_rows)
        and core.n_rows == progress["rows"] == settings.k * (core.generation + 1)
        and core.epoch == core.generation * _fields.whole(facts["readiness"], "readiness")
    )
    if not sound:
        raise ValueError("the checkpoint's parts do not fit together")
    metric = _metric(facts, given)
    if metric.core_name != core.metric:
        raise ValueError("the checkpoint's parts do not fit together")
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
            codes=codes,
        ),
        settings=settings,
        metric=metric,
        seconds=_fields.number(progress["seconds"], "state.seconds"),
        checkpoint=Checkpoint(
            folder, rows=core.n_rows, length=length, lock=lock, run=digest(files[0])
        ),
    )


def _metric(facts: dict[str, Any], given: Metric | Callable[..., float] | None) -> Metric:
    name, task = _fields.text(facts["metric"], "metric"), str(facts["task"])
    custom = _fields.flag(facts["custom"], "custom")
    if given is None:
        if custom:
            raise _SettingError(
                f"metric: the run is scored by your function {name!r}, which a checkpoint does not "
                "hold: give it as metric="
            )
        return resolve(name, task)
    try:
        metric = resolve(given, task)
    except ValueError as error:
        raise _SettingError(str(error)) from None
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
        first = start + LENGTH + DIGEST
        size = int.from_bytes(data[start : start + LENGTH], "little")
        chunk = data[first : min(first + size, length)]
        digest = data[start + LENGTH : first]
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


def _answers(targets: Targets, data: bytes) -> tuple[pl.DataFrame, np.ndarray | None]:
    """Return the targets as the user gave them, and their class indices if they are classes."""
    if targets.task == "regression":
        frame = table_from_bytes(data, "targets")
        if frame.columns != targets.names:
            raise ValueError("targets: the columns have other names than their encoding")
        return frame, None
    codes = np.frombuffer(data, "<u4")
    if len(codes) and codes.max() >= len(targets.classes):
        raise ValueError("targets: a class that there is not")
    return targets.labels(codes).to_frame(), codes
