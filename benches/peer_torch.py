"""PyTorch: batched matrix products over the members, gradients by autograd, updates fused."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
import torch.nn.functional as F

from stacked import orders, stacked
from workloads import Workload

VERSION = torch.__version__


def trainer(work: Workload, _setting: str) -> Callable[[], int]:
    """Return what trains the population, and tells how many example-updates that took."""
    torch.set_num_threads(os.cpu_count() or 1)
    data = stacked(work)
    k = work.k
    weights = [torch.from_numpy(one).requires_grad_() for one in data.weights]
    biases = [torch.from_numpy(one).requires_grad_() for one in data.biases]
    parameters = weights + biases
    velocities = [torch.zeros_like(one) for one in parameters]
    units, layers = (list(map(torch.from_numpy, one)) for one in (data.units, data.layers))
    rate, momentum, decay = (torch.from_numpy(one)[:, None, None] for one in data.rates.values())
    keep = 1 - rate * decay
    X, targets = torch.from_numpy(data.X), torch.from_numpy(data.targets)
    epochs = 1 if work.batch_size > 1 else max(1, work.epochs // 40)
    batches = torch.from_numpy(orders(data, work.batch_size, epochs, 0))
    activate = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[work.activation]

    def step(rows: torch.Tensor) -> None:
        h = X[rows].expand(k, -1, -1)
        for layer in range(len(weights) - 1):
            z = activate(torch.baddbmm(biases[layer], h, weights[layer]))
            if units:
                z = z * units[layer]
                z = torch.where(layers[layer], z, h) if layer > 0 else z
            h = z
        z = torch.baddbmm(biases[-1], h, weights[-1])
        t = targets[rows].expand(k, -1, -1)
        # Each member's mean over the batch, summed over the members.
        if z.shape[-1] == 1:
            loss = F.binary_cross_entropy_with_logits(z, t, reduction="sum") / len(rows)
        else:
            loss = -(t * F.log_softmax(z, dim=-1)).sum() / len(rows)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for place, (one, v, g) in enumerate(
                zip(parameters, velocities, gradients, strict=True)
            ):
                v.mul_(momentum).addcmul_(rate, g, value=-1)
                if place < len(weights):
                    one.mul_(keep)
                one.add_(v)

    def train() -> int:
        for epoch in batches:
            for rows in epoch:
                step(rows)
        return int(k * batches.numel())

    return train
