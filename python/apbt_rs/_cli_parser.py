"""What reads the arguments of the command `apbt-rs`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from apbt_rs import _core, _reproduce
from apbt_rs._options import OPERATIONS
from apbt_rs._settings import RULES
from apbt_rs._tabular_files import NAMES

__all__ = ["parser"]

_CODES = "Exit codes: 0 done; 1 an error, told in one line; 2 a wrong call; 130 Ctrl-C."
_DATA = f"a table: {NAMES}; or - for CSV from standard input"


def parser() -> argparse.ArgumentParser:
    """Return what reads the command's arguments."""
    parser = argparse.ArgumentParser(
        prog="apbt-rs",
        description="Evolve the smallest accurate neural network for a table.",
        epilog=(
            "Start with: apbt-rs run table.csv --target column --test-size 0.25 --out model.apbt\n"
            f"then: apbt-rs predict model.apbt new.csv\n\n{_CODES}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_core.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_predict(commands)
    _add_show(commands)
    _add_resume(commands)
    _reproduce.add_parser(commands)
    return parser


def _add_run(commands: Any) -> None:
    one = commands.add_parser(
        "run",
        help="evolve networks on a table",
        description="Evolve networks on a table, and show those worth having. " + _CODES,
        epilog="apbt-rs run iris.csv --target species -k 160 --test-size 0.25 --out iris.apbt",
    )
    _add_data(one)
    one.add_argument(
        "--target",
        metavar="COLUMN",
        action="append",
        required=True,
        help="what to predict; again for a regression with several targets",
    )
    one.add_argument(
        "--drop", metavar="COLUMN", action="append", default=[], help="leave a column out; again"
    )
    one.add_argument(
        "--encoding",
        metavar="COLUMN=OPERATION",
        type=_encoding,
        action="append",
        default=[],
        help=f"how a column is encoded, one of {', '.join(OPERATIONS)}; again for others",
    )
    one.add_argument("--weight", metavar="COLUMN", help="weights of the rows")
    one.add_argument("-k", type=int, default=80, help="members of the population; default: 80")
    one.add_argument(
        "--epochs", type=int, help="in all; default: by the number of rows, at most 300"
    )
    one.add_argument("--readiness", type=int, help="epochs between two chances to exploit")
    one.add_argument(
        "--validation-size", type=float, default=0.2, help="share that steers; default: 0.2"
    )
    one.add_argument("--test-size", type=float, help="share that takes no part; default: none")
    one.add_argument("--task", choices=["auto", "classification", "regression"], default="auto")
    metrics = ["auto", *_core.CLASSIFICATION_METRICS, *_core.REGRESSION_METRICS]
    one.add_argument("--metric", choices=metrics, default="auto", help="higher is better")
    one.add_argument("--rule", choices=RULES, default="one_se", help="what is chosen")
    one.add_argument("--patience", type=int, help="generations without progress to stop after")
    one.add_argument("--seed", type=int, help="same seed, same bits; default: drawn")
    one.add_argument("--checkpoint", type=Path, help="folder to keep the run in; see resume")
    _add_outcome(one)
    one.set_defaults(command="run")


def _add_data(one: Any) -> None:
    one.add_argument("data", metavar="DATA", help=_DATA)
    one.add_argument(
        "--null",
        metavar="TEXT",
        action="append",
        default=[],
        help="what says in CSV that a value is missing, besides nothing, such as NA; repeatable",
    )


def _encoding(value: str) -> tuple[str, str]:
    column, equals, operation = value.rpartition("=")  # names may have the sign, operations not
    if not equals:
        raise argparse.ArgumentTypeError(f"{value!r}: expected COLUMN=OPERATION")
    return column, operation


def _add_outcome(one: Any) -> None:
    """Add the options that `run` and `resume` share."""
    one.add_argument("--time-limit", type=float, metavar="SECONDS")
    one.add_argument("--jobs", type=int, help="threads; default: all processors")
    one.add_argument("--out", type=Path, metavar="FILE", help="save the chosen network")
    one.add_argument("--history", type=Path, metavar="FILE", help="write every member's history")
    _add_form(one)


def _add_form(one: Any) -> None:
    one.add_argument("--json", action="store_true", help="print JSON")
    one.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_predict(commands: Any) -> None:
    one = commands.add_parser(
        "predict",
        help="predict by a saved network",
        description="Predict by a saved network; CSV on standard output. " + _CODES,
        epilog="apbt-rs predict iris.apbt new.csv --out predictions.parquet",
    )
    one.add_argument("model", type=Path, metavar="MODEL", help="what run wrote by --out")
    _add_data(one)
    one.add_argument("--proba", action="store_true", help="a probability for each class")
    one.add_argument("--out", type=Path, metavar="FILE", help="write a table instead: " + NAMES)
    one.add_argument("--json", action="store_true", help="print JSON lines")
    one.set_defaults(command="predict")


def _add_show(commands: Any) -> None:
    one = commands.add_parser(
        "show",
        help="tell what a saved network is",
        description="Tell what a saved network is, and what it needs to predict. " + _CODES,
    )
    one.add_argument("model", type=Path, metavar="MODEL", help="what run wrote by --out")
    one.add_argument("--json", action="store_true", help="print JSON")
    one.set_defaults(command="show")


def _add_resume(commands: Any) -> None:
    one = commands.add_parser(
        "resume",
        help="go on with a run from its checkpoint",
        description="Go on with a run from its checkpoint, as if it had never stopped. " + _CODES,
    )
    one.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="run's --checkpoint")
    one.add_argument("--epochs", type=int, help="in all; default: what was planned")
    _add_outcome(one)
    one.set_defaults(command="resume")
