"""`run` with its defaults against logistic regression, on scikit-learn's small tables.

Ten stratified splits, a quarter of the rows kept for the test; both sides see the same rows. A cell
has the mean test accuracy with its standard deviation, and the number of weights (the median).
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import apbt_rs
from machine import machine

TABLES = {"Iris": load_iris, "Wine": load_wine, "Breast Cancer": load_breast_cancer}
PEER = "logistic regression"
NETWORKS = ("best", "most_accurate", "chosen")


def measure(name: str, splits: int, settings: dict[str, Any]) -> str:
    """Return a table's row."""
    X, y = TABLES[name](return_X_y=True)
    scores: dict[str, list[float]] = {one: [] for one in (PEER, *NETWORKS)}
    sizes: dict[str, list[int]] = {one: [] for one in (PEER, *NETWORKS)}
    seconds = []
    splitter = StratifiedShuffleSplit(splits, test_size=0.25, random_state=0)
    for seed, (train, test) in enumerate(splitter.split(X, y)):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        scores[PEER].append(model.fit(X[train], y[train]).score(X[test], y[test]))
        sizes[PEER].append(model[-1].coef_.size)
        started = time.perf_counter()
        result = apbt_rs.run(
            X[train], y[train], seed=seed, test=(X[test], y[test]), progress=False, **settings
        )
        seconds.append(time.perf_counter() - started)
        for one in NETWORKS:
            network = getattr(result, one)
            scores[one].append(network.test_score)
            sizes[one].append(network.size)
    cells = [f"{spread(scores[one])}, {statistics.median(sizes[one]):.0f}" for one in scores]
    return f"| {' | '.join((name, *cells))} | {statistics.median(seconds):.1f} |"


def spread(values: list[float]) -> str:
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{100 * mean:.1f} % ± {100 * deviation:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("-k", type=int, help="networks, where not the default of `run`")
    parser.add_argument("--quick", action="store_true", help="few small runs, to see it run")
    arguments = parser.parse_args()
    splits = 2 if arguments.quick else arguments.splits
    settings = {"k": arguments.k} if arguments.k else {}
    settings |= {"k": 10, "epochs": 20} if arguments.quick else {}
    head = ("table", PEER, *(f"`{one}`" for one in NETWORKS), "run, s")
    print(f"{machine()}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in TABLES:
        print(measure(name, splits, settings), flush=True)


if __name__ == "__main__":
    main()
