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
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import apbt_rs


@dataclass(frozen=True)
class Workload:
    """One table and one shape of network, trained k times."""

    name: str
    X: np.ndarray
    y: np.ndarray
    k: int
    hidden: tuple[int, ...]
    activation: str
    batch_size: int
    epochs: int
    fits: int
    """How many of the k networks the peer trains: it takes k/fits times as long for all."""


def workloads(quick: bool) -> list[Workload]:
    rng = np.random.default_rng(0)
    iris, species = apbt_rs.datasets.load_iris()
    some = rng.permutation(150)[:80]
    iris_X, iris_y = iris.to_numpy()[some], species.to_numpy()[some]
    digits_X, digits_y = load_digits(return_X_y=True)
    rows = 2_000 if quick else 50_000
    wide_X, wide_y = rng.normal(size=(rows, 54)), rng.integers(7, size=rows)
    paper, digits = (5, 1) if quick else (100, 5)
    return [
        Workload("W1", iris_X, iris_y, 80, (10, 10, 10, 10), "sigmoid", 1, paper, 4),
        Workload("W5 relu", digits_X, digits_y, 160, (128,), "relu", 32, digits, 4),
        Workload("W5 tanh", digits_X, digits_y, 160, (128,), "tanh", 32, digits, 4),
        Workload("W6", wide_X, wide_y, 32, (64, 64), "relu", 64, 1, 2),
    ]


def ours(work: Workload) -> float:
    """Microseconds per example-update. Two rows per class are kept to score on, as a run must."""
    kept = [row for label in np.unique(work.y) for row in np.flatnonzero(work.y == label)[:2]]
    space: dict[str, Any] = {
        "hidden_layers": len(work.hidden),
        "hidden_units": work.hidden[0],
        "activation": work.activation,
        "batch_size": work.batch_size,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 1e-4,
    }
    settings: dict[str, Any] = {"validation": kept, "space": space, "seed": 0, "progress": False}
    settings |= {"k": work.k, "epochs": work.epochs, "readiness": work.epochs}
    evolution = apbt_rs.evolve(work.X, work.y, **settings)
    next(evolution)
    started = time.perf_counter()
    next(evolution)
    seconds = time.perf_counter() - started
    return 1e6 * seconds / (work.k * work.epochs * (len(work.y) - len(kept)))


def fit(work: Workload, seed: int) -> None:
    """Train one network with scikit-learn."""
    activation = "logistic" if work.activation == "sigmoid" else work.activation
    model = MLPClassifier(
        work.hidden,
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
    started = time.perf_counter()
    pool(joblib.delayed(fit)(work, seed) for seed in range(work.fits))
    seconds = time.perf_counter() - started
    return 1e6 * seconds / (work.fits * work.epochs * len(work.y))


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
        for work in workloads(arguments.quick):
            theirs(work, pool)
            pairs = [(ours(work), theirs(work, pool)) for _ in range(rounds)]
            fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(b / a for a, b in pairs)
            shape = [work.X.shape[1], *work.hidden, len(np.unique(work.y))]
            print(
                f"| {work.name} | {work.k} | {shape}, batch {work.batch_size} | {fast:.3f} | "
                f"{slow:.2f} | {ratio:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
