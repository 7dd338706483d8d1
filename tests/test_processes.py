"""Runs beside runs: threads, forks, spawned processes."""

import multiprocessing
import os
import signal
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
import pytest

import apbt_rs

X, Y = apbt_rs.datasets.load_iris()
METHODS = multiprocessing.get_all_start_methods()
TALL = np.tile(X.to_numpy(), (100, 1))  # more rows than one thread predicts


def work(seed: int) -> tuple[list[float], int]:
    result = apbt_rs.run(X, Y, k=10, epochs=20, seed=seed, progress=False)
    named = result.chosen.predict(dict(zip(X.columns, TALL.T, strict=True)))
    return result.history["log_fitness"].to_list(), len(list(named))


@pytest.fixture(scope="module")
def alone() -> list[tuple[list[float], int]]:
    return [work(seed) for seed in range(4)]


def test_two_runs_at_once_in_threads(alone: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == alone


@pytest.mark.parametrize("method", sorted({*METHODS} - {"fork"}))
def test_processes(method: str, alone: Any) -> None:
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(work, range(4), timeout=120)) == alone


@pytest.mark.skipif("fork" not in METHODS or sys.platform == "darwin", reason="needs fork")
def test_the_core_works_on_in_a_fork() -> None:
    """Polars does not: its threads are gone, and whoever asks it waits for ever."""
    core = apbt_rs.evolve(X, Y, k=10, epochs=20, seed=0)._core
    core.score()
    best = core.best()
    assert best is not None
    network, tall = best.network, np.ascontiguousarray(TALL, np.float32)
    before = network.outputs(tall)
    with warnings.catch_warnings():
        # Python 3.12 warns of forks where there are threads; that they work is the point here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(30)
        core.train(3)
        core.score()
        os._exit(0 if np.array_equal(network.outputs(tall), before) else 1)
    assert os.waitpid(child, 0)[1] == 0


def threads() -> int:
    apbt_rs.run(X, Y, k=10, epochs=20, seed=0, progress=False)
    settings: Any = apbt_rs.evolve(X, Y, k=10, epochs=20, seed=0)._settings
    return int(settings.threads())


def test_workers_of_joblib_share_the_processors() -> None:
    counts = joblib.Parallel(n_jobs=2)(joblib.delayed(threads)() for _ in range(2))
    assert counts == [max(1, (os.cpu_count() or 1) // 2)] * 2
