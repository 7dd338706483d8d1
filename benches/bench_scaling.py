"""How the cost of training grows with members, rows and epochs, each over two decades.

A straight line through the logarithms of size and seconds has the exponent as its slope: 1 is
growth in proportion. Each size is measured several times, in turn; the median counts. The unit is a
generation: training and the scoring of a few rows. By one thread the exponent is that of the cost;
by all it also tells how soon the system lets all of them work, on which short runs depend.
"""

from __future__ import annotations

import argparse
import os
import statistics
from dataclasses import replace

import numpy as np

from machine import machine
from workloads import Workload, seconds_of_apbt_rs, workloads

LINE = 0.05
"""How far from 1 an exponent may be."""


def tables(quick: bool) -> list[tuple[str, Workload, dict[str, list[int]]]]:
    """Return workloads with the sizes that each is tried in."""
    known = {work.name: work for work in workloads()}
    decades = [1, 3, 10] if quick else [1, 2, 5, 10, 20, 50, 100]
    few, many, some = (16, 100, 4) if quick else (160, 1000, 32)
    return [
        # In multiples of the lanes: members that fill no vector cost what the lanes cost.
        ("tiny", replace(known["W1"], k=16, epochs=few), sizes(decades, 32, 800, few)),
        ("paper", replace(known["W2"], k=80, epochs=few), sizes(decades, 160, 800, few)),
        ("wide", replace(known["W5 tanh"], k=8, epochs=some), sizes(decades, 8, many, some)),
    ]


def sizes(decades: list[int], k: int, rows: int, epochs: int) -> dict[str, list[int]]:
    return {
        "members": [k * one for one in decades],
        "rows": [rows * one for one in decades],
        "epochs": [epochs * one for one in decades],
    }


def sized(work: Workload, what: str, size: int) -> Workload:
    """Return a workload with another number of members, rows or epochs."""
    if what == "members":
        return replace(work, k=size, epochs=max(1, work.epochs // 8))
    if what == "epochs":
        return replace(work, epochs=size)
    times = -(-size // len(work.y))
    X, y = np.tile(work.X, (times, 1))[:size], np.tile(work.y, times)[:size]
    return replace(work, X=X, y=y, epochs=max(1, work.epochs // 8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    print(
        f"{machine()}; medians of {rounds} rounds\n\n"
        "| population | grows | from | to | threads | seconds | exponent | line |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    threads = sorted({1, os.cpu_count() or 1})
    for name, work, grows in tables(arguments.quick):
        for what, values in grows.items():
            grown = [sized(work, what, value) for value in values]
            for n_jobs in threads:
                seconds_of_apbt_rs(grown[0], n_jobs)
                taken = [[seconds_of_apbt_rs(one, n_jobs) for one in grown] for _ in range(rounds)]
                seconds = [statistics.median(column) for column in zip(*taken, strict=True)]
                slope = np.polyfit(np.log(values), np.log(seconds), 1)[0]
                print(
                    f"| {name} | {what} | {values[0]:,} | {values[-1]:,} | {n_jobs} "
                    f"| {seconds[0]:.4f} to {seconds[-1]:.3f} | {slope:.3f} | 1 ± {LINE} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
