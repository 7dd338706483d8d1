"""Law: the stub of the extension module says what the built module is."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_stub_matches_the_built_module() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "apbt_rs._core"]
    command += ["--mypy-config-file", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
