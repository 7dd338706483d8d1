"""Whole searches on digits: seconds until the best network reaches a validation accuracy (W8).

All get the same rows to train and to validate on, the same cores, and the same target. From
scikit-learn random candidates, as `RandomizedSearchCV` would draw them, are fitted on all cores and
stopped as soon as one reaches the target, which `RandomizedSearchCV` could not. Ray Tune runs its
PopulationBasedTraining over the same networks; Ray is started before the clock.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterSampler, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import apbt_rs
from machine import machine

CORES = os.cpu_count() or 1
CANDIDATES: dict[str, Any] = {
    "hidden_layer_sizes": [(8,), (16,), (32,), (64,), (128,), (32, 32), (64, 64)],
    "activation": ["relu", "tanh", "logistic"],
    "learning_rate_init": np.geomspace(1e-4, 1e-1, 31).tolist(),
    "batch_size": [16, 32, 64, 128],
    "alpha": np.geomspace(1e-6, 1e-1, 31).tolist(),
}
SEARCHES = ("scikit-learn", "Ray Tune")
POPULATION, EPOCHS_A_STEP = 8, 5

Split = tuple[np.ndarray, np.ndarray]
"""Row indices to train on, and to validate on."""


def split(seed: int) -> Split:
    _, y = load_digits(return_X_y=True)
    train, validation = train_test_split(
        np.arange(len(y)), test_size=0.2, stratify=y, random_state=seed
    )
    return train, validation


def ours(seed: int, target: float) -> float:
    X, y = load_digits(return_X_y=True)
    _, validation = split(seed)
    started = time.perf_counter()
    evolution = apbt_rs.evolve(
        X, y, k=16, epochs=2_000, readiness=4, validation=validation, seed=seed, progress=False
    )
    for _ in evolution:
        if max(evolution.history["validation_score"].tail(16)) >= target:
            return time.perf_counter() - started
    raise RuntimeError(f"seed {seed}: not reached")


def standardised(rows: Split) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit(X[rows[0]]).transform(X), y


def fit_score(X: np.ndarray, y: np.ndarray, rows: Split, candidate: dict[str, Any]) -> float:
    train, validation = rows
    model = MLPClassifier(**candidate, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X[train], y[train])
    return float(model.score(X[validation], y[validation]))


def random_search(seed: int, target: float) -> float:
    rows = split(seed)
    pool = joblib.Parallel(n_jobs=CORES, return_as="generator_unordered", max_nbytes=None)
    list(pool(joblib.delayed(abs)(one) for one in range(CORES)))  # Warm.
    started = time.perf_counter()
    X, y = standardised(rows)
    candidates = ParameterSampler(CANDIDATES, 10_000, random_state=seed)
    scores = pool(joblib.delayed(fit_score)(X, y, rows, one) for one in candidates)
    next(score for score in scores if score >= target)
    seconds = time.perf_counter() - started
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That candidates under way are given up.
        scores.close()
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
    return seconds


def ray_search(seed: int, target: float) -> float:
    from ray import tune

    class Training(tune.Trainable):  # type: ignore[misc]
        """A network that is trained a few epochs a step; its batch size stays."""

        def setup(self, config: dict[str, Any]) -> None:
            self.rows = split(seed)
            self.X, self.y = standardised(self.rows)
            self.model = MLPClassifier(**config, random_state=0)

        def step(self) -> dict[str, Any]:
            train, validation = self.rows
            for _ in range(EPOCHS_A_STEP):
                self.model.partial_fit(self.X[train], self.y[train], classes=range(10))
            return {"accuracy": self.model.score(self.X[validation], self.y[validation])}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            joblib.dump(self.model, Path(checkpoint_dir) / "model")

        def load_checkpoint(self, checkpoint: str) -> None:
            rates = self.model.get_params()
            self.model = joblib.load(Path(checkpoint) / "model")
            self.model.set_params(
                alpha=rates["alpha"], learning_rate_init=rates["learning_rate_init"]
            )
            self.model._optimizer.learning_rate_init = rates["learning_rate_init"]

        def reset_config(self, config: dict[str, Any]) -> bool:
            self.model = MLPClassifier(**config, random_state=0)
            return True

    rates = ("learning_rate_init", "alpha")
    scheduler = tune.schedulers.PopulationBasedTraining(
        time_attr="training_iteration",
        metric="accuracy",
        mode="max",
        perturbation_interval=1,
        hyperparam_mutations={name: CANDIDATES[name] for name in rates},
    )
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            Training,
            param_space={name: tune.choice(values) for name, values in CANDIDATES.items()},
            tune_config=tune.TuneConfig(
                scheduler=scheduler, num_samples=POPULATION, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                verbose=0,
                stop=lambda _trial, result: result["accuracy"] >= target,
            ),
        )
        started = time.perf_counter()
        with redirect_stdout(io.StringIO()):
            results = tuner.fit()
        assert results.get_best_result("accuracy", "max").metrics["accuracy"] >= target
        return time.perf_counter() - started


def measure(
    name: str, search: Callable[[int, float], float], seeds: int, target: float, line: int
) -> None:
    """Search in turn with each seed; print a row of the table."""
    ours(0, target)
    pairs = [(ours(seed, target), search(seed, target)) for seed in range(seeds)]
    fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"| W8 | {name} | {fast:.3f} | {slow:.2f} | {statistics.median(ratios):.0f} | "
        f"{ratios[0]:.0f} to {ratios[-1]:.0f} | {line} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--target", type=float, default=0.97)
    parser.add_argument("--quick", action="store_true", help="one easy search, to see it run")
    parser.add_argument("--searches", nargs="*", default=SEARCHES, choices=SEARCHES)
    arguments = parser.parse_args()
    seeds, target = (1, 0.9) if arguments.quick else (arguments.seeds, arguments.target)
    print(
        f"\n{machine()}; until {target:.1%} of 360 rows of digits, medians of {seeds} seeds\n\n"
        "| workload | search | apbt-rs, s | search, s | ratio | all seeds | line |\n"
        "|---|---|---|---|---|---|---|",
        flush=True,
    )
    if "scikit-learn" in arguments.searches:
        measure("scikit-learn, random candidates", random_search, seeds, target, 30)
    if "Ray Tune" not in arguments.searches:
        return
    try:
        import ray
    except ImportError as error:
        print(f"Ray Tune is left out: {error}; pip install 'ray[tune]'", file=sys.stderr)
        return
    environment = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}
    ray.init(
        num_cpus=CORES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env=environment,
    )
    measure("Ray Tune, PopulationBasedTraining", ray_search, seeds, target, 100)
    ray.shutdown()


if __name__ == "__main__":
    main()
