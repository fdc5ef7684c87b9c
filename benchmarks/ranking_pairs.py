"""All pairs of columns: mutual information and its exact mean under chance.

    python -m benchmarks.ranking_pairs [--rounds 5] [--peer-seconds 60]

Fifty columns of `make_mixed`, 16,384 rows, one thread. outrank's kernel, which takes
one shift for the mean, scores pairs in an order of chance until its time is over, each
in the direction that its command line would take; ratios are over those pairs only,
both as sums and as the median over pairs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks import ranking_common as common
from benchmarks.peers import build
from featurekit.datasets import make_mixed
from featurekit.ranking.redundancy import Pairs
from featurekit.statistics.pairs import Rows

N_ROWS, N_COLUMNS = 16_384, 50


def rows_of() -> Rows:
    """Codes of the columns."""
    data = make_mixed(N_ROWS, N_COLUMNS, random_state=0)
    columns = [common.dense_codes(data.X[name].to_numpy()) for name in data.X]
    return Rows(
        [codes for codes, _ in columns], [size for _, size in columns],
        data.y.to_numpy().astype(np.uint16), 2, np.ones(N_ROWS, np.int64),
    )  # fmt: skip


def score(rows: Rows) -> tuple[dict[str, float], np.ndarray]:
    """CPU seconds of all pairs, and of each left column's pairs."""
    begin = time.process_time()
    pairs = Pairs(rows)
    each = np.zeros(N_COLUMNS)
    for a in range(N_COLUMNS - 1):
        before = time.process_time()
        group = pairs.group(a)
        for b in range(a + 1, N_COLUMNS):
            pairs.score(group, a, b)
        each[a] = (time.process_time() - before) / (N_COLUMNS - 1 - a)
    total = time.process_time() - begin
    begin = time.process_time()
    for a in range(N_COLUMNS - 1):
        group = pairs.group(a)
        for b in range(a + 1, N_COLUMNS):
            group.pair(rows.codes[b], rows.sizes[b])
    return {"total": total, "counting": time.process_time() - begin}, each


def peer(rows: Rows, seconds: float) -> list[tuple[int, int, float]]:
    """CPU seconds of outrank's kernel on pairs in an order of chance."""
    pairs = np.array(list(combinations(range(N_COLUMNS), 2)))
    pairs = np.random.default_rng(0).permutation(pairs)
    with tempfile.TemporaryDirectory(prefix="ranking-") as place:
        path = Path(place) / "pairs.npz"
        codes = np.array([c.astype(np.int32) for c in rows.codes])
        # the command line takes the first of the two for x; codes[right] is x there
        np.savez(path, codes=codes, left=pairs[:, 1], right=pairs[:, 0])
        script = common.ROOT / "benchmarks" / "peers" / "run_outrank.py"
        cost = common.process(
            [str(build.python_of("peer-outrank")), str(script), "pairs", str(path),
             str(seconds)],
        )  # fmt: skip
    lines = [line for line in cost.output.splitlines() if line.startswith("[")]
    return [tuple(json.loads(line)) for line in lines]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    rows = rows_of()
    score(rows)  # loads the kernels
    runs = []
    theirs: list[tuple[int, int, float]] = []
    for number in range(arguments.rounds):
        runs.append(score(rows))
        if number == arguments.rounds // 2 and arguments.peer_seconds:
            theirs = peer(rows, arguments.peer_seconds)
    n_pairs = N_COLUMNS * (N_COLUMNS - 1) // 2
    unit = 1e9 / n_pairs / N_ROWS
    content = {
        "rows": N_ROWS,
        "columns": N_COLUMNS,
        "pairs": n_pairs,
        "threads": 1,
        "ns_per_row_and_pair": {
            "total": common.middle([unit * run["total"] for run, _ in runs]),
            "of_it_counting": common.middle([unit * r["counting"] for r, _ in runs]),
            "range_of_total": [
                round(f(unit * run["total"] for run, _ in runs), 3) for f in (min, max)
            ],
        },
    }
    if theirs:
        each = np.median([e for _, e in runs], axis=0)
        took = np.array([seconds for _, _, seconds in theirs])
        mine = np.array([each[x] for _, x, _ in theirs])
        content["outrank_kernel"] = {
            "pairs_done": len(theirs),
            "limit_seconds": arguments.peer_seconds,
            "mean_ns_per_row_and_pair": round(1e9 * took.mean() / N_ROWS),
            "median_ns_per_row_and_pair": round(1e9 * float(np.median(took)) / N_ROWS),
            "ratio_of_sums": round(float(took.sum() / mine.sum()), 1),
            "median_of_ratios": round(float(np.median(took / mine)), 1),
            "versions": common.peer_versions("peer-outrank", "outrank", "numba"),
        }
    common.write(
        "ranking_pairs",
        "CPU time of mutual information and its exact mean for all pairs, one thread",
        content,
    )


if __name__ == "__main__":
    main()
