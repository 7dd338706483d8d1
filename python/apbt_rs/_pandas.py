"""DataFrames of pandas as polars DataFrames."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from apbt_rs._arrays import complex_numbers
from apbt_rs._one_hot import levels_of
from apbt_rs._series import column_of, column_words
from apbt_rs._values import is_text, kind_of

__all__ = ["from_pandas"]


def from_pandas(X: Any, *, keep: int = 0) -> pl.DataFrame:
    """Read a DataFrame; its objects as Python values, as pyarrow takes numbers for dates.

    Categories are texts, those of numbers and dates the same as their levels: see `levels_of`.
    Whole numbers and Booleans stay what they are where the dtype has at most `keep` categories.
    """
    names = [str(name) for name in X.columns]
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(
                f"{column_words(name)} is there twice, and names are unique: rename it"
            )
    X = X.set_axis(names, axis=1)
    for name, dtype in X.dtypes.items():
        if getattr(dtype, "kind", "") == "c":
            raise complex_numbers(column_words(name))
        if hasattr(X[name], "sparse"):
            raise TypeError(f"{column_words(name)} is sparse: use `.sparse.to_dense()`")
        if dtype == "category":
            categories = dtype.categories
            if len(categories) > keep or getattr(categories.dtype, "kind", "") not in "biu":
                X[name] = X[name].cat.rename_categories(_texts(categories))
    objects = (X.dtypes == "object").to_numpy()
    others = iter(pl.from_pandas(X.loc[:, ~objects]).get_columns())
    return pl.DataFrame(
        [
            column_of(name, _present(X[name])) if is_object else next(others)
            for name, is_object in zip(names, objects, strict=True)
        ]
    )


def _texts(categories: Any) -> list[str]:
    """Return the categories' levels; where they are no levels, what Python writes."""
    try:
        series = column_of("", list(categories))
        kind = "text" if is_text(series.dtype) else kind_of(series.dtype)
        return levels_of(series, kind, "it").to_list()
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return [str(category) for category in categories]


def _present(values: Any) -> list[Any]:
    """Return what a pandas Series holds; None is None, whatever said that a value is missing."""
    pairs = zip(values.tolist(), values.isna(), strict=True)
    return [None if missing else value for value, missing in pairs]
