"""The benches against peers and against the peak run, and print what they promise."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHES = Path(__file__).parent.parent / "benches"


@pytest.mark.parametrize(("script", "rows"), [("peers.py", 8), ("roofline.py", 5)])
def test_a_quick_round_prints_every_workload(script: str, rows: int) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHES / script), "--quick"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("\n| W") >= rows
    assert "nan" not in done.stdout
