"""Distance correlation: CPU time beside dcor's, and of thousands of columns.

    python -m benchmarks.distance [--rounds 7] [--features 7000] [--threads 2]

One thread, float64, medians of calls in turn. The headline is a ``single`` call of
`distance_correlation`, which is what dcor is asked for, and beside it one more
``column`` of `distance_correlations`, its target in order already. dcor runs in a
process of its own that stays alive, by its compiled methods "avl" and "mergesort";
ratios are to the quicker. Each call is made twice in a row. The second one is timed,
and the first stands under ``after_a_pause``: the other process ran before it, and code
comes from memory again, which shows in calls of less than a millisecond. A target of
two classes comes as booleans and as the numbers 0 and 1; dcor gets the numbers. Then
the features of many rows are scored against a class target, columns made in blocks and
not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import ranking_common as common
from benchmarks.peers import build
from featurekit.statistics import distance_correlation, distance_correlations

SIZES = (10_000, 100_000, 1_000_000)
METHODS = ("avl", "mergesort")
TARGETS = ("number", "two numbers", "two classes")
BLOCK = 50


class Peer:
    """dcor in a process that stays alive."""

    def __init__(self) -> None:
        script = Path(__file__).resolve().parent / "peers" / "run_dcor.py"
        python = build.python_of("peer-distance")
        self._process = subprocess.Popen(
            [str(python), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=os.environ | common.ONE_THREAD,
        )  # fmt: skip

    def ask(self, **request: str) -> Any:
        """The answer to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def timed(work: Any) -> tuple[float, Any]:
    """CPU seconds and the result."""
    begin = time.process_time()
    value = work()
    return time.process_time() - begin, value


def twice(work: Any, times: list[float], paused: list[float]) -> Any:
    """Note the times of two calls in a row; the result."""
    paused.append(work()[0])
    took, value = work()
    times.append(took)
    return value


def column_time(x: Any, y: Any) -> float:
    """CPU seconds of one more column, those of the target left out."""
    few = 4
    X = np.asfortranarray(np.stack([x] * (few + 1), axis=1))
    one, _ = timed(lambda: distance_correlations(X[:, :1], y))
    all_, _ = timed(lambda: distance_correlations(X, y))
    return (all_ - one) / few


def compare(peer: Peer, n: int, target: str, rounds: int) -> dict[str, Any]:
    """One pair of columns, in turns."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    x = y + 2 * rng.normal(size=n)
    given = y if target == "number" else y > 0.5
    y = given.astype(np.float64)
    given = given if target == "two classes" else y
    times: dict[str, list[float]] = {
        name: [] for name in ("single", "column", *METHODS)
    }
    paused: dict[str, list[float]] = {name: [] for name in ("single", *METHODS)}
    values: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="distance-") as folder:
        path = Path(folder) / "pair.npz"
        np.savez(path, x=x, y=y)
        peer.ask(load=str(path))
    distance_correlation(x, given)
    distance_correlations(x[:, None], given)
    for _ in range(rounds):
        value = twice(
            lambda: timed(lambda: distance_correlation(x, given)),
            times["single"], paused["single"],
        )  # fmt: skip
        times["column"].append(column_time(x, given))
        values["featurekit"] = value**2
        for method in METHODS:
            values[method] = twice(
                lambda method=method: peer.ask(x="x", y="y", method=method),
                times[method], paused[method],
            )  # fmt: skip
    quicker, quicker_paused = (
        min(common.middle(of[m], 9) for m in METHODS) for of in (times, paused)
    )
    return {
        "rows": n,
        "target": target,
        "milliseconds": {
            k: common.middle([1e3 * t for t in v]) for k, v in times.items()
        },
        "range": {
            k: [round(1e3 * f(v), 3) for f in (min, max)] for k, v in times.items()
        },
        "ns_per_row": {
            k: common.middle([1e9 * t / n for t in v], 1) for k, v in times.items()
        },
        "ratio": {
            k: common.middle([quicker / common.middle(times[k], 9)], 1)
            for k in ("single", "column")
        },
        "after_a_pause": {
            "milliseconds": {
                k: common.middle([1e3 * t for t in v]) for k, v in paused.items()
            },
            "ratio": common.middle(
                [quicker_paused / common.middle(paused["single"], 9)], 1
            ),
        },
        "largest_difference_of_squares": max(
            abs(values[m] - values["featurekit"]) for m in METHODS
        ),
    }  # fmt: skip


def many(n: int, n_features: int, threads: int) -> dict[str, Any]:
    """Columns of float32 against two classes, block by block."""
    rng = np.random.default_rng(1)
    y = rng.random(n) < 0.3
    wall = cpu = 0.0
    least = 1.0
    for first in range(0, n_features, BLOCK):
        width = min(BLOCK, n_features - first)
        block = np.empty((n, width), np.float32, order="F")
        for j in range(width):
            block[:, j] = rng.standard_normal(n, np.float32)
        block[:, 0] += y * 0.1 * (first // BLOCK)
        begin, used = time.perf_counter(), time.process_time()
        scores = distance_correlations(block, y, n_jobs=threads)
        cpu += time.process_time() - used
        wall += time.perf_counter() - begin
        least = min(least, float(scores.min()))
    cells = n * n_features
    return {
        "rows": n, "features": n_features, "threads": threads, "dtype": "float32",
        "wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1),
        "cpu_ns_per_row_and_feature": round(1e9 * cpu / cells, 1),
        "wall_ns_per_row_and_feature": round(1e9 * wall / cells, 1),
    }  # fmt: skip


def main() -> None:
    """Measure in turns, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--features", type=int, default=7000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    peer = Peer()
    pairs = []
    for n in SIZES:
        rounds = min(arguments.rounds, 3) if n >= 1_000_000 else arguments.rounds
        for target in TARGETS:
            pairs.append(compare(peer, n, target, rounds))
            print(json.dumps(pairs[-1]), flush=True)
    peer.close()
    content: dict[str, Any] = {"threads": 1, "rounds": arguments.rounds}
    content["pairs"] = pairs
    if arguments.features:
        content["many_columns"] = many(100_000, arguments.features, arguments.threads)
    content["peer_versions"] = common.peer_versions(
        "peer-distance", "dcor", "numba", "numpy"
    )
    common.write(
        "distance",
        "CPU time of distance correlation of two columns, one thread: a single call, "
        "and one more column with the same target; dcor: the quicker of its compiled "
        "methods",
        content,
    )


if __name__ == "__main__":
    main()
