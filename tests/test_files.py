"""Saved files that somebody altered, hashes made right: a value that works, or a ValueError."""

import contextlib
import hashlib
import json
import math
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import apbt_rs
from apbt_rs import _checkpoint
from apbt_rs._container import _join, _split, pack, table_from_bytes, table_to_bytes, unpack

X, Y = apbt_rs.datasets.load_iris()
QUICK: dict[str, Any] = {"k": 6, "epochs": 20, "readiness": 5, "seed": 0, "progress": False}
RESULT = b"apbt-rs result "
HASH = re.compile(rb'"apbt_rs":"([0-9a-f]{64})')

# What stands in a file of another kind, or of a stranger's making.
HOSTILE: list[Any] = [
    *(None, True, -1, 0, 2, 2**63, -(2**63) - 1, 10**400, 0.5, -1e308, float("nan"), float("inf")),
    *("", "inf", "nan", "Int128", "one_hot", "\ud800", "x" * 100, [], [[]], [None], [1, "a"], {}),
    *({"": 1}, [[[1.5]]], "sigmoid", "softmax", "regression", "classification", "custom"),
]


def seal_network(data: bytes) -> bytes:
    """Make a network's hash right, and the length of its header, which stands in front."""
    if HASH.search(data) is None:
        return data
    zeros = HASH.sub(rb'"apbt_rs":"' + b"0" * 64, data)
    digest = hashlib.sha256(zeros).hexdigest().encode()
    return HASH.sub(rb'"apbt_rs":"' + digest, data)


def alter_network(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """Change the JSON in a network's header."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    own = header["__metadata__"]["apbt_rs"]
    header["__metadata__"]["apbt_rs"] = own[:64] + json.dumps(change(json.loads(own[64:])))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return seal_network(len(text).to_bytes(8, "little") + text + data[8 + length :])


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(changed) - 1)))
        new = draw(st.binary(max_size=9) | st.just(b"\xff" * 8))
        changed[place : place + draw(st.integers(0, 9))] = new
    return bytes(changed)


@st.composite
def changed_json(draw: st.DrawFn, value: Any) -> Any:
    """Replace something in the tree, or leave it out."""
    if isinstance(value, (dict, list)) and value and draw(st.integers(0, 9)):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw(st.sampled_from(keys))
        copy: Any = value.copy()
        if draw(st.integers(0, 9)):
            copy[key] = draw(changed_json(value[key]))
        else:
            del copy[key]
        return copy
    return draw(st.sampled_from(HOSTILE))


@pytest.fixture(scope="module")
def result() -> apbt_rs.Result:
    return apbt_rs.run(X, Y, **QUICK, test=0.2)


def use(found: apbt_rs.Network | apbt_rs.Result, path: Path) -> None:
    """Whatever was accepted works, or refuses the table by a clean error."""
    repr(found)
    if isinstance(found, apbt_rs.Result):
        found.summary()
        assert found.encoding.height == len(found.chosen.encoder.columns)
    else:
        found.schedule()
        found.layers()
    found.save(path)
    assert isinstance(apbt_rs.load(path), type(found))
    for predict in (found.predict, found.predict_proba):
        with contextlib.suppress(TypeError, ValueError):
            predict(X)


def load_or_refuse(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        found = apbt_rs.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
    else:
        use(found, path)


@pytest.mark.parametrize("name", ["nowhere/model.apbt", "folder"])
def test_what_cannot_be_written_is_named(name: str, result: apbt_rs.Result, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for found in (result, result.chosen):
        with pytest.raises(OSError, match=name.partition("/")[0]) as caught:
            found.save(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_altered_results_with_right_hashes(
    result: apbt_rs.Result, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "result"
    result.save(path)
    whole = path.read_bytes()
    parts = unpack(RESULT, whole)
    assert pack(RESULT, parts) == whole

    @settings(max_examples=400)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        changed = list(parts)
        which = data.draw(st.integers(0, 4))
        if which < 2:
            value = data.draw(changed_json(json.loads(parts[which])))
            changed[which] = json.dumps(value).encode()
        elif which == 2:
            changed[2] = alter_network(parts[2], lambda header: data.draw(changed_json(header)))
        elif which == 3:
            place = data.draw(st.integers(0, len(parts) - 1))
            changed[place] = seal_network(data.draw(changed_bytes(parts[place])))
        else:
            changed = data.draw(st.lists(st.sampled_from([*parts, b""]), max_size=7))
        load_or_refuse(path, pack(RESULT, changed))

    law()


def test_altered_payloads_with_right_hashes(
    result: apbt_rs.Result, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "result"
    result.save(path)
    first, _, payload = path.read_bytes().split(b"\n", 2)

    @settings(max_examples=200)
    @given(changed_bytes(payload))
    def law(changed: bytes) -> None:
        digest = hashlib.sha256(changed).hexdigest().encode()
        load_or_refuse(path, b"\n".join([first, digest, changed]))

    law()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_altered_checkpoints_with_right_hashes(
    task: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("checkpoints") / "run"
    y = Y if task == "classification" else X.select("petal_length", "petal_width")
    weights = [1.0, 2.0, 3.0] * 50
    apbt_rs.run(X, y, **QUICK, test=0.2, sample_weight=weights, checkpoint=path)
    kept = {name: (path / name).read_bytes() for name in ("run", "state", "history")}
    magics = {"run": _checkpoint.RUN, "state": _checkpoint.STATE}

    @settings(max_examples=250)
    @given(st.data())
    def law(data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(["run", "state"]))
        parts = unpack(magics[name], kept[name])
        which = data.draw(st.integers(0, len(parts) - 1))
        if which == 0:
            parts[0] = json.dumps(data.draw(changed_json(json.loads(parts[0])))).encode()
        elif which == 2 and task == "regression" and data.draw(st.booleans()):
            head, *columns = _split(parts[2])
            head = json.dumps(data.draw(changed_json(json.loads(head)))).encode()
            parts[2] = _join([head, *columns])
        else:
            parts[which] = data.draw(changed_bytes(parts[which]))
        (path / name).write_bytes(pack(magics[name], parts))
        try:
            found = apbt_rs.resume(path, epochs=25, progress=False, n_jobs=1)
        except ValueError as error:
            assert str(error).startswith((f"{path}: ", "metric", "epochs"))  # noqa: PT017
        else:
            found.summary()
        finally:
            for one, content in kept.items():
                (path / one).write_bytes(content)

    law()


def saved(result: apbt_rs.Result, path: Path) -> list[bytes]:
    result.save(path)
    return unpack(RESULT, path.read_bytes())


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("format", True, "format: expected an integer, got True"),
        ("format", 1.0, "format: expected an integer"),
        ("version", 3, "version: expected a string"),
        ("generation", -1, "generation: expected an integer from 0 on"),
        ("generation", 10**400, "generation: expected an integer from 0 on"),
        ("member", -1, "member: expected an integer from 0 on"),
        ("metric", "r2", "metric: 'r2' is not one for a classification"),
        ("activations", ["relu"], "activations of the output layer: expected one of"),
        ("activations", ["identity"], "activations of the output layer: expected one of"),
        ("scores.validation_score", "nan", "validation_score: expected a finite number"),
        ("hyperparameters.learning_rate", "fast", "learning_rate: expected a finite number"),
        ("hyperparameters.learning_rate", None, "learning_rate: expected a finite number"),
        ("hyperparameters.batch_size", 0.5, "batch_size: expected an integer"),
        ("hyperparameters.optimizer", "lbfgs", "optimizer: expected one of"),
        ("schedule.size", [-1], "schedule.size: expected an integer from 0 on"),
    ],
)
def test_what_could_not_stand_in_a_network_is_refused(
    field: str, value: Any, words: str, result: apbt_rs.Result, tmp_path: Path
) -> None:
    *outer, last = field.split(".")

    def change(header: Any) -> Any:
        place = header
        for name in outer:
            place = place[name]
        if last == "activations":  # of the output layer
            place[last][-1:] = value
        else:
            place[last] = value
        return header

    path = tmp_path / "network"
    result.best.save(path)
    whole = path.read_bytes()
    path.write_bytes(alter_network(whole, lambda header: header))
    apbt_rs.load(path)
    path.write_bytes(alter_network(whole, change))
    with pytest.raises(ValueError, match=words):
        apbt_rs.load(path)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("task", "regression", "task and metric: a network of the result has others"),
        ("metric", "soft_accuracy", "task and metric: a network of the result has others"),
        ("seed", -1, "seed: expected an integer from 0 on"),
        ("seed", 2**64, "seed: expected an integer from 0 on, of at most 64 bits"),
        ("stopped_by", "rain", "stopped_by: expected one of"),
        ("version", None, "version: expected a string"),
        ("names", ["best", "most_accurate", "chosen"], "names: "),
    ],
)
def test_what_could_not_stand_in_a_result_is_refused(
    field: str, value: Any, words: str, result: apbt_rs.Result, tmp_path: Path
) -> None:
    path = tmp_path / "result"
    facts, *rest = saved(result, path)
    changed = json.dumps({**json.loads(facts), field: value}).encode()
    path.write_bytes(pack(RESULT, [changed, *(rest[:4] if field == "names" else rest)]))
    with pytest.raises(ValueError, match=words):
        apbt_rs.load(path)


def test_a_test_score_that_is_no_number_is_kept(tmp_path: Path) -> None:
    def own(y_true: Any, y_pred: Any) -> float:
        return float("nan") if len(y_true) < 10 else 0.5

    result = apbt_rs.run(X, Y, **QUICK, metric=own, test=[1, 51, 101])
    result.save(tmp_path / "result")
    result.best.save(tmp_path / "network")
    copies = [apbt_rs.load(tmp_path / "network"), pickle.loads(pickle.dumps(result.best))]
    copies += [one.best for one in (apbt_rs.load(tmp_path / "result"),)]  # type: ignore[union-attr]
    for copy in copies:
        assert math.isnan(copy.test_score)
        assert copy.test_loss == result.best.test_loss


def test_a_test_loss_that_is_no_number_is_kept(result: apbt_rs.Result, tmp_path: Path) -> None:
    replace(result.best, test_loss=float("nan")).save(tmp_path / "network")
    assert math.isnan(apbt_rs.load(tmp_path / "network").test_loss)  # type: ignore[union-attr, arg-type]


NUMBERS = [
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64, pl.Boolean, pl.Decimal(38, 3), pl.Decimal(5, 0)),
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4), st.integers(1, 5), st.data())
def test_tables_of_numbers_come_back_as_they_were(
    dtypes: list[Any], rows: int, data: st.DataObject
) -> None:
    values = st.lists(st.integers(0, 1), min_size=rows, max_size=rows)
    columns = [
        pl.Series(f"ä{place}", data.draw(values), dtype=pl.Int8).cast(dtype)
        for place, dtype in enumerate(dtypes)
    ]
    frame = pl.DataFrame(columns)
    assert_frame_equal(table_from_bytes(table_to_bytes(frame), "table"), frame)


@pytest.mark.parametrize(
    ("dtype", "extremes"),
    [
        (pl.Int128, [-(2**127), 2**127 - 1]),
        (pl.Int64, [-(2**63), 2**63 - 1]),
        (pl.UInt64, [0, 2**64 - 1]),
        (pl.Float64, [5e-324, -1.7976931348623157e308]),
        (pl.Float32, [1e-45, -3.4028234663852886e38]),
    ],
)
def test_extreme_numbers_are_kept_exactly(dtype: Any, extremes: list[Any]) -> None:
    frame = pl.DataFrame([pl.Series("a", extremes, dtype=dtype)])
    assert_frame_equal(table_from_bytes(table_to_bytes(frame), "table"), frame, check_exact=True)


def test_a_decimal_target_is_resumed_as_it_was(tmp_path: Path) -> None:
    """The user's metric sees the same dtype before and after."""
    dtypes = []

    def own(y_true: Any, y_pred: Any) -> float:
        dtypes.append(y_true.dtype)
        return -float((y_true.cast(pl.Float64) - y_pred).abs().mean())

    y = X["petal_length"].cast(pl.Decimal(12, 4))
    path = tmp_path / "run"
    apbt_rs.run(X[:, :2], y, **QUICK, metric=own, checkpoint=path)
    apbt_rs.resume(path, epochs=30, metric=own, progress=False)
    assert set(dtypes) == {pl.Decimal(12, 4)}
