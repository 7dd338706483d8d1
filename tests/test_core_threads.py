"""The core in threads, without the package: what holds where there is no interpreter lock.

The package's `__init__` imports polars, of which there need not be one for a free-threaded Python.
So the extension module is loaded by itself here, and nothing but NumPy is needed; `--noconftest`
spares hypothesis, too.
"""

import importlib.machinery
import importlib.util
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROWS = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
TARGETS = (ROWS.sum(axis=1, keepdims=True) > 0).astype(np.float32)
THREADS = 6


@pytest.fixture(scope="module")
def core() -> Any:
    """The extension module, found as imports find it, but without importing its package."""
    if "apbt_rs._core" in sys.modules:
        return sys.modules["apbt_rs._core"]
    package = importlib.util.find_spec("apbt_rs")
    assert package is not None
    assert package.submodule_search_locations is not None
    suffixes = importlib.machinery.EXTENSION_SUFFIXES
    found = [
        path
        for folder in package.submodule_search_locations
        for path in Path(folder).glob("_core*")
        if any(path.name == f"_core{suffix}" for suffix in suffixes)
    ]
    spec = importlib.util.spec_from_file_location("apbt_rs._core", found[0])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evolution(core: Any, seed: int) -> Any:
    table = core.Table(*ROWS.shape)
    table.write(0, 0, ROWS)
    domain = core.Domain
    space = {
        "hidden_layers": domain.range((0.0, 2.0), (0.0, 2.0), "linear", True),
        "hidden_units": domain.range((1.0, 8.0), (1.0, 8.0), "linear", True),
        "density": domain.fixed(1.0),
        "learning_rate": domain.range((1e-3, 0.3), (1e-5, 1.0), "log", False),
        "momentum": domain.fixed(0.5),
        "weight_decay": domain.fixed(0.0),
        "batch_size": domain.fixed(4.0),
        "optimizer": domain.choices([0.0, 1.0], False),
    }
    rows = np.arange(120, dtype=np.uint32)
    return core.Evolution(
        *(table, TARGETS),
        task="classification",
        output="sigmoid",
        loss="cross_entropy",
        decay_biases=False,
        target_scale=[1.0],
        sample_weight=None,
        train=rows[rows % 3 > 0],
        validation=rows[rows % 3 == 0],
        seed=seed,
        k=8,
        space=space,
        activations=["tanh", "relu"],
        metric="accuracy",
        anchors=None,
        score_base=1.09,
        size_base=1.02,
        n_jobs=2,
    )


def evolved(core: Any, seed: int) -> bytes:
    run = evolution(core, seed)
    run.score()
    for _ in range(3):
        run.apply(run.plan())
        run.train(4)
        run.score()
    return bytes(run.state_to_bytes())


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """What `work` gives in threads that all begin at once."""
    outcomes: list[Any] = [None] * THREADS
    barrier = threading.Barrier(THREADS)

    def go(place: int) -> None:
        barrier.wait()
        outcomes[place] = work(place)

    threads = [threading.Thread(target=go, args=(place,), daemon=True) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive(), "a deadlock"
    return outcomes


def test_importing_the_core_leaves_the_interpreter_lock_off(core: Any) -> None:
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert not sys._is_gil_enabled()  # type: ignore[attr-defined,unused-ignore]
    assert core.__version__


def test_runs_in_threads_give_the_bits_of_runs_alone(core: Any) -> None:
    alone = [evolved(core, seed) for seed in range(THREADS)]
    assert in_threads(lambda place: evolved(core, place)) == alone


def test_threads_share_a_network(core: Any) -> None:
    run = evolution(core, 0)
    run.score()
    network = run.best().network
    tall = np.tile(ROWS, (200, 1))
    expected = network.outputs(tall)
    found = in_threads(lambda _: [network.outputs(tall) for _ in range(5)])
    assert all(np.array_equal(one, expected) for several in found for one in several)


def test_a_run_that_threads_share_is_worked_on_by_one_at_a_time(core: Any) -> None:
    """Who comes while another is at it gets an error; nothing is trained twice or by halves."""
    run = evolution(core, 0)
    run.score()
    run.apply(run.plan())

    def train(_: int) -> int:
        done = 0
        for _ in range(10):
            try:
                run.train(1)
            except RuntimeError as error:
                assert "borrowed" in str(error)  # noqa: PT017
            else:
                done += 1
        return done

    epochs = sum(in_threads(train))
    assert epochs >= 1
    run.score()
    other = evolution(core, 0)
    other.score()
    other.apply(other.plan())
    other.train(epochs)
    other.score()
    assert run.state_to_bytes() == other.state_to_bytes()
