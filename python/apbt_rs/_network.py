"""A network as the user has it: it takes tables and gives labels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _core
from apbt_rs._data import Answers, row_weights
from apbt_rs._encoding import Encoder
from apbt_rs._metrics import BUILT_IN, Metric
from apbt_rs._targets import Targets, check_lengths
from apbt_rs._warnings import warn

__all__ = ["Network"]


@dataclass(frozen=True, repr=False, eq=False)
class Network:
    """A trained network with the encoding of its inputs and targets.

    Networks come from a `Result` or from `load`; they predict tables as the one that `run` was
    given. They are values: what trains on is a copy.

    Attributes
    ----------
    validation_score, validation_loss : float
        The metric, higher is better, and the mean evaluation loss (log-loss, or half the squared
        error of standardised targets) on the validation rows. They steered the search, and so are
        optimistic.
    test_score, test_loss : float or None
        The same on the rows of `test=`, which took no part; None without. NaN where the metric is
        undefined on these rows, as for `score`.
    log_fitness, fitness : float
        The logarithm of `score_base^(100·skill) / size_base^size` (paper §3.2), and that itself.
    generation, member : int
        When and where in the population it scored.
    hyperparameters : dict
        Those that it trained with last; None for one that does not apply.
    metric : str
        The metric's name.

    Examples
    --------
    >>> import apbt_rs
    >>> X, y = apbt_rs.datasets.load_iris()
    >>> net = apbt_rs.run(X, y, k=20, epochs=50, seed=0, progress=False).chosen
    >>> net.predict(X).dtype
    String
    >>> net.predict_proba(X).shape
    (150, 3)
    """

    core: _core.Network
    encoder: Encoder
    targets: Targets
    metric: str
    validation_score: float
    validation_loss: float
    log_fitness: float
    fitness: float
    generation: int
    member: int
    hyperparameters: dict[str, float | int | str | None]
    lineage: pl.DataFrame
    test_score: float | None = None
    test_loss: float | None = None

    @property
    def topology(self) -> list[int]:
        """Units per layer, input and output included."""
        return self.core.topology

    @property
    def activations(self) -> list[str]:
        """Activation of each layer past the input."""
        return self.core.activations

    @property
    def size(self) -> int:
        """Number of weights that are not pruned, biases left out (paper, Figure 3)."""
        return self.core.size

    @property
    def n_parameters(self) -> int:
        """Number of weights that are not pruned, and biases."""
        return self.core.n_parameters

    @property
    def n_bytes(self) -> int:
        """Bytes of the parameters as 32-bit numbers."""
        return 4 * self.n_parameters

    @property
    def classes(self) -> list[Any]:
        """The classes in ascending order; none for a regression."""
        return self.targets.classes

    def __repr__(self) -> str:
        test = "" if self.test_score is None else f", test_score={self.test_score:.4g}"
        return (
            f"Network(topology={self.topology}, size={self.size}, "
            f"validation_score={self.validation_score:.4g}{test})"
        )

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights (inputs, outputs) and biases (outputs,) of each layer, as float32."""
        return list(self.core.layers())

    def predict(self, X: Any) -> pl.Series | pl.DataFrame:
        """Predict labels or values.

        Parameters
        ----------
        X : table of shape (rows, columns)
            As the one that the network was made from; columns are matched by name.

        Returns
        -------
        polars Series of shape (rows,)
            Labels in the dtype of `y`, or float64 values in its units; for several targets a
            DataFrame with a column for each.

        Raises
        ------
        TypeError, ValueError
            If columns are missing or hold what cannot be encoded, or a row is so far from the
            training rows that sums leave float32.
        """
        return self._answers(self._outputs(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict class probabilities.

        Parameters
        ----------
        X : table of shape (rows, columns)
            As for `predict`.

        Returns
        -------
        float32 array of shape (rows, n_classes)
            In the order of `classes`. Where each class has a sigmoid of its own, as in the paper,
            outputs are divided by their sum.

        Raises
        ------
        TypeError, ValueError
            As for `predict`, and if the network is a regression's.
        """
        if self.targets.task == "regression":
            raise ValueError("predict_proba: a regression has no classes; see predict")
        outputs = self._outputs(X)
        return _core.probabilities(self.activations[-1], outputs)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score predictions by the network's metric, higher is better.

        Parameters
        ----------
        X : table of shape (rows, columns)
        y : column of shape (rows,) or table of shape (rows, n_targets)
        sample_weight : array of shape (rows,), default=None
            Weights of the rows, as for `run`.

        Returns
        -------
        float
            NaN, with a warning, for "r2" where all rows have the same target.

        Raises
        ------
        TypeError, ValueError
            If the tables do not fit, or the metric is a function of the user's own, which
            networks do not carry.
        """
        if self.metric not in BUILT_IN:
            raise ValueError(
                f"score: the metric {self.metric!r} is a function, which a network does not "
                "carry: call it on what predict returns"
            )
        outputs, targets = self._outputs(X), self.targets.transform(y)
        check_lengths(len(outputs), len(targets))
        weights = row_weights(sample_weight, len(outputs))
        score, _ = self._evaluate(outputs, targets, weights, self.metric, "score")
        return score

    def schedule(self) -> pl.DataFrame:
        """Return the hyperparameter schedule that the network was trained by.

        Returns
        -------
        polars.DataFrame
            The rows of the history for its line of ancestors, in time order (paper §4.3).
        """
        return self.lineage

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the network, to be read by `load`.

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

        _files.write(path, _files.network_to_bytes(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the saved file's bytes."""
        from apbt_rs import _files

        return _files.network_from_bytes, (_files.network_to_bytes(self),)

    def _outputs(self, X: Any) -> np.ndarray:
        """Return outputs of shape (rows, n_outputs), float32."""
        outputs = self.core.outputs(self.encoder.transform(X))
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"X: row {finite.argmin()} is so far from the training rows that the network's "
                "sums leave float32: leave it out, or see whether its numbers are in other units"
            )
        return outputs

    def _judged(self, answers: Answers, metric: Metric, where: str) -> tuple[float, float]:
        """Return score and evaluation loss on some of a run's rows; warnings call them `where`."""
        outputs = self.core.outputs(answers.inputs)
        weights = answers.weights
        score, loss = self._evaluate(outputs, answers.targets, weights, metric.core_name, where)
        if metric.function is not None:
            response = response_from_outputs(self.targets, self.activations[-1], metric, outputs)
            score = metric(answers.labels, response, weights)
        return score, loss

    def _evaluate(
        self,
        outputs: np.ndarray,
        targets: np.ndarray,
        weights: list[float] | None,
        metric: str,
        where: str,
    ) -> tuple[float, float]:
        score, loss = _core.evaluate(
            outputs,
            targets,
            task=self.targets.task,
            output=self.activations[-1],
            target_scale=self.targets.scale,
            sample_weight=weights,
            metric=metric,
        )
        if metric == "r2" and not np.isfinite(score):
            counted = targets if weights is None else targets[np.array(weights) > 0]
            equal = (counted == counted[0]).all(axis=0)
            if equal.any():
                warn(
                    f"{where}: all rows have the same {self.targets.names[equal.argmax()]!r}, of "
                    "which r2 is undefined: it is NaN; give rows that differ, or use the metric "
                    "'neg_mean_squared_error'"
                )
                return float("nan"), loss
        return score, loss

    def _answers(self, outputs: np.ndarray) -> pl.Series | pl.DataFrame:
        return answers_from_outputs(self.targets, self.activations[-1], outputs)


def response_from_outputs(
    targets: Targets, output: str, metric: Metric, outputs: np.ndarray
) -> pl.Series | pl.DataFrame | np.ndarray:
    """Return what a metric of the user's own is given for outputs of shape (rows, n_outputs)."""
    if metric.response == "predict_proba":
        return _core.probabilities(output, outputs)
    return answers_from_outputs(targets, output, outputs)


def answers_from_outputs(
    targets: Targets, output: str, outputs: np.ndarray
) -> pl.Series | pl.DataFrame:
    """Turn outputs of shape (rows, n_outputs) into labels or values."""
    if targets.task == "classification":
        return targets.labels(_core.probabilities(output, outputs).argmax(axis=1))
    values = targets.values(outputs)
    if values.ndim == 1:
        return pl.Series(targets.names[0], values)
    return pl.DataFrame(values, schema=targets.names)
