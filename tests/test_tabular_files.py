"""Tables in files: what says in CSV that a value is missing."""

import io
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import apbt_rs
from apbt_rs import _cli
from apbt_rs._tabular_files import read_frame

GAPS = "age,town,born,sold\n31,Ulm,2001-02-03,yes\nNA,NA,NA,no\n?,Bonn,2002-03-04,yes\n"


@pytest.fixture
def csv(tmp_path: Path) -> str:
    path = tmp_path / "gaps.csv"
    path.write_text(GAPS)
    return str(path)


def test_texts_that_mean_missing_are_null_in_columns_of_any_kind(csv: str) -> None:
    frame = read_frame(csv, nulls=["NA", "?"])
    assert frame.dtypes == [pl.Int64, pl.String, pl.Date, pl.String]
    assert frame.select("age", "town").rows() == [(31, "Ulm"), (None, None), (None, "Bonn")]
    assert frame["born"].null_count() == 1
    kinds = {"age": "number", "town": "text", "born": "date", "sold": "text"}
    assert read_frame(csv, kinds, ["NA", "?"]).equals(frame)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_a_word_for_missing_gives_the_same_column_as_none(values: list[float | None]) -> None:
    frame = pl.DataFrame({"x": values, "y": range(len(values))}, schema_overrides={"x": pl.Float64})
    empty, words = io.BytesIO(), io.BytesIO()
    frame.write_csv(empty)
    frame.write_csv(words, null_value="n/a")
    with pytest.MonkeyPatch.context() as patch:
        read = []
        for text, nulls in ((empty, ()), (words, ("n/a",))):
            patch.setattr(Path, "read_bytes", lambda _, text=text: text.getvalue())
            read.append(read_frame("x.csv", nulls=nulls))
    assert read[0].equals(read[1])
    assert read[0]["x"].to_list() == pytest.approx(values, nan_ok=True)


@pytest.mark.filterwarnings("always::UserWarning")
def test_numbers_with_a_few_texts_among_them_are_a_warning_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "few.csv"
    lines = [f"{i},{i % 2},{'?' if i % 10 == 3 else i}" for i in range(60)]
    path.write_text("\n".join(["x,y,age", *lines]))
    call = ["run", str(path), "--target", "y", "-k", "4", "--epochs", "4", "--seed", "0", "--quiet"]
    assert _cli.main(call) == 0
    told = capsys.readouterr().err
    assert f"column 'age' of {path} holds numbers, but for 6 values such as '?'" in told
    assert "give --null='?'" in told
    model = tmp_path / "few.apbt"
    assert _cli.main([*call, "--null", "?", "--out", str(model)]) == 0
    assert capsys.readouterr().err == ""
    network = apbt_rs.load(model)
    assert isinstance(network, apbt_rs.Network)
    assert network.encoder.input_names == ["x", "age", "age=missing"]
    assert _cli.main(["predict", str(model), str(path), "--null", "?"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 61
    assert _cli.main(["predict", str(model), str(path)]) == 1
    assert "column 'age' of X has dtype String" in capsys.readouterr().err


@pytest.mark.parametrize(
    "column",
    [
        ["a", "b", "c", "d"],
        ["1", "a", "b", "c"],  # most are no numbers
        ["1", "2", "3", "4", "5", "6", "7", "8", "a", "b", "c", "d"],  # too many words
        ["1", "2", "3", ""],
    ],
)
def test_other_columns_of_texts_are_none(tmp_path: Path, column: list[str]) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(["x,y", *(f"{text},1" for text in column)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_frame(str(path))


def test_other_formats_have_their_own_way(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame({"x": [1]}).write_parquet(path)
    with pytest.raises(ValueError, match="a way of its own to say that a value is missing"):
        read_frame(str(path), nulls=["NA"])


@pytest.mark.parametrize("cells", [("0", " 7", " 2.5"), ("2.5", "nan", "5.5")])
def test_numbers_that_csv_pads_or_whose_nan_is_small_are_numbers(
    tmp_path: Path, cells: tuple[str, ...]
) -> None:
    path = tmp_path / "padded.csv"
    path.write_text("\n".join(["a", *cells]))
    read = read_frame(str(path))["a"]
    assert read.dtype == pl.Float64
    np.testing.assert_array_equal(read.to_numpy(), [float(cell) for cell in cells])
    assert read_frame(str(path), kinds={"a": "number"})["a"].equals(read, null_equal=True)
    assert read_frame(str(path), kinds={"a": "text"})["a"].to_list() == list(cells)


def test_integers_that_csv_pads_are_integers_so_that_labels_stay_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["y", "0", " 1", " 0"]))
    assert read_frame(str(path))["y"].equals(pl.Series("y", [0, 1, 0]))


def test_dashes_can_mean_missing(tmp_path: Path) -> None:
    path = tmp_path / "dashes.csv"
    path.write_text(
        "\n".join(["x,y", *(f"{'--' if i % 9 == 4 else i},{i % 2}" for i in range(40))])
    )
    call = ["run", str(path), "--target", "y", "-k", "4", "--epochs", "4", "--seed", "0", "--quiet"]
    assert _cli.main([*call, "--null=--", "--out", str(tmp_path / "m.apbt")]) == 0
    network = apbt_rs.load(tmp_path / "m.apbt")
    assert isinstance(network, apbt_rs.Network)
    assert network.topology[0] == 2  # the number, and that it is missing
