"""The run loop: Algorithm 1 of the paper, over the core's four functions of a generation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _core
from apbt_rs._checkpoint import Checkpoint, Parts, check_path
from apbt_rs._data import prepare
from apbt_rs._frames import history_frame, schedule_frame
from apbt_rs._metrics import resolve
from apbt_rs._network import Network, response_from_outputs
from apbt_rs._progress import Progress
from apbt_rs._result import Result
from apbt_rs._settings import (
    Preset,
    Settings,
    automatic_epochs,
    automatic_fitness,
    automatic_objective,
)
from apbt_rs._space import Space
from apbt_rs._warnings import warn

__all__ = ["Evolution", "Generation"]

_SLICE = 0.25  # seconds of training between two looks at the clock
_UPDATE = 1e-9  # seconds of a parameter's update, on the slow side where there are vectors


@dataclass(frozen=True)
class Generation:
    """What an `Evolution` yields after each generation.

    Attributes
    ----------
    number : int
        0 for the population before any training.
    epoch : int
        Epochs trained by then.
    best_score, best_log_fitness : float
        Score and logarithm of fitness of the best network so far; NaN before there is one.
    best_size : int
        Its size.
    """

    number: int
    epoch: int
    best_score: float
    best_log_fitness: float
    best_size: int


class Evolution(Iterator[Generation]):
    """A run that is watched, paused or steered: iterate to go on by a generation.

    It comes from `evolve`. It can be pickled between two generations and goes on, elsewhere too,
    as if it had not been stopped.
    """

    def __init__(
        self, X: Any, y: Any, sample_weight: Any, settings: Settings, preset: Preset
    ) -> None:
        started = time.monotonic()
        path = check_path(settings.checkpoint)
        space = Space.of(settings.space, preset.space)
        seed = settings.drawn_seed()
        data, inputs, outputs = prepare(X, y, sample_weight, settings, preset, seed)
        targets = data.targets
        metric = resolve(settings.metric, targets.task)
        if metric.core_name == "accuracy":
            data.warn_of_rare_class()
        epochs = settings.epochs or automatic_epochs(len(data.train))
        readiness = settings.readiness or max(1, min(30, epochs // 10))
        output, loss = automatic_objective(targets.task, targets.n_outputs, preset)
        score_base, size_base = settings.fitness or automatic_fitness(
            data.encoder.n_inputs, targets.n_outputs, preset
        )
        core = _core.Evolution(
            inputs,
            outputs,
            task=targets.task,
            output=output,
            loss=loss,
            decay_biases=preset.decay_biases,
            target_scale=targets.scale,
            sample_weight=data.weights,
            train=data.train,
            validation=data.validation,
            seed=seed,
            k=settings.k,
            space=space.domains,
            activations=space.activations,
            metric=metric.core_name,
            anchors=metric.anchors,
            score_base=float(score_base),
            size_base=float(size_base),
            n_jobs=settings.threads(),
        )
        settings = replace(settings, epochs=epochs, readiness=readiness, seed=seed)
        checkpoint = None if path is None else Checkpoint(path)
        self._begin(Parts(core, data, settings, metric, 0.0, checkpoint), started)

    @classmethod
    def _resumed(cls, parts: Parts) -> Evolution:
        """Return the run that a checkpoint holds."""
        evolution = cls.__new__(cls)
        evolution._begin(parts, time.monotonic())
        evolution._scored = True
        evolution._goal = parts.core.epoch
        return evolution

    def _begin(self, parts: Parts, started: float) -> None:
        settings = parts.settings
        assert settings.epochs is not None  # whoever made the parts has filled them in
        assert settings.readiness is not None
        assert settings.seed is not None
        self._core = parts.core
        self._data = parts.data
        self._settings = settings
        self._epochs = settings.epochs
        self._readiness = settings.readiness
        self._seed = settings.seed
        self._metric = parts.metric
        self._checkpoint = parts.checkpoint
        self._started = started
        self._seconds_before = parts.seconds
        self._scored = False
        self._goal = 0  # epochs at which the generation in work is complete
        self._stopped_by: str | None = None
        self._epoch_seconds = 0.0

    def __iter__(self) -> Evolution:
        return self

    def __next__(self) -> Generation:
        """Go on by a generation: exploit and explore, train, score, record."""
        if self._ended_by() is not None:
            self._release()
            raise StopIteration
        # An interrupt may be raised as soon as a call of the core returns, which has then done its
        # work. So what follows from the call is noted before it, and going on repeats nothing.
        if self._scored:
            plan, before = self._core.plan(), self._goal
            self._goal = min(self._core.epoch + self._readiness, self._epochs)
            self._scored = False
            try:
                self._core.apply(plan)
            except (RuntimeError, ValueError):  # nothing was changed
                self._goal, self._scored = before, True
                raise
        if self._core.epoch < self._goal and not self._train():
            self._release()
            raise StopIteration
        custom = self._custom_scores()
        self._scored = True
        self._core.score(custom)
        self._save()
        generation = self._generation()
        for callback in self._settings.callbacks:
            callback(self, generation)
        return generation

    @property
    def history(self) -> pl.DataFrame:
        """The history so far, one row per member and generation."""
        return history_frame(self._core.history(0))

    def stop(self) -> None:
        """End the run after the generation that is in work; for callbacks."""
        self._stopped_by = self._stopped_by or "callback"

    def finish(self) -> Result:
        """Go on to the end and return the result.

        Returns
        -------
        Result
        """
        progress = Progress(self._epochs, shown=self._settings.progress)
        try:
            for one in self:
                progress.show(one.epoch, one.best_score, one.best_log_fitness, one.best_size)
        finally:
            progress.close()
            self._release()
        return self.result()

    def result(self) -> Result:
        """Return the result of what was evolved so far, and let others go on with its checkpoint.

        Returns
        -------
        Result

        Raises
        ------
        ValueError
            If no network has a finite score.
        """
        if not self._begun:
            next(self)
        self._release()
        best, most_accurate = self._core.best(), self._core.most_accurate()
        chosen = {
            "best": best,
            "most_accurate": most_accurate,
            "one_se": self._core.one_se(),
        }[self._settings.rule]
        if best is None or most_accurate is None or chosen is None:
            raise ValueError(
                f"metric {self._metric.name!r}: no network had a finite score; check what the "
                "metric returns, or lower space['learning_rate']"
            )
        history = self.history
        return Result(
            best=self._network(best, history),
            most_accurate=self._network(most_accurate, history),
            chosen=self._network(chosen, history),
            front=[self._network(one, history) for one in self._core.front()],
            history=history,
            task=self._data.targets.task,
            metric=self._metric.name,
            rule=self._settings.rule,
            seed=self._seed,
            stopped_by=self._ended_by() or "callback",
            seconds=self._seconds(),
        )

    def validation_score(self, network: Network, metric: str) -> float:
        """Score a network on the validation rows by another built-in metric.

        Parameters
        ----------
        network : Network
            One of this run's.
        metric : str
            The metric's name, as for `run`.

        Returns
        -------
        float
        """
        answers = self._data.answers(self._core, self._data.validation)
        metric_of_task = resolve(metric, self._data.targets.task)
        return network._judged(answers, metric_of_task, "validation")[0]

    @property
    def _begun(self) -> bool:
        """Whether population 0 is scored."""
        return self._scored or self._goal > 0

    def _train(self) -> bool:
        """Train the epochs that are left of this generation, in slices; return whether any was."""
        limit = self._settings.time_limit
        if self._epoch_seconds == 0 and limit is None:
            # With a limit one epoch shows how many there is time for: what is cut off is lost.
            self._epoch_seconds = _UPDATE * self._core.n_parameters * len(self._data.train)
        while (left := self._goal - self._core.epoch) > 0:
            started = time.monotonic()
            deadline, seconds = None, _SLICE
            if limit is not None:
                deadline = limit - (started - self._started)
                seconds = min(_SLICE, deadline / 2)
            epochs = 1
            if self._epoch_seconds > 0:
                epochs = min(left, max(1, int(seconds / self._epoch_seconds)))
            if (deadline is not None and deadline <= 0) or not self._core.train(epochs, deadline):
                self._stopped_by = "time_limit"
                break
            self._epoch_seconds = (time.monotonic() - started) / epochs
        return self._part_trained()

    def _part_trained(self) -> bool:
        """Whether any epoch was trained since the last full generation."""
        return self._core.epoch > self._core.generation * self._readiness

    def _save(self) -> None:
        """Write a checkpoint if it is time to, or the last one that there will be.

        Only full generations are kept: a short last one is never selected on, so that going on
        from it would not be what a longer run does.
        """
        epoch, done = self._core.epoch, self._core.generation * self._readiness
        if self._checkpoint is None or epoch != done:
            return
        last = epoch + self._readiness > self._epochs or self._ended_by() is not None
        if last or self._checkpoint.due():
            self._checkpoint.save(self._parts())

    def _release(self) -> None:
        """Let others go on with the checkpoint."""
        if self._checkpoint is not None:
            self._checkpoint.release()

    def _parts(self) -> Parts:
        return Parts(
            self._core,
            self._data,
            self._settings,
            self._metric,
            self._seconds(),
            self._checkpoint,
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _custom_scores(self) -> list[float] | None:
        """Score every member by the user's metric, if there is one."""
        metric, data = self._metric, self._data
        if metric.function is None:
            return None
        first = self._core.n_rows == 0
        weights = None if data.weights is None else np.take(data.weights, data.validation)
        if first and weights is not None and not metric.weighted:
            warn(
                f"metric {metric.name!r} has no parameter sample_weight, so that row weights count "
                "in training and not in its scores: give it one to weigh them there, too"
            )
        labels, output = data.labels(data.validation), self._core.output
        scores = [
            metric(labels, response_from_outputs(data.targets, output, metric, outputs), weights)
            for outputs in self._core.validation_outputs()
        ]
        if first and not np.isfinite(scores).any():
            warn(
                f"metric {metric.name!r}: no network had a finite score before any training, the "
                f"first {scores[0]}; check what the metric returns, and let it be a number, such "
                "as its worst, where it is undefined"
            )
        return scores

    def _generation(self) -> Generation:
        best = self._core.best()
        nan = float("nan")
        score = None if best is None else best.validation_score
        return Generation(
            number=self._core.generation,
            epoch=self._core.epoch,
            best_score=nan if score is None else score,
            best_log_fitness=nan if best is None else best.log_fitness,
            best_size=0 if best is None else best.network.size,
        )

    def _ended_by(self) -> str | None:
        """Return what ended the run, if it has ended."""
        patience = self._settings.patience
        if not self._begun:
            return None  # population 0 is scored in any case, so that there is a result
        if not self._scored:
            # What was trained is scored in any case, too.
            return None if self._part_trained() else self._stopped_by
        if self._stopped_by is not None:
            return self._stopped_by
        if self._core.epoch >= self._epochs:
            return "epochs"
        if patience is not None and self._core.generation - self._core.improved >= patience:
            return "patience"
        return None

    def _network(self, snapshot: _core.Snapshot, history: pl.DataFrame) -> Network:
        score, loss = snapshot.validation_score, snapshot.validation_loss
        assert score is not None  # the archive passes over what has none
        assert loss is not None
        network = Network(
            core=snapshot.network,
            encoder=self._data.encoder,
            targets=self._data.targets,
            metric=self._metric.name,
            validation_score=score,
            validation_loss=loss,
            log_fitness=snapshot.log_fitness,
            fitness=snapshot.fitness,
            generation=snapshot.generation,
            member=snapshot.member,
            hyperparameters=snapshot.hyperparameters,
            lineage=schedule_frame(history, snapshot.generation, snapshot.member),
        )
        if self._data.test is None:
            return network
        answers = self._data.answers(self._core, self._data.test)
        score, loss = network._judged(answers, self._metric, "test")
        return replace(network, test_score=score, test_loss=loss)

    def __getstate__(self) -> dict[str, Any]:
        core = self._core
        parts = (core.run_to_bytes(), core.state_to_bytes(), core.history_to_bytes(0))
        return {**self.__dict__, "_core": parts, "_started": time.monotonic() - self._started}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._started = time.monotonic() - state["_started"]
        run, core, history = state["_core"]
        threads = self._settings.threads()
        self._core = _core.Evolution.from_parts(run, core, [history], threads)
