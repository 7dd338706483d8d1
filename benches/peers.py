"""Training against peers: the same shapes, rows, batch sizes and epochs, all cores on both sides.

The unit is one example-update: one row through forward, backward and update of one network. Each
peer has a process of its own; the sides train in turn, warm; printed are medians and the median of
the rounds' ratios. Peers that are not installed are left out. More of the same command: against
pure Python (bench_paper.py), the best crate for matrix products (gemm/, needs cargo), predicting
(bench_predict.py) and whole searches (bench_search.py).
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from machine import machine
from workloads import Workload, seconds_of_apbt_rs, workloads

HERE = Path(__file__).parent
PEERS = {
    # Module, setting, and the least ratios promised for W1 to W4 and for W5 and W6.
    "scikit-learn": ("peer_sklearn", "", 300, 15),
    "NumPy, members along an axis": ("peer_numpy", "", None, None),
    "JAX": ("peer_jax", "vmap", 20, 4),
    "JAX, two devices": ("peer_jax", "devices", None, 2),
    "JAX, two devices, lax.map": ("peer_jax", "lax.map", None, 2),
    "PyTorch": ("peer_torch", "", None, 2.5),
}
PAUSE = 0.2  # seconds before each turn
MORE = ("bench_paper.py", "bench_predict.py", "bench_search.py")


class Peer:
    """A peer in its own process, which counts as installed if its module can be imported there."""

    def __init__(self, module: str, setting: str) -> None:
        self.module, self.setting = module, setting
        flags = {}
        if setting in ("devices", "lax.map"):
            flags["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={os.cpu_count()}"
        context = multiprocessing.get_context("spawn")
        self.process = ProcessPoolExecutor(
            1, mp_context=context, initializer=set_variables, initargs=(flags,)
        )

    def version(self) -> str:
        return self.process.submit(version, self.module).result()

    def close(self) -> None:
        self.process.submit(close, self.module).result()
        self.process.shutdown()

    def microseconds(self, work: Workload) -> float:
        """Microseconds per example-update."""
        return self.process.submit(microseconds, self.module, self.setting, work).result()


def set_variables(variables: dict[str, str]) -> None:
    os.environ.update(variables)


def version(module: str) -> str:
    return str(importlib.import_module(module).VERSION)


def close(module: str) -> None:
    """End what the peer has started."""
    if hasattr(peer := importlib.import_module(module), "close"):
        peer.close()


_trainers: dict[str, Callable[[], int]] = {}


def microseconds(module: str, setting: str, work: Workload) -> float:
    """Train once, in the peer's process, and for the first time once more before."""
    if work.name not in _trainers:
        _trainers.clear()
        _trainers[work.name] = importlib.import_module(module).trainer(work, setting)
        _trainers[work.name]()
    started = time.perf_counter()
    updates = _trainers[work.name]()
    return 1e6 * (time.perf_counter() - started) / updates


def ours(work: Workload) -> float:
    """Microseconds per example-update."""
    return 1e6 * seconds_of_apbt_rs(work) / work.updates


def rested(side: Callable[[Workload], float], work: Workload) -> float:
    """Measure one side after a pause.

    Some peers' threads go on spinning when they have nothing to do, and would take the processor
    from the other side.
    """
    time.sleep(PAUSE)
    return side(work)


def row(work: Workload, name: str, peer: Peer, rounds: int) -> str:
    """Measure both sides in turn; return a row of the table."""
    peer.microseconds(work)
    ours(work)
    pairs = [(rested(ours, work), rested(peer.microseconds, work)) for _ in range(rounds)]
    fast, slow = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    line = PEERS[name][3 if work.batch_size > 1 else 2]
    return (
        f"| {work.name} | {name} | {fast:.4f} | {slow:.3f} | {statistics.median(ratios):.1f} | "
        f"{ratios[0]:.1f} to {ratios[-1]:.1f} | {line or ''} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--workloads", nargs="*", help="such as W1 W5; all if left out")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    chosen = [
        work
        for work in workloads(quick=arguments.quick)
        if not arguments.workloads or work.name.split()[0] in arguments.workloads
    ]
    print(f"{machine()}; medians of {rounds} rounds\n")
    with ExitStack() as stack:
        peers = {}
        for name in arguments.peers:
            peer = Peer(*PEERS[name][:2])
            try:
                print(f"{name}: {peer.version()}", flush=True)
            except ImportError as error:
                print(f"{name}: left out: {error}", flush=True)
                peer.process.shutdown()
                continue
            stack.callback(peer.close)
            peers[name] = peer
        print()
        for work in chosen:
            print(f"{work.name}: k = {work.k}, {work.shape}")
        print(
            "\n| workload | peer | apbt-rs, µs | peer, µs | ratio | all rounds | line |\n"
            "|---|---|---|---|---|---|---|"
        )
        for work in chosen:
            for name, peer in peers.items():
                print(row(work, name, peer, rounds), flush=True)
    if arguments.peers != list(PEERS) or arguments.workloads:
        return
    quick = ["--quick"] * arguments.quick
    if cargo := shutil.which("cargo"):
        command = [cargo, "run", "--release", "--quiet", "--", str(rounds), *quick]
        # From its folder, whose settings give the peer all that this processor has.
        subprocess.run(command, cwd=HERE / "gemm", check=True)
    for script in MORE:
        subprocess.run([sys.executable, str(HERE / script), *quick], check=True)


if __name__ == "__main__":
    main()
