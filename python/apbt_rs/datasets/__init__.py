"""The three data sets of the paper, each as `(X, y)`; `README.md` beside them names the sources."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import polars as pl

__all__ = ["load_identity", "load_iris", "load_tennis"]


def load_iris() -> tuple[pl.DataFrame, pl.Series]:
    """Load Fisher's irises: three species by four measurements.

    Returns
    -------
    X : polars.DataFrame of shape (150, 4)
        `sepal_length`, `sepal_width`, `petal_length` and `petal_width` in cm, Float64.
    y : polars.Series of shape (150,)
        `species`, String: `setosa`, `versicolor` or `virginica`, 50 rows of each.

    Notes
    -----
    R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7
    (1936), 179–188. The values are those of scikit-learn ≥ 0.20, which follow the article; the UCI
    repository's copy differs in two rows.

    Examples
    --------
    >>> from apbt_rs.datasets import load_iris
    >>> X, y = load_iris()
    >>> X.row(0), y[0]
    ((5.1, 3.5, 1.4, 0.2), 'setosa')
    """
    return _load("iris")


def load_tennis() -> tuple[pl.DataFrame, pl.Series]:
    """Load Mitchell's fourteen days: whether tennis was played, by the weather.

    Returns
    -------
    X : polars.DataFrame of shape (14, 4)
        `outlook`, `temperature`, `humidity` and `wind`, String.
    y : polars.Series of shape (14,)
        `play`, String: `Yes` (9 rows) or `No`.

    Notes
    -----
    Table 3.2 of T. M. Mitchell, Machine Learning, McGraw-Hill 1997.

    Examples
    --------
    >>> from apbt_rs.datasets import load_tennis
    >>> X, y = load_tennis()
    >>> X.row(0), y[0]
    (('Sunny', 'Hot', 'High', 'Weak'), 'No')
    """
    return _load("tennis")


def load_identity() -> tuple[pl.DataFrame, pl.Series]:
    """Load the identity function of eight inputs: which one of them is 1.

    Returns
    -------
    X : polars.DataFrame of shape (8, 8)
        `input_0` to `input_7`, Int64: ones on the diagonal.
    y : polars.Series of shape (8,)
        `label`, Int64: 0 to 7.

    Notes
    -----
    Section 4.6.4 of T. M. Mitchell, Machine Learning, McGraw-Hill 1997.

    Examples
    --------
    >>> from apbt_rs.datasets import load_identity
    >>> X, y = load_identity()
    >>> X.row(1), y[1]
    ((0, 1, 0, 0, 0, 0, 0, 0), 1)
    """
    return _load("identity")


def _load(name: str) -> tuple[pl.DataFrame, pl.Series]:
    """Return the inputs and the target, which is the last column."""
    frame = _read(name)
    *inputs, target = frame.columns
    # Columns of their own: what the caller changes in place is copied first.
    return frame.select(inputs), frame[target]


@cache
def _read(name: str) -> pl.DataFrame:
    return pl.read_csv(files(__name__).joinpath(f"{name}.csv").read_bytes())
