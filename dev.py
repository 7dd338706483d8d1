"""The commands that people, pre-commit and CI share.

    python3 dev.py setup | format | lint | test | bench

They need Python 3.10 or newer with pip, and Rust. Everything else goes into a virtual environment,
`.venv` unless `--venv` says otherwise. The first step that fails ends a command with its exit code.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


class Environment:
    """A virtual environment in which the package is installed from this checkout, editable."""

    def __init__(self, path: Path) -> None:
        scripts = path / ("Scripts" if os.name == "nt" else "bin")
        self.path = path
        self.python = str(scripts / ("python.exe" if os.name == "nt" else "python"))
        self.variables = {
            **os.environ,
            "PATH": os.pathsep.join([str(scripts), os.environ.get("PATH", "")]),
            "PYO3_PYTHON": self.python,
            "VIRTUAL_ENV": str(path),
        }
        # Another environment's variables would be taken for this one's.
        for name in ("CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH"):
            self.variables.pop(name, None)

    def run(self, *command: str) -> None:
        """Print a command and run it; leave with its exit code if it fails."""
        print("$", shlex.join(command), flush=True)
        program = shutil.which(command[0], path=self.variables["PATH"])
        if program is None:
            hint = ": install Rust, https://rustup.rs" if command[0] == "cargo" else ""
            sys.exit(f"{command[0]} not found{hint}")
        done = subprocess.run([program, *command[1:]], cwd=ROOT, env=self.variables, check=False)
        if done.returncode:
            sys.exit(done.returncode)

    def tool(self, module: str, *arguments: str) -> None:
        """Run a Python module of the environment."""
        self.run(self.python, "-m", module, *arguments)


def install(venv: Environment) -> None:
    """Install the package, editable, and the tools into the environment."""
    stamp(venv).unlink(missing_ok=True)
    if not Path(venv.python).exists():
        venv.run(sys.executable, "-m", "venv", str(venv.path))
    venv.tool("pip", "install", "--quiet", "--upgrade", "pip")
    venv.tool("pip", "install", "--editable", ".[dev]")
    stamp(venv).write_text(manifests())


def update(venv: Environment) -> None:
    """Install if that never ended well, or the manifests have changed since."""
    if not stamp(venv).exists() or stamp(venv).read_text() != manifests():
        install(venv)


def build(venv: Environment) -> None:
    """Build the extension in place; cargo does nothing if no source has changed."""
    venv.run("maturin", "develop", "--release", "--skip-install")


def stamp(venv: Environment) -> Path:
    """Return the file that records from which manifests the environment was installed."""
    return venv.path / "apbt-rs-installed"


def manifests() -> str:
    """Return a hash of what an installation depends on, the sources apart."""
    texts = (ROOT / name for name in ("pyproject.toml", "Cargo.toml"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()


def format_(venv: Environment) -> None:
    """Rewrite the sources in the project's format."""
    update(venv)
    venv.run("cargo", "fmt")
    venv.run("ruff", "format")
    venv.run("ruff", "check", "--fix")


def lint(venv: Environment) -> None:
    """Check format, lints, types and stubs; change nothing."""
    update(venv)
    venv.run("cargo", "fmt", "--check")
    for features in ([], ["--features", "python"]):
        venv.run("cargo", "clippy", "--all-targets", *features, "--", "-D", "warnings")
    venv.run("ruff", "format", "--check")
    venv.run("ruff", "check")
    venv.tool("mypy")
    build(venv)
    venv.tool("mypy.stubtest", "apbt_rs._core", "--mypy-config-file", "pyproject.toml")


def test(venv: Environment) -> None:
    """Run every test: Rust's, Python's, the docstrings' and the README's."""
    update(venv)
    venv.run("cargo", "test")
    build(venv)
    venv.tool("pytest")


def bench(venv: Environment) -> None:
    """Run criterion's benches, then the scripts `benches/bench_*.py`."""
    update(venv)
    venv.run("cargo", "bench")
    build(venv)
    for script in sorted((ROOT / "benches").glob("bench_*.py")):
        venv.run(venv.python, str(script))


COMMANDS = {"setup": install, "format": format_, "lint": lint, "test": test, "bench": bench}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="default: .venv")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    arguments = parser.parse_args()
    COMMANDS[arguments.command](Environment(arguments.venv.absolute()))


if __name__ == "__main__":
    main()
