"""Every DataFrame that the package returns is built here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from apbt_rs import _core

if TYPE_CHECKING:
    from apbt_rs._encoding import Encoder
    from apbt_rs._network import Network

__all__ = [
    "HISTORY",
    "NULLABLE",
    "encoding_frame",
    "history_frame",
    "schedule_frame",
    "summary_frame",
]

_EVENT = pl.Enum(_core.EVENTS)
_OPTIMIZER = pl.Enum(_core.OPTIMIZERS)
_ACTIVATION = pl.Enum(_core.ACTIVATIONS)

HISTORY: dict[str, pl.DataType] = {
    "generation": pl.Int64(),
    "epoch": pl.Int64(),
    "member": pl.Int64(),
    "event": _EVENT,
    "parent": pl.Int64(),
    "train_loss": pl.Float64(),
    "validation_loss": pl.Float64(),
    "validation_score": pl.Float64(),
    "log_fitness": pl.Float64(),
    "fitness": pl.Float64(),
    "size": pl.Int64(),
    "topology": pl.List(pl.Int64),
    "activation": pl.List(_ACTIVATION),
    "learning_rate": pl.Float64(),
    "momentum": pl.Float64(),
    "weight_decay": pl.Float64(),
    "batch_size": pl.Int64(),
    "optimizer": _OPTIMIZER,
}
"""Columns of the history: one row per member and generation, in that order (DESIGN §7)."""
NULLABLE = {"parent", "train_loss", "validation_loss", "validation_score", "log_fitness", "fitness"}
NULLABLE |= set(_core.HYPERPARAMETERS)
"""Those of them that may lack values."""


def history_frame(columns: Mapping[str, Any]) -> pl.DataFrame:
    """Build the history from the core's columns: one row per member and generation (DESIGN §7)."""
    lengths = columns["topology_length"].astype(np.int64)

    def names(values: Any, known: pl.Enum) -> pl.Series:
        return pl.Series(known.categories, dtype=known).gather(np.nan_to_num(values).astype(int))

    def lists(values: pl.Series, lengths: np.ndarray) -> pl.Series:
        row = pl.Series("row", np.repeat(np.arange(len(lengths)), lengths)).set_sorted()
        grouped = pl.DataFrame([row, values.alias("values")]).group_by("row", maintain_order=True)
        filled = grouped.agg("values")
        if filled.height == len(lengths):
            return filled["values"]
        rows = pl.DataFrame({"row": np.arange(len(lengths))})
        joined = rows.join(filled, on="row", how="left", maintain_order="left")["values"]
        return joined.fill_null(pl.Series([[]], dtype=joined.dtype))

    parent = pl.Series(columns["parent"])
    derived = {
        "event": names(columns["event"], _EVENT),
        "parent": parent.set(parent < 0, None),
        "topology": lists(pl.Series(columns["topology"]), lengths),
        "activation": lists(names(columns["activation"], _ACTIVATION), lengths - 2),
        "optimizer": names(columns["optimizer"], _OPTIMIZER),
    }
    plain = {
        name: pl.Series(columns[name], nan_to_null=True) for name in HISTORY if name not in derived
    }
    every = {**plain, **derived}
    return pl.DataFrame({name: every[name].cast(dtype) for name, dtype in HISTORY.items()})


def schedule_frame(history: pl.DataFrame, generation: int, member: int) -> pl.DataFrame:
    """Return the rows of a member's line of ancestors, itself included, in time order."""
    # Rows stand in order of generation and member, as many for each generation as for the first.
    k = int(np.count_nonzero(history["generation"].to_numpy() == 0))
    parents = history["parent"].to_numpy()  # NaN where there is none
    rows = [generation * k + member]
    while not np.isnan(parent := parents[rows[-1]]):
        rows.append((rows[-1] // k - 1) * k + int(parent))
    return history[rows[::-1]]


def encoding_frame(encoder: Encoder) -> pl.DataFrame:
    """Return one row per column of the training table: what becomes of it."""
    names = ["kind", "mean", "scale", "levels", "other", "rare", "handle_unknown", "missing"]
    rows = []
    inputs = iter(encoder.input_names)
    for operation in encoder.columns:
        facts = operation.to_dict()
        row = {"column": facts["column"], "operation": facts["operation"]}
        row |= {name: facts.get(name) for name in names}
        rows.append({**row, "inputs": [next(inputs) for _ in operation.names]})
    schema: dict[str, Any] = {"column": pl.String, "operation": pl.String, "kind": pl.String}
    schema |= {"mean": pl.Float64, "scale": pl.Float64, "levels": pl.List(pl.String)}
    schema |= {"other": pl.Boolean, "rare": pl.List(pl.String), "handle_unknown": pl.String}
    schema |= {"missing": pl.Boolean, "inputs": pl.List(pl.String)}
    return pl.DataFrame(rows, schema=schema)


def summary_frame(networks: Iterable[tuple[str, Network]]) -> pl.DataFrame:
    """Return one row per named network: what it is and how it did."""
    return pl.DataFrame(
        [
            {
                "network": name,
                "topology": network.topology,
                "size": network.size,
                "validation_score": network.validation_score,
                "validation_loss": network.validation_loss,
                "test_score": network.test_score,
                "test_loss": network.test_loss,
            }
            for name, network in networks
        ],
        schema={
            "network": pl.String,
            "topology": pl.List(pl.Int64),
            "size": pl.Int64,
            "validation_score": pl.Float64,
            "validation_loss": pl.Float64,
            "test_score": pl.Float64,
            "test_loss": pl.Float64,
        },
    )
