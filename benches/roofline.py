"""How near training is to what the processor can do: its share of the fused multiply-add peak.

For each instruction set in a process of its own, all cores. Operations are counted from shapes: 2 a
weight forward, 2 for its gradient, 2 past the first layer for input gradients. The peak, a loop of
independent multiply-adds on the same threads, is measured just before and after each round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import replace

from apbt_rs import _core
from machine import machine
from workloads import Workload, flops, seconds_of_apbt_rs, workloads

LINES = {"W1": 0.20, "W5 relu": 0.60, "W5 tanh": 0.54, "W6 relu": 0.60, "W6 tanh": 0.54}


def share(work: Workload, rounds: int, threads: int, seconds: float) -> str:
    """Return a row of the table."""
    operations = sum(map(flops, work.topologies)) / work.k * work.updates
    seconds_of_apbt_rs(work, threads)
    measured = []
    before = _core.peak(threads, seconds)
    for _ in range(rounds):
        rate = operations / seconds_of_apbt_rs(work, threads)
        after = _core.peak(threads, seconds)
        measured.append((rate, (before + after) / 2))
        before = after
    rate, peak = (statistics.median(column) / 1e9 for column in zip(*measured, strict=True))
    shares = [rate / peak for rate, peak in measured]
    low, middle, high = min(shares), statistics.median(shares), max(shares)
    return (
        f"| {work.name} | {_core.INSTRUCTIONS} | {threads} | {rate:.0f} | {peak:.0f} | "
        f"{100 * middle:.1f} % | {100 * low:.1f} to {100 * high:.1f} % | "
        f"{100 * LINES[work.name]:.0f} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    quick = arguments.quick
    if arguments.child:
        for work in workloads(quick=quick):
            if work.name in LINES:
                longer = work if quick else replace(work, epochs=4 * work.epochs)
                rounds, seconds = (1, 0.01) if quick else (arguments.rounds, 0.2)
                print(share(longer, rounds, arguments.threads, seconds), flush=True)
        return
    print(
        f"{machine()}; medians of {1 if quick else arguments.rounds} rounds\n\n"
        "| workload | instructions | threads | GFLOP/s | peak | share | all rounds | line |\n"
        "|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    # What the processor has, and what it has besides.
    for allowed in {"avx512": ["avx512", "avx2"]}.get(_core.INSTRUCTIONS, [_core.INSTRUCTIONS]):
        environment = {**os.environ, "APBT_RS_INSTRUCTIONS": allowed}
        command = [sys.executable, __file__, "--child", f"--rounds={arguments.rounds}"]
        command += [f"--threads={arguments.threads}"] + ["--quick"] * quick
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
