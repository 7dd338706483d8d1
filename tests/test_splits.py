"""Laws of splits: each row on one side, every class in its share, the same rows for a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apbt_rs._splits import check_classes, held_out, resolve_split

seeds = st.integers(0, 2**64 - 1)
shares = st.floats(0.01, 0.99)


@st.composite
def strata(draw: st.DrawFn) -> np.ndarray:
    """Classes of rows, some rare."""
    counts = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    codes = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    return np.array(draw(st.permutations(codes.tolist())), dtype=np.uint32)


def is_sorted_partition(kept: np.ndarray, held: np.ndarray, n_rows: int) -> bool:
    both = np.concatenate([kept, held])
    ordered = all((np.diff(part.astype(np.int64)) > 0).all() for part in (kept, held))
    unsigned = kept.dtype == held.dtype == np.uint32
    return ordered and unsigned and sorted(both.tolist()) == list(range(n_rows))


@given(shares, strata(), seeds)
def test_a_share_is_held_out_of_each_class(share: float, codes: np.ndarray, seed: int) -> None:
    n_rows, n_classes = len(codes), len(np.unique(codes))
    total = round(share * n_rows)
    assume(0 < total <= n_rows - n_classes)
    kept, held = held_out(share, n_rows, codes, seed)
    assert is_sorted_partition(kept, held, n_rows)
    assert len(held) == total
    counts = np.bincount(codes, minlength=n_classes)
    taken = np.bincount(codes[held], minlength=n_classes)
    assert (taken < counts).all()
    exact = total * counts / n_rows
    assert (taken > exact - 1).all()
    # Only what the last row of a rare class would have filled goes to others.
    if (np.ceil(exact) < counts).all():
        assert (taken < exact + 1).all()


@given(shares, st.integers(2, 200), seeds)
def test_without_classes_the_rows_are_one(share: float, n_rows: int, seed: int) -> None:
    assume(0 < round(share * n_rows) < n_rows)
    kept, held = held_out(share, n_rows, None, seed)
    assert is_sorted_partition(kept, held, n_rows)
    assert len(held) == round(share * n_rows)
    again = held_out(share, n_rows, np.full(n_rows, 7), seed)
    assert (again[0].tolist(), again[1].tolist()) == (kept.tolist(), held.tolist())


@given(strata(), seeds)
def test_the_names_of_the_classes_do_not_matter(codes: np.ndarray, seed: int) -> None:
    assume(len(codes) >= 5 and round(0.2 * len(codes)) <= len(codes) - len(np.unique(codes)))
    assert held_out(0.2, len(codes), codes, seed)[1].tolist() == (
        held_out(0.2, len(codes), codes.astype(np.int64) * 3 - 5, seed)[1].tolist()
    )


def test_every_row_is_held_out_about_as_often() -> None:
    codes = np.repeat([0, 1], [10, 40])
    times = np.zeros(50)
    for seed in range(1000):
        times[held_out(0.2, 50, codes, seed)[1]] += 1
    assert times.sum() == 10_000
    # Binomial with mean 200 and deviation 12.6.
    assert (np.abs(times - 200) < 65).all()


def test_the_rows_of_a_seed_are_frozen() -> None:
    codes = np.repeat([0, 1, 2], 5)
    assert held_out(0.2, 15, codes, 0)[1].tolist() == [2, 6, 10]
    assert held_out(0.2, 15, codes, 1)[1].tolist() == [3, 6, 10]


def test_the_last_row_of_a_class_is_kept() -> None:
    codes = np.array([0, 1, 2, 2])
    for seed in range(20):
        assert held_out(0.25, 4, codes, seed)[1][0] in (2, 3)


@given(st.integers(2, 30).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_rows_and_masks_say_the_same(drawn: tuple[int, set[int]]) -> None:
    n_rows, rows = drawn
    assume(0 < len(rows) < n_rows)
    mask = np.isin(np.arange(n_rows), list(rows))
    specs: list[Any] = [list(rows), tuple(rows), np.array(list(rows)), pl.Series(list(rows))]
    specs += [pd.Series(list(rows)), mask, mask.tolist(), pl.Series(mask)]
    for spec in specs:
        kept, held = resolve_split(spec, n_rows, None, 0, "test")
        assert is_sorted_partition(kept, held, n_rows)
        assert held.tolist() == sorted(rows)


def test_other_ways_to_name_a_split() -> None:
    codes = np.repeat([0, 1], 10)
    for share in (0.2, np.float32(0.2)):
        held = resolve_split(share, 20, codes, 3, "validation")[1]
        assert held.tolist() == held_out(0.2, 20, codes, 3)[1].tolist()
    assert resolve_split(range(2, 4), 20, codes, 3, "validation")[1].tolist() == [2, 3]
    kept, held = resolve_split("train", 3, None, 0, "validation")
    assert kept.tolist() == held.tolist() == [0, 1, 2]
    assert kept.dtype == held.dtype == np.uint32


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        (0.0, ValueError, ["0.0", "above 0 and below 1"]),
        (1.0, ValueError, ["1.0", "above 0 and below 1"]),
        (-0.1, ValueError, ["-0.1"]),
        (float("nan"), ValueError, ["nan"]),
        (0.01, ValueError, ["0.01 of 10 rows is none", "larger share"]),
        (0.9, ValueError, ["leaves 1 to train on", "2 classes", "smaller share"]),
        (3, TypeError, ["3", "int", "a share between 0 and 1, or row indices"]),
        (True, TypeError, ["True", "bool"]),
        (None, TypeError, ["None", "NoneType"]),
        ({1, 2}, TypeError, ["set"]),
        ("training", ValueError, ["'training'", "a share"]),
        ("train", ValueError, ["'train'", "a share"]),
        ([], ValueError, ["holds out no row", "1 to 9 of the 10 rows"]),
        (list(range(10)), ValueError, ["leaves no row to train on"]),
        ([1, 10], ValueError, ["row 10", "0 to 9"]),
        ([-1], ValueError, ["row -1", "0 to 9"]),
        (np.array([2**64 - 1], dtype=np.uint64), ValueError, ["row 18446744073709551615"]),
        ([4, 4], ValueError, ["row 4 twice"]),
        ([1.0, 2.0], TypeError, ["float64", "integers"]),
        (["a"], TypeError, ["<U1", "integers"]),
        ([[1, 2]], TypeError, ["2 dimensions"]),
        ([[1, 2], [3]], ValueError, ["different lengths"]),
        ([True, False], ValueError, ["2 Booleans for 10 rows"]),
        ([False] * 10, ValueError, ["holds out no row"]),
        (np.int64(3), TypeError, ["0 dimensions"]),
        (b"train", TypeError, ["dtype |S5"]),
    ],
)
def test_what_is_no_split_is_refused(spec: Any, error: type[Exception], words: list[str]) -> None:
    with pytest.raises(error) as refusal:
        resolve_split(spec, 10, np.repeat([0, 1], 5), 0, "test")
    assert all(word in str(refusal.value) for word in [*words, "test"]), refusal.value


def test_the_word_train_is_offered_for_validation() -> None:
    with pytest.raises(ValueError, match=r"validation='all': expected .* or 'train'"):
        resolve_split("all", 10, None, 0, "validation")


def test_a_class_that_is_not_trained_cannot_be_validated() -> None:
    codes = np.array([0, 1, 2, 0, 1, 2])
    check_classes(codes, np.array([0, 1, 2]), np.array([3, 5]))
    check_classes(codes, np.array([0, 1, 2]), np.array([], dtype=np.uint32))
    with pytest.raises(ValueError, match=r"validation: class 2 has rows .*: hold out other rows"):
        check_classes(codes, np.array([0, 1, 3]), np.array([4, 5]))
    with pytest.raises(ValueError, match=r"test: class 2 \('z'\) has rows in test"):
        check_classes(codes, codes[:2], codes[2:3], classes=["x", "y", "z"], argument="test")
