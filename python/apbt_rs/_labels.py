"""The operation on a column of class labels: one column for each class, or one for two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from apbt_rs import _fields
from apbt_rs._values import is_text, place, refuse_missing, shortened

INTEGERS: tuple[str, ...] = ("Int8", "Int16", "Int32", "Int64", "Int128")
INTEGERS += ("UInt8", "UInt16", "UInt32", "UInt64", *["UInt128"] * hasattr(pl, "UInt128"))
FLOATS = ("Float32", "Float64")
TEXTS = ("String", "Categorical", "Enum")

FEW_ROWS = 4000  # looking up so many takes no longer than finding the distinct ones first


@dataclass(frozen=True)
class Labels:
    """Class labels, as class indices and as targets, and back in the dtype that they had.

    Attributes
    ----------
    column : str
        Name of the column.
    classes : tuple of str, int, float or bool
        The labels in ascending order, at least two; those of Categorical and Enum are sorted as
        strings.
    dtype : str
        Name of the labels' polars dtype.
    categories : tuple of str or None
        An Enum's categories, in its own order.
    one_hot : bool
        Whether each class has a column. If not, there are two classes and one column, which is 1
        for the second.
    """

    column: str
    classes: tuple[Any, ...]
    dtype: str
    categories: tuple[str, ...] | None
    one_hot: bool
    operation: ClassVar[str] = "labels"

    @property
    def names(self) -> list[str]:
        """Names of the outputs, `column=label`."""
        classes = self.classes if self.one_hot else self.classes[1:]
        return [f"{self.column}={label}" for label in classes]

    @classmethod
    def fit(cls, series: pl.Series, one_hot_binary: bool = False) -> Labels:
        """Take the classes from the whole column."""
        refuse_missing(series, "y")
        dtype = series.dtype
        name = str(dtype.base_type())
        if name not in (*INTEGERS, *FLOATS, *TEXTS, "Boolean"):
            raise TypeError(
                f"{place(series.name, 'y')} has dtype {dtype}, which cannot be a class label: "
                "cast it to String or to an integer dtype"
            )
        plain = series.cast(pl.String) if is_text(dtype) else series
        classes = tuple(plain.unique().sort().to_list())
        if len(classes) < 2:
            raise ValueError(
                f"{place(series.name, 'y')} has the one class {classes[0]!r}: "
                "a classification needs rows of at least two"
            )
        if name in FLOATS and not np.isfinite(classes).all():
            raise ValueError(
                f"{place(series.name, 'y')} holds infinite labels: replace them, or drop these rows"
            )
        categories = tuple(dtype.categories.to_list()) if isinstance(dtype, pl.Enum) else None
        return cls(series.name, classes, name, categories, one_hot_binary or len(classes) > 2)

    def codes(self, series: pl.Series, *, argument: str = "y") -> np.ndarray:
        """Return each row's class index as uint32, shape (rows,)."""
        refuse_missing(series, argument)
        known = {label: index for index, label in enumerate(self.classes)}
        few = len(series) <= FEW_ROWS
        labels = series if few else series.unique(maintain_order=True)
        indices = [known.get(label) for label in labels.to_list()]
        if None in indices:
            unseen = labels[indices.index(None)]
            raise ValueError(
                f"{place(series.name, argument)} holds the label {unseen!r}, which training never "
                f"saw; known are {shortened(self.classes)}: drop such rows, or train on rows that "
                "have it"
            )
        if few:
            return np.array(indices, dtype=np.uint32)
        new = pl.Series(indices, dtype=pl.UInt32)
        return series.replace_strict(labels, new, return_dtype=pl.UInt32).to_numpy()

    def encode(self, series: pl.Series, *, argument: str = "y") -> np.ndarray:
        """Return targets as float32, shape (rows, classes), or (rows, 1) if not `one_hot`."""
        return self.of_codes(self.codes(series, argument=argument))

    def of_codes(self, codes: np.ndarray) -> np.ndarray:
        """Return the targets of class indices, shape (rows,), as `encode` does."""
        first = 0 if self.one_hot else 1
        targets: np.ndarray = codes[:, np.newaxis] == np.arange(first, len(self.classes))
        return targets.astype(np.float32)

    def decode(self, indices: np.ndarray) -> pl.Series:
        """Return the labels of class indices, shape (rows,)."""
        return self._series().gather(indices)

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data."""
        return {
            "operation": self.operation,
            "column": self.column,
            "classes": list(self.classes),
            "dtype": self.dtype,
            "categories": None if self.categories is None else list(self.categories),
            "one_hot": self.one_hot,
        }

    @classmethod
    def from_dict(cls, d: object, where: str) -> Labels:
        """Read the operation from plain data; `where` names it in errors."""
        names = ["operation", "column", "classes", "dtype", "categories", "one_hot"]
        data = _fields.fields(d, names, where)
        dtype = _fields.text(data["dtype"], f"{where}.dtype")
        if dtype in INTEGERS:
            read: Any = _fields.whole
        elif dtype in FLOATS:
            read = _fields.number
        elif dtype in TEXTS:
            read = _fields.text
        elif dtype == "Boolean":
            read = _fields.flag
        else:
            raise ValueError(f"{where}.dtype: no dtype of labels, got {dtype!r:.80}")
        at = f"{where}.classes"
        classes = [read(label, at) for label in _fields.items(data["classes"], at)]
        categories = None
        if dtype == "Enum":
            at = f"{where}.categories"
            categories = tuple(
                _fields.text(label, at) for label in _fields.items(data["categories"], at)
            )
            _fields.distinct(categories, at)
        elif data["categories"] is not None:
            raise ValueError(f"{where}.categories: only Enum has categories")
        one_hot = _fields.flag(data["one_hot"], f"{where}.one_hot")
        if len(classes) < 2 or classes != sorted(set(classes)):
            raise ValueError(f"{where}.classes: expected two or more, ascending, each once")
        if not one_hot and len(classes) > 2:
            raise ValueError(f"{where}.one_hot: more than two classes need true")
        column = _fields.text(data["column"], f"{where}.column")
        labels = cls(column, tuple(classes), dtype, categories, one_hot)
        try:
            held = labels._series().to_list()
        except (pl.exceptions.PolarsError, OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"{where}.classes: {dtype} cannot hold them: {error}") from error
        if held != classes:
            raise ValueError(f"{where}.classes: {dtype} cannot hold them exactly")
        return labels

    def _series(self) -> pl.Series:
        """Return the classes as a column of their dtype."""
        if self.categories is not None:
            return pl.Series(self.column, self.classes, dtype=pl.Enum(self.categories))
        return pl.Series(self.column, self.classes, dtype=getattr(pl, self.dtype))
