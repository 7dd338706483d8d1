"""A run's data: the user's tables, encoded and split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from apbt_rs import _core
from apbt_rs._arrays import Columns
from apbt_rs._encoding import Encoder
from apbt_rs._options import read_options
from apbt_rs._settings import Preset, Settings
from apbt_rs._splits import check_classes, is_pair, resolve_split
from apbt_rs._tables import read_columns, read_target
from apbt_rs._targets import Targets, check_lengths, infer_task, warn_of_whole_floats
from apbt_rs._values import UnseenError, is_number
from apbt_rs._warnings import warn

__all__ = ["Answers", "Data", "check_weights", "prepare", "row_weights"]

_LEAST_SHARE = 0.1  # of an equal share, that a class has without a warning
_MOST_WEIGHT = 1e100  # sums and squares of weights must stay finite
_MOST_SCALED = 1e30  # of the training rows' mean, by which float32 weights are scaled


@dataclass(frozen=True)
class Answers:
    """What was right for some rows.

    Attributes
    ----------
    inputs : float32 array of shape (rows, n_inputs)
    targets : float32 array of shape (rows, n_outputs)
    labels : polars Series or DataFrame of shape (rows,) or (rows, n_targets)
        The targets as the user gave them.
    weights : list of float, or None
    """

    inputs: np.ndarray
    targets: np.ndarray
    labels: pl.Series | pl.DataFrame
    weights: list[float] | None


@dataclass(frozen=True)
class Data:
    """What belongs to the encoded tables, those of `validation=` and `test=` appended."""

    encoder: Encoder
    targets: Targets
    weights: list[float] | None
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray | None
    frame: pl.DataFrame  # the targets as the user gave them
    codes: np.ndarray | None  # the class index of each row, uint32; None for a regression

    def answers(self, core: _core.Evolution, rows: np.ndarray) -> Answers:
        """Return what was right for some rows; the core has the table."""
        weights = None if self.weights is None else [self.weights[row] for row in rows]
        return Answers(*core.rows(rows), self.labels(rows), weights)

    def warn_of_rare_class(self) -> None:
        """Warn if accuracy is won by ignoring a class.

        That is so if the rarest has less than a tenth of what it had if all were equal: with two
        classes less than 5 % of the training rows, by their weights.
        """
        assert self.codes is not None  # only a classification has an accuracy
        classes = self.targets.classes
        codes = self.codes[self.train]
        weights = None if self.weights is None else np.take(self.weights, self.train)
        shares = np.bincount(codes, weights, len(classes))
        shares = shares / shares.sum()
        rarest = int(shares.argmin())
        if shares[rarest] * len(classes) < _LEAST_SHARE:
            warn(
                f"y: the class {classes[rarest]!r} has {int((codes == rarest).sum())} of "
                f"{len(codes)} training rows and {shares[rarest]:.2%} of their weight, so that "
                "accuracy hardly falls if it is never predicted: give its rows more weight by "
                "sample_weight=, or choose metric='neg_log_loss'"
            )

    def labels(self, rows: np.ndarray) -> pl.Series | pl.DataFrame:
        """Return the targets of some rows as the user gave them."""
        picked = self.frame[rows]
        return picked.to_series() if picked.width == 1 else picked


def prepare(
    X: Any, y: Any, sample_weight: Any, settings: Settings, preset: Preset, seed: int
) -> tuple[Data, _core.Table, np.ndarray]:
    """Read, split and encode the tables.

    Returns
    -------
    data : Data
    inputs : Table of shape (rows, n_inputs)
    outputs : float32 array of shape (rows, n_outputs)

    Raises
    ------
    TypeError, ValueError
        Naming the argument, the value and what would be right.
    """
    options = read_options(settings.encoding)
    frame, target = read_columns(X), read_target(y)
    check_lengths(frame.height, target.height)
    weights = row_weights(sample_weight, frame.height)
    task = infer_task(target, settings.task)
    fit = partial(
        Targets.fit,
        target,
        task=task,
        standardize=preset.standardize,
        one_hot_binary=preset.sigmoid_outputs,
    )
    # Classes are those of all rows: a split with one that is not trained is refused below.
    classes = None if task == "regression" else fit(rows=np.arange(target.height, dtype=np.uint32))
    strata = None if classes is None else classes.codes(target)
    rest, test = _test_rows(settings.test, frame.height, strata, seed)
    train, validation = _validation_rows(settings.validation, rest, frame.height, strata, seed)
    if strata is not None and len(np.unique(strata[train])) < 2:
        raise ValueError("validation: the training rows have one class only; keep others too")

    encoder = Encoder.fit(
        frame,
        train,
        known=None if test is None else rest,
        standardize=preset.standardize,
        options=options,
    )
    targets = fit(rows=train) if classes is None else classes
    tables: list[tuple[str, Columns]] = [("X", frame)]
    answers = [("y", target)]
    for name in ("validation", "test"):
        given = getattr(settings, name)
        if is_pair(given):
            held_X, held_y = _pair(given, name)
            held = encoder.select(held_X, argument=f"{name}[0]")
            held_target = targets.select(held_y, argument=f"{name}[1]")
            check_lengths(
                held.height,
                held_target.height,
                X_argument=f"{name}[0]",
                y_argument=f"{name}[1]",
            )
            if held.height == 0:
                raise ValueError(f"{name}: has no rows")
            first = sum(table.height for _, table in tables)
            rows = np.arange(first, first + held.height, dtype=np.uint32)
            tables.append((f"{name}[0]", held))
            answers.append((f"{name}[1]", held_target))
            if name == "validation":
                validation = rows
            else:
                test = rows
    if weights is not None:
        # Rows of a table of their own weigh as much as an average one.
        extra = sum(table.height for _, table in tables[1:])
        weights = weights + [float(np.mean(np.take(weights, train)))] * extra
        splits = {"training": train, "validation": validation, "test": test}
        _check_scaled(np.array(weights), splits)
    outputs, joined, codes = _joined(targets, answers, strata)
    if settings.task == "auto":
        warn_of_whole_floats(target)
    if codes is not None:
        check_classes(codes, train, validation, classes=targets.classes)
        if test is not None:
            check_classes(codes, train, test, classes=targets.classes, argument="test")
    data = Data(encoder, targets, weights, train, validation, test, joined, codes)
    return data, _encoded(encoder, tables, kept=len(rest) < frame.height), outputs


def _encoded(encoder: Encoder, tables: list[tuple[str, Columns]], *, kept: bool) -> _core.Table:
    """Encode tables one below the other, column by column: in memory the result is there once.

    `kept` tells whether the first has rows of the test, of which the encoder has seen nothing.
    """
    inputs = _core.Table(sum(table.height for _, table in tables), encoder.n_inputs)
    row = 0
    for argument, table in tables:
        try:
            for within, column, block in encoder.blocks(table, argument=argument):
                inputs.write(row + within, column, block)
        except UnseenError as error:
            if not kept or row > 0:
                raise
            raise UnseenError(
                f"{error}. Here only rows that test= keeps have it: other rows for the test, or "
                "another seed, leave it to training"
            ) from None
        row += table.height
    return inputs


def _joined(
    targets: Targets, answers: list[tuple[str, pl.DataFrame]], codes: np.ndarray | None
) -> tuple[np.ndarray, pl.DataFrame, np.ndarray | None]:
    """Return all targets, encoded, as the user has them, and as class indices if they are classes.

    `codes` are those of the first. What comes back is a copy: what the caller changes while the
    run goes on changes nothing.
    """
    if codes is None:
        outputs = [targets.transform(y, argument=argument) for argument, y in answers]
        frames = [y for _, y in answers]
        if any(frame.schema != frames[0].schema for frame in frames):
            # Polars has no dtype for Booleans and decimals.
            frames = [frame.with_columns(pl.col(pl.Boolean).cast(pl.UInt8)) for frame in frames]
        joined = pl.concat(frames, how="vertical_relaxed")
        copy = joined.select(pl.all().gather(pl.int_range(pl.len())))
        return np.concatenate(outputs), copy, None
    held = [targets.codes(y, argument=argument) for argument, y in answers[1:]]
    codes = np.concatenate([codes, *held])
    # All in the dtype of `y`: the same labels may come in others.
    return targets.of_codes(codes), targets.labels(codes).to_frame(), codes


def _pair(given: tuple[Any, ...], name: str) -> tuple[Any, Any]:
    if len(given) != 2:
        raise ValueError(f"{name}: a tuple of {len(given)}: expected (X, y)")
    return given


def _test_rows(
    spec: Any, n_rows: int, strata: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows that remain, and those kept for the test, if any come from the table."""
    every = np.arange(n_rows, dtype=np.uint32)
    if spec is None or is_pair(spec):
        return every, None
    return resolve_split(spec, n_rows, strata, seed, "test")


def _validation_rows(
    spec: Any, rest: np.ndarray, n_rows: int, strata: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return training and validation rows, among those that are not kept for the test."""
    if is_pair(spec):
        return rest, rest  # the validation rows are appended later
    if isinstance(spec, (str, float, np.floating)):
        codes = None if strata is None else strata[rest]
        train, validation = resolve_split(spec, len(rest), codes, seed, "validation")
        return rest[train], rest[validation]
    _, validation = resolve_split(spec, n_rows, strata, seed, "validation")
    both = np.setdiff1d(validation, rest)
    if len(both):
        raise ValueError(f"validation: row {both[0]} is kept for the test: no row can serve both")
    train = np.setdiff1d(rest, validation)
    if len(train) == 0:
        raise ValueError("validation: no row is left to train on: name fewer rows")
    return train, validation


def row_weights(sample_weight: Any, n_rows: int) -> list[float] | None:
    """Read row weights; raise a TypeError or ValueError if they are none."""
    if sample_weight is None:
        return None
    frame = read_target(sample_weight, argument="sample_weight")
    shape = getattr(sample_weight, "shape", frame.shape if frame.width > 1 else (frame.height,))
    if len(shape) != 1 or frame.width != 1:
        raise ValueError(f"sample_weight: has shape {shape}: expected ({n_rows},)")
    check_lengths(n_rows, frame.height, y_argument="sample_weight")
    series = frame.to_series()
    if not is_number(series.dtype):
        raise TypeError(
            f"sample_weight: expected one number for each row, not a column of dtype {series.dtype}"
        )
    return check_weights(series.cast(pl.Float64).to_numpy())  # where null is NaN


def check_weights(weights: np.ndarray) -> list[float]:
    """Return weights of rows, float64 of shape (rows,); raise ValueError if they are none."""
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        raise ValueError(
            f"sample_weight: row {bad.argmax()} has {weights[bad.argmax()]}: weights are finite "
            "and not negative"
        )
    if not weights.any():
        raise ValueError("sample_weight: all weights are zero: give some row a positive one")
    if weights.max() > _MOST_WEIGHT:
        raise ValueError(f"sample_weight: {weights.max()} is too large: divide all weights by it")
    return [float(weight) for weight in weights]


def _check_scaled(weights: np.ndarray, splits: Mapping[str, np.ndarray | None]) -> None:
    """Raise a ValueError if a split has no weight, or a row too much beside the training rows."""
    for name, rows in splits.items():
        if rows is not None and not weights[rows].any():
            raise ValueError(
                f"sample_weight: is zero for all {name} rows: give some a positive weight, or hold "
                "out other rows"
            )
    with np.errstate(over="ignore", under="ignore"):
        scaled = weights / weights[splits["training"]].mean()
    if scaled.max() > _MOST_SCALED:
        raise ValueError(
            f"sample_weight: row {scaled.argmax()} has {weights[scaled.argmax()]}, "
            f"{scaled.max():.3g} times what training rows have on average, and {_MOST_SCALED:g} is "
            "the most: give it less"
        )
    for name, rows in splits.items():
        if rows is not None and not scaled[rows].astype(np.float32).any():
            raise ValueError(
                f"sample_weight: the {name} rows have at most {weights[rows].max():.3g}, which is "
                f"0 in float32 beside the most that a row has, {weights.max():.3g}: give that less"
            )
