"""Predicting a million rows with [30, 16, 2] against ONNX Runtime on the same network (W7).

Both get the encoded float32 matrix and give outputs, on all cores; they take turns, warm. Before
each turn is a pause: ONNX Runtime's threads go on spinning when they have nothing to do, and would
take the processor from the other side. Needs onnx and onnxruntime beside the package's own test
requirements.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import apbt_rs
from machine import machine

ROUNDS, ROWS, PAUSE = 21, 1_000_000, 0.2
OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax"}


def network() -> apbt_rs.Network:
    """Train [30, 16, 2] for a moment, on two targets: of two classes one output would do."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 30))
    y = rng.normal(size=(300, 2))
    space = {"hidden_layers": 1, "hidden_units": 16, "activation": "tanh"}
    return apbt_rs.run(X, y, k=4, epochs=3, space=space, seed=0, progress=False).best


def session(net: apbt_rs.Network) -> Any:
    """Return ONNX Runtime's session for the network."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, heard = [], [], "X"
    for index, (weights, biases) in enumerate(net.layers()):
        constants += [numpy_helper.from_array(weights, f"W{index}")]
        constants += [numpy_helper.from_array(biases, f"b{index}")]
        nodes.append(helper.make_node("Gemm", [heard, f"W{index}", f"b{index}"], [f"s{index}"]))
        heard = f"s{index}"
        if (activation := net.activations[index]) != "identity":
            nodes.append(helper.make_node(OPERATORS[activation], [heard], [f"u{index}"]))
            heard = f"u{index}"
    table = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, columns])
        for name, columns in (("X", net.topology[0]), (heard, net.topology[-1]))
    ]
    graph = helper.make_graph(nodes, "network", table[:1], table[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())


def seconds(work: Callable[[], object]) -> float:
    time.sleep(PAUSE)
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see it run")
    rounds, rows = (1, 20_000) if parser.parse_args().quick else (ROUNDS, ROWS)
    net = network()
    try:
        other = session(net)
    except ImportError as error:
        print(f"bench_predict.py: left out: {error}; pip install onnx onnxruntime", file=sys.stderr)
        return
    X = np.random.default_rng(1).normal(size=(rows, 30)).astype(np.float32)

    def ours() -> Any:
        return net.core.outputs(X)

    def theirs() -> Any:
        return other.run(None, {"X": X})[0]

    assert np.allclose(ours(), theirs(), atol=1e-4)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    fast, slow = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(
        f"{machine()}; {rows:,} rows with {net.topology}, medians of {rounds} rounds: "
        f"apbt-rs {fast:.1f} ms, ONNX Runtime {slow:.1f} ms, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
