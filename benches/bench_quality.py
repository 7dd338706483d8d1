"""`run` with its defaults against logistic regression, on scikit-learn's small tables.

Ten stratified splits, a quarter of the rows kept for the test; both sides see the same rows.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import apbt_rs

TABLES = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer}
NETWORKS = ("best", "most_accurate", "chosen")


def measure(name: str, splits: int, k: int) -> None:
    X, y = TABLES[name](return_X_y=True)
    linear: list[float] = []
    ours: dict[str, list[float]] = {network: [] for network in NETWORKS}
    sizes: dict[str, list[int]] = {network: [] for network in NETWORKS}
    seconds = []
    splitter = StratifiedShuffleSplit(splits, test_size=0.25, random_state=0)
    for seed, (train, test) in enumerate(splitter.split(X, y)):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        linear.append(model.fit(X[train], y[train]).score(X[test], y[test]))
        started = time.perf_counter()
        result = apbt_rs.run(
            X[train], y[train], k=k, seed=seed, test=(X[test], y[test]), progress=False
        )
        seconds.append(time.perf_counter() - started)
        for network in NETWORKS:
            one = getattr(result, network)
            ours[network].append(one.test_score)
            sizes[network].append(one.size)
    print(f"{name}: {statistics.median(seconds):.1f} s a run (median)")
    print(f"  {'logistic regression':<20} {spread(linear)}  size {X.shape[1] * len(np.unique(y))}")
    for network in NETWORKS:
        difference = 100 * (statistics.mean(ours[network]) - statistics.mean(linear))
        print(
            f"  {network:<20} {spread(ours[network])}  size {statistics.median(sizes[network]):.0f}"
            f"  {difference:+.1f} points"
        )


def spread(values: list[float]) -> str:
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{100 * mean:5.1f} % ± {100 * deviation:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("-k", type=int, default=160)
    arguments = parser.parse_args()
    for name in TABLES:
        measure(name, arguments.splits, arguments.k)


if __name__ == "__main__":
    main()
