"""What is told of a run's data before any training."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import apbt_rs

QUICK: dict[str, Any] = {"k": 4, "epochs": 1, "seed": 0, "validation": "train"}


def warned(counts: list[int], **settings: Any) -> list[str]:
    """Start a run on classes of so many rows; return the warnings."""
    y = np.repeat([f"class {i}" for i in range(len(counts))], counts)
    X = np.arange(len(y), dtype=float)[:, np.newaxis]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        apbt_rs.evolve(X, y, **{**QUICK, **settings})
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    ("counts", "rare"),
    [([95, 5], None), ([96, 4], 1), ([4, 96], 0), ([49, 48, 3], 2), ([48, 48, 4], None)],
)
def test_a_class_with_less_than_a_tenth_of_an_equal_share_is_a_warning(
    counts: list[int], rare: int | None
) -> None:
    messages = warned(counts)
    assert len(messages) == (rare is not None)
    if rare is not None:
        words = [f"'class {rare}' has {counts[rare]} of 100", "sample_weight=", "'neg_log_loss'"]
        assert all(word in messages[0] for word in words)


def test_the_remedies_of_imbalance_are_no_warning() -> None:
    assert warned([96, 4], metric="accuracy")
    assert not warned([96, 4], metric="neg_log_loss")
    assert not warned([96, 4], metric=lambda y_true, y_pred: 0.5)
    assert not warned([96, 4], sample_weight=[1.0] * 96 + [24.0] * 4)
    assert warned([50, 50], sample_weight=[1.0] * 50 + [0.01] * 50)
