"""What starting costs: the import against that of polars and NumPy, and a small run against polars.

Each import is timed in a fresh process; the sides take turns. The run has 100 epochs on Iris with
k = 10, everything included that a first run in a process does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from machine import machine

IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
RUN = """
import apbt_rs, time
X, y = apbt_rs.datasets.load_iris()
started = time.perf_counter()
apbt_rs.run(X, y, k=10, epochs=100, seed=0, progress=False)
print(time.perf_counter() - started)
"""


def seconds(code: str) -> float:
    """Run code in a process of its own; return what it prints."""
    # Compiled modules are kept, as they are unless somebody says otherwise.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=kept
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one round, to see it run")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    base = IMPORT.format("import numpy, polars")
    print(
        f"\n{machine()}; medians of {rounds} rounds\n\n"
        "| what | ms | against | ms | ratio | line |\n|---|---|---|---|---|---|"
    )
    for what, code, against, other, line in (
        ("import apbt_rs", IMPORT.format("import apbt_rs"), "import numpy, polars", base, 1.2),
        ("100 epochs on Iris", RUN, "import polars", IMPORT.format("import polars"), 1.0),
    ):
        seconds(code), seconds(other)  # Into the disk's cache.
        pairs = [(seconds(code), seconds(other)) for _ in range(rounds)]
        ours, theirs = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(
            f"| {what} | {ours:.0f} | {against} | {theirs:.0f} | {ratio:.2f} | at most {line} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
