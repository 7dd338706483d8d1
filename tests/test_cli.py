"""The command: what it prints, writes and refuses."""

import dataclasses
import errno
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import apbt_rs
from apbt_rs import _cli

X, Y = apbt_rs.datasets.load_iris()
TABLE = X.with_columns(Y.alias("species"))
QUICK = ["--target", "species", "-k", "10", "--epochs", "30", "--seed", "0", "--quiet"]
WRITERS: dict[str, Callable[[Path], Any]] = {
    "csv": TABLE.write_csv,
    "tsv": lambda path: TABLE.write_csv(path, separator="\t"),
    "parquet": TABLE.write_parquet,
    "arrow": TABLE.write_ipc,
    "jsonl": TABLE.write_ndjson,
}


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for suffix, write in WRITERS.items():
        write(tmp_path / f"iris.{suffix}")
    return tmp_path


def facts(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    return found


@pytest.mark.parametrize("suffix", list(WRITERS))
def test_every_format_gives_the_same_run(
    at: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    assert _cli.main(["run", f"iris.{suffix}", *QUICK, "--json"]) == 0
    found = facts(capsys)
    whole = apbt_rs.run(X, Y, k=10, epochs=30, seed=0, progress=False)
    chosen = found["chosen"]
    assert isinstance(chosen, dict)
    assert chosen["validation_loss"] == whole.chosen.validation_loss
    assert chosen["topology"] == whole.chosen.topology
    assert found["seed"] == 0


def test_a_model_is_saved_shown_and_predicts(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["run", "iris.csv", *QUICK, "--test-size", "0.2", "--out", "m.apbt"]
    assert _cli.main([*call, "--history", "h.parquet"]) == 0
    assert capsys.readouterr().out == ""
    network = apbt_rs.load("m.apbt")
    assert isinstance(network, apbt_rs.Network)
    assert pl.read_parquet("h.parquet")["epoch"].max() == 30

    assert _cli.main(["predict", "m.apbt", "iris.parquet"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["species", *pl.Series(network.predict(X))]
    assert _cli.main(["predict", "m.apbt", "iris.jsonl", "--proba", "--out", "p.arrow"]) == 0
    assert (pl.read_ipc("p.arrow").to_numpy() == network.predict_proba(X)).all()
    assert _cli.main(["predict", "m.apbt", "iris.csv", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first == {"species": network.predict(X)[0]}

    assert _cli.main(["show", "m.apbt", "--json"]) == 0
    shown = facts(capsys)
    assert (shown["size"], shown["test_score"]) == (network.size, network.test_score)
    assert _cli.main(["show", "m.apbt"]) == 0
    assert "petal_length" in capsys.readouterr().out


def test_a_checkpoint_is_gone_on_with(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["run", "iris.csv", *QUICK, "--readiness", "5"]
    assert _cli.main([*call, "--checkpoint", "run"]) == 0
    assert _cli.main(["resume", "run", "--epochs", "45", "--json", "--quiet"]) == 0
    resumed = facts(capsys)
    assert _cli.main([*call, "--json", "--epochs", "45"]) == 0
    whole = facts(capsys)
    assert (resumed["chosen"], resumed["front"]) == (whole["chosen"], whole["front"])


def test_several_targets_weights_and_dropped_columns(at: Path) -> None:
    TABLE.with_columns(w=pl.lit(2.0), name=pl.int_range(150).cast(pl.String)).write_csv("t.csv")
    call = ["run", "t.csv", "--target", "petal_length", "--target", "petal_width", "--drop", "name"]
    call += ["--weight", "w", "--out", "m.apbt", "-k", "10", "--epochs", "20", "--quiet"]
    assert _cli.main(call) == 0
    network = apbt_rs.load("m.apbt")
    assert isinstance(network, apbt_rs.Network)
    predicted = network.predict(TABLE)
    assert isinstance(predicted, pl.DataFrame)
    assert predicted.columns == ["petal_length", "petal_width"]


def test_columns_are_encoded_as_the_command_says(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TABLE.rename({"petal_width": "a=b"}).write_csv("t.csv")
    call = ["run", "t.csv", *QUICK, "--encoding", "a=b=one_hot", "--encoding", "petal_length=drop"]
    assert _cli.main([*call, "--out", "m.apbt"]) == 0
    assert _cli.main(["show", "m.apbt", "--json"]) == 0
    shown = facts(capsys)
    assert isinstance(shown["inputs"], list)
    found = {one["column"]: one["operation"] for one in shown["inputs"]}
    assert found["a=b"] == "one_hot"
    assert found["petal_length"] == "drop"
    assert found["sepal_width"] == "standardize"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["run", "iris.csv", "--target", "speces"], "has no columns ['speces']"),
        (["run", "iris.xls", "--target", "species"], "expected a name that ends in .csv"),
        (["run", "none.csv", "--target", "species"], "none.csv"),
        (["run", "iris.csv", *QUICK, "-k", "1"], "k=1: expected at least 2"),
        (["run", "iris.csv", *QUICK, "--out", "no/m.apbt"], "there is no folder no"),
        (["run", "iris.csv", *QUICK, "--out", "."], "is a folder"),
        (["run", "iris.csv", *QUICK, "--out", "m" * 300], "cannot be written"),
        (["run", "iris.csv", *QUICK, "--history", "h.xls"], "--history h.xls: expected"),
        (["run", "iris.csv", *QUICK, "--out", "folder"], "--out folder: is a folder"),
        (["run", "iris.csv", *QUICK, "--out", ""], "is a folder"),
        (["run", "iris.csv", *QUICK, "--history", "d.csv"], "--history d.csv: is a folder"),
        (["run", "iris.csv", *QUICK, "--target", "species"], "['species'] twice"),
        (["run", "iris.csv", *QUICK, "--drop", "species"], "['species'] twice"),
        (["run", "iris.csv", *QUICK, "--metric", "r2"], "metric"),
        (["run", "iris.csv", *QUICK, "--encoding", "species=drop"], "X has no column 'species'"),
        (["run", "iris.csv", *QUICK, "--encoding", "petal_width=drp"], "did you mean 'drop'?"),
        (["run", "iris.csv", *QUICK, *["--encoding", "a=drop"] * 2], "a column twice"),
        (["predict", "iris.csv", "iris.csv"], "iris.csv: not a readable safetensors file"),
        (["resume", "nowhere"], "no checkpoint is there"),
        (["run", "broken.csv", "--target", "a"], "broken.csv: line 3 has 4 fields"),
    ],
)
def test_errors_are_one_line_and_come_before_any_work(
    at: Path, capsys: pytest.CaptureFixture[str], call: list[str], message: str
) -> None:
    (at / "folder").mkdir()
    (at / "d.csv").mkdir()
    (at / "broken.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    assert _cli.main(call) == 1
    error = capsys.readouterr().err
    assert error.startswith("apbt-rs: ")
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["--jobs", "0"], "n_jobs=0: expected at least 1, or -1 for all processors"),
        (["--seed", "-1"], "seed=-1: expected at least 0"),
    ],
)
def test_the_papers_experiments_print_nothing_before_an_error(
    capsys: pytest.CaptureFixture[str], call: list[str], message: str
) -> None:
    assert _cli.main(["reproduce", *call]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"apbt-rs: {message}\n")


def test_wrong_calls_have_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    unsplit = ["run", "iris.csv", "--target", "species", "--encoding", "petal_width"]
    for call in (["run", "iris.csv"], ["ran"], [], unsplit):
        with pytest.raises(SystemExit) as stop:
            _cli.main(call)
        assert stop.value.code == 2
    assert "apbt-rs" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise on Windows")
def test_a_broken_pipe_is_no_error_and_stdin_is_csv(at: Path) -> None:
    assert _cli.main(["run", "iris.csv", *QUICK, "--out", "m.apbt"]) == 0
    pl.concat([TABLE] * 500).write_csv("long.csv")
    command = f"{sys.executable} -c 'import sys; from apbt_rs._cli import main; sys.exit(main())'"
    script = f"set -o pipefail; cat long.csv | {command} predict m.apbt - | head -n 2"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, cwd=at
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("species\n")


def test_letters_that_the_output_lacks_are_printed_by_their_numbers(
    at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.rename({"petal_width": "ширина"}).write_csv("t.csv")
    assert _cli.main(["run", "t.csv", *QUICK, "--out", "m.apbt"]) == 0
    printed = []
    for encoding in ("utf-8", "ascii", "latin-1"):
        output = io.BytesIO()
        stream = io.TextIOWrapper(output, encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        assert _cli.main(["show", "m.apbt"]) == 0
        assert stream.errors == "strict"  # as it was
        printed.append(output.getvalue().decode(encoding))
    assert "'ширина': standardize" in printed[0]
    assert printed[1] == printed[2] == printed[0].encode("ascii", "backslashreplace").decode()


def test_json_has_null_for_what_is_no_number(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _cli.main(["run", "iris.csv", *QUICK, "--out", "m.apbt"]) == 0
    network = apbt_rs.load("m.apbt")
    assert isinstance(network, apbt_rs.Network)
    dataclasses.replace(network, validation_score=-math.inf, validation_loss=math.inf).save(
        "m.apbt"
    )
    assert _cli.main(["show", "m.apbt", "--json"]) == 0
    shown = facts(capsys)
    assert (shown["validation_score"], shown["validation_loss"]) == (None, None)
    assert shown["size"] == network.size
    assert _cli._json({"a": [math.nan, (math.inf, 1.5)]}) == '{"a": [null, [null, 1.5]]}'


def test_what_is_printed_says_which_network_was_chosen(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = [word for word in QUICK if word != "--quiet"]
    assert _cli.main(["run", "iris.csv", *loud, "--test-size", "0.2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    whole = apbt_rs.run(X, Y, k=10, epochs=30, seed=0, test=0.2, progress=False)
    assert f"chosen: {whole.chosen.topology}, size {whole.chosen.size}" in printed[0]
    assert printed[1].split() == ["weights", "validation", "accuracy", "test", "topology"]
    assert printed[-1] == "seed 0; stopped by epochs"
    sizes = [int(row.lstrip("* ").split()[0]) for row in printed[2:-1]]
    assert sizes == sorted({one.size for one in [*whole.front, whole.chosen]})
    (marked,) = [row for row in printed[2:-1] if row.startswith("*")]
    assert marked.split()[1:4] == [
        str(whole.chosen.size),
        f"{whole.chosen.validation_score:.4f}",
        f"{whole.chosen.test_score:.4f}",
    ]


def test_a_history_in_csv_has_its_lists_as_texts(at: Path) -> None:
    assert _cli.main(["run", "iris.csv", *QUICK, "--history", "h.csv"]) == 0
    history = apbt_rs.run(X, Y, k=10, epochs=30, seed=0, progress=False).history
    read = pl.read_csv("h.csv")
    assert read.columns == history.columns
    topologies = [",".join(map(str, units)) for units in history["topology"].to_list()]
    assert read["topology"].to_list() == topologies


def test_ctrl_c_is_one_line_and_exit_code_130(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli, "run", interrupted)
    assert _cli.main(["run", "iris.csv", *QUICK]) == 130
    assert capsys.readouterr().err == "apbt-rs: interrupted\n"


@pytest.mark.parametrize(
    "call", [["--trials", "0"], ["--scale", "0"], ["--scale", "1.5"], ["--dataset", "mnist"]]
)
def test_the_papers_experiments_refuse_a_wrong_call(
    capsys: pytest.CaptureFixture[str], call: list[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        _cli.main(["reproduce", *call])
    assert stop.value.code == 2
    assert call[0] in capsys.readouterr().err


def test_a_table_of_targets_alone_leaves_nothing_to_predict_from(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = [word for name in X.columns for word in ("--drop", name)]
    assert _cli.main(["run", "iris.csv", *QUICK, *dropped]) == 1
    assert "no column is left to predict from" in capsys.readouterr().err


def test_a_write_that_fails_costs_nothing_else(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(apbt_rs.Network, "save", full)
    call = ["run", "iris.csv", *QUICK, "--json", "--out", "m.apbt", "--history", "h.csv"]
    assert _cli.main(call) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["seed"] == 0
    assert printed.err == "apbt-rs: --out m.apbt: no space left\n"
    assert pl.read_csv("h.csv").height > 0


def test_the_output_is_left_as_it_was_though_it_fails(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    assert _cli.main(["run", "iris.csv", *QUICK, "--out", "m.apbt"]) == 0
    stream = io.TextIOWrapper(Full(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert _cli.main(["show", "m.apbt"]) == 1
    assert capsys.readouterr().err == "apbt-rs: [Errno 28] No space left on device\n"
    assert stream.errors == "strict"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_what_cannot_be_printed_is_written_all_the_same(
    at: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    form: list[str],
) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert _cli.main(["run", "iris.csv", *QUICK[:-1], *form, "--out", "m.apbt"]) == 1
    assert "apbt-rs: standard output: [Errno 28] No space left" in capsys.readouterr().err
    assert isinstance(apbt_rs.load("m.apbt"), apbt_rs.Network)


def test_a_closed_pipe_is_known_by_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = OSError(errno.EINVAL, "Invalid argument")
    misnamed = OSError(errno.EINVAL, "Invalid argument", "a?.csv")
    with monkeypatch.context() as patch:
        patch.setattr("os.name", "nt")
        on_windows = [_cli._is_closed_pipe(one) for one in (BrokenPipeError(), invalid, misnamed)]
        patch.setattr("os.name", "posix")
        elsewhere = [_cli._is_closed_pipe(one) for one in (BrokenPipeError(), invalid, misnamed)]
    assert on_windows == [True, True, False]
    assert elsewhere == [True, False, False]


def test_a_table_that_cannot_be_written_leaves_none(
    at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    assert _cli.main(["run", "iris.csv", *QUICK, "--history", "h.csv"]) == 1
    assert not list(at.glob("*h.csv*"))


def test_closed_streams_are_one_line(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert _cli.main(["run", "-", *QUICK]) == 1
    assert capsys.readouterr().err == "apbt-rs: -: standard input is closed\n"
    monkeypatch.setattr(sys, "stdout", None)
    assert _cli.main(["run", "iris.csv", *QUICK]) == 1
    assert capsys.readouterr().err == "apbt-rs: standard output is closed\n"


def test_help_is_plain_ascii_and_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _cli.main(["run", "--help"])
    assert capsys.readouterr().out.isascii()
    _cli._warn(UserWarning("so\nit is"), UserWarning, "file.py", 3)
    assert capsys.readouterr().err == "warning: so it is\n"


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_columns_are_read_as_in_training(
    at: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 5, 29), eager=True)
    table = TABLE.with_columns(
        day=days,
        code=pl.Series(["1", "2", "x"] * 50),
        flag=pl.Series([True, False] * 75),
        gap=pl.Series([None, 1.5, 2.5] * 50),
    )
    new = table.filter(pl.col("code") != "x").with_columns(gap=pl.lit(None, dtype=pl.Float64))
    writers = {"csv": "write_csv", "jsonl": "write_ndjson", "parquet": "write_parquet"}
    for name, frame in (("t", table), ("new", new)):
        getattr(frame, writers[suffix])(at / f"{name}.{suffix}")
    new.write_csv("new.csv")
    assert _cli.main(["run", f"t.{suffix}", *QUICK, "--out", "m.apbt"]) == 0
    X_table = table.drop("species")
    whole = apbt_rs.run(X_table, Y, k=10, epochs=30, seed=0, progress=False).chosen
    for one in (f"new.{suffix}", "new.csv"):
        capsys.readouterr()
        assert _cli.main(["predict", "m.apbt", one]) == 0
        assert capsys.readouterr().out.splitlines()[1:] == list(whole.predict(new))


def test_a_header_names_no_column_twice(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (at / "twice.csv").write_text("a,a,b\n1,2,3\n")
    assert _cli.main(["run", "twice.csv", "--target", "b"]) == 1
    assert "the columns ['a'] are there twice" in capsys.readouterr().err


def test_what_was_found_is_told_though_the_disk_is_full(
    at: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(apbt_rs.Network, "save", full)
    code = _cli.main(["run", "iris.csv", *QUICK, "--json", "--out", "m.apbt"])
    told = capsys.readouterr()
    assert code == 1
    assert "No space left" in told.err
    assert json.loads(told.out)["chosen"]["size"] > 0


def test_who_stops_reading_gets_the_files_all_the_same(at: Path) -> None:
    code = "import sys; from apbt_rs._cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "run", "iris.csv", *QUICK[:-1], "--out", "m.apbt"]
    running = subprocess.Popen(command, cwd=at, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.close()
    running.wait(60)
    assert isinstance(apbt_rs.load(at / "m.apbt"), apbt_rs.Network)
    assert running.stderr is not None
    assert b"Traceback" not in running.stderr.read()
    running.stderr.close()
