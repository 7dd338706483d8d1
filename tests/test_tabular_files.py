"""Tables in files: what CSV and JSON lines leave open, and what they mean by it."""

import csv as csv_module
import io
import re
import warnings
from datetime import date, datetime, time
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


@pytest.mark.parametrize(
    "cells",
    [
        ("0", " 7", " 2.5"),
        ("2.5", "nan", "5.5"),
        ("+1", "-2", "+.5"),
        ("+123456789", "-9876543210", "+0.12345678901"),
        ("+1e3", "2.5", "0"),
    ],
)
def test_numbers_that_are_padded_or_signed_or_whose_nan_is_small_are_numbers(
    tmp_path: Path, cells: tuple[str, ...]
) -> None:
    path = tmp_path / "padded.csv"
    path.write_text("\n".join(["a", *cells]))
    read = read_frame(str(path))["a"]
    assert read.dtype == pl.Float64
    np.testing.assert_array_equal(read.to_numpy(), [float(cell) for cell in cells])
    assert read_frame(str(path), kinds={"a": "number"})["a"].equals(read, null_equal=True)
    assert read_frame(str(path), kinds={"a": "text"})["a"].to_list() == list(cells)


@pytest.mark.parametrize("cells", [("0", " 1", " -1"), ("0", "+1", "-1")])
def test_integers_are_integers_however_written_so_that_labels_stay_labels(
    tmp_path: Path, cells: tuple[str, ...]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["y", *cells]))
    assert read_frame(str(path))["y"].equals(pl.Series("y", [0, 1, -1]))


@pytest.mark.parametrize(
    "cells",
    [
        ("+436601234567", "+436607654321"),
        ("+4930123456", " +436601234567", "0043123456789"),
        ("+436601234567",) * 9 + ("none",),
    ],
)
def test_telephone_numbers_stay_texts_without_a_word(
    tmp_path: Path, cells: tuple[str, ...]
) -> None:
    path = tmp_path / "phones.csv"
    path.write_text("\n".join(["a", *cells]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_frame(str(path))["a"].to_list() == list(cells)


BLANK = st.lists(st.sampled_from(["\n", "\r\n", "  \n"]), max_size=3).map("".join)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.text('x ,\n"', max_size=5)), min_size=1, max_size=6),
    st.data(),
)
def test_blank_lines_beside_several_columns_count_for_nothing(
    rows: list[tuple[int, str]], data: st.DataObject
) -> None:
    lines = []
    for row in [("number", "text"), *rows]:
        line = io.StringIO()
        csv_module.writer(line).writerow(row)
        lines.append(line.getvalue())
    spaced = [data.draw(BLANK) + line for line in lines]
    end = data.draw(BLANK) + data.draw(st.sampled_from(["", "  "]))
    with pytest.MonkeyPatch.context() as patch:
        read = []
        for text in ("".join(lines), "".join([*spaced, end])):
            patch.setattr(Path, "read_bytes", lambda _, text=text: text.encode())
            read.append(read_frame("x.csv"))
    assert read[0].height == len(rows)
    assert read[1].equals(read[0])


def test_a_blank_line_of_one_column_is_a_missing_value_as_polars_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    column = pl.DataFrame({"x": [1, None, 3, None]})
    column.write_csv(path)
    assert read_frame(str(path)).equals(column)
    path.write_text("\n\n" + path.read_text())  # above the header it is none
    assert read_frame(str(path)).equals(column)


@given(st.lists(st.text('ab" ,', min_size=1, max_size=5), min_size=3, max_size=3, unique=True))
def test_a_name_with_quotes_is_that_of_one_column_of_any_kind(names: list[str]) -> None:
    table = io.StringIO()
    csv_module.writer(table).writerows(
        [names, ["2024-12-31", "007", "1"], ["2024-02-01", "1", "2"]]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: table.getvalue().encode())
        frame = read_frame("x.csv")
        kinds = dict(zip(frame.columns, ("date", "text", "number"), strict=True))
        again = read_frame("x.csv", kinds)
    assert frame.dtypes == [pl.Date, pl.Int64, pl.Int64]
    assert again.dtypes == [pl.Date, pl.String, pl.Int64]
    assert again.to_series(1).to_list() == ["007", "1"]


UNSURE = ["01/02/2024", "1/2/2024", "01-02-2024", "31/12/24", "04/03/2024", "01/02/2024 10:30"]


def write_column(path: Path, texts: list[str]) -> str:
    frame = pl.DataFrame({"day": texts, "x": range(len(texts))})
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_ndjson(path)
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("day", UNSURE)
def test_whether_day_or_month_comes_first_is_not_guessed(
    tmp_path: Path, suffix: str, day: str
) -> None:
    path = write_column(tmp_path / f"days.{suffix}", ["03/04/2024", day])
    with pytest.warns(UserWarning, match="such dates year first, as 2024-12-31") as caught:
        read = read_frame(path)["day"]
    told = f"column 'day' of {path} holds what may be dates, such as '03/04/2024', and its values"
    assert told in str(caught[0].message)
    assert read.to_list() == ["03/04/2024", day]
    assert read_frame(path, {"day": "text"})["day"].equals(read)
    with pytest.raises(
        ValueError, match=r"days.*: column 'day' holds '03/04/2024', and its values"
    ):
        read_frame(path, {"day": "date"})
    assert read_frame(path, {"x": "number"})["x"].to_list() == [0, 1]


CLOCKS = st.sampled_from(["", " 10:30", "T23:59:30"])


@given(st.lists(st.dates(date(1000, 1, 1)), min_size=1), st.sampled_from("/-"), CLOCKS, st.data())
def test_slashed_dates_are_dates_if_all_of_them_allow_one_order_alone(
    days: list[date], separator: str, clock: str, data: st.DataObject
) -> None:
    form = data.draw(st.permutations("dm"))
    texts = [day.strftime(separator.join(f"%{part}" for part in form)) for day in days]
    if data.draw(st.booleans()):
        texts = [re.sub(r"\b0", "", text) for text in texts]
    texts = [f"{text}{separator}{day.year}{clock}" for text, day in zip(texts, days, strict=True)]
    table = "\n".join(["day,x", *(f"{text},1" for text in texts)])
    proven = any(day.day > 12 for day in days)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        patch.setattr(Path, "read_bytes", lambda _: table.encode())
        read = read_frame("x.csv")["day"]
        assert len(caught) == (not proven)
        if not proven:
            assert read.to_list() == texts
            with pytest.raises(ValueError, match="write such dates year first"):
                read_frame("x.csv", {"day": "date"})
            return
        assert read_frame("x.csv", {"day": "date"})["day"].equals(read)
    if clock:
        at = time.fromisoformat(clock[1:])
        assert read.to_list() == [datetime.combine(day, at) for day in days]
    else:
        assert read.to_list() == days


@pytest.mark.parametrize(
    "texts",
    [
        ["12-34-56", "01-02-03"],
        ["01-23-4567 ext", "01-02-2024"],
        ["3/4/10", "3/4/70", "45/4/10"],
        ["01/02/2024", "29/02/2023"],  # there is no such day
        ["31/12-2024", "13/01-2024"],
        ["31/12/2024 9:30 PM"],  # its order is sure
    ],
)
def test_what_is_no_date_in_any_order_stays_a_text_without_a_word(
    tmp_path: Path, texts: list[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_frame(write_column(tmp_path / "t.csv", texts))["day"].to_list() == texts


def test_dates_in_both_orders_are_texts_with_a_warning(tmp_path: Path) -> None:
    path = write_column(tmp_path / "both.csv", ["31/12/2024", "12/31/2024"])
    with pytest.warns(UserWarning, match="do not prove which order of day, month and year"):
        assert read_frame(path)["day"].dtype == pl.String
    with pytest.raises(ValueError, match="do not prove which order of day, month and year"):
        read_frame(path, {"day": "date"})


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%d/%m/%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%Y", "%Y-%m-%d %H:%M"]
)
def test_dates_that_leave_no_doubt_are_dates(tmp_path: Path, suffix: str, form: str) -> None:
    days = [datetime(2024, 2, 1), datetime(2023, 12, 31)]
    path = write_column(tmp_path / f"days.{suffix}", [day.strftime(form) for day in days])
    for kinds in (None, {"day": "date", "x": "number"}):
        assert read_frame(path, kinds)["day"].cast(pl.Datetime).to_list() == days


def test_times_are_times_and_dates_of_several_forms_are_texts(tmp_path: Path) -> None:
    times = write_column(tmp_path / "times.csv", ["10:00", "23:59"])
    for kinds in (None, {"day": "duration"}):
        assert read_frame(times, kinds)["day"].to_list() == [time(10, 0), time(23, 59)]
    mixed = write_column(tmp_path / "mixed.csv", ["2024-01-02", "03.01.2024"])
    assert read_frame(mixed)["day"].dtype == pl.String


def test_a_column_without_a_name_is_read_as_training_read_it(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text(",v\n007,3\n012,4\n")
    assert read_frame(str(path), {"": "text", "v": "number"})[""].to_list() == ["007", "012"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,b\n1,2\n\n1,2,3\n", "line 4 has 3 fields, and the header, 'a,b', has 2"),
        (
            "t.csv",
            "a,b\n1,2,\n3,4,\n",
            "line 2 has 3 fields, and the header, 'a,b', has 2: leave out each ',' at the line",
        ),
        ("t.csv", "# of May\na,b\n1,2\n", "line 2 has 2 fields, and the header, '# of May', has"),
        ("t.csv", 'a,b\n"1\n",2\n1,2,3\n', "line 4 has 3 fields"),
        ("t.tsv", "a\tb\n1\t2\t3\n", "line 2 has 3 fields"),
        ("t.csv", "a;b\n1,5;2\n", "the header 'a;b' is one column: fields are separated by comm"),
        ("t.tsv", "a,b\n1,2\n", "the header 'a,b' is one column"),
        ("t.csv", "a,b,a\n1,2,3\n", "the columns ['a'] are there twice"),
        ("t.csv", ",v,\n1,2,3\n", "the columns [''] are there twice"),
    ],
)
def test_what_is_no_table_is_told_with_file_line_and_remedy(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        read_frame(str(path))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize(("text", "line"), [("Länge,b\n1,2\n", 1), ("a,b\n1,2\n1,ä\n", 3)])
def test_a_file_that_is_not_in_utf_8_is_refused(
    tmp_path: Path, encoding: str, text: str, line: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8-sig")
    assert read_frame(str(path)).height == text.count("\n") - 1
    path.write_text(text, encoding)
    message = f"{path}: line {line if encoding == 'latin-1' else 1} is not in UTF-8: save the file"
    with pytest.raises(ValueError, match=re.escape(message)):
        read_frame(str(path))
    with pytest.raises(ValueError, match=re.escape(message)):
        read_frame(str(path), {"b": "number"})


def test_columns_that_are_not_needed_may_be_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("a,note,note\n1,x,2024-01-02\n")
    assert read_frame(str(path), {"a": "number"})["a"].to_list() == [1]
    with pytest.raises(ValueError, match=r"\['note'\] are there twice"):
        read_frame(str(path), {"note": "text"})
    path.write_text("a,note,note_duplicated_0,note\n1,x,y,z\n")  # so polars names the second
    with pytest.raises(ValueError, match=r"\['note'\] are there twice"):
        read_frame(str(path), {"a": "number"})


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
