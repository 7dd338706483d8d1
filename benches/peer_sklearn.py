"""scikit-learn's MLPClassifier: one fit for each network, one fit on each core at a time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace

import joblib
import sklearn
from joblib.externals.loky import get_reusable_executor
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from workloads import Workload

VERSION = sklearn.__version__


def trainer(work: Workload, _setting: str) -> Callable[[], int]:
    """Return what trains a few of the networks, and tells how many example-updates that took."""
    fits = 2 if work.batch_size > 32 else 4
    # A fit of the tiny ones takes minutes; an epoch costs the same as any other.
    work = replace(work, epochs=min(work.epochs, 50))
    shapes = [topology[1:-1] for topology in work.topologies[:fits]]
    pool = joblib.Parallel(n_jobs=os.cpu_count(), max_nbytes=None)

    def train() -> int:
        pool(joblib.delayed(fit)(work, hidden, seed) for seed, hidden in enumerate(shapes))
        return fits * work.epochs * len(work.y)

    return train


def close() -> None:
    """End the pool's processes."""
    get_reusable_executor().shutdown(wait=True)


def fit(work: Workload, hidden: list[int], seed: int) -> None:
    """Train one network."""
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
