"""The benches run, and print what they promise.

Peers that a test environment lacks, and Ray Tune, which takes a while to start, are left to
`benches/peers.py --quick`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bench_memory
from apbt_rs import _core

BENCHES = Path(__file__).parent.parent / "benches"
NUMBERS_OF_THREADS = len({1, os.cpu_count() or 1})
INSTRUCTION_SETS = 2 if _core.INSTRUCTIONS == "avx512" else 1
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/statm")
PEERS = ["--peers", "scikit-learn", "NumPy, members along an axis"]


@pytest.mark.parametrize(
    ("script", "arguments", "rows"),
    [
        ("peers.py", PEERS, 16),
        ("roofline.py", [], 5 * INSTRUCTION_SETS),
        ("bench_paper.py", [], 2 + 9),
        pytest.param("bench_memory.py", [], 6, marks=LINUX),
        ("bench_scaling.py", [], 9 * NUMBERS_OF_THREADS),
        ("bench_quality.py", [], 3),
        ("bench_start.py", [], 2),
        ("bench_search.py", ["--searches", "scikit-learn"], 1),
    ],
)
def test_a_quick_round_prints_every_row(script: str, arguments: list[str], rows: int) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHES / script), "--quick", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    tables = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    headers = sum(line.startswith("|---") for line in done.stdout.splitlines())
    assert len(tables) - headers == rows
    assert "nan" not in done.stdout


def test_without_linux_memory_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dev.py bench` ends with the first bench that fails."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(sys, "argv", ["bench_memory.py"])
    bench_memory.main()
    assert "Linux alone" in capsys.readouterr().out
