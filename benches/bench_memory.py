"""Peak memory of a run on a million rows of 50 columns, above the caller's own table.

The line: 1.5 times the encoded float32 table (and the population, which is small here). Resident
memory, which Linux tells, is looked at every millisecond, in a process of its own for each kind of
table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

import apbt_rs

COLUMNS = 50
KINDS = ("polars", "NumPy")


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak(kind: str, rows: int) -> tuple[float, float]:
    """Return the peak above the table, in units of the encoded table, and the seconds."""
    rng = np.random.default_rng(0)
    X: object = rng.normal(size=(rows, COLUMNS))
    if kind == "polars":
        X = pl.DataFrame({f"c{i}": rng.normal(size=rows) for i in range(COLUMNS)})
    y = pl.Series("y", rng.integers(2, size=rows))
    small = pl.DataFrame({"x": rng.normal(size=200)})
    apbt_rs.run(small, y.head(200), k=4, epochs=2, progress=False, seed=0)
    before, most, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[0] = max(most[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    apbt_rs.run(X, y, k=8, epochs=2, readiness=1, progress=False, seed=0)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    return (most[0] - before) / (4 * rows * COLUMNS), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, to see it run")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("bench_memory.py: reads /proc/self/statm, which Linux alone has")
    rows = 20_000 if arguments.quick else 1_000_000
    if arguments.kind:
        share, seconds = peak(arguments.kind, rows)
        print(f"| {arguments.kind} | {rows:,} × {COLUMNS} | {share:.2f} | {seconds:.1f} |")
        return
    print("| table | rows × columns | peak / encoded table | run, s |\n|---|---|---|---|")
    sys.stdout.flush()
    for kind in KINDS:
        command = [sys.executable, __file__, "--kind", kind, *["--quick"] * arguments.quick]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
