"""JAX: `jit` of `vmap` over members of a `scan` over batches, and settings that may be faster.

`vmap`: as a user would write it, one device. `two devices`: the members shared out among as many
host devices as there are cores. `lax.map`: likewise, but one member after the other on each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from stacked import orders, stacked
from workloads import Workload

SETTINGS = ("vmap", "devices", "lax.map")

CORES = os.cpu_count() or 1
# Counts only before JAX starts; `vmap` leaves all but the first alone.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

VERSION = jax.__version__


def trainer(work: Workload, setting: str) -> Callable[[], int]:
    """Return what trains the population, and tells how many example-updates that took."""
    data = stacked(work)
    epochs = 1 if work.batch_size > 1 else max(1, work.epochs // 4)
    batches = jnp.asarray(orders(data, work.batch_size, epochs, 0)).reshape(-1, work.batch_size)
    X, targets = jnp.asarray(data.X), jnp.asarray(data.targets)

    def outputs(parameters: Any, masks: Any, x: Any) -> Any:
        h = x
        for layer, (weights, biases) in enumerate(parameters[:-1]):
            z = h @ weights + biases
            if work.activation == "sigmoid":
                z = jax.nn.sigmoid(z)
            else:
                z = jnp.tanh(z) if work.activation == "tanh" else jax.nn.relu(z)
            if masks:
                z = z * masks[0][layer]
                z = jnp.where(masks[1][layer], z, h) if layer > 0 else z
            h = z
        return h @ parameters[-1][0] + parameters[-1][1]

    def loss(parameters: Any, masks: Any, x: Any, t: Any) -> Any:
        z = outputs(parameters, masks, x)
        if z.shape[-1] == 1:
            return jnp.mean(jax.nn.softplus(z) - t * z)
        return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(z), axis=-1))

    def train_member(parameters: Any, velocities: Any, rates: Any, masks: Any) -> Any:
        rate, momentum, decay = rates

        def step(state: Any, rows: Any) -> Any:
            parameters, velocities = state
            gradients = jax.grad(loss)(parameters, masks, X[rows], targets[rows])
            velocities = jax.tree.map(lambda v, g: momentum * v - rate * g, velocities, gradients)
            parameters = [
                ((1 - rate * decay) * weights + v, biases + u)
                for (weights, biases), (v, u) in zip(parameters, velocities, strict=True)
            ]
            return (parameters, velocities), None

        return jax.lax.scan(step, (parameters, velocities), batches)[0]

    together: Any = jax.vmap(train_member)
    if setting == "lax.map":

        def together(*members: Any) -> Any:
            return jax.lax.map(lambda one: train_member(*one), members)

    if setting != "vmap":
        mesh = jax.sharding.Mesh(np.array(jax.devices()), ("member",))
        spec = jax.sharding.PartitionSpec("member")
        together = jax.shard_map(
            together, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
        )
    train_all = jax.jit(together, donate_argnums=(0, 1))
    parameters: Any = [
        (jnp.asarray(weights), jnp.asarray(biases[:, 0]))
        for weights, biases in zip(data.weights, data.biases, strict=True)
    ]
    rates = tuple(jnp.asarray(one) for one in data.rates.values())
    masks: Any = ()
    if data.units:
        masks = (
            [jnp.asarray(one[:, 0]) for one in data.units],
            [jnp.asarray(one[:, 0]) for one in data.layers],
        )
    state = [parameters, jax.tree.map(jnp.zeros_like, parameters)]

    def train() -> int:
        state[:] = jax.block_until_ready(train_all(*state, rates, masks))
        return int(np.prod(batches.shape)) * work.k

    return train
