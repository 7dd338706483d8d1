"""Augmented Population Based Training: the smallest accurate neural network for a table.

`run` evolves a population of small networks on a table: it fits weights, hyperparameter schedules
and topology in one run, and returns the networks with every member's history.

>>> import apbt_rs
>>> X, y = apbt_rs.datasets.load_iris()
>>> result = apbt_rs.run(X, y, k=20, epochs=50, seed=0, progress=False)
>>> result.chosen.predict(X).len()
150
"""

from apbt_rs import datasets, paper
from apbt_rs._core import __version__
from apbt_rs._evolution import Evolution, Generation
from apbt_rs._files import load
from apbt_rs._metrics import Metric, metric
from apbt_rs._network import Network
from apbt_rs._result import Result
from apbt_rs._run import evolve, resume, run
from apbt_rs._space import Range

__all__ = [
    "Evolution",
    "Generation",
    "Metric",
    "Network",
    "Range",
    "Result",
    "__version__",
    "datasets",
    "evolve",
    "load",
    "metric",
    "paper",
    "resume",
    "run",
]
