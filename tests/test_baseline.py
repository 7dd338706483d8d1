"""Laws of the pure-Python baseline: what the Rust core is timed against must be right."""

from __future__ import annotations

import random
from copy import deepcopy
from itertools import pairwise
from math import exp, inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

import baseline
from baseline import Layer, Member, Network

seeds = st.integers(0, 2**32)
topologies = st.lists(st.integers(1, 5), min_size=3, max_size=6)

IDENTITY = [[float(unit == row) for unit in range(4)] for row in range(4)]
XOR_INPUTS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
XOR_TARGETS = [[0.0], [1.0], [1.0], [0.0]]


def row_loss(network: Network, row: list[float], target: list[float]) -> float:
    return 0.5 * sum(
        (t - o) ** 2 for t, o in zip(target, baseline.outputs(network, row), strict=True)
    )


def population_of(fitnesses: list[float], rng: random.Random) -> list[Member]:
    population = [baseline.random_member(3, 2, rng) for _ in fitnesses]
    for member, fitness in zip(population, fitnesses, strict=True):
        member.log_fitness = fitness
    return population


def shapes(layers: list[Layer]) -> list[list[int]]:
    return [[len(row) for row in layer] for layer in layers]


@given(topologies, seeds)
def test_random_network_is_within_its_bounds(topology: list[int], seed: int) -> None:
    network = baseline.random_network(topology, random.Random(seed))
    assert network.topology == topology
    assert network.size == sum(n * m for n, m in pairwise(topology))
    assert shapes(network.weights) == shapes(network.velocities)
    for n, layer in zip(topology, network.weights, strict=False):
        assert all(abs(w) <= n**-0.5 for row in layer for w in row)


@given(seeds)
def test_random_member_is_of_the_papers_space(seed: int) -> None:
    member = baseline.random_member(4, 3, random.Random(seed))
    first, *hidden, last = member.network.topology
    assert (first, last) == (4, 3)
    assert 1 <= len(hidden) <= 4
    assert all(2 <= units <= 10 for units in hidden)
    assert 1e-4 <= member.learning_rate <= 1e-1
    assert 0 <= member.momentum <= 0.9
    assert 0 <= member.weight_decay <= 0.1


def test_outputs_of_a_network_by_hand() -> None:
    # Two inputs, one hidden unit, one output; the last row of a layer holds the biases.
    network = Network([[[0.5], [-1.0], [0.25]], [[2.0], [-0.5]]], [])
    hidden = 1 / (1 + exp(-(0.5 * 3 - 1.0 * 2 + 0.25)))
    expected = 1 / (1 + exp(-(2.0 * hidden - 0.5)))
    assert baseline.outputs(network, [3.0, 2.0]) == pytest.approx([expected], rel=1e-14)


@pytest.mark.parametrize(("weight", "expected"), [(1e6, 1.0), (-750.0, 0.0), (-1e6, 0.0)])
def test_outputs_saturate_without_overflow(weight: float, expected: float) -> None:
    assert baseline.outputs(Network([[[weight], [0.0]]], []), [1.0]) == [expected]


@given(topologies, seeds)
def test_gradient_equals_central_differences(topology: list[int], seed: int) -> None:
    rng = random.Random(seed)
    network = baseline.random_network(topology, rng)
    row = [rng.uniform(-1, 1) for _ in range(topology[0])]
    target = [rng.random() for _ in range(topology[-1])]
    trained = deepcopy(network)
    baseline.train_epoch(trained, [row], [target], [0], 1.0, 0.0, 0.0)
    step = 1e-5
    for layer, trained_layer in zip(network.weights, trained.weights, strict=True):
        for weights, trained_weights in zip(layer, trained_layer, strict=True):
            for unit, weight in enumerate(weights):
                weights[unit] = weight + step
                above = row_loss(network, row, target)
                weights[unit] = weight - step
                below = row_loss(network, row, target)
                weights[unit] = weight
                gradient = weight - trained_weights[unit]
                assert gradient == pytest.approx((above - below) / (2 * step), abs=1e-8)


def test_momentum_and_decay_by_hand() -> None:
    eta, mu, decay = 0.5, 0.9, 0.1
    x, target = 2.0, 1.0
    network = Network([[[0.3], [-0.2]]], [[[0.0], [0.0]]])
    w, b, v_w, v_b = 0.3, -0.2, 0.0, 0.0
    for _ in range(2):
        o = 1 / (1 + exp(-(w * x + b)))
        g = (o - target) * o * (1 - o)
        v_w = mu * v_w - eta * g * x
        v_b = mu * v_b - eta * g
        w = (1 - eta * decay) * w + v_w
        b = (1 - eta * decay) * b + v_b
    baseline.train_epoch(network, [[x]], [[target]], [0, 0], eta, mu, decay)
    assert network.weights[0] == [pytest.approx([w]), pytest.approx([b])]
    assert network.velocities[0] == [pytest.approx([v_w]), pytest.approx([v_b])]


def test_rows_are_trained_in_the_given_order() -> None:
    network = baseline.random_network([2, 3, 1], random.Random(0))
    together, apart = deepcopy(network), deepcopy(network)
    baseline.train_epoch(together, XOR_INPUTS, XOR_TARGETS, [2, 0, 3], 0.5, 0.9, 0.01)
    for index in (2, 0, 3):
        baseline.train_epoch(apart, XOR_INPUTS, XOR_TARGETS, [index], 0.5, 0.9, 0.01)
    assert together == apart != network


@given(topologies, seeds, st.data())
def test_neuron_changes_keep_all_other_weights(
    topology: list[int], seed: int, data: st.DataObject
) -> None:
    rng = random.Random(seed)
    network = baseline.random_network(topology, rng)
    row, target = [0.5] * topology[0], [0.25] * topology[-1]
    baseline.train_epoch(network, [row], [target], [0], 0.1, 0.5, 0.1)
    hidden = data.draw(st.integers(1, len(topology) - 2))
    changed = deepcopy(network)

    baseline.add_neuron(changed, hidden, rng)
    units = topology[hidden]
    assert changed.topology == [*topology[:hidden], units + 1, *topology[hidden + 1 :]]
    assert shapes(changed.weights) == shapes(changed.velocities)
    incoming, outgoing = changed.weights[hidden - 1], changed.weights[hidden][units]
    assert all(abs(row[-1]) <= topology[hidden - 1] ** -0.5 for row in incoming)
    assert all(abs(weight) <= (units + 1) ** -0.5 for weight in outgoing)
    assert all(row[-1] == 0 for row in changed.velocities[hidden - 1])
    assert not any(changed.velocities[hidden][units])

    baseline.remove_neuron(changed, hidden, units)
    assert changed == network


def test_removing_a_silent_neuron_keeps_the_outputs() -> None:
    network = baseline.random_network([2, 3, 2], random.Random(0))
    network.weights[1][1] = [0.0, 0.0]
    before = baseline.outputs(network, [1.0, -1.0])
    baseline.remove_neuron(network, 1, 1)
    assert network.topology == [2, 2, 2]
    assert baseline.outputs(network, [1.0, -1.0]) == pytest.approx(before, rel=1e-14)


@given(seeds, st.floats(0, 0.99))
def test_explore_takes_the_papers_steps(seed: int, momentum: float) -> None:
    rng = random.Random(seed)
    member = baseline.random_member(3, 2, rng)
    for layer in range(1, len(member.network.topology) - 1):
        while member.network.topology[layer] > 1:
            baseline.remove_neuron(member.network, layer, 0)
    member.momentum = momentum
    before = deepcopy(member)
    baseline.explore(member, rng)
    for name in ("learning_rate", "momentum", "weight_decay"):
        limit = 0.99 if name == "momentum" else inf
        assert getattr(member, name) in [
            min(limit, getattr(before, name) * factor) for factor in (0.8, 1.2)
        ]
    # All layers had one unit, so none can shrink.
    assert sum(member.network.topology) - sum(before.network.topology) in (0, 1)
    assert min(member.network.topology[1:-1]) >= 1


def test_explore_gains_loses_and_stays_equally_often() -> None:
    rng = random.Random(0)
    counts = {-1: 0, 0: 0, 1: 0}
    for _ in range(3000):
        member = baseline.random_member(3, 2, rng)
        units = sum(member.network.topology)
        baseline.explore(member, rng)
        counts[sum(member.network.topology) - units] += 1
    assert all(900 <= count <= 1100 for count in counts.values())


def test_soft_accuracy_and_fitness_by_hand() -> None:
    # Zero weights: every output is one half.
    network = Network([[[0.0, 0.0], [0.0, 0.0]]], [])
    inputs, targets = [[1.0], [2.0], [3.0]], [[1.0, 0.0], [0.5, 0.5], [9.0, 9.0]]
    score = baseline.soft_accuracy(network, inputs, targets, [0, 1])
    assert score == pytest.approx((0.75 + 1.0) / 2)
    assert baseline.log_fitness(score, 42) == pytest.approx(log(1.09 ** (100 * score) / 1.02**42))
    assert baseline.log_fitness(nan, 42) == -inf


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40, unique=True), seeds)
def test_bottom_copies_top_and_the_others_stay(fitnesses: list[float], seed: int) -> None:
    rng = random.Random(seed)
    population = population_of(fitnesses, rng)
    before = deepcopy(population)
    count = max(1, int(0.2 * len(population)))
    ranked = sorted(fitnesses)
    bottom, top = ranked[:count] if len(ranked) > 1 else [], ranked[-count:]

    after = baseline.exploit(population, rng)
    assert population == before  # Donors are copied, never changed.
    for old, new in zip(before, after, strict=True):
        if old.log_fitness in bottom:
            donor = before[fitnesses.index(new.log_fitness)]
            assert donor.log_fitness in top
            assert new.network is not donor.network
            assert new.learning_rate != donor.learning_rate
            topology, donated = new.network.topology, donor.network.topology
            assert len(topology) == len(donated)
            assert abs(sum(topology) - sum(donated)) <= 1
        else:
            assert new == old


def test_members_without_finite_fitness_are_replaced() -> None:
    rng = random.Random(0)
    population = population_of([-inf, 1.0, -inf, -inf, -inf], rng)
    after = baseline.exploit(population, rng)
    assert [member.log_fitness for member in after] == [1.0] * 5
    population = population_of([-inf] * 5, rng)
    after = baseline.exploit(population, rng)
    assert all(new != old for new, old in zip(after, population, strict=True))


@pytest.mark.parametrize(
    ("epochs", "readiness", "expected"), [(0, 2, 0), (5, 5, 0), (5, 9, 0), (6, 2, 2), (7, 2, 3)]
)
def test_selection_only_between_generations(
    monkeypatch: pytest.MonkeyPatch, epochs: int, readiness: int, expected: int
) -> None:
    calls = []

    def keep(population: list[Member], rng: random.Random) -> list[Member]:
        calls.append(len(population))
        return population

    monkeypatch.setattr(baseline, "exploit", keep)
    rows = range(4)
    baseline.evolve(
        XOR_INPUTS, XOR_TARGETS, rows, rows, k=5, epochs=epochs, readiness=readiness, seed=0
    )
    assert calls == [5] * expected


def test_evolve_is_deterministic_by_seed() -> None:
    first, again, other = (
        baseline.evolve(
            XOR_INPUTS, XOR_TARGETS, range(4), range(4), k=6, epochs=7, readiness=2, seed=seed
        )
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_snapshots_are_the_best_ever_and_score_as_recorded() -> None:
    result = baseline.evolve(
        IDENTITY, IDENTITY, range(4), range(4), k=10, epochs=40, readiness=5, seed=3
    )
    for snapshot in (result.best, result.most_accurate):
        score = baseline.soft_accuracy(snapshot.network, IDENTITY, IDENTITY, range(4))
        assert snapshot.score == score
        assert snapshot.log_fitness == baseline.log_fitness(score, snapshot.network.size)
        assert all(snapshot is not member for member in result.population)
    for member in result.population:
        assert member.score <= result.most_accurate.score
        assert member.log_fitness <= result.best.log_fitness


def test_train_epoch_learns_xor() -> None:
    rng = random.Random(1)
    network = baseline.random_network([2, 4, 1], rng)
    for _ in range(2000):
        order = rng.sample(range(4), 4)
        baseline.train_epoch(network, XOR_INPUTS, XOR_TARGETS, order, 0.5, 0.9, 0.0)
    assert baseline.soft_accuracy(network, XOR_INPUTS, XOR_TARGETS, range(4)) > 0.99


def test_evolve_learns_identity() -> None:
    result = baseline.evolve(
        IDENTITY, IDENTITY, range(4), range(4), k=10, epochs=600, readiness=100, seed=0
    )
    predictions = [baseline.outputs(result.most_accurate.network, row) for row in IDENTITY]
    assert [row.index(max(row)) for row in predictions] == [0, 1, 2, 3]
