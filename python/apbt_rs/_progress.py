"""The progress bar: one line on standard error, redrawn after each generation."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

__all__ = ["Progress"]

_WIDTH = 20
_INTERVAL = 0.1  # seconds between two drawings


class Progress:
    """A bar that shows epochs, best fitness, score, size and the time left.

    It is drawn on a terminal or in a notebook only; a log file gets nothing.
    """

    def __init__(self, epochs: int, *, shown: bool, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        # Under pythonw and some services there is no standard error at all.
        self.shown = shown and self.stream is not None and _is_watched(self.stream)
        self.epochs = epochs
        self.started = time.monotonic()
        self.drawn = -_INTERVAL

    def show(self, epoch: int, score: float, log_fitness: float, size: int) -> None:
        """Draw the line for a number of epochs done and the best network so far."""
        now = time.monotonic()
        if not self.shown or (now - self.drawn < _INTERVAL and epoch < self.epochs):
            return
        self.drawn = now
        elapsed = now - self.started
        left = elapsed / epoch * (self.epochs - epoch) if epoch else 0.0
        done = _WIDTH * epoch // self.epochs
        line = (
            f"{'█' * done}{'░' * (_WIDTH - done)} {epoch}/{self.epochs} epochs · "
            f"best: ln fitness {log_fitness:.2f}, score {score:.4f}, size {size} · "
            f"{left:.0f} s left"
        )
        self.stream.write("\r" + line[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
        self.stream.flush()

    def close(self) -> None:
        """Leave the line."""
        if self.shown and self.drawn >= 0:
            self.stream.write("\n")
            self.stream.flush()
        self.shown = False


def _is_watched(stream: TextIO) -> bool:
    return stream.isatty() or type(stream).__module__.startswith("ipykernel")
