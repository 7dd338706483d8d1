"""Laws of whole runs, from tables to results and files."""

import _thread
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score

import apbt_rs
from apbt_rs import _cli, paper
from apbt_rs._frames import HISTORY
from apbt_rs._values import MOST_ENCODED

X, Y = apbt_rs.datasets.load_iris()
QUICK: dict[str, Any] = {"k": 10, "epochs": 30, "readiness": 5, "seed": 0, "progress": False}


def quick(**changes: Any) -> apbt_rs.Result:
    arguments = {"X": X, "y": Y, **QUICK, **changes}
    return apbt_rs.run(arguments.pop("X"), arguments.pop("y"), **arguments)


@pytest.fixture(scope="module")
def result() -> apbt_rs.Result:
    return quick(k=20, epochs=60, test=0.2)


def same(a: apbt_rs.Result, b: apbt_rs.Result) -> bool:
    pairs = zip(a._networks(), b._networks(), strict=True)
    equal = (
        np.array_equal(one.core.parameters, other.core.parameters) for (_, one), (_, other) in pairs
    )
    return a.history.equals(b.history) and all(equal)


@pytest.mark.parametrize("n_jobs", [2, 4])
def test_threads_change_no_bit(n_jobs: int) -> None:
    assert same(quick(n_jobs=1), quick(n_jobs=n_jobs))
    assert same(quick(n_jobs=1), quick(n_jobs=-1))  # one for each processor


def test_a_drawn_seed_is_recorded_and_repeats_the_run() -> None:
    first = quick(seed=None)
    assert same(first, quick(seed=first.seed))
    assert not same(first, quick(seed=first.seed ^ 1))


def test_test_rows_take_no_part() -> None:
    rows = np.arange(0, 150, 5)
    changed = X.with_columns(
        pl.when(pl.int_range(150).is_in(rows)).then(-pl.all()).otherwise(pl.all())
    )
    assert quick(test=rows).history.equals(quick(X=changed, test=rows).history)


TESTED = np.arange(0, 100, 5)
MIXED = pl.DataFrame(
    {
        "x": np.arange(100.0) % 7,
        "holed": [None if i % 9 == 1 else float(i % 11) for i in range(100)],
        "town": ["Ulm", "Bonn", "Köln"] * 33 + ["Ulm"],
        "month": [1 + i % 4 for i in range(100)],
        "key": [f"key {i}" for i in range(100)],
        "gone": pl.Series([None] * 100, dtype=pl.String),
    }
)
REPLACED: dict[str, Any] = {
    "x": st.none() | st.floats(-1e3, 1e3),
    "holed": st.none() | st.floats(-1e3, 1e3),
    "town": st.sampled_from([None, "Ulm", "Bonn", "Köln", "Jena"]),
    "month": st.integers(0, 5),
    "key": st.sampled_from(["key 1", None]),
    "gone": st.sampled_from(["here", None]),
    "y": st.sampled_from([0, 1]),
}


@pytest.mark.filterwarnings("ignore:column '(key|gone)' of X is left out")
@pytest.mark.parametrize("unknown", ["error", "ignore"])
def test_what_test_rows_hold_is_never_learned_and_is_refused_where_predict_refuses_it(
    unknown: str,
) -> None:
    arguments: dict[str, Any] = {"k": 4, "epochs": 2, "seed": 0, "progress": False}
    arguments["encoding"] = {
        "town": {"operation": "one_hot", "handle_unknown": unknown},
        "month": "one_hot",
    }
    whole = MIXED.with_columns(y=pl.Series([0, 1] * 50))
    expected = apbt_rs.run(whole.drop("y"), whole["y"], test=TESTED, **arguments)

    @settings(max_examples=60)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        changed = whole
        for name in data.draw(st.sets(st.sampled_from(list(REPLACED)), min_size=1)):
            values = whole[name].to_list()
            for row in data.draw(st.sets(st.sampled_from(TESTED.tolist()), max_size=4)):
                values[row] = data.draw(REPLACED[name])
            changed = changed.with_columns(pl.Series(name, values, dtype=whole[name].dtype))
        try:
            expected.predict(changed[TESTED])
        except ValueError as refusal:
            about = str(refusal).partition(" of X ")[0]
            with pytest.raises(ValueError, match=about):
                apbt_rs.evolve(changed.drop("y"), changed["y"], test=TESTED, **arguments)
            return
        found = apbt_rs.run(changed.drop("y"), changed["y"], test=TESTED, **arguments)
        assert same(found, expected)
        assert found.chosen.encoder == expected.chosen.encoder
        score = found.chosen.score(changed[TESTED], changed["y"][TESTED])
        assert found.chosen.test_score == score

    law()


def test_inputs_as_large_as_may_be_overflow_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 3))
    largest = np.sign(rows) * MOST_ENCODED / 2
    for activation in ("relu", "tanh", "sigmoid"):
        for y in (rows[:, 0] > rows[:, 1], rows.sum(axis=1)):
            space = {"activation": activation, "hidden_layers": 4, "hidden_units": 10}
            found = quick(X=rows, y=y, space=space)
            for _, one in found._networks():
                standardize = [op.to_dict() for op in one.encoder.columns]
                scale, mean = (np.array([op[of] for op in standardize]) for of in ("scale", "mean"))
                inputs = one.encoder.transform(largest * scale + mean)
                assert np.abs(inputs).min() > MOST_ENCODED / 3
                assert np.isfinite(one.core.outputs(inputs)).all()
            # Training as well: some networks are lost, but not all.
            as_is = dict.fromkeys(["column_0", "column_1", "column_2"], "as_is")
            found = quick(X=largest, y=y, encoding=as_is, space={"activation": activation})
            assert np.isfinite(found.chosen.core.outputs(largest.astype(np.float32))).all()


def test_test_score_is_the_metric_on_the_test_rows() -> None:
    rows = np.arange(0, 150, 5)
    network = quick(test=rows).chosen
    predicted = network.predict(X[rows])
    assert network.test_score == pytest.approx(accuracy_score(Y[rows], predicted))
    assert network.test_score == network.score(X[rows], Y[rows])


def test_equal_weights_are_no_weights() -> None:
    assert same(quick(), quick(sample_weight=[3.0] * 150))


def test_several_targets_and_r2() -> None:
    y = X.select("petal_length", "petal_width")
    found = quick(X=X[:, :2], y=y, k=20, epochs=100, test=np.arange(0, 150, 3))
    rows = np.arange(0, 150, 3)
    predicted = found.chosen.predict(X[rows, :2])
    assert isinstance(predicted, pl.DataFrame)
    assert predicted.columns == y.columns
    expected = r2_score(y[rows].to_numpy(), predicted.to_numpy())
    assert found.chosen.test_score == pytest.approx(expected, abs=1e-5)
    assert expected > 0.5


def test_a_metric_of_the_users_own() -> None:
    rows = np.arange(0, 150, 4)
    own = apbt_rs.metric(balanced_accuracy_score, constant=1 / 3, perfect=1)
    found = quick(metric=own, validation=rows)
    expected = balanced_accuracy_score(Y[rows], found.best.predict(X[rows]))
    assert found.best.validation_score == pytest.approx(expected)


def test_a_pruned_start_prunes() -> None:
    found = quick(space={"density": 0.5, "hidden_layers": 1, "hidden_units": 6})
    born = found.history.filter(generation=0)
    assert (born["size"] < 42).all()
    core = found.chosen.core
    assert not core.parameters[~core.mask].any()
    assert found.chosen.size == core.mask.sum() - sum(found.chosen.topology[1:])


def test_history_is_a_forest_of_lineages() -> None:
    history = paper.run("tennis", k=15, epochs=60, readiness=10, seed=1, progress=False).history
    assert dict(history.schema) == HISTORY
    assert (history["parent"].is_null() == (history["event"] == "born")).all()
    rates = history["learning_rate"].to_list()
    for row in history.iter_rows(named=True):
        at = row["generation"] * 15 + row["member"]
        if row["event"] == "born":
            continue
        before = rates[(row["generation"] - 1) * 15 + row["parent"]]
        if row["event"] == "kept":
            assert row["parent"] == row["member"]
            assert rates[at] == before
        else:
            assert rates[at] in (before * 0.8, before * 1.2)


def test_readiness_of_all_epochs_copies_nothing() -> None:
    history = quick(readiness=30).history
    assert set(history["event"].cast(pl.String)) == {"born", "kept"}


@settings(max_examples=8)
@given(st.integers(0, 6))
def test_a_pickled_run_goes_on_as_if_never_stopped(cut: int) -> None:
    evolution = apbt_rs.evolve(X, Y, **QUICK)
    for _ in range(cut):
        next(evolution)
    assert same(pickle.loads(pickle.dumps(evolution)).finish(), quick())


def test_champions_and_front_against_the_whole_history(result: apbt_rs.Result) -> None:
    history = result.history
    assert result.best.log_fitness == history["log_fitness"].max()
    assert result.most_accurate.validation_score == history["validation_score"].max()
    scored = history.select("size", "validation_score").drop_nulls().unique().rows()
    front = [
        (size, score)
        for size, score in scored
        if not any((s <= size and v >= score) and (s, v) != (size, score) for s, v in scored)
    ]
    assert sorted(front) == [(one.size, one.validation_score) for one in result.front]


def test_a_schedule_is_the_lineage(result: apbt_rs.Result) -> None:
    for _, network in result._networks():
        schedule = network.schedule()
        assert schedule["generation"].to_list() == list(range(network.generation + 1))
        assert schedule["member"][-1] == network.member
        assert schedule["learning_rate"][-1] == network.hyperparameters["learning_rate"]
        assert (schedule["parent"][1:] == schedule["member"][:-1]).all()


def test_permuting_rows_permutes_predictions(result: apbt_rs.Result) -> None:
    order = np.random.default_rng(0).permutation(150)
    whole = result.chosen.predict_proba(X)
    assert np.array_equal(result.chosen.predict_proba(X[order]), whole[order])
    assert np.array_equal(result.chosen.predict_proba(X[7:8]), whole[7:8])


def test_outputs_equal_a_plain_forward_pass(result: apbt_rs.Result) -> None:
    network = result.most_accurate
    values = network.encoder.transform(X).astype(np.float64)
    for (weights, biases), activation in zip(network.layers(), network.activations, strict=True):
        values = values @ weights + biases
        if activation == "tanh":
            values = np.tanh(values)
        elif activation == "relu":
            values = np.maximum(values, 0)
    values = np.exp(values - values.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    assert np.allclose(network.predict_proba(X), values, atol=1e-5)


def test_saved_and_pickled_results_are_equal(result: apbt_rs.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "run")
    result.chosen.save(tmp_path / "net")
    loaded, network = apbt_rs.load(tmp_path / "run"), apbt_rs.load(tmp_path / "net")
    assert isinstance(loaded, apbt_rs.Result)
    assert isinstance(network, apbt_rs.Network)
    assert same(result, loaded)
    assert same(result, pickle.loads(pickle.dumps(result)))
    assert network.predict(X).equals(result.chosen.predict(X))  # type: ignore[arg-type]
    assert network.schedule().equals(result.chosen.schedule())
    assert repr(loaded) == repr(result)


def test_any_changed_byte_is_an_error(
    result: apbt_rs.Result, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "changed"
    result.chosen.save(path)
    network = path.read_bytes()
    result.save(path)
    saved = [network, path.read_bytes()]

    @settings(max_examples=300)
    @given(st.sampled_from(saved), st.data())
    def law(original: bytes, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(original) - 1))
        flipped = original[place] ^ data.draw(st.integers(1, 255))
        path.write_bytes(original[:place] + bytes([flipped]) + original[place + 1 :])
        with pytest.raises(ValueError, match="changed"):
            apbt_rs.load(path)

    law()


def test_a_time_limit_strikes_with_a_valid_result() -> None:
    rows = np.random.default_rng(0).normal(size=(20_000, 10))
    started = time.monotonic()
    found = apbt_rs.run(
        rows, rows[:, 0] > 0, k=40, epochs=10_000, time_limit=1.0, seed=0, progress=False
    )
    assert found.stopped_by == "time_limit"
    assert time.monotonic() - started < 2.5
    assert len(found.chosen.predict(rows[:3])) == 3


def test_epochs_from_before_an_interrupt_are_scored_though_the_time_is_up() -> None:
    limit = 4.0
    rows = np.random.default_rng(0).normal(size=(20_000, 10))
    started = time.monotonic()
    evolution = apbt_rs.evolve(
        rows, rows[:, 0] > 0, k=20, epochs=10_000, readiness=5_000, time_limit=limit, seed=0
    )
    assert next(evolution).epoch == 0
    interrupt = threading.Timer(1.0, _thread.interrupt_main)
    # A shell's background jobs begin with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(evolution)
    finally:
        interrupt.cancel()
        signal.signal(signal.SIGINT, before)
    time.sleep(max(0.0, started + limit - time.monotonic()))
    assert [one.number for one in evolution] == [1]
    trained = evolution.history["epoch"].max()
    assert isinstance(trained, int)
    assert 0 < trained < 5_000
    assert evolution.result().stopped_by == "time_limit"


def test_an_interrupt_of_the_last_scores_loses_no_epoch() -> None:
    armed = False

    def metric(y: Any, predicted: Any) -> float:
        if armed:
            raise KeyboardInterrupt
        return float(accuracy_score(y, predicted))

    rows = np.random.default_rng(0).normal(size=(20_000, 10))
    evolution = apbt_rs.evolve(
        rows,
        rows[:, 0] > 0,
        k=4,
        epochs=10_000,
        readiness=5_000,
        time_limit=1.0,
        seed=0,
        metric=metric,
    )
    assert next(evolution).epoch == 0
    armed = True
    with pytest.raises(KeyboardInterrupt):
        next(evolution)
    armed = False
    assert [one.number for one in evolution] == [1]
    assert evolution.history["epoch"].max() != 0


def test_patience_and_callbacks_end_a_run() -> None:
    assert quick(epochs=3000, patience=2).stopped_by == "patience"
    seen: list[int] = []

    def stop(evolution: apbt_rs.Evolution, generation: apbt_rs.Generation) -> None:
        seen.append(generation.number)
        if generation.number == 2:
            evolution.stop()

    assert quick(callbacks=[stop]).stopped_by == "callback"
    assert seen == [0, 1, 2]


INTERRUPTED = """
import apbt_rs, numpy as np, signal, time
# Who is started in the background of a shell is told to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
rows = np.random.default_rng(0).normal(size=(20_000, 10))
print("ready", flush=True)
try:
    apbt_rs.run(rows, rows[:, 0] > 0, k=100, epochs=100_000, seed=0, progress=False)
except KeyboardInterrupt:
    print("stopped", time.time(), flush=True)
X, y = apbt_rs.datasets.load_iris()
print(apbt_rs.run(X, y, k=5, epochs=5, seed=0, progress=False).task, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no process a SIGINT alone")
def test_ctrl_c_stops_within_half_a_second_and_leaves_the_process_sound() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.5)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        word, when = process.stdout.readline().split()
        assert word == "stopped"
        assert float(when) - sent < 0.5
        assert process.stdout.readline() == "classification\n"
    assert process.returncode == 0


def test_the_paper_beside_ours(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    call = ["reproduce", "--dataset", "tennis", "--trials", "1", "--scale", "0.1", "--quiet"]
    assert _cli.main([*call, "--history", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "96.72" in printed
    assert "10,6,2" in printed
    assert pl.read_parquet(path)["dataset"].unique().to_list() == ["tennis"]
    assert _cli.main([*call, "--history", "history.xls"]) == 1
    assert "--history history.xls: expected a name that ends in .csv" in capsys.readouterr().err
