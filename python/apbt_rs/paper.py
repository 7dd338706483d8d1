"""The paper's three experiments, in the paper's setting (its §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from apbt_rs import datasets
from apbt_rs._evolution import Evolution
from apbt_rs._nearest import nearest
from apbt_rs._result import Result
from apbt_rs._run import complete, start
from apbt_rs._settings import PAPER

__all__ = ["EXPERIMENTS", "Experiment", "evolve", "run"]


@dataclass(frozen=True)
class Experiment:
    """One row of the paper's §4.1, and what its Figure 3 gives for its three trials.

    Attributes
    ----------
    k, readiness, epochs : int
        The setting.
    validation : float or str
        What the paper held out: 20 %, or, for Identity, nothing ("train").
    figure : tuple
        For each trial `best` and `most_accurate`: soft accuracy in per cent, weights, topology,
        all as printed.
    """

    k: int
    readiness: int
    epochs: int
    validation: float | Literal["train"]
    figure: tuple[tuple[tuple[float, int, str], tuple[float, int, str]], ...]


EXPERIMENTS = {
    "iris": Experiment(
        80,
        220,
        3000,
        0.2,
        (
            ((94.24, 42, "4,6,3"), (96.6, 63, "4,9,3")),
            ((91.24, 28, "4,4,3"), (94.88, 49, "4,7,3")),
            ((66.42, 7, "4,1,3"), (68.8, 70, "4,10,3")),
        ),
    ),
    "tennis": Experiment(
        160,
        220,
        2600,
        0.2,
        (
            ((96.72, 72, "10,6,2"), (97.14, 120, "10,10,2")),
            ((85.33, 12, "10,1,2"), (90.59, 96, "10,8,2")),
            ((92.49, 12, "10,1,2"), (95.77, 24, "10,2,2")),
        ),
    ),
    "identity": Experiment(
        600,
        400,
        8000,
        "train",
        (
            ((55.2, 16, "8,1,8"), (93.38, 144, "8,9,8")),
            ((54.81, 16, "10,1,2"), (92.39, 160, "8,10,8")),
            ((55.32, 16, "8,1,8"), (89.11, 144, "8,9,8")),
        ),
    ),
}
"""The paper's §4.1 and Figure 3; the latter's "10,1,2" for Identity is printed so."""

_LOADERS = {
    "iris": datasets.load_iris,
    "tennis": datasets.load_tennis,
    "identity": datasets.load_identity,
}


def run(name: str, *, rows: Literal["paper", "all"] = "paper", **settings: Any) -> Result:
    """Run one of the paper's experiments.

    Sigmoid units and outputs, squared error, plain gradient descent with momentum and weight decay,
    one row per update, inputs as they are (paper §4.1, §4.2); the score is the soft accuracy, and
    `chosen` is `best`.

    Parameters
    ----------
    name : {"iris", "tennis", "identity"}
        The data set.
    rows : {"paper", "all"}, default="paper"
        Whether 20 % of the rows are held out as in the paper (for Identity none), or all rows serve
        for training and validation.
    **settings
        Keyword arguments of `apbt_rs.run` that replace the paper's.

    Returns
    -------
    Result

    Raises
    ------
    TypeError, ValueError
        As `apbt_rs.run`, and for an unknown name.

    Examples
    --------
    >>> from apbt_rs import paper
    >>> result = paper.run("tennis", k=20, epochs=440, seed=0, progress=False)
    >>> result.chosen.activations[-1]
    'sigmoid'
    """
    return _started("paper.run", name, rows, settings).finish()


def evolve(name: str, *, rows: Literal["paper", "all"] = "paper", **settings: Any) -> Evolution:
    """Start one of the paper's experiments, to be gone through by generations; see `run`.

    Returns
    -------
    Evolution
    """
    return _started("paper.evolve", name, rows, settings)


def _started(caller: str, name: str, rows: str, settings: dict[str, Any]) -> Evolution:
    if name not in EXPERIMENTS:
        raise ValueError(f"name={name!r}: {nearest(name, EXPERIMENTS)}")
    if rows not in ("paper", "all"):
        raise ValueError(f"rows={rows!r}: expected 'paper' or 'all'")
    experiment = EXPERIMENTS[name]
    X, y = _LOADERS[name]()
    arguments = {
        "k": experiment.k,
        "epochs": experiment.epochs,
        "readiness": experiment.readiness,
        "validation": experiment.validation if rows == "paper" else "train",
        "task": "classification",
        "metric": "soft_accuracy",
        "rule": "best",
        **settings,
    }
    return start(complete(caller, X, y, **arguments), PAPER)
