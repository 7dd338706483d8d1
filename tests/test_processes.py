"""Runs beside runs: threads, forks, spawned processes."""

import multiprocessing
import os
import signal
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import apbt_rs

X, Y = apbt_rs.datasets.load_iris()
METHODS = multiprocessing.get_all_start_methods()
TASKS = Path("/proc/self/task")  # this process's threads
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


@pytest.mark.skipif("fork" not in METHODS or sys.platform == "darwin", reason="needs fork")
def test_a_fork_predicts_numbers_and_is_warned_of_polars_threads() -> None:
    network = apbt_rs.run(X, Y, k=10, epochs=20, seed=0, progress=False).chosen
    before = list(network.predict(X))
    tables = [X, X.to_numpy(), X.to_dict(as_series=False)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(30)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            good = [list(network.predict(one)) == before for one in tables]
        once = [str(one.message) for one in told if "this process was forked" in str(one.message)]
        os._exit(0 if all(good) and len(once) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif("fork" not in METHODS or sys.platform == "darwin", reason="needs fork")
def test_a_fork_while_another_thread_trains_is_no_deadlock() -> None:
    busy, other = (apbt_rs.evolve(X, Y, k=40, epochs=10_000, seed=seed) for seed in (0, 1))
    next(busy), next(other)
    with ThreadPoolExecutor(1) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        training = pool.submit(busy._core.train, 2_000)
        children = []
        for _ in range(10):
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                other._core.train(2)
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
        assert training.result(timeout=120)


def threads() -> tuple[int, int]:
    """How many threads runs here take, and how many of the package's there are in this process."""
    run = apbt_rs.evolve(X, Y, k=10, epochs=20, seed=0)
    next(run)
    result = run.finish()
    result.chosen.core.outputs(np.zeros((100_000, 4), np.float32))
    settings: Any = run._settings
    return int(settings.threads()), running()


def running() -> int:
    """How many of the package's threads there are in this process."""
    names = [path.read_text() for path in TASKS.glob("*/comm")]
    return sum(name.startswith("apbt-rs-") for name in names)


def test_workers_of_joblib_share_the_processors() -> None:
    counts = joblib.Parallel(n_jobs=2)(joblib.delayed(threads)() for _ in range(2))
    share = max(1, (os.cpu_count() or 1) // 2)
    assert [asked for asked, _ in counts] == [share] * 2
    if sys.platform == "linux":
        assert all(1 <= there <= share for _, there in counts)


def five_at_once(count: int) -> int:
    """How many of the package's threads there are when five runs have begun to work."""
    runs = [apbt_rs.evolve(X, Y, k=10, epochs=20, seed=seed, n_jobs=count) for seed in range(5)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(next, runs))
    return running()


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_runs_at_once_take_no_more_threads_than_one() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(five_at_once, 3).result(timeout=120) == 3
