"""NumPy with the population as the leading axis: one matrix product for all members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stacked import Array, Stacked, orders, stacked
from workloads import Workload

VERSION = np.__version__


def trainer(work: Workload, _setting: str) -> Callable[[], int]:
    """Return what trains the population, and tells how many example-updates that took."""
    data = stacked(work)
    velocities = [np.zeros_like(one) for one in [*data.weights, *data.biases]]
    epochs = 1 if work.batch_size > 1 else max(1, work.epochs // 20)
    batches = orders(data, work.batch_size, epochs, 0)

    def train() -> int:
        for epoch in batches:
            for rows in epoch:
                step(data, velocities, rows, work.activation)
        return work.k * epochs * data.rows

    return train


def activate(z: Array, activation: str) -> Any:
    """Return what units give for their weighted sums."""
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-z))
    return np.tanh(z) if activation == "tanh" else np.maximum(z, 0)


def derivative(h: Array, activation: str) -> Any:
    """Return the derivative, from what units gave."""
    if activation == "sigmoid":
        return h * (1 - h)
    return 1 - h * h if activation == "tanh" else (h > 0).astype(np.float32)


def step(data: Stacked, velocities: list[Array], rows: Array, activation: str) -> None:
    """Descend by one batch."""
    heard = [data.X[rows][None]]
    for layer, (weights, biases) in enumerate(
        zip(data.weights[:-1], data.biases[:-1], strict=True)
    ):
        h = activate(heard[-1] @ weights + biases, activation)
        if data.units:
            h *= data.units[layer]
            if layer > 0:
                h = np.where(data.layers[layer], h, heard[-1])
        heard.append(h)
    z = heard[-1] @ data.weights[-1] + data.biases[-1]
    if z.shape[-1] == 1:
        outputs = 1 / (1 + np.exp(-z))
    else:
        outputs = np.exp(z - z.max(axis=-1, keepdims=True))
        outputs /= outputs.sum(axis=-1, keepdims=True)
    delta = (outputs - data.targets[rows]) / np.float32(len(rows))
    gradients = []
    for layer in reversed(range(len(data.weights))):
        gradients.append((np.swapaxes(heard[layer], 1, 2) @ delta, delta.sum(axis=1)[:, None]))
        if layer > 0:
            back = delta @ np.swapaxes(data.weights[layer], 1, 2)
            own = back * derivative(heard[layer], activation)
            if data.units:
                own *= data.units[layer - 1]
                if layer > 1:
                    own = np.where(data.layers[layer - 1], own, back)
            delta = own
    rate, momentum, decay = (one[:, None, None] for one in data.rates.values())
    n_layers = len(data.weights)
    for layer, (by_weights, by_biases) in enumerate(reversed(gradients)):
        for place, parameters, gradient in (
            (layer, data.weights[layer], by_weights),
            (n_layers + layer, data.biases[layer], by_biases),
        ):
            velocity = velocities[place]
            velocity *= momentum
            velocity -= rate * gradient
            if place < n_layers:
                parameters *= 1 - rate * decay
            parameters += velocity
