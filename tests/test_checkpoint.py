"""Checkpoints: going on from one is as if the run had never stopped."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import apbt_rs
from apbt_rs import _checkpoint

X, Y = apbt_rs.datasets.load_iris()
QUICK: dict[str, Any] = {"k": 10, "epochs": 30, "readiness": 5, "seed": 0, "progress": False}


def same(a: apbt_rs.Result, b: apbt_rs.Result) -> bool:
    pairs = list(zip(a._networks(), b._networks(), strict=True))
    equal = (np.array_equal(x.core.parameters, y.core.parameters) for (_, x), (_, y) in pairs)
    scores = all(x.test_score == y.test_score for (_, x), (_, y) in pairs)
    return a.history.equals(b.history) and all(equal) and scores and a.rule == b.rule


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.checkpoint"


class StopHereError(Exception):
    pass


@settings(max_examples=20)
@given(
    k=st.integers(2, 12),
    readiness=st.integers(1, 7),
    epochs=st.integers(1, 30),
    more=st.integers(0, 15),
    stop=st.integers(0, 8),
    interval=st.sampled_from([0.0, 1e9]),
    weighted=st.booleans(),
    test=st.sampled_from([None, 0.2]),
)
def test_resuming_equals_never_having_stopped(
    k: int,
    readiness: int,
    epochs: int,
    more: int,
    stop: int,
    interval: float,
    weighted: bool,
    test: float | None,
) -> None:
    def interrupt(_: apbt_rs.Evolution, generation: apbt_rs.Generation) -> None:
        if generation.number == stop:
            raise StopHereError

    weights = np.linspace(1, 2, 150) if weighted else None
    arguments: dict[str, Any] = {**QUICK, "k": k, "readiness": readiness, "test": test}
    arguments["sample_weight"] = weights
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(_checkpoint, "INTERVAL", interval)
        at = Path(folder) / "checkpoint"
        with contextlib.suppress(StopHereError):
            first = arguments | {"epochs": epochs, "checkpoint": at}
            apbt_rs.run(X, Y, **first, callbacks=[interrupt])
        found = apbt_rs.resume(at, epochs=epochs + more, progress=False, n_jobs=1)
        # The checkpoint was kept up to date meanwhile, and is read once more.
        again = apbt_rs.resume(at, epochs=epochs + more, progress=False)
    whole = apbt_rs.run(X, Y, **arguments | {"epochs": epochs + more})
    assert same(found, whole)
    assert same(again, whole)


CHILD = """
import sys, apbt_rs
from apbt_rs import _checkpoint
_checkpoint.INTERVAL = 0.0
X, y = apbt_rs.datasets.load_iris()
print("go", flush=True)
apbt_rs.run(X, y, k=20, epochs=1500, readiness=5, seed=3, progress=False, checkpoint=sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is not of Windows")
def test_kills_leave_what_can_be_resumed(tmp_path: Path) -> None:
    """As many as APBT_RS_KILLS says."""
    whole = apbt_rs.run(X, Y, k=20, epochs=1500, readiness=5, seed=3, progress=False)
    draw = random.Random(0)
    for kill in range(int(os.environ.get("APBT_RS_KILLS", "3"))):
        at = tmp_path / str(kill)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(at)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
        time.sleep(draw.uniform(0.02, 1.5))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        if at.exists():  # else it was killed before anything was scored
            assert same(apbt_rs.resume(at, progress=False), whole)


def test_a_metric_of_ones_own_is_given_again_and_checked_by_name(path: Path) -> None:
    def hits(y_true: Any, y_pred: Any) -> float:
        return float((y_true == y_pred).mean())

    def other(y_true: Any, y_pred: Any) -> float:
        return 0.0

    whole = apbt_rs.run(X, Y, **QUICK, metric=hits, checkpoint=path)
    with pytest.raises(ValueError, match=r"metric: .*'hits'.* give it"):
        apbt_rs.resume(path)
    with pytest.raises(ValueError, match=r"metric='other'.*'hits'"):
        apbt_rs.resume(path, metric=other)
    assert same(apbt_rs.resume(path, metric=hits, progress=False), whole)


def test_refusals(path: Path) -> None:
    with pytest.raises(TypeError, match="checkpoint=3: expected a path"):
        apbt_rs.run(X, Y, **QUICK, checkpoint=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        apbt_rs.run(X, Y, **QUICK, checkpoint=path.parent / "nowhere" / "run")
    with pytest.raises(ValueError, match="no checkpoint is there"):
        apbt_rs.resume(path)
    apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    with pytest.raises(ValueError, match=r"is there already: go on with apbt_rs\.resume"):
        apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    with pytest.raises(ValueError, match="epochs=10: the checkpoint has 30 already"):
        apbt_rs.resume(path, epochs=10)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_stops_nothing_but_the_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_checkpoint, "INTERVAL", 0.0)

    def fill(_: apbt_rs.Evolution, generation: apbt_rs.Generation) -> None:
        if generation.number == 2:
            (path / "history").rename(path / "kept")
            (path / "history").symlink_to("/dev/full")
        if generation.number == 4:
            (path / "history").unlink()
            (path / "kept").rename(path / "history")

    words = r"checkpoint .* could not be written: .*the run goes"
    with pytest.warns(RuntimeWarning, match=words) as caught:
        whole = apbt_rs.run(X, Y, **QUICK, checkpoint=path, callbacks=[fill])
    assert caught[0].filename == __file__
    assert same(whole, apbt_rs.run(X, Y, **QUICK))
    # As soon as there is room again, all of it is written.
    assert same(apbt_rs.resume(path, progress=False), whole)


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_give_clean_errors(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    if not path.exists():
        apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    name = data.draw(st.sampled_from(["run", "history", "state"]))
    kept = (path / name).read_bytes()
    changed = bytearray(kept)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] ^= data.draw(st.integers(1, 255))
    changed = changed[: data.draw(st.sampled_from([len(changed), len(changed) // 2, 40]))]
    if bytes(changed) == kept:
        return
    try:
        (path / name).write_bytes(changed)
        with pytest.raises(ValueError, match=r"damaged|format|history|state|run|apbt-rs"):
            apbt_rs.resume(path, progress=False)
    finally:
        (path / name).write_bytes(kept)


@settings(max_examples=100)
@given(data=st.data())
def test_hostile_parts_with_right_hashes_give_clean_errors(data: st.DataObject) -> None:
    """The core's own readers: whatever the bytes, a value that fits or a ValueError."""
    core = apbt_rs.evolve(X, Y, **QUICK)._core
    core.score()
    parts = [core.run_to_bytes(), core.state_to_bytes(), core.history_to_bytes(0)]
    which = data.draw(st.integers(0, 2))
    changed = bytearray(parts[which])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(changed) - 1, 4000)))
        changed[place] = data.draw(st.integers(0, 255))
    parts[which] = bytes(changed)
    try:
        found = apbt_rs._core.Evolution.from_parts(parts[0], parts[1], [parts[2]], 1)
    except ValueError:
        return
    found.apply(found.plan())
    found.history(0)


def test_numbers_of_numpy_are_kept(path: Path) -> None:
    numbers = {"k": np.int64(10), "epochs": np.int32(30), "patience": np.uint8(50)}
    numbers |= {"readiness": np.int64(5), "seed": np.uint64(0)}
    whole = apbt_rs.run(X, Y, **QUICK | numbers, checkpoint=path)
    assert same(apbt_rs.resume(path, progress=False), whole)
    assert same(whole, apbt_rs.run(X, Y, **QUICK))


def test_a_run_without_a_checkpoint_warns_of_nothing(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apbt_rs.run(X, Y, **QUICK)


def test_a_state_goes_with_its_own_run_alone(path: Path) -> None:
    other = path.parent / "other"
    apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    apbt_rs.run(X.reverse(), Y.reverse(), **QUICK, checkpoint=other)
    for name in ("state", "history"):
        (other / name).write_bytes((path / name).read_bytes())
    with pytest.raises(ValueError, match="state: is of another run"):
        apbt_rs.resume(other, progress=False)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("epochs", 0), ("time_limit", -1), ("n_jobs", 0), ("metric", "acc")],
)
def test_wrong_arguments_are_not_the_files_fault(path: Path, argument: str, value: Any) -> None:
    apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    with pytest.raises(ValueError, match=rf"^{argument}={value!r}[: ]"):
        apbt_rs.resume(path, **{argument: value})


def test_paths_that_no_checkpoint_can_have(path: Path) -> None:
    with pytest.raises(TypeError, match="path=3: expected"):
        apbt_rs.resume(3)  # type: ignore[arg-type]
    for start in (lambda at: apbt_rs.run(X, Y, **QUICK, checkpoint=at), apbt_rs.resume):
        for name in ("a\0b", "a" * 300):
            with pytest.raises(ValueError, match=r"^(checkpoint|path)='a"):
                start(name)
    apbt_rs.run(X, Y, **QUICK, checkpoint=path)
    (path / "run").unlink()
    (path / "run").mkdir()
    with pytest.raises(ValueError, match=r"^path=.*run.* cannot be read"):
        apbt_rs.resume(path)
