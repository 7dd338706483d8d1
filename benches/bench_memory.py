"""Peak memory of a run on a million rows of 50 columns, above the caller's own table.

The line: 1.5 times the encoded float32 table (and the population, which is small here). Resident
memory, which Linux tells, is looked at every millisecond, in a process of its own for each kind of
table.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import apbt_rs
from machine import machine

COLUMNS = 50
KINDS = ("polars", "pandas", "pyarrow", "NumPy", "categories", "texts, dates and gaps")
LEVELS = 20


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def table(kind: str, rows: int, rng: np.random.Generator) -> Any:
    """Return a table of 50 columns, or of as many categories as give about 200 inputs."""
    if kind == "NumPy":
        return rng.normal(size=(rows, COLUMNS))
    if kind == "categories":
        names = pl.Series([f"level {i}" for i in range(LEVELS)])
        levels = {f"c{i}": names.gather(rng.integers(LEVELS, size=rows)) for i in range(10)}
        return pl.DataFrame(levels).cast(pl.Categorical)
    columns = {f"c{i}": rng.normal(size=rows) for i in range(COLUMNS)}
    if kind == "pandas":
        return pd.DataFrame(columns)
    if kind == "pyarrow":
        return pa.table(columns)
    numbers = pl.DataFrame(columns)
    if kind == "texts, dates and gaps":
        gap = pl.Series(rng.random(rows) < 0.1)
        texts = pl.Series([f"town {i}" for i in range(8)])
        numbers = numbers.with_columns(
            *(pl.when(~gap).then(pl.col(f"c{i}")).alias(f"c{i}") for i in range(10)),
            *(texts.gather(rng.integers(8, size=rows)).alias(f"c{i}") for i in range(10, 15)),
            (pl.col("c15") * 1000).cast(pl.Int32).cast(pl.Date),
        )
    return numbers


def size(X: Any) -> int:
    """Bytes of a table."""
    if isinstance(X, pl.DataFrame):
        return int(X.estimated_size())
    if hasattr(X, "memory_usage"):
        return int(X.memory_usage(deep=True).sum())
    return int(X.nbytes)


def peak(kind: str, rows: int) -> tuple[float, float]:
    """Return the peak above the table, in units of the encoded table, and the seconds."""
    rng = np.random.default_rng(0)
    y = pl.Series("y", rng.integers(2, size=rows))
    small = pl.DataFrame({"x": rng.normal(size=200)})
    apbt_rs.run(small, y.head(200), k=4, epochs=2, progress=False, seed=0)
    before = resident()
    X = table(kind, rows, rng)
    gc.collect()
    # What making the table has left behind is no part of it, and may be used again.
    before, most, done = before + size(X), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[0] = max(most[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    result = apbt_rs.run(X, y, k=8, epochs=2, readiness=1, progress=False, seed=0)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    return (most[0] - before) / (4 * rows * result.best.topology[0]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, to see it run")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        print("no peak memory: it is read from /proc/self/statm, which Linux alone has")
        return
    rows = 20_000 if arguments.quick else 1_000_000
    if arguments.kind:
        share, seconds = peak(arguments.kind, rows)
        print(f"| {arguments.kind} | {rows:,} × {COLUMNS} | {share:.2f} | {seconds:.1f} |")
        return
    print(
        f"{machine()}\n\n"
        "| table | rows × columns | peak / encoded table | run, s |\n|---|---|---|---|",
        flush=True,
    )
    for kind in KINDS:
        command = [sys.executable, __file__, "--kind", kind, *["--quick"] * arguments.quick]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
