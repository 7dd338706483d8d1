"""The commands that people, pre-commit and CI share.

    python3 dev.py setup | format | lint | test | oldest | bench | docs | kills | fuzz | coverage |
                   rehearse

They need Python 3.10 or newer with pip, and Rust. Everything else goes into a virtual environment,
`.venv` unless `--venv` says otherwise. The first step that fails ends a command with its exit code.
With `--short`, kills and fuzz take a minute instead of many.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
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

    def run(self, *command: str, **variables: str) -> None:
        """Print a command and run it, with more variables; leave with its exit code if it fails."""
        print("$", *(f"{n}={shlex.quote(v)}" for n, v in variables.items()), shlex.join(command))
        sys.stdout.flush()
        program = shutil.which(command[0], path=self.variables["PATH"])
        if program is None:
            hint = ": install Rust, https://rustup.rs" if command[0] == "cargo" else ""
            sys.exit(f"{command[0]} not found{hint}")
        environment = {**self.variables, **variables}
        done = subprocess.run([program, *command[1:]], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            sys.exit(done.returncode)

    def tool(self, module: str, *arguments: str, **variables: str) -> None:
        """Run a Python module of the environment."""
        self.run(self.python, "-m", module, *arguments, **variables)

    def group(self, name: str) -> None:
        """Install one of pyproject.toml's dependency groups."""
        self.tool("pip", "install", "--quiet", "--group", name)


def install(venv: Environment) -> None:
    """Install the package, editable, and the tools into the environment."""
    stamp(venv).unlink(missing_ok=True)
    if not Path(venv.python).exists():
        venv.run(sys.executable, "-m", "venv", str(venv.path))
    venv.tool("pip", "install", "--quiet", "--upgrade", "pip")
    venv.tool("pip", "install", "--editable", ".", "--group", "dev")
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
    """Check format, lints and types; change nothing."""
    update(venv)
    venv.run("cargo", "fmt", "--check")
    for features in ([], ["--features", "python"]):
        venv.run("cargo", "clippy", "--all-targets", *features, "--", "-D", "warnings")
    venv.run("ruff", "format", "--check")
    venv.run("ruff", "check")
    venv.tool("mypy")


def test(venv: Environment) -> None:
    """Run every test: Rust's, Python's, the docstrings' and the README's."""
    update(venv)
    venv.run("cargo", "test")
    build(venv)
    venv.run("pytest")


def oldest(venv: Environment) -> None:
    """Run Python's tests with the oldest dependencies that pyproject.toml allows."""
    fresh = Environment(ROOT / "target" / "oldest")
    fresh.run(sys.executable, "-m", "venv", "--clear", str(fresh.path))
    fresh.tool("pip", "install", "--quiet", "--upgrade", "pip", "uv")
    lowest = ("--resolution", "lowest-direct", "--requirements", "pyproject.toml")
    fresh.run("uv", "pip", "install", *lowest, "--group", "test")
    fresh.tool("pip", "install", "--no-deps", "--editable", ".")
    fresh.run("pytest")


def bench(venv: Environment) -> None:
    """Run criterion's benches, then the scripts `benches/bench_*.py`."""
    update(venv)
    venv.run("cargo", "bench")
    build(venv)
    for script in sorted((ROOT / "benches").glob("bench_*.py")):
        venv.run(venv.python, str(script))


def docs(venv: Environment) -> None:
    """Build the documentation into target/docs; warnings are errors."""
    update(venv)
    build(venv)
    venv.group("docs")
    venv.tool("sphinx", "-W", "--keep-going", "-n", "-b", "html", "docs", "target/docs")


def kills(venv: Environment) -> None:
    """Kill 200 runs at random moments and resume each."""
    update(venv)
    build(venv)
    count = "20" if SHORT else "200"
    venv.tool("pytest", "tests/test_checkpoint.py", "-k", "kills", APBT_RS_KILLS=count)


def fuzz(venv: Environment) -> None:
    """Read 100,000 mutated files; then, where cargo-fuzz is installed, let it look for more."""
    count, seconds = ("5000", "20") if SHORT else ("100000", "300")
    venv.run("cargo", "test", "--release", "--test", "hostile", APBT_RS_MUTATIONS=count)
    if shutil.which("cargo-fuzz", path=venv.variables["PATH"]) is None:
        print("cargo-fuzz is not installed: no more is looked for (cargo install cargo-fuzz)")
        return
    for target in ("network", "checkpoint"):
        corpus = ROOT / "target" / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        venv.run(
            *("cargo", "fuzz", "run", "--fuzz-dir", "tests/fuzz", "--sanitizer", "none", target),
            *(str(corpus), f"tests/fuzz/corpus/{target}"),
            *("--", f"-max_total_time={seconds}", "-rss_limit_mb=2048"),
            # Instrumentation is not stable; nothing else of the nightly compiler is used.
            RUSTC_BOOTSTRAP="1",
        )


def coverage(venv: Environment) -> None:
    """Print which lines of core and package the tests reach, Rust's and Python's together."""
    if not Path(venv.python).exists():
        install(venv)
    venv.tool("tests.measure_coverage")


def rehearse(venv: Environment) -> None:
    """Build wheel and sdist as for a release; try them on the oldest and newest Python at hand."""
    update(venv)
    venv.group("release")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.run("maturin", "build", "--release", "--locked", "--out", name)
        venv.run("maturin", "sdist", "--out", name)
        (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
        check_wheel(wheel)
        venv.tool("twine", "check", "--strict", str(wheel), str(sdist))
        venv.tool("abi3audit", "--strict", "--assume-minimum-abi3", "3.10", str(wheel))
        pythons = pythons_at_hand()
        for python in dict.fromkeys((pythons[0], pythons[-1])):
            for archive in (wheel, sdist):
                try_archive(archive, python, folder)
    print("rehearsed")


def check_wheel(wheel: Path) -> None:
    """Leave with a message unless a wheel is small and has all that it is to have."""
    size = wheel.stat().st_size
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    print(f"{wheel.name}: {size / 1e6:.2f} MB, {len(names)} files")
    if size >= 4e6:
        sys.exit(f"{wheel.name} has {size / 1e6:.2f} MB; 4 are the most")
    for wanted in ("py.typed", "_core.pyi", "licenses/LICENSE", ".cyclonedx.json", "iris.csv"):
        if not any(name.endswith(wanted) for name in names):
            sys.exit(f"{wheel.name} lacks {wanted}")
    for wanted in ("License-Expression: MIT", "Requires-Python: >=3.10"):
        if wanted not in metadata:
            sys.exit(f"{wheel.name}: METADATA lacks {wanted!r}")


def pythons_at_hand() -> list[str]:
    """Return the interpreters on the path that the package is for, the oldest first."""
    found = {}
    for minor in range(10, 30):
        python = shutil.which(f"python3.{minor}")
        command = [python or "", "-c", "import sys; print(sys.executable)"]
        if python and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            found[minor] = python
    return list(found.values()) or [sys.executable]


def try_archive(archive: Path, python: str, folder: Path) -> None:
    """Install a wheel or sdist into a clean environment, and run the README's first example."""
    fresh = Environment(folder / "venv")
    fresh.run(python, "-m", "venv", "--clear", str(fresh.path))
    fresh.tool("pip", "install", "--quiet", str(archive))
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    if example is None:
        sys.exit("README.md has no example")
    script = folder / "example.py"
    script.write_text(example[1])
    fresh.run(fresh.python, "-W", "error", str(script))
    fresh.run("apbt-rs", "--version")


COMMANDS = {
    "setup": install,
    "format": format_,
    "lint": lint,
    "test": test,
    "oldest": oldest,
    "bench": bench,
    "docs": docs,
    "kills": kills,
    "fuzz": fuzz,
    "coverage": coverage,
    "rehearse": rehearse,
}
SHORT = False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="default: .venv")
    parser.add_argument("--short", action="store_true", help="a minute of kills or fuzz")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    arguments = parser.parse_args()
    global SHORT
    SHORT = arguments.short
    COMMANDS[arguments.command](Environment(arguments.venv.absolute()))


if __name__ == "__main__":
    main()
