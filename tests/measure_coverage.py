"""How many lines of core, binding and package the tests reach, Rust's and Python's together.

    python3 dev.py coverage

Everything is built and installed under target/coverage; no other environment is touched. The core
is compiled to count what runs, for `cargo test` and for pytest, and LLVM's own tools add the counts
up: there are such that read what rustc writes in Debian's package llvm-22 (for Rust 1.95, other
numbers for others) and in rustup's component llvm-tools. The benches' test is left out: it would
run each bench with slow code, and states no law.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev import ROOT, Environment

FOLDER = ROOT / "target" / "coverage"
PROFILES = FOLDER / "profiles"
LEAST = {"core": 90.0, "package": 95.0}  # percent of lines


def main() -> None:
    tools = llvm_tools()
    environment = fresh_environment()
    shutil.rmtree(PROFILES, ignore_errors=True)
    PROFILES.mkdir()
    instrumented = {
        "CARGO_TARGET_DIR": str(FOLDER),
        "CARGO_INCREMENTAL": "0",
        "RUSTFLAGS": "-C instrument-coverage",
        # What builds run, build scripts above all, is not of interest.
        "LLVM_PROFILE_FILE": str(FOLDER / "builds" / "%m.profraw"),
    }
    counted = {**instrumented, "LLVM_PROFILE_FILE": str(PROFILES / "%p-%m.profraw")}
    extension = install_extension(environment, instrumented)
    objects = [*test_binaries(environment, instrumented), extension]
    environment.run("cargo", "test", "--tests", **counted)
    for old in FOLDER.glob("python.*"):
        old.unlink()
    counted["COVERAGE_FILE"] = str(FOLDER / "python")
    tests = ["--ignore", "tests/test_benches.py", "--pyargs", "./tests", "apbt_rs"]
    environment.tool("coverage", "run", "-m", "pytest", "-p", "no:cacheprovider", *tests, **counted)
    totals = {**rust_totals(tools, objects), "package": package_total(environment)}
    for part, share in totals.items():
        least = f", at least {LEAST[part]:.0f} %" if part in LEAST else ""
        print(f"{part}: {share:.2f} % of the lines{least}")
    if any(totals[part] < least for part, least in LEAST.items()):
        sys.exit("too few lines are reached")


def llvm_tools() -> dict[str, str]:
    """Return paths of llvm-profdata and llvm-cov that read what this rustc writes."""
    said = output("rustc", "-vV")
    found = re.search(r"^LLVM version: (\d+)", said, re.M)
    if found is None:
        sys.exit("rustc names no version of LLVM: it has to be the usual one")
    wanted = int(found[1])
    tools = {}
    for name in ("llvm-profdata", "llvm-cov"):
        tool = next((one for one in candidates(name, wanted) if version(one) >= wanted), None)
        if tool is None:
            sys.exit(
                f"no {name} of LLVM {wanted} or newer, which is what rustc writes for: install "
                f"Debian's package llvm-{wanted}, or rustup's component llvm-tools "
                f"(rustup component add llvm-tools), or set {variable(name)}"
            )
        tools[name] = tool
    return tools


def candidates(name: str, wanted: int) -> Iterator[str]:
    given = os.environ.get(variable(name))
    if given:
        yield given
    suffix = ".exe" if os.name == "nt" else ""
    sysroot = Path(output("rustc", "--print", "sysroot").strip())
    yield from map(str, sysroot.glob(f"lib/rustlib/*/bin/{name}{suffix}"))
    for one in (name, *(f"{name}-{number}" for number in range(wanted, wanted + 10))):
        path = shutil.which(one)
        if path is not None:
            yield path


def variable(name: str) -> str:
    """Return the environment variable that names a tool: LLVM_COV for llvm-cov."""
    return name.upper().replace("-", "_")


def version(tool: str) -> int:
    """Return a tool's version of LLVM; 0 if it says none."""
    try:
        found = re.search(r"LLVM version (\d+)", output(tool, "--version"))
    except (OSError, subprocess.CalledProcessError):
        return 0
    return int(found[1]) if found else 0


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def fresh_environment() -> Environment:
    """Return the environment under target/coverage, made if it is not there."""
    environment = Environment(FOLDER / "venv")
    if not Path(environment.python).exists():
        environment.run(sys.executable, "-m", "venv", str(environment.path))
        environment.tool("pip", "install", "--quiet", "--upgrade", "pip")
    environment.group("coverage")
    return environment


def install_extension(environment: Environment, variables: dict[str, str]) -> Path:
    """Install the package with a core that counts; return its extension module."""
    wheels = FOLDER / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    # The profile `dev` is optimised, and checks integers for overflow as `cargo test` does.
    environment.run(
        *("maturin", "build", "--profile", "dev", "--strip", "false", "--out", str(wheels)),
        *("--interpreter", environment.python),
        **variables,
    )
    (wheel,) = wheels.glob("*.whl")
    environment.tool("pip", "install", "--quiet", str(wheel))  # what it depends on
    again = ("--force-reinstall", "--no-deps")
    environment.tool("pip", "install", "--quiet", *again, str(wheel))
    program = "import apbt_rs._core as core; print(core.__file__)"
    done = subprocess.run(
        [environment.python, "-c", program],
        cwd=FOLDER,
        env={**environment.variables, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip())


def test_binaries(environment: Environment, variables: dict[str, str]) -> list[Path]:
    """Build the tests of the core; return their programs."""
    done = subprocess.run(
        ["cargo", "test", "--tests", "--no-run", "--message-format", "json-render-diagnostics"],
        cwd=ROOT,
        env={**environment.variables, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)
    messages = map(json.loads, done.stdout.splitlines())
    return [Path(one["executable"]) for one in messages if one.get("executable")]


def rust_totals(tools: dict[str, str], objects: list[Path]) -> dict[str, float]:
    """Print the Rust files' lines; return what share of core and binding was reached."""
    merged = FOLDER / "rust.profdata"
    profiles = map(str, PROFILES.glob("*.profraw"))
    # What a killed process left behind may be no profile, hence `all`.
    merge = ("merge", "--sparse", "--failure-mode", "all", "-o", str(merged))
    output(tools["llvm-profdata"], *merge, *profiles)
    (first, *others) = map(str, objects)
    more = [word for one in others for word in ("-object", one)]
    source = str(ROOT / "rust")
    text = output(
        *(tools["llvm-cov"], "export", "--format", "lcov", "--instr-profile", str(merged)),
        *(first, *more, source),
    )
    lines = read_lcov(text)
    binding = Path(source, "python")
    groups = {"core": {}, "binding": {}}  # type: dict[str, dict[Path, dict[int, bool]]]
    for path, reached in sorted(lines.items()):
        groups["binding" if binding in path.parents else "core"][path] = reached
    totals = {}
    for name, files in groups.items():
        print(f"\n{name:30} lines missed  reached")
        for path, reached in files.items():
            print_row(str(path.relative_to(ROOT)), reached.values(), missed(reached))
        everything = [one for reached in files.values() for one in reached.values()]
        totals[name] = print_row("TOTAL", everything, "")
    return totals


def read_lcov(text: str) -> dict[Path, dict[int, bool]]:
    """Return for each file whether each of its lines that hold code was reached."""
    lines: dict[Path, dict[int, bool]] = {}
    current: dict[int, bool] = {}
    for row in text.splitlines():
        kind, _, rest = row.partition(":")
        if kind == "SF":
            current = lines.setdefault(Path(rest), {})
        elif kind == "DA":
            number, count = rest.split(",")[:2]
            current[int(number)] = current.get(int(number), False) or int(count) > 0
    return lines


def print_row(name: str, reached: Iterable[bool], note: str) -> float:
    """Print a table's row; return the share of lines that was reached, in percent."""
    every = list(reached)
    share = 100 * sum(every) / len(every)
    print(f"{name:30} {len(every):5} {every.count(False):6} {share:7.2f} %  {note}".rstrip())
    return share


def missed(reached: dict[int, bool]) -> str:
    """Return the lines that were not reached, as `3-5, 9`."""
    spans: list[list[int]] = []
    neighbours = False
    for line in sorted(reached):
        if not reached[line] and neighbours:
            spans[-1][1] = line
        elif not reached[line]:
            spans.append([line, line])
        neighbours = not reached[line]
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)


def package_total(environment: Environment) -> float:
    """Print the Python files' lines; return what share of them was reached."""
    data = {"COVERAGE_FILE": str(FOLDER / "python")}
    environment.tool("coverage", "combine", "--quiet", **data)
    environment.tool("coverage", "report", "--show-missing", **data)
    report = FOLDER / "python.json"
    environment.tool("coverage", "json", "--quiet", "-o", str(report), **data)
    return float(json.loads(report.read_text("utf-8"))["totals"]["percent_covered"])


if __name__ == "__main__":
    main()
