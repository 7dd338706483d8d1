"""One run at a time goes on with a checkpoint, and a lock never outlives its owner."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import apbt_rs
from apbt_rs import _checkpoint
from apbt_rs._lock import Lock, TakenError

X, Y = apbt_rs.datasets.load_iris()
QUICK: dict[str, Any] = {"k": 10, "epochs": 30, "readiness": 5, "seed": 0, "progress": False}
HOLDER = """
import sys, apbt_rs
def wait(evolution, generation):
    print("in", flush=True)
    sys.stdin.readline()
apbt_rs.resume(sys.argv[1], epochs=60, progress=False, callbacks=[wait])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    return path


def contents(path: Path) -> list[bytes]:
    return [(path / name).read_bytes() for name in ("run", "history", "state")]


def test_a_second_process_is_refused_until_the_first_is_gone(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        before = contents(path)
        for _ in range(2):  # being refused gives nobody's lock away
            with pytest.raises(ValueError, match=r"another run is writing there: wait"):
                apbt_rs.resume(path, epochs=60)
        assert contents(path) == before
        holder.kill()
    whole = apbt_rs.run(X, Y, **QUICK | {"epochs": 60})
    assert apbt_rs.resume(path, epochs=60, progress=False).history.equals(whole.history)


def test_a_run_gone_through_by_hand_keeps_nobody_out(tmp_path: Path) -> None:
    whole = apbt_rs.run(X, Y, **QUICK | {"epochs": 60})
    every: list[dict[str, Any]] = [{}, {"time_limit": 1e-9}, {"patience": 1}]
    for number, limits in enumerate(every):
        path = tmp_path / str(number)
        evolution = apbt_rs.evolve(X, Y, **QUICK | limits, checkpoint=path)
        for _ in evolution:
            pass
        apbt_rs.resume(path, epochs=30, progress=False)
    evolution = apbt_rs.evolve(X, Y, **QUICK, checkpoint=tmp_path / "left")
    next(evolution)
    evolution.result()  # who breaks off and asks for the result is done, as far as we know
    long = apbt_rs.resume(tmp_path / "left", epochs=60, progress=False)
    assert long.history.equals(whole.history)


def test_many_at_once_leave_a_sound_checkpoint(path: Path) -> None:
    program = (
        "import sys, apbt_rs; from apbt_rs import _checkpoint; _checkpoint.INTERVAL = 0\n"
        "apbt_rs.resume(sys.argv[1], epochs=300, progress=False, n_jobs=1)"
    )
    command = [sys.executable, "-c", program, str(path)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    outcomes = [(child.communicate()[1], child.returncode) for child in children]
    assert any(code == 0 for _, code in outcomes)
    assert all(code == 0 or "another run is writing" in error for error, code in outcomes)
    found = apbt_rs.resume(path, epochs=300, progress=False)
    assert found.history.equals(apbt_rs.run(X, Y, **QUICK | {"epochs": 300}).history)


def test_a_run_that_ended_or_failed_keeps_nobody_out(path: Path) -> None:
    def fail(evolution: apbt_rs.Evolution, generation: apbt_rs.Generation) -> None:
        raise LookupError

    with pytest.raises(LookupError) as kept:  # with its frames, as notebooks keep them
        apbt_rs.resume(path, epochs=40, progress=False, callbacks=[fail])
    with pytest.raises(ValueError, match="the checkpoint has"):
        apbt_rs.resume(path, epochs=1)
    apbt_rs.resume(path, epochs=50, progress=False)
    assert kept.value is not None


def test_an_evolution_keeps_the_folder_until_its_end(tmp_path: Path) -> None:
    path = tmp_path / "run"
    evolution = apbt_rs.evolve(X, Y, **QUICK, checkpoint=path)
    next(evolution)
    with pytest.raises(ValueError, match="another run is writing there"):
        apbt_rs.resume(path)
    for _ in evolution:
        pass
    assert apbt_rs.resume(path, progress=False).history.equals(evolution.history)


def test_who_comes_back_after_others_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)
    path = tmp_path / "run"
    first = apbt_rs.evolve(X, Y, **QUICK, checkpoint=path)
    next(first)
    copy = pickle.loads(pickle.dumps(first))
    del first
    longer = apbt_rs.resume(path, epochs=60, progress=False)
    before = contents(path)
    words = "another run has gone on with it; the run goes on"
    with pytest.warns(RuntimeWarning, match=words) as caught:
        result = copy.finish()
    assert caught[0].filename == __file__
    assert contents(path) == before
    assert result.history.equals(longer.history[: result.history.height])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_neither_keeps_the_lock_nor_gives_it_away(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        lock.release()
        os.write(ready[1], b"!")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(TakenError):
        Lock(tmp_path)
    other = os.fork()
    if other == 0:  # has the lock's file, too, and lives on
        signal.alarm(30)
        os.read(go[0], 1)
        os._exit(0)
    lock.release()
    Lock(tmp_path).release()
    os.write(go[1], b"!!")
    assert os.waitpid(child, 0)[1] == os.waitpid(other, 0)[1] == 0
    for file in (*ready, *go):
        os.close(file)


def test_where_no_lock_can_be_nobody_is_kept_out(path: Path, tmp_path: Path) -> None:
    (path / "lock").unlink()
    (path / "lock").mkdir()
    found = apbt_rs.resume(path, epochs=40, progress=False)
    assert found.history["epoch"].max() == 40
    assert np.isfinite(found.chosen.validation_loss)
