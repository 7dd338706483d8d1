"""The core's table: what does not fit is refused before a number is written."""

from __future__ import annotations

import numpy as np
import pytest

from apbt_rs import _core

BLOCK = np.ones((2, 3), dtype=np.float32)


@pytest.mark.parametrize(("rows", "columns"), [(2**62, 1), (2**45, 1), (2**40, 2**40)])
def test_a_table_without_room_is_a_memory_error(rows: int, columns: int) -> None:
    with pytest.raises(MemoryError, match=f"{rows} rows and {columns} inputs"):
        _core.Table(rows, columns)


@pytest.mark.parametrize(("row", "column"), [(3, 0), (0, 2), (2**64 - 1, 0), (0, 2**64 - 1)])
def test_a_block_beyond_the_table_is_refused(row: int, column: int) -> None:
    table = _core.Table(4, 4)
    with pytest.raises(ValueError, match="not within the table"):
        table.write(row, column, BLOCK)
    table.write(2, 1, BLOCK)
