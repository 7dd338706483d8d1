"""The command `apbt-rs`: the same words as the API's, on tables in files."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from apbt_rs._cli_parser import parser
from apbt_rs._files import check_new, load
from apbt_rs._network import Network
from apbt_rs._result import Result
from apbt_rs._run import resume, run
from apbt_rs._tables import REFUSALS
from apbt_rs._tabular_files import check_writable, read_frame, write_frame

__all__ = ["main", "parser"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 for an error, 2 for a wrong call."""
    arguments = parser().parse_args(argv)
    warnings.showwarning = _warn  # type: ignore[assignment]
    if sys.stdout is None:
        print("apbt-rs: standard output is closed", file=sys.stderr)
        return 1
    with _letters_escaped(sys.stdout):
        return _code(arguments)


@contextlib.contextmanager
def _letters_escaped(stream: TextIO) -> Iterator[None]:
    """Print letters that the stream's encoding lacks by their numbers: names may have such."""
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    errors = stream.errors
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it writes what is left, which has failed before
            stream.reconfigure(errors=errors)


def _code(arguments: argparse.Namespace) -> int:
    try:
        command = arguments.command
        if isinstance(command, str):
            command = {"run": _run, "predict": _predict, "show": _show, "resume": _resume}[command]
        code = int(command(arguments))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("apbt-rs: interrupted", file=sys.stderr)
        return 130
    except (OSError, *REFUSALS) as error:
        if _is_closed_pipe(error):  # what is buffered must not fail at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"apbt-rs: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _is_closed_pipe(error: BaseException) -> bool:
    """Return whether whoever read the output has had enough of it: Windows may say EINVAL."""
    if os.name == "nt" and isinstance(error, OSError) and error.errno == errno.EINVAL:
        return error.filename is None  # it is what a wrong name is, too
    return isinstance(error, BrokenPipeError)


def _warn(message: Warning | str, *_: object) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)


def _nulls(arguments: argparse.Namespace) -> list[str]:
    # Older versions of argparse make an empty list of the text in `--null=--`.
    return [text if isinstance(text, str) else "--" for text in arguments.null]


def _run(arguments: argparse.Namespace) -> int:
    _check_outcome(arguments)
    frame = read_frame(arguments.data, nulls=_nulls(arguments))
    weight = [] if arguments.weight is None else [arguments.weight]
    named = [*arguments.target, *arguments.drop, *weight]
    missing = [name for name in named if name not in frame.columns]
    if missing:
        raise ValueError(f"{arguments.data}: has no columns {missing}; it has {frame.columns}")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(f"--target, --drop and --weight name {twice} twice: name each once")
    inputs = [name for name in frame.columns if name not in named]
    if not inputs:
        raise ValueError(f"{arguments.data}: no column is left to predict from; it has {named}")
    encoded = [column for column, _ in arguments.encoding]
    if len(set(encoded)) < len(encoded):
        raise ValueError(f"--encoding: names a column twice among {encoded}: name each once")
    target = frame.select(arguments.target)
    result = run(
        frame.select(inputs),
        target.to_series() if target.width == 1 else target,
        k=arguments.k,
        epochs=arguments.epochs,
        readiness=arguments.readiness,
        sample_weight=frame[weight[0]].to_numpy() if weight else None,
        validation=arguments.validation_size,
        test=arguments.test_size,
        task=arguments.task,
        metric=arguments.metric,
        encoding=dict(arguments.encoding),
        rule=arguments.rule,
        patience=arguments.patience,
        time_limit=arguments.time_limit,
        seed=arguments.seed,
        n_jobs=arguments.jobs,
        progress=not arguments.quiet,
        checkpoint=arguments.checkpoint,
    )
    return _finish(arguments, result)


def _resume(arguments: argparse.Namespace) -> int:
    _check_outcome(arguments)
    result = resume(
        arguments.checkpoint,
        epochs=arguments.epochs,
        time_limit=arguments.time_limit,
        n_jobs=arguments.jobs,
        progress=not arguments.quiet,
    )
    return _finish(arguments, result)


def _check_outcome(arguments: argparse.Namespace) -> None:
    """Raise a ValueError, before any work, if what comes of it could not be written."""
    if arguments.out is not None:
        check_new(arguments.out, f"--out {arguments.out}")
    check_writable(arguments.history, "--history")


def _finish(arguments: argparse.Namespace, result: Result) -> int:
    """Print and write: whatever fails after hours of training, the rest of them is left."""
    closed: OSError | None = None
    failures = []
    try:
        _print(arguments, result)
        sys.stdout.flush()
    except OSError as error:
        if _is_closed_pipe(error):
            closed = error
        else:
            failures.append(f"standard output: {error}")
    if arguments.out is not None:
        try:
            result.chosen.save(arguments.out)
        except OSError as error:
            failures.append(f"--out {arguments.out}: {error}")
    if arguments.history is not None:
        try:
            write_frame(result.history, arguments.history)
        except (OSError, *REFUSALS) as error:
            failures.append(f"--history {arguments.history}: {error}")
    for failure in failures:
        print(f"apbt-rs: {' '.join(failure.split())}", file=sys.stderr)
    if closed is not None and not failures:
        raise closed
    return 1 if failures else 0


def _print(arguments: argparse.Namespace, result: Result) -> None:
    if arguments.json:
        front = [_facts(network) for network in result.front]
        print(_json({**result._facts(), "chosen": _facts(result.chosen), "front": front}))
    elif not arguments.quiet:
        print(result)
        print(_ROW.format("", "weights", f"validation {result.metric}", "test", "topology"))
        chosen = result.chosen
        others = [one for one in result.front if one.size != chosen.size]
        for network in sorted([chosen, *others], key=lambda one: one.size):
            print(_row(network, chosen=network is chosen))
        print(f"seed {result.seed}; stopped by {result.stopped_by}")


def _json(value: Any) -> str:
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    """Return plain data with null for what JSON has no number for: NaN and infinities."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_ROW = "{:1} {:>8}  {:>28}  {:>10}  {}"


def _row(network: Network, *, chosen: bool) -> str:
    test = "" if network.test_score is None else f"{network.test_score:.4f}"
    topology = ", ".join(map(str, network.topology))
    score = f"{network.validation_score:.4f}"
    return _ROW.format("*" if chosen else "", network.size, score, test, topology)


def _facts(network: Network) -> dict[str, Any]:
    names = ["topology", "activations", "size", "n_parameters", "n_bytes", "metric"]
    names += ["validation_score", "validation_loss", "test_score", "test_loss", "hyperparameters"]
    return {name: getattr(network, name) for name in names}


def _network(path: Path) -> Network:
    loaded = load(path)
    return loaded.chosen if isinstance(loaded, Result) else loaded


def _predict(arguments: argparse.Namespace) -> int:
    check_writable(arguments.out, "--out")
    network = _network(arguments.model)
    kinds = {
        operation.column: str(getattr(operation, "kind", "number"))
        for operation in network.encoder.columns
        if operation.names
    }
    frame = read_frame(arguments.data, kinds, _nulls(arguments))
    if arguments.proba:
        values = network.predict_proba(frame)
        answers = pl.DataFrame(values, schema=[str(label) for label in network.classes])
    else:
        predicted = network.predict(frame)
        answers = predicted.to_frame() if isinstance(predicted, pl.Series) else predicted
    if arguments.out is not None:
        write_frame(answers, arguments.out)
    elif arguments.json:
        _write(answers.write_ndjson())
    else:
        _write(answers.write_csv())
    return 0


def _write(text: str) -> None:
    """Write a table, which is UTF-8 whatever the locale's encoding is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def _show(arguments: argparse.Namespace) -> int:
    network = _network(arguments.model)
    facts = _facts(network)
    facts["inputs"] = [operation.to_dict() for operation in network.encoder.columns]
    facts["targets"] = [operation.to_dict() for operation in network.targets.columns]
    if arguments.json:
        print(_json(facts))
        return 0
    for name, value in facts.items():
        if name not in ("inputs", "targets", "hyperparameters") and value is not None:
            print(f"{name:17} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    for name, value in network.hyperparameters.items():
        print(f"{name:17} {value}")
    for name, part in (("inputs", network.encoder.columns), ("targets", network.targets.columns)):
        for operation in part:
            print(f"{name:17} {operation.column!r}: {operation.operation}")
    return 0
