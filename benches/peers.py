"""Training against scikit-learn's MLP: the same shapes, rows, batch sizes and epochs, all cores.

The unit is one example-update: one row through forward, backward and update of one network. Both
sides train in turn, warm; printed are medians and the median of the rounds' ratios. Other peers
(JAX, PyTorch, ONNX Runtime, Ray Tune) are not here yet.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from dataclasses import replace

import joblib
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import apbt_rs
from workloads import Workload, seconds_of_apbt_rs, workloads

FITS = {"W1": 4, "W2": 4, "W3": 4, "W4": 4, "W5 relu": 4, "W5 tanh": 4, "W6 relu": 2, "W6 tanh": 2}
"""How many of the k networks the peer trains: it takes k/fits times as long for all."""


def ours(work: Workload) -> float:
    """Microseconds per example-update."""
    return 1e6 * seconds_of_apbt_rs(work) / work.updates


def fit(work: Workload, hidden: list[int], seed: int) -> None:
    """Train one network with scikit-learn."""
    activation = "logistic" if work.activation == "sigmoid" else work.activation
    model = MLPClassifier(
        hidden,
        activation=activation,
        solver="sgd",
        alpha=1e-4,
        batch_size=work.batch_size,
        learning_rate_init=0.01,
        momentum=0.9,
        nesterovs_momentum=False,
        max_iter=work.epochs,
        n_iter_no_change=work.epochs + 1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(work.X, work.y)


def theirs(work: Workload, pool: joblib.Parallel) -> float:
    """Microseconds per example-update of scikit-learn, one fit on each core at a time."""
    fits = FITS[work.name]
    # A few epochs of the tiny ones: a fit is minutes long.
    work = replace(work, epochs=min(work.epochs, 50))
    shapes = [topology[1:-1] for topology in work.topologies[:fits]]
    started = time.perf_counter()
    pool(joblib.delayed(fit)(work, hidden, seed) for seed, hidden in enumerate(shapes))
    seconds = time.perf_counter() - started
    return 1e6 * seconds / (fits * work.epochs * len(work.y))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"apbt-rs {apbt_rs.__version__}, scikit-learn {sklearn.__version__}\n\n"
        "| workload | k | network | apbt-rs, µs | scikit-learn, µs | ratio |\n"
        "|---|---|---|---|---|---|"
    )
    with joblib.Parallel(n_jobs=os.cpu_count()) as pool:
        for work in workloads(quick=arguments.quick):
            theirs(work, pool)
            pairs = [(ours(work), theirs(work, pool)) for _ in range(rounds)]
            fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(b / a for a, b in pairs)
            print(
                f"| {work.name} | {work.k} | {work.shape} | {fast:.3f} | "
                f"{slow:.2f} | {ratio:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
