"""The populations that benches train: tables, shapes, and the time that apbt-rs takes for them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import apbt_rs

RATES = {"learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4}


@dataclass(frozen=True)
class Workload:
    """One table and one shape of network, trained k times."""

    name: str
    X: np.ndarray
    y: np.ndarray
    k: int
    hidden: tuple[int, ...]
    """Units of the hidden layers; empty for a random population of the paper."""
    activation: str
    batch_size: int
    epochs: int
    space: dict[str, Any] = field(default_factory=dict)
    """What is drawn rather than fixed."""

    def evolution(self, **settings: Any) -> apbt_rs.Evolution:
        """Return a run of one generation; two rows per class are kept to score on."""
        space: dict[str, Any] = {
            "activation": self.activation,
            "batch_size": self.batch_size,
            "optimizer": "sgd",
            **RATES,
            **self.space,
        }
        if self.hidden:
            space |= {"hidden_layers": len(self.hidden), "hidden_units": self.hidden[0]}
        arguments: dict[str, Any] = {"validation": self.kept, "space": space, "seed": 0}
        arguments |= {"k": self.k, "epochs": self.epochs, "readiness": self.epochs}
        arguments |= {"task": "classification", "progress": False}
        if self.binary:
            names = [f"column_{i}" for i in range(self.X.shape[1])]
            arguments["encoding"] = dict.fromkeys(names, "as_is")
        return apbt_rs.evolve(self.X, self.y, **arguments | settings)

    @property
    def binary(self) -> bool:
        """Whether the table's inputs are zeros and ones, as in the paper, not standardised."""
        return self.X.dtype == bool

    @property
    def kept(self) -> list[int]:
        """Rows to score on."""
        classes = np.unique(self.y)
        return [int(row) for label in classes for row in np.flatnonzero(self.y == label)[:2]]

    @property
    def updates(self) -> int:
        """Example-updates of one generation."""
        return self.k * self.epochs * (len(self.y) - len(self.kept))

    @property
    def topologies(self) -> list[list[int]]:
        """Units per layer of each member."""
        n_outputs = len(np.unique(self.y))
        if self.hidden:
            return [[self.X.shape[1], *self.hidden, n_outputs if n_outputs > 2 else 1]] * self.k
        evolution = self.evolution(epochs=1, readiness=1)
        next(evolution)
        return [list(one) for one in evolution.history["topology"].to_list()]

    @property
    def shape(self) -> str:
        """The networks in words."""
        batch = f"batch {self.batch_size}"
        if not self.hidden:
            return f"1 to 4 layers of 2 to 10, {batch}"
        return f"{self.topologies[0]} {self.activation}, {batch}"


def flops(topology: list[int]) -> int:
    """Operations of one update: 2 a weight forward, 2 for its gradient, 2 past layer one."""
    weights = [a * b for a, b in pairwise(topology)]
    return 4 * sum(weights) + 2 * sum(weights[1:])


def seconds_of_apbt_rs(work: Workload, n_jobs: int | None = None) -> float:
    """Return the seconds of one generation: training, and scoring on the few rows kept."""
    evolution = work.evolution(n_jobs=n_jobs)
    next(evolution)
    started = time.perf_counter()
    next(evolution)
    return time.perf_counter() - started


def workloads(*, quick: bool = False) -> list[Workload]:
    """Return W1 to W6; quick ones are for seeing that a bench runs."""
    rng = np.random.default_rng(0)
    iris, species = apbt_rs.datasets.load_iris()
    some = rng.permutation(150)[:80]
    iris_X, iris_y = iris.to_numpy()[some], species.to_numpy()[some]
    tennis, play = apbt_rs.datasets.load_tennis()
    tennis_X = tennis.to_dummies().to_numpy().astype(bool)
    eight = np.eye(8, dtype=bool)
    digits_X, digits_y = load_digits(return_X_y=True)
    rows = 2_000 if quick else 50_000
    wide_X, wide_y = rng.normal(size=(rows, 54)), rng.integers(7, size=rows)
    tiny, digits = (20, 1) if quick else (400, 5)
    drawn: dict[str, Any] = {"hidden_layers": (1, 4), "hidden_units": (2, 10)}
    rates = {"learning_rate": (1e-4, 0.1), "momentum": (0.0, 0.9), "weight_decay": (0.0, 0.1)}
    paper = drawn | rates
    return [
        Workload("W1", iris_X, iris_y, 80, (10, 10, 10, 10), "sigmoid", 1, tiny),
        Workload("W2", iris_X, iris_y, 80, (), "sigmoid", 1, tiny, paper),
        Workload("W3", tennis_X, play.to_numpy(), 80, (6,), "sigmoid", 1, 5 * tiny),
        # The eight rows four times: two of each are kept, two are trained on.
        Workload(
            "W4",
            np.tile(eight, (4, 1)),
            np.tile(np.arange(8), 4),
            600,
            (3,),
            "sigmoid",
            1,
            tiny,
        ),
        Workload("W5 relu", digits_X, digits_y, 160, (128,), "relu", 32, digits),
        Workload("W5 tanh", digits_X, digits_y, 160, (128,), "tanh", 32, digits),
        Workload("W6 relu", wide_X, wide_y, 32, (64, 64), "relu", 64, 1),
        Workload("W6 tanh", wide_X, wide_y, 32, (64, 64), "tanh", 64, 1),
    ]
