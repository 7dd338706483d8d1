"""What a run results in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._frames import encoding_frame, summary_frame
from apbt_rs._metrics import TASKS
from apbt_rs._network import Network
from apbt_rs._settings import RULES

__all__ = ["FACTS", "Result"]

FACTS = ("task", "metric", "rule", "seed", "stopped_by", "seconds")
"""What of a result is neither a network nor the history."""
ENDS = ("epochs", "patience", "callback", "time_limit")
"""What ends a run."""


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """The networks and the history of a run.

    Attributes
    ----------
    best : Network
        Highest fitness; ties go to the lower evaluation loss.
    most_accurate : Network
        Highest score; ties go to the lower evaluation loss.
    chosen : Network
        The one that `rule=` picks.
    front : list of Network
        Of all networks ever scored those that no other matches on both score and size while
        beating it on one, from the smallest to the largest.
    history : polars.DataFrame
        One row per member and generation.
    task : str
        "classification" or "regression".
    metric : str
        The metric's name.
    rule : str
        The rule that chose.
    seed : int
        The seed; a run with it and the same arguments gives the same bits.
    stopped_by : str
        "epochs", "patience", "callback" or "time_limit"; the last is the one that a second run
        need not repeat.
    seconds : float
        How long the run took.

    Examples
    --------
    >>> import apbt_rs
    >>> X, y = apbt_rs.datasets.load_iris()
    >>> result = apbt_rs.run(X, y, k=20, epochs=50, seed=0, test=1 / 3, progress=False)
    >>> result.summary()["network"].to_list()
    ['best', 'most_accurate', 'chosen']
    """

    best: Network
    most_accurate: Network
    chosen: Network
    front: list[Network]
    history: pl.DataFrame
    task: str
    metric: str
    rule: str
    seed: int
    stopped_by: str
    seconds: float

    def __repr__(self) -> str:
        generations = self.history["generation"][-1]
        test = "" if self.chosen.test_score is None else f", test {self.chosen.test_score:.4g}"
        return (
            f"Result({self.task}, {generations} generations in {self.seconds:.1f} s, "
            f"{len(self.front)} networks on the front; chosen: {self.chosen.topology}, "
            f"size {self.chosen.size}, validation {self.metric} "
            f"{self.chosen.validation_score:.4g}{test})"
        )

    def predict(self, X: Any) -> pl.Series | pl.DataFrame:
        """Predict by the chosen network; see `Network.predict`."""
        return self.chosen.predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities by the chosen network; see `Network.predict_proba`."""
        return self.chosen.predict_proba(X)

    def summary(self) -> pl.DataFrame:
        """Return topology, size and scores of `best`, `most_accurate` and `chosen`."""
        return summary_frame(self._networks()[:3])

    @property
    def encoding(self) -> pl.DataFrame:
        """What becomes of each column of `X`, one row per column, with the inputs that it gives.

        Columns are `column, operation, kind, mean, scale, levels, other, rare, handle_unknown,
        missing, inputs`; null where something does not apply. Means and scales of dates and
        durations are in days. `other` tells whether levels that are not listed share an input;
        where `handle_unknown` is "error", `rare` lists which.
        """
        return encoding_frame(self.chosen.encoder)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save networks and history, to be read by `load`.

        Parameters
        ----------
        path : path
            A file, replaced as a whole.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        from apbt_rs import _files

        _files.write(path, _files.result_to_bytes(self))

    def _networks(self) -> list[tuple[str, Network]]:
        """Return all networks with what they are called."""
        named = [("best", self.best), ("most_accurate", self.most_accurate)]
        return [*named, ("chosen", self.chosen), *(("front", one) for one in self.front)]

    def _facts(self) -> dict[str, Any]:
        """Return what is neither a network nor the history."""
        return {name: getattr(self, name) for name in FACTS}

    @classmethod
    def from_parts(
        cls, facts: dict[str, Any], history: pl.DataFrame, networks: list[Network]
    ) -> Result:
        """Put together what `_facts`, `history` and `_networks` gave."""
        best, most_accurate, chosen, *front = networks
        return cls(
            best=best,
            most_accurate=most_accurate,
            chosen=chosen,
            front=front,
            history=history,
            task=_fields.one_of(facts["task"], TASKS, "task"),
            metric=_fields.text(facts["metric"], "metric"),
            rule=_fields.one_of(facts["rule"], RULES, "rule"),
            seed=_fields.count(facts["seed"], "seed", 64),
            stopped_by=_fields.one_of(facts["stopped_by"], ENDS, "stopped_by"),
            seconds=_fields.number(facts["seconds"], "seconds"),
        )
