"""Runs the paper's experiments over many seeds and writes docs/claims.md.

Every number of the page is measured here; the words around them are fixed.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

import apbt_rs
from apbt_rs import paper
from machine import machine

PAGE = Path(__file__).resolve().parent.parent / "docs" / "claims.md"
TENNIS_ROWS = 14


class Trial(NamedTuple):
    """One run: its result, and how many rows `best` gets right by arg-max."""

    result: apbt_rs.Result
    accuracy: float


def trial(name: str, seed: int, scale: float, **settings: object) -> Trial:
    epochs = max(2, round(scale * paper.EXPERIMENTS[name].epochs))
    evolution = paper.evolve(
        name,
        **{"seed": seed, "epochs": epochs, "progress": False, **settings},  # type: ignore[arg-type]
    )
    result = evolution.finish()
    return Trial(result, evolution.validation_score(result.best, "accuracy"))


def spread(values: Iterable[float], unit: str = "", digits: int = 1) -> str:
    """Median and range."""
    ordered = sorted(values)
    middle = statistics.median(ordered)
    ends = f"{ordered[0]:.{digits}f}–{ordered[-1]:.{digits}f}"
    return f"{middle:.{digits}f}{unit} ({ends})"


def table(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def topologies(trials: list[Trial]) -> str:
    """How often each topology was `best`, the most frequent first."""
    counts = pl.Series([str(one.result.best.topology) for one in trials]).value_counts(sort=True)
    return ", ".join(f"{count} × {name}" for name, count in counts.rows())


def identity(seeds: int, scale: float) -> str:
    rows = []
    for label, factor in (("8,000, the paper's", 1.0), ("16,000", 2.0)):
        trials = [trial("identity", seed, factor * scale) for seed in range(seeds)]
        solved = [one.accuracy == 1 for one in trials]
        small = [
            right and one.result.best.size <= 32 for right, one in zip(solved, trials, strict=True)
        ]
        soft = [100 * one.result.best.validation_score for one in trials]
        rows.append(
            [
                label,
                f"{sum(solved)} of {seeds}",
                f"**{sum(small)} of {seeds}**",
                spread(soft, " %"),
                topologies(trials),
            ]
        )
    header = ["epochs", "all 8 right", "and ≤ 32 weights", "soft accuracy", "`best`"]
    return table(header, rows)


def tennis(seeds: int, scale: float) -> str:
    trials = [trial("tennis", seed, scale, rows="all") for seed in range(seeds)]
    small = [one.accuracy == 1 and one.result.best.size <= 12 for one in trials]
    soft = [100 * one.result.best.validation_score for one in trials]
    hits, left_out = [], []
    for row in range(TENNIS_ROWS):
        result = trial("tennis", 0, scale, test=[row], validation="train").result
        left_out.append(result.best.test_score or 0.0)
        X, y = apbt_rs.datasets.load_tennis()
        hits.append(result.best.predict(X[row])[0] == y[row])
    return (
        table(
            ["all 14 right with ≤ 12 weights", "soft accuracy", "`best`"],
            [[f"**{sum(small)} of {seeds}**", spread(soft, " %"), topologies(trials)]],
        )
        + f"\n\nLeave-one-out (14 runs, seed 0, the other 13 rows serving): {sum(hits)} of "
        f"{TENNIS_ROWS} rows right by arg-max, mean soft accuracy "
        f"{100 * statistics.mean(left_out):.1f} %."
    )


def iris_table(trials: list[Trial], seeds: int) -> str:
    """Tabulate the first seeds' networks, and all seeds'."""
    rows = []
    for name, some in itertools.product(("best", "most_accurate"), (trials[:seeds], trials)):
        networks = [getattr(one.result, name) for one in some]
        rows.append(
            [
                f"`{name}`",
                str(len(some)),
                spread([100 * one.test_score for one in networks], " %"),
                spread([100 * one.validation_score for one in networks], " %"),
                spread([one.size for one in networks], digits=0),
            ]
        )
    head = ["network", "seeds", "test soft accuracy", "validation soft accuracy", "weights"]
    return table(head, rows)


def schedules(trials: list[Trial]) -> str:
    """Compare the ends of each best network's schedule, and what chance alone would give."""
    drift = (np.log(0.8) + np.log(1.2)) / 2
    rows = []
    for name in ("learning_rate", "momentum", "weight_decay"):
        ratios, copies = [], []
        for one in trials:
            schedule = one.result.most_accurate.schedule()
            ratios.append(schedule[name][-1] / schedule[name][0])
            copies.append(int((schedule["event"] == "copied").sum()))
        chance = float(np.exp(drift * statistics.mean(copies)))
        risen = sum(ratio > 1 for ratio in ratios)
        fallen = sum(ratio < 1 for ratio in ratios)
        rows.append([f"`{name}`", fallen, risen, spread(ratios, digits=2), f"{chance:.2f}"])
    return table(["", "fell", "rose", "last / first", "by chance (geometric mean)"], rows)


def settling(trials: list[Trial]) -> str:
    """Follow size and score of the fittest member of each generation."""
    rows = []
    generations = trials[0].result.history["generation"][-1]
    for generation in sorted({0, 1, 2, 4, 7, 10, generations}):
        if generation > generations:
            continue
        fittest = [
            one.result.history.filter(generation=generation).sort("log_fitness").tail(1)
            for one in trials
        ]
        rows.append(
            [
                generation,
                spread([one["size"].item() for one in fittest], digits=0),
                spread([100 * one["validation_score"].item() for one in fittest], " %"),
            ]
        )
    return table(["generation", "size", "validation soft accuracy"], rows)


def small_k(seeds: int, scale: float) -> str:
    rows = []
    for k in (10, 20, 80):
        trials = [trial("iris", seed, scale, k=k, test=1 / 3) for seed in range(seeds)]
        scores = [100 * (one.result.best.test_score or 0.0) for one in trials]
        deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
        sizes = spread([one.result.best.size for one in trials], digits=0)
        rows.append([k, spread(scores, " %"), f"{deviation:.1f}", sizes])
    return table(["k", "test soft accuracy of `best`", "standard deviation", "weights"], rows)


def random_search(seeds: int, scale: float, evolved: list[Trial]) -> str:
    epochs = max(2, round(scale * paper.EXPERIMENTS["iris"].epochs))
    searched = [trial("iris", seed, scale, readiness=epochs, test=1 / 3) for seed in range(seeds)]
    copied = sum(int((one.result.history["event"] == "copied").sum()) for one in searched)
    rows = []
    for label, trials in (("APBT", evolved), ("readiness = all epochs", searched)):
        best = [one.result.best for one in trials]
        rows.append(
            [
                label,
                spread([one.log_fitness for one in best], digits=2),
                spread([100 * (one.test_score or 0.0) for one in best], " %"),
                spread([one.size for one in best], digits=0),
            ]
        )
    found = table(["", "ln fitness of `best`", "test soft accuracy", "weights"], rows)
    return f"{found}\n\nMembers copied in the second row: {copied}."


def cost(rounds: int) -> str:
    """Seconds and bytes for growing populations; the exponent of a power law in k."""
    ks, seconds, sizes = (64, 128, 256, 512, 1024, 2048), [], []
    for k in ks:
        times, memory = [], 0
        for _ in range(rounds):
            # One topology: random ones would make the members' costs unequal.
            space = {"hidden_layers": 2, "hidden_units": 8}
            evolution = paper.evolve(
                "iris", k=k, epochs=60, readiness=20, seed=0, space=space, n_jobs=1, progress=False
            )
            started = time.perf_counter()
            for _generation in evolution:
                pass
            times.append(time.perf_counter() - started)
            members = evolution.history.filter(generation=0)["topology"].to_list()
            # A weight or bias and its velocity: two 32-bit numbers.
            memory = 8 * sum(_parameters(row) for row in members)
        seconds.append(min(times))
        sizes.append(memory)
    time_exponent = float(np.polyfit(np.log(ks), np.log(seconds), 1)[0])
    memory_exponent = float(np.polyfit(np.log(ks), np.log(sizes), 1)[0])
    return (
        f"From k = {ks[0]} to {ks[-1]}, one thread, one topology: time grows as k^"
        f"{time_exponent:.2f}, the members' weights and velocities as k^{memory_exponent:.2f}.\n"
        "Smaller populations do not fill a processor's vectors: there more members cost less."
    )


def _parameters(topology: list[int]) -> int:
    return sum((a + 1) * b for a, b in pairwise(topology))


def not_most_accurate(trials: list[Trial]) -> str:
    differ = sum(one.result.best.size < one.result.most_accurate.size for one in trials)
    return f"In {differ} of {len(trials)} runs on Iris `best` is smaller than `most_accurate`."


def page(seeds: int, scale: float, say: Callable[[str], None]) -> str:
    started = time.monotonic()
    say("iris")
    iris = [trial("iris", seed, scale, test=1 / 3) for seed in range(seeds)]
    more = [trial("iris", seed, scale, test=1 / 3) for seed in range(seeds, 3 * seeds)]
    parts = {"seeds": str(seeds), "iris": iris_table(iris + more, seeds)}
    parts["schedules"] = schedules(iris)
    parts |= {"settling": settling(iris), "differ": not_most_accurate(iris)}
    say("tennis")
    parts["tennis"] = tennis(seeds, scale)
    say("identity")
    parts["identity"] = identity(seeds, scale)
    say("small k, random search, cost")
    parts["small_k"] = small_k(seeds, scale)
    parts["random"] = random_search(seeds, scale, iris)
    parts["cost"] = cost(3)
    minutes = (time.monotonic() - started) / 60
    parts["machine"] = f"Measured in {minutes:.0f} minutes on {machine()}, polars {pl.__version__}."
    template = Path(__file__).with_name("claims_template.md").read_text(encoding="utf-8")
    return template.format(**parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the paper's epochs")
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    text = page(arguments.seeds, arguments.scale, lambda part: print(part, flush=True))
    arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
