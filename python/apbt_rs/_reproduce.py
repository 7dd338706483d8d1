"""The command `apbt-rs reproduce`: the paper's experiments, its Figure 3 beside ours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import polars as pl

from apbt_rs import paper
from apbt_rs._evolution import Evolution
from apbt_rs._result import Result
from apbt_rs._tabular_files import check_writable, write_frame
from apbt_rs.paper import EXPERIMENTS

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to the others."""
    reproduce = commands.add_parser(
        "reproduce",
        help="run the paper's experiments and print its Figure 3 beside ours",
        description=(
            "Run the paper's experiments in the paper's setting and print its Figure 3 beside "
            "ours. Exit code: 0; 1 for an error; 2 for a wrong call; 130 for Ctrl-C."
        ),
    )
    reproduce.add_argument(
        "--dataset", choices=list(EXPERIMENTS), action="append", help="default: all three"
    )
    reproduce.add_argument("--trials", type=_positive, default=3, help="trials of each; default: 3")
    reproduce.add_argument("--seed", type=int, default=0, help="of the first trial; default: 0")
    reproduce.add_argument(
        "--rows",
        choices=["paper", "all"],
        default="paper",
        help="hold out 20 %% as in the paper, or let all rows serve; default: paper",
    )
    reproduce.add_argument(
        "--history", type=Path, metavar="FILE", help="write all histories: .parquet or .csv"
    )
    reproduce.add_argument(
        "--scale",
        type=_share,
        default=1.0,
        help="share of the paper's epochs, for a quick look; default: 1",
    )
    reproduce.add_argument("--jobs", type=int, default=None, help="threads; default: all")
    reproduce.add_argument("--quiet", action="store_true", help="no progress bar")
    reproduce.set_defaults(command=_reproduce)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, not {value}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected more than 0 and at most 1, not {value}")
    return value


def _reproduce(arguments: argparse.Namespace) -> int:
    check_writable(arguments.history, "--history")
    names = arguments.dataset or list(EXPERIMENTS)
    histories = []
    for name in dict.fromkeys(names):
        epochs = max(1, round(arguments.scale * EXPERIMENTS[name].epochs))
        for trial in range(arguments.trials):
            evolution = paper.evolve(
                name,
                rows=arguments.rows,
                epochs=epochs,
                seed=arguments.seed + trial,
                n_jobs=arguments.jobs,
                progress=not arguments.quiet,
            )
            if trial == 0:  # a wrong setting is refused before anything is printed
                _print_head(name, epochs, arguments.rows)
            result = evolution.finish()
            _print_trial(name, trial, evolution, result)
            columns = [pl.lit(name).alias("dataset"), pl.lit(trial).alias("trial")]
            histories.append(result.history.select(*columns, pl.all()))
    if arguments.history is not None:
        write_frame(pl.concat(histories), arguments.history)
    return 0


def _holds_out(name: str, rows: str) -> bool:
    return rows == "paper" and EXPERIMENTS[name].validation != "train"


_ROW = "  {:>5} {:13} | {:>8} {:>7} {:>8} | {:>8} {:>7} {:>7}  {}"
_HEAD = ("soft acc", "weights", "topology", "soft acc", "arg-max", "weights", "topology")


def _print_head(name: str, epochs: int, rows: str) -> None:
    experiment = EXPERIMENTS[name]
    print(
        f"{name}: k={experiment.k}, readiness {experiment.readiness}, {epochs} epochs, "
        f"{'20 % held out' if _holds_out(name, rows) else 'all rows serve'}"
    )
    print(_ROW.format("", "", "paper", "", "", "ours", "", "", "").rstrip())
    print(_ROW.format("trial", "network", *_HEAD), flush=True)


def _print_trial(name: str, trial: int, evolution: Evolution, result: Result) -> None:
    """Print the paper's figures for a trial beside ours, for best and most accurate."""
    figure = EXPERIMENTS[name].figure
    for place, which in enumerate(("best", "most_accurate")):
        network = getattr(result, which)
        printed: tuple[object, ...] = ("", "", "")
        if trial < len(figure):
            accuracy, weights, topology = figure[trial][place]
            printed = (f"{accuracy:.2f}", weights, topology)
        arg_max = evolution.validation_score(network, "accuracy")
        ours = (f"{100 * network.validation_score:.2f}", f"{100 * arg_max:.1f}", network.size)
        topology = ",".join(map(str, network.topology))
        print(_ROW.format(trial, which, *printed, *ours, topology), flush=True)
