"""The progress bar: drawn where somebody looks, within the line, and left at the end."""

import io
import os
import re
from typing import Any

import pytest

import apbt_rs
from apbt_rs._progress import Progress

X, Y = apbt_rs.datasets.load_iris()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((60, 20)))
    return 60


def test_a_run_draws_itself_up_to_its_end(monkeypatch: pytest.MonkeyPatch, narrow: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    apbt_rs.run(X, Y, k=5, epochs=20, readiness=5, seed=0)
    drawn = terminal.getvalue()
    assert drawn.endswith("\n")
    lines = [re.sub(r"\x1b\[K", "", line) for line in drawn.strip().split("\r") if line]
    assert all(len(line) < narrow for line in lines)
    assert lines[0].startswith("░" * 20 + " 0/20 epochs")
    assert lines[-1].startswith("█" * 20 + " 20/20 epochs · best: ln fitness")


def test_the_end_is_drawn_however_soon_it_comes() -> None:
    terminal = Terminal()
    bar = Progress(100, shown=True, stream=terminal)
    for epoch in range(101):
        bar.show(epoch, 0.5, 1.0, 3)
    bar.close()
    assert "100/100" in terminal.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal(), None])
def test_nothing_is_drawn_where_nobody_looks(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not into a file, not when told so, and not where there is no standard error."""
    monkeypatch.setattr("sys.stderr", stream)
    apbt_rs.run(X, Y, k=5, epochs=10, seed=0, progress=not isinstance(stream, Terminal))
    assert stream is None or stream.getvalue() == ""


def test_a_bar_that_drew_nothing_leaves_no_line() -> None:
    terminal = Terminal()
    Progress(10, shown=True, stream=terminal).close()
    assert terminal.getvalue() == ""
