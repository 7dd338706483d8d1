"""The ways in: `run` from beginning to end, `evolve` by generations, `resume` from a checkpoint."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from apbt_rs._evolution import Evolution
from apbt_rs._metrics import Metric
from apbt_rs._result import Result
from apbt_rs._settings import DEFAULT, Preset, Settings

__all__ = ["evolve", "resume", "run"]


def run(
    X: Any,
    y: Any,
    *,
    k: int = 80,
    epochs: int | None = None,
    readiness: int | None = None,
    sample_weight: Any = None,
    validation: Any = 0.2,
    test: Any = None,
    task: str = "auto",
    metric: str | Metric | Callable[..., float] = "auto",
    encoding: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    fitness: tuple[float, float] | None = None,
    rule: str = "one_se",
    patience: int | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
    callbacks: Sequence[Callable[..., None]] = (),
    checkpoint: str | os.PathLike[str] | None = None,
) -> Result:
    """Evolve a population of networks on a table and return the best of them.

    Augmented Population Based Training (Moukpe 2022) trains `k` networks side by side. After every
    `readiness` epochs the worst fifth copy networks of the best fifth, perturb the copies'
    hyperparameters, and add or remove a neuron.

    Parameters
    ----------
    X : table of shape (rows, columns)
        A polars or pandas DataFrame, anything with the Arrow PyCapsule interface, a NumPy array
        (a structured one has names), a dict of columns, lists. Numbers are standardised, texts
        and categories one-hot encoded; `encoding` changes that.
    y : column of shape (rows,) or table of shape (rows, n_targets)
        Labels or values.
    k : int, default=80
        Members of the population, at least 2.
    epochs : int, default=None
        Epochs in all; by default 300, fewer for more than 1,000 training rows.
    readiness : int, default=None
        Epochs per generation, between two chances to exploit; by default a tenth of the
        epochs, at most 30.
    sample_weight : array of shape (rows,), default=None
        Weights of the rows in training and in scores; in those of a function of your own if it has
        a parameter `sample_weight`, and else a warning says that they do not count there.
    validation : float, row indices, (X, y) or "train", default=0.2
        What scores steer the search by: a share of the rows, stratified by class; these rows; a
        table of its own; or the training rows themselves.
    test : float, row indices or (X, y), default=None
        Rows that take no part, for an honest estimate: `Network.test_score`. They are set aside
        before the validation rows. A level, missing value or class that only they have is refused
        before training where a network would refuse it.
    task : {"auto", "classification", "regression"}, default="auto"
        By "auto" texts, Booleans, and integers of at most 20 distinct values are classes. Floats
        are not; a warning says so where they look like classes.
    metric : str, callable or Metric, default="auto"
        Higher is better. For classification "accuracy" (the default), "soft_accuracy" (the
        paper's) or "neg_log_loss"; for regression "r2" (the default), "neg_mean_squared_error" or
        "neg_mean_absolute_error"; or a function `f(y_true, y_pred)`, see `metric`. Accuracy warns
        of a class with less than a tenth of an equal share of the training rows' weight, which it
        hardly rewards to predict.
    encoding : dict, default=None
        How columns of `X` are encoded where the default is not wanted, by name (`column_0`, … in
        tables without names): "standardize" or "as_is" for numbers, dates and durations,
        "one_hot" for any column, such as a month or a postcode, "drop" to leave one out. For
        more, `{"operation": "one_hot", …}` with the words of scikit-learn's OneHotEncoder:
        `min_frequency`, how many training rows (int) or which share of them (float) a level needs
        for an input of its own; `max_categories`, how many inputs the column has at most, the one
        that other levels share and the one for missing values included (without both, 50 levels
        have an input each, and the others share one); `handle_unknown`, "error" or "ignore": a
        level that training never saw is refused, or counts as one of those that share an input,
        and where there are none gives zeros. What was done is in `Result.encoding`.
    space : dict, default=None
        What is searched, by name: `hidden_layers`, `hidden_units`, `activation`, `density` (share
        of connections that are live at the start), `optimizer`, `learning_rate`, `momentum`,
        `weight_decay`, `batch_size`. A value is fixed, a `(low, high)` tuple or `Range`, or a list
        of choices. What is not named stays at the default.
    fitness : tuple of float, default=None
        The bases of `score_base^(100·skill) / size_base^size`; the paper's are (1.09, 1.02). By
        default a weight costs less where a network without hidden layer has more than 12.
    rule : {"one_se", "best", "most_accurate"}, default="one_se"
        What `Result.chosen` is: the smallest network whose evaluation loss is within one standard
        error of the lowest, or one of the others.
    patience : int, default=None
        Stop after so many generations in which neither the best fitness nor the highest score
        rose.
    time_limit : float, default=None
        Seconds after which the run ends with what it has.
    seed : int, default=None
        Same seed, same bits, for any number of threads; by default drawn from the system.
    n_jobs : int, default=None
        Threads; by default as many as OMP_NUM_THREADS says, or one for each processor, as for -1.
    progress : bool, default=True
        Whether a progress bar is drawn on a terminal.
    callbacks : sequence of callable, default=()
        Each is called as `f(evolution, generation)` after every generation; `evolution.stop()`
        ends the run.
    checkpoint : path, default=None
        A folder that is made, and in which the run is kept every few seconds; `resume` goes on
        from it. A disk that refuses is a warning, and stops nothing.

    Returns
    -------
    Result

    Raises
    ------
    TypeError, ValueError
        Before any training, naming the argument, the value and what would be right.

    Examples
    --------
    >>> import apbt_rs
    >>> X, y = apbt_rs.datasets.load_iris()
    >>> result = apbt_rs.run(X, y, k=20, epochs=50, seed=0, progress=False)
    >>> result.chosen.score(X, y) > 0.9
    True
    """
    arguments = dict(locals())
    return start(arguments, DEFAULT).finish()


_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")


def _like(
    of: Callable[_Parameters, Any],
) -> Callable[[Callable[..., _Returned]], Callable[_Parameters, _Returned]]:
    """Show editors and type checkers another function's parameters as those of this one."""

    def show(function: Callable[..., _Returned]) -> Callable[_Parameters, _Returned]:
        returns = inspect.signature(function).return_annotation
        signature = inspect.signature(of).replace(return_annotation=returns)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return show


@_like(run)
def evolve(*tables: Any, **settings: Any) -> Evolution:
    """Start a run that is watched, paused or steered.

    Parameters
    ----------
    X, y, and all keyword arguments
        As for `run`. A progress bar is drawn by `Evolution.finish` alone.

    Returns
    -------
    Evolution
        An iterator over generations; nothing is trained until it is asked for one.

    Raises
    ------
    TypeError, ValueError
        As `run`.

    Examples
    --------
    >>> import apbt_rs
    >>> X, y = apbt_rs.datasets.load_iris()
    >>> evolution = apbt_rs.evolve(X, y, k=20, epochs=50, seed=0)
    >>> for generation in evolution:
    ...     if generation.best_score > 0.99:
    ...         evolution.stop()
    >>> result = evolution.result()
    """
    return start(complete("evolve", *tables, **settings), DEFAULT)


def resume(
    path: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    metric: Metric | Callable[..., float] | None = None,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    progress: bool = True,
    callbacks: Sequence[Callable[..., None]] = (),
) -> Result:
    """Go on with a run from its checkpoint, as if it had never stopped.

    History and networks are those of a run that was not interrupted, bit for bit. The data are in
    the checkpoint, which is kept up to date.

    Parameters
    ----------
    path : path
        The folder that `run` was given as `checkpoint=`.
    epochs : int, default=None
        Epochs in all, those done included; by default what the run had planned. With more it goes
        on past its end.
    metric : callable or Metric, default=None
        The run's metric, if it was a function of your own.
    time_limit : float, default=None
        Seconds from now after which the run ends with what it has.
    n_jobs, progress, callbacks
        As for `run`.

    Returns
    -------
    Result

    Raises
    ------
    TypeError, ValueError
        If no sound checkpoint is there, or an argument does not go with it.

    Examples
    --------
    >>> import apbt_rs, os, tempfile
    >>> X, y = apbt_rs.datasets.load_iris()
    >>> path = os.path.join(tempfile.mkdtemp(), "iris.checkpoint")
    >>> settings = dict(k=20, epochs=50, seed=0, progress=False)
    >>> short = apbt_rs.run(X, y, **settings, checkpoint=path)
    >>> long = apbt_rs.resume(path, epochs=100, progress=False)
    >>> long.history["epoch"].max()
    100
    """
    from apbt_rs._resume import read

    parts = read(
        path,
        metric=metric,
        epochs=epochs,
        time_limit=time_limit,
        n_jobs=n_jobs,
        progress=progress,
        callbacks=callbacks,
    )
    return Evolution._resumed(parts).finish()


def complete(name: str, *tables: Any, **settings: Any) -> dict[str, Any]:
    """Return all of `run`'s arguments; `name` is whose they are."""
    try:
        bound = inspect.signature(run).bind(*tables, **settings)
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None
    bound.apply_defaults()
    return dict(bound.arguments)


def start(arguments: dict[str, Any], preset: Preset) -> Evolution:
    """Return the run for `run`'s arguments."""
    X, y, sample_weight = (arguments.pop(name) for name in ("X", "y", "sample_weight"))
    return Evolution(X, y, sample_weight, Settings(**arguments), preset)
