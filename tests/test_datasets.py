"""The data sets are those of their sources."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sklearn.datasets

import apbt_rs.datasets
from apbt_rs.datasets import load_identity, load_iris, load_tennis


def test_iris_is_scikit_learns() -> None:
    X, y = load_iris()
    peer = sklearn.datasets.load_iris()
    assert (X.to_numpy() == peer.data).all()
    assert y.to_list() == peer.target_names[peer.target].tolist()
    assert X.columns == ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    assert y.name == "species"


def test_what_a_caller_changes_is_its_own() -> None:
    X, y = load_iris()
    X[0, "sepal_length"], y[0] = 9.9, "rose"
    again_X, again_y = load_iris()
    assert X[0, "sepal_length"] == 9.9
    assert y[0] == "rose"
    assert again_X[0, "sepal_length"] == 5.1
    assert again_y[0] == "setosa"


def test_iris_is_fishers_where_uci_errs() -> None:
    X, _ = load_iris()
    assert X.row(34) == (4.9, 3.1, 1.5, 0.2)
    assert X.row(37) == (4.9, 3.6, 1.4, 0.1)


def information(y: pl.Series) -> float:
    shares = y.value_counts()["count"].to_numpy() / len(y)
    return float(-(shares * np.log2(shares)).sum())


def test_tennis_has_mitchells_information_gains() -> None:
    X, y = load_tennis()
    assert X.shape == (14, 4)
    assert y.name == "play"
    assert y.value_counts().sort("play").rows() == [("No", 5), ("Yes", 9)]
    # Mitchell 1997, section 3.4.2, where 0.247 is cut to 0.246 and 0.152 to 0.151.
    gains = {"outlook": 0.246, "humidity": 0.151, "wind": 0.048, "temperature": 0.029}
    for name, gain in gains.items():
        parts = [y.filter(X[name] == value) for value in X[name].unique()]
        rest = sum(len(part) / len(y) * information(part) for part in parts)
        assert information(y) - rest == pytest.approx(gain, abs=1.1e-3)


def test_tennis_is_decided_by_mitchells_tree() -> None:
    X, y = load_tennis()
    tree = (
        pl.when(pl.col("outlook") == "Sunny")
        .then(pl.col("humidity") == "Normal")
        .when(pl.col("outlook") == "Rain")
        .then(pl.col("wind") == "Weak")
        .otherwise(pl.lit(True))
    )
    assert X.select(tree).to_series().to_list() == (y == "Yes").to_list()


def test_identity_is_the_identity() -> None:
    X, y = load_identity()
    assert (X.to_numpy() == np.eye(8)).all()
    assert X.columns == [f"input_{i}" for i in range(8)]
    assert y.equals(pl.Series("label", range(8)), check_dtypes=True, check_names=True)


def test_datasets_load_from_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(apbt_rs.datasets.__file__).parent
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in [package / "__init__.py", *package.glob("*.csv")]:
            packed.write(path, f"packed_datasets/{path.name}")
    monkeypatch.syspath_prepend(archive)
    packed_datasets = __import__("packed_datasets")
    for name in apbt_rs.datasets.__all__:
        X, y = getattr(packed_datasets, name)()
        same_X, same_y = getattr(apbt_rs.datasets, name)()
        assert X.equals(same_X)
        assert y.equals(same_y)
