"""The paper's experiments: apbt-rs against the pure-Python baseline, which has one thread.

Both sides train in turn. The unit is one example-update: one row through forward, backward and
update of one member, with one thread on both sides. With `--figure` also the nine trials of the
paper's Figure 3, which apbt-rs runs in full and on all cores; the baseline's time for them is
extrapolated from one epoch of the population as it
was at five moments of our trial, since its members grow and shrink.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence

import numpy as np
import polars as pl

import baseline
from apbt_rs import paper
from machine import machine

TOPOLOGY = [4, 10, 10, 10, 10, 3]
TRAINING_ROWS = 80
MOMENTS = 5


def ours(epochs: int, space: dict[str, object] | None) -> tuple[float, tuple[int, int]]:
    """Microseconds per example-update of a population of 80; its live and padded weights."""
    k = paper.EXPERIMENTS["iris"].k
    evolution = paper.evolve(
        "iris",
        epochs=epochs,
        readiness=epochs,
        test=1 / 3,
        seed=0,
        space=space,
        n_jobs=1,
        progress=False,
    )
    next(evolution)
    started = time.perf_counter()
    next(evolution)
    micros = 1e6 * (time.perf_counter() - started) / (k * TRAINING_ROWS * epochs)
    return micros, evolution._core.padding()


def seconds_of_epoch(rows: int, topologies: Sequence[Sequence[int]], seed: int = 0) -> float:
    """Seconds of an epoch of the baseline on random rows: on which does not matter."""
    rng = random.Random(seed)
    n_inputs, n_outputs = topologies[0][0], topologies[0][-1]
    inputs = [[rng.random() for _ in range(n_inputs)] for _ in range(rows)]
    targets = [[rng.random() for _ in range(n_outputs)] for _ in range(rows)]
    networks = [baseline.random_network(topology, rng) for topology in topologies]
    order = rng.sample(range(rows), rows)
    started = time.perf_counter()
    for network in networks:
        baseline.train_epoch(network, inputs, targets, order, 0.05, 0.5, 0.05)
    return time.perf_counter() - started


def theirs(members: int, topology: list[int] | None) -> float:
    """Microseconds per example-update of the baseline."""
    rng = random.Random(0)
    drawn = []
    for _ in range(members):
        hidden = [rng.randint(2, 10) for _ in range(rng.randint(1, 4))]
        drawn.append(topology or [4, *hidden, 3])
    return 1e6 * seconds_of_epoch(TRAINING_ROWS, drawn) / (members * TRAINING_ROWS)


def updates(rounds: int, epochs: int, members: int) -> None:
    """Print W1 and W2."""
    print(
        "| workload | live weights | padded | pure Python, µs | apbt-rs, µs | ratio | line |\n"
        "|---|---|---|---|---|---|---|"
    )
    fixed: dict[str, object] = {"hidden_layers": 4, "hidden_units": 10}
    for name, space, topology, line in (
        ("W1", fixed, TOPOLOGY, 1200),
        ("W2", None, None, 800),
    ):
        slow, fast = [], []
        padding = (0, 0)
        for _ in range(rounds):
            slow.append(theirs(members, topology))
            micros, padding = ours(epochs, space)
            fast.append(micros)
        ratio = statistics.median(a / b for a, b in zip(slow, fast, strict=True))
        print(
            f"| {name} | {padding[0]:,} | {padding[1]:,} | {statistics.median(slow):.1f} | "
            f"{statistics.median(fast):.4f} | {ratio:,.0f} | {line:,} |",
            flush=True,
        )


def figure(rounds: int, share: float) -> None:
    """Print what the nine trials take, or a share of their epochs."""
    print(
        "\n| trial | k | epochs | apbt-rs, s | pure Python, hours | median ratio | all rounds "
        "| line |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for name, experiment in paper.EXPERIMENTS.items():
        epochs = max(experiment.readiness, round(share * experiment.epochs))
        for seed in range(3):
            pairs = [one_round(name, epochs, seed) for _ in range(rounds)]
            ratios = sorted(slow / fast for fast, slow in pairs)
            fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"| {name} {seed + 1} | {experiment.k} | {epochs:,} | {fast:.3f} | "
                f"{slow / 3600:.3f} | {statistics.median(ratios):,.0f} | "
                f"{ratios[0]:,.0f} to {ratios[-1]:,.0f} | 1,000 |",
                flush=True,
            )


def one_round(name: str, epochs: int, seed: int) -> tuple[float, float]:
    """Seconds that a trial takes, and that it would take the baseline."""
    started = time.perf_counter()
    evolution = paper.evolve(name, epochs=epochs, seed=seed, progress=False)
    history = evolution.finish().history
    fast = time.perf_counter() - started
    rows = len(evolution._core.train_rows())
    last = history["generation"][-1]
    moments = np.linspace(0, last, MOMENTS).round().tolist()
    slow = statistics.mean(
        seconds_of_epoch(rows, history.filter(pl.col("generation") == moment)["topology"].to_list())
        for moment in moments
    )
    return fast, epochs * slow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    parser.add_argument("--figure", action="store_true", help="the nine trials of Figure 3, too")
    arguments = parser.parse_args()
    print(f"\n{machine()}; one thread each, in the figure all on apbt-rs's side\n")
    updates(*(1, 2, 2) if arguments.quick else (arguments.rounds, 100, 80))
    if arguments.figure or arguments.quick:
        figure(*(1, 0.01) if arguments.quick else (arguments.rounds, 1.0))


if __name__ == "__main__":
    main()
