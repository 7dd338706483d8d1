"""DataFrames from the core's columns: each value where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

import apbt_rs
from apbt_rs import _core
from apbt_rs._frames import HISTORY, history_frame, schedule_frame
from apbt_rs.datasets import load_iris

TOPOLOGIES = st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=5), max_size=8)


def columns(topologies: Sequence[Sequence[int]], places: Sequence[int]) -> dict[str, Any]:
    """Columns as the core gives them: all numbers of all rows are the row's own."""
    rows = len(topologies)
    own = np.arange(rows, dtype=np.float64)
    return {
        **dict.fromkeys(HISTORY, own),
        "event": np.array([place % len(_core.EVENTS) for place in places], dtype=np.uint8),
        "parent": np.arange(rows) - 1,
        "topology": np.array([n for one in topologies for n in one], dtype=np.uint32),
        "topology_length": np.array([len(one) for one in topologies], dtype=np.uint32),
        "activation": np.array(
            [place % 4 for one, place in zip(topologies, places, strict=True) for _ in one[2:]],
            dtype=np.uint8,
        ),
        "optimizer": np.array([float(place % 2) for place in places]),
    }


@given(TOPOLOGIES, st.data())
def test_lists_and_names_stand_in_their_own_rows(
    topologies: list[list[int]], data: st.DataObject
) -> None:
    rows = len(topologies)
    places = data.draw(st.lists(st.integers(0, 20), min_size=rows, max_size=rows))
    frame = history_frame(columns(topologies, places))
    assert frame.schema == pl.Schema(HISTORY)
    assert frame["topology"].to_list() == topologies
    assert frame["activation"].to_list() == [
        [_core.ACTIVATIONS[place % 4]] * (len(one) - 2)
        for one, place in zip(topologies, places, strict=True)
    ]
    assert frame["event"].to_list() == [_core.EVENTS[i % len(_core.EVENTS)] for i in places]
    assert frame["optimizer"].to_list() == [_core.OPTIMIZERS[i % 2] for i in places]
    assert frame["parent"].to_list() == [None, *range(rows - 1)][:rows]
    assert frame["size"].to_list() == list(range(rows))


def test_a_network_is_what_its_row_of_the_history_says() -> None:
    X, y = load_iris()
    space = {"hidden_layers": (0, 2)}
    result = apbt_rs.run(X, y, k=12, epochs=40, readiness=10, seed=0, space=space, progress=False)
    for network in result.front:
        row = result.history.row(
            by_predicate=(pl.col("generation") == network.generation)
            & (pl.col("member") == network.member),
            named=True,
        )
        assert row["topology"] == network.topology
        assert row["size"] == network.size
        schedule = schedule_frame(result.history, network.generation, network.member)
        assert schedule.row(-1, named=True) == row
        assert schedule["generation"].to_list() == list(range(network.generation + 1))
        pairs = zip(schedule["parent"][1:], schedule["member"], strict=False)
        assert all(parent == member for parent, member in pairs)
