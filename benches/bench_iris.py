"""The paper's Iris experiment: apbt-rs against the pure-Python baseline, one thread each.

Both sides train in turn. The unit is one example-update: one row through forward, backward and
update of one member.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import time

import apbt_rs
import baseline
from apbt_rs import paper

TOPOLOGY = [4, 10, 10, 10, 10, 3]
TRAINING_ROWS = 80


def ours(epochs: int, space: dict[str, object] | None) -> float:
    """Microseconds per example-update of a population of 80."""
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
    return 1e6 * (time.perf_counter() - started) / (k * TRAINING_ROWS * epochs)


def theirs(members: int, topology: list[int] | None) -> float:
    """Microseconds per example-update of the baseline."""
    X, y = apbt_rs.datasets.load_iris()
    labels = sorted(set(y))
    inputs = [list(row) for row in X.rows()][:TRAINING_ROWS]
    targets = [[float(label == one) for one in labels] for label in y][:TRAINING_ROWS]
    rng = random.Random(0)
    networks = []
    for _ in range(members):
        hidden = [rng.randint(2, 10) for _ in range(rng.randint(1, 4))]
        networks.append(baseline.random_network(topology or [4, *hidden, 3], rng))
    order = list(range(TRAINING_ROWS))
    rng.shuffle(order)
    started = time.perf_counter()
    for network in networks:
        baseline.train_epoch(network, inputs, targets, order, 0.05, 0.5, 0.05)
    return 1e6 * (time.perf_counter() - started) / (members * TRAINING_ROWS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    arguments = parser.parse_args()
    rounds, epochs, members = (1, 2, 2) if arguments.quick else (arguments.rounds, 100, 80)
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread each")
    fixed: dict[str, object] = {"hidden_layers": 4, "hidden_units": 10}
    for name, space, topology in (
        ("the paper's population", None, None),
        (f"{TOPOLOGY}", fixed, TOPOLOGY),
    ):
        slow, fast = [], []
        for _ in range(rounds):
            slow.append(theirs(members, topology))
            fast.append(ours(epochs, space))
        ratio = statistics.median(a / b for a, b in zip(slow, fast, strict=True))
        print(
            f"{name}: pure Python {statistics.median(slow):.1f} µs, apbt-rs "
            f"{statistics.median(fast):.3f} µs per example-update (medians of {rounds}); "
            f"ratio {ratio:.0f}"
        )


if __name__ == "__main__":
    main()
