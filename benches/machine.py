"""What a bench runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import apbt_rs
from apbt_rs import _core


def machine() -> str:
    """Return processor, how many there are, instructions and versions, in a few words."""
    return (
        f"{_processor()}, {os.cpu_count()} processors, {_core.INSTRUCTIONS}, Python "
        f"{platform.python_version()}, apbt-rs {apbt_rs.__version__}"
    )


def _processor() -> str:
    told = Path("/proc/cpuinfo")  # Linux says more there than `platform` does
    lines = told.read_text("utf-8").splitlines() if told.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
