"""Law: a warning shows the line outside the package that led to it; see test_checkpoint.py, too."""

import linecache
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

import apbt_rs

ROWS = 120
TABLES: Mapping[str, tuple[dict[str, list[Any]], list[Any]]] = {
    "all its values are missing": ({"x": [*range(ROWS)], "none": [None] * ROWS}, [0, 1] * 60),
    "left out": ({"x": [*range(ROWS)], "id": [f"key {i}" for i in range(ROWS)]}, [0, 1] * 60),
    "has 60 levels": ({"level": [f"l{i % 60}" for i in range(ROWS)]}, [0, 1] * 60),
    "taken for a quantity": ({"x": [*range(ROWS)]}, [0.0, 1.0] * 60),
    "hardly falls": ({"x": [*range(ROWS)]}, [1] * 2 + [0] * (ROWS - 2)),
}


@pytest.mark.parametrize("words", TABLES)
def test_a_warning_shows_the_line_that_led_to_it(words: str) -> None:
    X, y = TABLES[words]
    with pytest.warns(UserWarning, match=words) as caught:
        apbt_rs.run(pl.DataFrame(X), y, k=4, epochs=1, readiness=1, progress=False)
    (warning,) = [one for one in caught if words in str(one.message)]
    assert warning.filename == __file__
    assert "apbt_rs.run(" in linecache.getline(__file__, warning.lineno)
