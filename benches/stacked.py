"""A population as arrays with the members along the leading axis, for peers that work on such.

All members are as wide and as deep as the widest and the deepest. Units that a member lacks are
masked out; a layer that it lacks passes on what it hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workloads import Workload

Array = np.ndarray


@dataclass
class Stacked:
    """Parameters, rates and rows of a workload, all float32."""

    weights: list[Array]
    """For each layer `(k, inputs, outputs)`."""
    biases: list[Array]
    """For each layer `(k, 1, outputs)`."""
    units: list[Array]
    """For each hidden layer which units a member has, `(k, 1, outputs)`; empty if all have all."""
    layers: list[Array]
    """For each hidden layer which members have it, `(k, 1, 1)`; empty if all have all."""
    rates: dict[str, Array]
    """Learning rate, momentum and weight decay, `(k,)`."""
    X: Array
    """`(rows, inputs)`, standardised unless they are zeros and ones."""
    targets: Array
    """`(rows, outputs)`: one-hot, or one column of 0 and 1 for two classes."""
    rows: int
    """Rows that an epoch trains on: whole batches."""


def stacked(work: Workload) -> Stacked:
    """Return a workload's population, drawn at random."""
    rng = np.random.default_rng(0)
    topologies = work.topologies
    k, n_inputs, n_outputs = len(topologies), topologies[0][0], topologies[0][-1]
    depth = max(map(len, topologies)) - 2
    same = all(topology == topologies[0] for topology in topologies)
    widest = max(max(topology[1:-1]) for topology in topologies)
    hidden = topologies[0][1:-1] if same else [widest] * depth
    weights, biases = [], []
    for inputs, outputs in pairwise([n_inputs, *hidden, n_outputs]):
        bound = 1 / np.sqrt(inputs)
        draw = [rng.uniform(-bound, bound, (k, n, outputs)) for n in (inputs, 1)]
        weights.append(draw[0].astype(np.float32))
        biases.append(draw[1].astype(np.float32))
    units, layers = ([], []) if same else masks(topologies, depth, widest)
    X = work.X.astype(np.float64)
    if not work.binary:
        deviation = X.std(axis=0)
        X = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    classes, codes = np.unique(work.y, return_inverse=True)
    targets = np.eye(len(classes))[codes] if n_outputs > 1 else codes[:, None]
    drawn = {
        "learning_rate": rng.uniform(1e-4, 0.1, k),
        "momentum": rng.uniform(0, 0.9, k),
        "weight_decay": rng.uniform(0, 0.1, k),
    }
    return Stacked(
        weights,
        biases,
        units,
        layers,
        {name: values.astype(np.float32) for name, values in drawn.items()},
        X.astype(np.float32),
        targets.astype(np.float32),
        (len(work.y) - len(work.kept)) // work.batch_size * work.batch_size,
    )


def masks(
    topologies: Sequence[Sequence[int]], depth: int, widest: int
) -> tuple[list[Array], list[Array]]:
    """Return which units of which hidden layers each member has."""
    units, layers = [], []
    for layer in range(depth):
        widths = [one[1 + layer] if layer < len(one) - 2 else 0 for one in topologies]
        # What a layer that is not there passes on comes from a layer that is.
        exists = np.array(widths) > 0
        has = np.arange(widest) < np.array(widths)[:, None]
        units.append(has.astype(np.float32)[:, None, :])
        layers.append(exists[:, None, None])
    return units, layers


def orders(data: Stacked, batch_size: int, epochs: int, seed: int) -> Array:
    """Return the rows of each batch of each epoch: `(epochs, batches, batch_size)`."""
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(len(data.X))[: data.rows] for _ in range(epochs)]
    return np.array(drawn).reshape(epochs, -1, batch_size)
