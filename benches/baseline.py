"""The paper's method in plain Python: the baseline that the Rust core is timed against.

Augmented Population Based Training with the paper's preset: sigmoid networks of one to four hidden
layers, per-example gradient descent with momentum and weight decay, and, every `readiness` epochs,
truncation selection that copies topology, weights and hyperparameters and perturbs the copy.

It is to be a fair opponent, so `train_epoch` is as fast as plain lists were found to allow:

1. A layer's weights are stored by input: the sum that carries the error to the layer below then
   runs along the same row as the update, so that one loop does both.
2. That loop writes in place. Building new rows by comprehensions takes half as long again.
3. A bias is the weight of a constant input 1, the last one, and needs no code of its own.

Run as a script, this file prints what one example-update costs.
"""

# Checking lengths by zip(strict=True) would cost 3 %.
# ruff: noqa: B905

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import exp, inf, isfinite, log, sqrt
from operator import mul
from statistics import median
from timeit import timeit

Rows = Sequence[Sequence[float]]
Layer = list[list[float]]


@dataclass
class Network:
    """A multilayer perceptron and its optimiser's state.

    `weights[l][i][j]` leads from input i of layer l to its unit j; the last row holds the biases.
    `velocities` has the same shape.
    """

    weights: list[Layer]
    velocities: list[Layer]

    @property
    def topology(self) -> list[int]:
        """Units per layer, input and output included."""
        return [len(self.weights[0]) - 1, *(len(layer[0]) for layer in self.weights)]

    @property
    def size(self) -> int:
        """Number of weights, biases left out."""
        return sum(lower * upper for lower, upper in pairwise(self.topology))


@dataclass
class Member:
    """One network of the population with its hyperparameters, as last scored."""

    network: Network
    learning_rate: float
    momentum: float
    weight_decay: float
    score: float = -inf
    log_fitness: float = -inf


@dataclass
class Evolution:
    """What a run found: snapshots of two members, and the population as it ended."""

    best: Member
    most_accurate: Member
    population: list[Member]


def random_weight(n_inputs: int, rng: random.Random) -> float:
    """Draw the first value of a weight or bias of a layer with so many inputs."""
    return rng.uniform(-1.0, 1.0) / sqrt(n_inputs)


def random_network(topology: Sequence[int], rng: random.Random) -> Network:
    """Draw all weights and biases; velocities start at zero."""
    network = Network([], [])
    for n, m in pairwise(topology):
        network.weights.append([[random_weight(n, rng) for _ in range(m)] for _ in range(n + 1)])
        network.velocities.append([[0.0] * m for _ in range(n + 1)])
    return network


def random_member(n_inputs: int, n_outputs: int, rng: random.Random) -> Member:
    """Draw topology, weights and hyperparameters."""
    hidden = [rng.randint(2, 10) for _ in range(rng.randint(1, 4))]
    return Member(
        network=random_network([n_inputs, *hidden, n_outputs], rng),
        learning_rate=rng.uniform(1e-4, 1e-1),
        momentum=rng.uniform(0.0, 0.9),
        weight_decay=rng.uniform(0.0, 0.1),
    )


def layer_outputs(layer: Layer, inputs: Sequence[float]) -> list[float]:
    """Outputs of one layer's sigmoid units; `inputs` ends in the constant 1 of the biases."""
    result = []
    for column in zip(*layer):
        z = sum(map(mul, column, inputs), 0.0)
        # exp overflows just above 709, where the sigmoid is 0 for any purpose.
        result.append(0.0 if z < -700.0 else 1.0 / (1.0 + exp(-z)))
    return result


def outputs(network: Network, row: Sequence[float]) -> list[float]:
    """Outputs of the network for one row of inputs."""
    for layer in network.weights:
        row = layer_outputs(layer, [*row, 1.0])
    return list(row)


def train_epoch(
    network: Network,
    inputs: Rows,
    targets: Rows,
    order: Sequence[int],
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """Descend the squared error ½‖t − o‖² of one row after the other, in the given order.

    For every weight and bias, with g its gradient: `v = momentum * v - learning_rate * g`, then
    `w = (1 - learning_rate * weight_decay) * w + v`.
    """
    keep = 1.0 - learning_rate * weight_decay
    layers = list(zip(network.weights, network.velocities))
    for index in order:
        values: Sequence[float] = inputs[index]
        layer_inputs = []
        for weights, _ in layers:
            values = [*values, 1.0]
            layer_inputs.append(values)
            values = layer_outputs(weights, values)

        # A unit's step is -learning_rate times the derivative of the error by its weighted sum.
        steps = [
            learning_rate * (target - output) * output * (1.0 - output)
            for target, output in zip(targets[index], values)
        ]
        for weights, velocities in reversed(layers):
            units = list(enumerate(steps))
            steps = []
            for x, row, row_velocities in zip(layer_inputs.pop(), weights, velocities):
                carried = 0.0
                for unit, step in units:
                    w = row[unit]
                    carried += step * w
                    row_velocities[unit] = v = momentum * row_velocities[unit] + step * x
                    row[unit] = keep * w + v
                steps.append(carried * x * (1.0 - x))
            steps.pop()  # The constant input of the biases is no unit of the layer below.


def soft_accuracy(network: Network, inputs: Rows, targets: Rows, rows: Sequence[int]) -> float:
    """Mean over the rows of 1 − ½‖t − o‖²."""
    total = 0.0
    for index in rows:
        pairs = zip(targets[index], outputs(network, inputs[index]))
        total += 1.0 - 0.5 * sum((target - output) ** 2 for target, output in pairs)
    return total / len(rows)


def log_fitness(score: float, size: int) -> float:
    """Logarithm of 1.09^(100 score) / 1.02^size; −∞ where the score is not finite."""
    return 100 * score * log(1.09) - size * log(1.02) if isfinite(score) else -inf


def add_neuron(network: Network, hidden: int, rng: random.Random) -> None:
    """Append a unit to layer `hidden` of the topology, with its weights to the layer above."""
    n_inputs, n_units, n_above = network.topology[hidden - 1 : hidden + 2]
    for row in network.weights[hidden - 1]:
        row.append(random_weight(n_inputs, rng))
    for row in network.velocities[hidden - 1]:
        row.append(0.0)
    # Before the biases, which stay last; the layer above has one more input from now on.
    network.weights[hidden].insert(-1, [random_weight(n_units + 1, rng) for _ in range(n_above)])
    network.velocities[hidden].insert(-1, [0.0] * n_above)


def remove_neuron(network: Network, hidden: int, unit: int) -> None:
    """Take one unit out of layer `hidden` of the topology, with its weights to the layer above."""
    for layers in (network.weights, network.velocities):
        for row in layers[hidden - 1]:
            del row[unit]
        del layers[hidden][unit]


def explore(member: Member, rng: random.Random) -> None:
    """Perturb each hyperparameter and, two times in three, one hidden layer's width."""
    member.learning_rate *= rng.choice((0.8, 1.2))
    member.momentum = min(0.99, member.momentum * rng.choice((0.8, 1.2)))
    member.weight_decay *= rng.choice((0.8, 1.2))
    topology = member.network.topology
    hidden = rng.randrange(1, len(topology) - 1)
    change = rng.choice((-1, 0, 1))
    if change == 1:
        add_neuron(member.network, hidden, rng)
    elif change == -1 and topology[hidden] > 1:
        remove_neuron(member.network, hidden, rng.randrange(topology[hidden]))


def exploit(population: list[Member], rng: random.Random) -> list[Member]:
    """Truncation selection: the next population, its copies explored.

    Every member of the bottom fifth becomes a copy of one drawn uniformly from the top fifth. So
    does every member without finite fitness; where none has any, it is drawn afresh.
    """
    fitness = [member.log_fitness for member in population]
    ranking = sorted(range(len(population)), key=fitness.__getitem__, reverse=True)
    count = max(1, len(population) // 5)
    donors = [population[index] for index in ranking[:count] if fitness[index] > -inf]
    bottom = ranking[1:][-count:]  # Never the best, also where it is the only member.
    result = []
    for index, member in enumerate(population):
        if index not in bottom and fitness[index] > -inf:
            result.append(member)
        elif donors:
            copy = deepcopy(rng.choice(donors))
            explore(copy, rng)
            result.append(copy)
        else:
            topology = member.network.topology
            result.append(random_member(topology[0], topology[-1], rng))
    return result


def evolve(
    inputs: Rows,
    targets: Rows,
    train: Sequence[int],
    validation: Sequence[int],
    *,
    k: int,
    epochs: int,
    readiness: int,
    seed: int,
) -> Evolution:
    """Evolve a population of k members on the rows `train`, scored on the rows `validation`.

    The first population is scored before any training. Nothing is selected before the first
    generation nor after the last one, which is short where `readiness` does not divide `epochs`.
    """
    rng = random.Random(seed)
    population = [random_member(len(inputs[0]), len(targets[0]), rng) for _ in range(k)]
    best = most_accurate = deepcopy(population[0])
    lengths = [0, *(min(readiness, epochs - start) for start in range(0, epochs, readiness))]
    for generation, length in enumerate(lengths):
        if generation > 1:
            population = exploit(population, rng)
        orders = [rng.sample(train, len(train)) for _ in range(length)]
        for member in population:
            network = member.network
            rates = member.learning_rate, member.momentum, member.weight_decay
            for order in orders:
                train_epoch(network, inputs, targets, order, *rates)
            member.score = soft_accuracy(network, inputs, targets, validation)
            member.log_fitness = log_fitness(member.score, network.size)
            if member.log_fitness > best.log_fitness:
                best = deepcopy(member)
            if member.score > most_accurate.score:
                most_accurate = deepcopy(member)
    return Evolution(best, most_accurate, population)


def loop_seconds() -> float:
    """Time a tight loop of 10**7 additions of local variables: how fast Python is just now."""
    return timeit("for number in range(10**7): total += number", "total = 0", number=1)


def update_seconds(topology: Sequence[int], rows: int = 500) -> float:
    """Time one example-update: a row's forward pass, backward pass and update."""
    rng = random.Random(0)
    network = random_network(topology, rng)
    inputs = [[rng.random() for _ in range(topology[0])] for _ in range(rows)]
    targets = [[rng.random() for _ in range(topology[-1])] for _ in range(rows)]
    epoch = partial(train_epoch, network, inputs, targets, range(rows), 0.05, 0.5, 0.01)
    return timeit(epoch, number=1) / rows


if __name__ == "__main__":
    TOPOLOGY = [4, 10, 10, 10, 10, 3]
    rounds = [(loop_seconds(), update_seconds(TOPOLOGY)) for _ in range(15)]
    seconds, update = map(median, zip(*rounds))
    print(f"a loop of 10**7 additions: {seconds:.3f} s")
    print(f"an example-update on {TOPOLOGY}: {update * 1e6:.1f} µs")
    print(f"scaled to a loop of 0.5 s: {update * 1e6 * 0.5 / seconds:.1f} µs")
