"""Is noise told to be noise? z, p and false discoveries of columns of chance.

    python -m benchmarks.ranking_noise [--rows 10000] [--seeds 10]

One column of noise for every cardinality from 2 to half the rows (25 for each below
10), drawn independently of the target, so that z should have a mean of 0 and a
deviation of 1 in every band of cardinalities, p be below 0.05 in 5 %, and the
false-discovery rate at ``alpha`` keep something in a share ``alpha`` of the runs. Four
targets and kinds of values:

even_binary    both classes alike; values all alike
rare_binary    one row in fifty clicks; values all alike
skewed_binary  one in five; values K u^2, as of `make_mixed`
ten_classes    of ever fewer rows; values all alike
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks import ranking_common as common
from featurekit.statistics.contingency import (
    Contingency,
    false_discovery_rate,
    finish,
)

FEW_TIMES = 25
ALPHAS = (0.01, 0.05, 0.2)
BANDS = (2, 3, 10, 100, 1000, 10**9)
CLASSES = {
    "even_binary": np.array([0.5, 0.5]),
    "rare_binary": np.array([0.98, 0.02]),
    "skewed_binary": np.array([0.8, 0.2]),
    "ten_classes": np.arange(1, 11) / 55,
}


def statistics(kind: str, n_rows: int, seed: int) -> np.ndarray:
    """K, z and p of every column, float64 (columns, 3)."""
    rng = np.random.default_rng(seed)
    shares = CLASSES[kind]
    y = rng.choice(len(shares), n_rows, p=shares).astype(np.uint16)
    tables = []
    sizes = np.arange(10, n_rows // 2 + 1)
    sizes = np.concatenate([np.repeat(np.arange(2, 10), FEW_TIMES), sizes])
    for size in sizes:
        values = rng.random(n_rows)
        if kind == "skewed_binary":
            values **= 2
        counts = Contingency(len(shares))
        counts.add((size * values).astype(np.uint16), y, size)
        tables.append(counts.table(np.arange(size)))
    found = finish(tables)
    return np.array(
        [[k, f["z"], f["p"]] for k, f in zip(sizes, found, strict=True)], np.float64
    )


def describe(runs: list[np.ndarray]) -> dict:
    """Figures of one kind, of all its seeds."""
    every = np.concatenate(runs)
    bands = []
    for low, high in zip(BANDS, BANDS[1:], strict=False):
        z, p = every[(every[:, 0] >= low) & (every[:, 0] < high), 1:].T
        bands.append(
            {
                "cardinality": [low, min(high - 1, int(every[:, 0].max()))],
                "columns": len(z),
                "z_mean": round(float(z.mean()), 3),
                "z_mean_error": round(float(z.std() / len(z) ** 0.5), 3),
                "z_sd": round(float(z.std()), 3),
                "p_below_0.05": round(float((p < 0.05).mean()), 4),
                "p_below_0.001": round(float((p < 0.001).mean()), 5),
            }
        )
    q = [false_discovery_rate(run[:, 2]) for run in runs]
    return {
        "bands": bands,
        "kept_at_alpha": {str(a): [int((v <= a).sum()) for v in q] for a in ALPHAS},
        "p_at_most_alpha": {
            str(a): round(float((every[:, 2] <= a).mean()), 4) for a in ALPHAS
        },
    }


def main() -> None:
    """Draw, judge, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    kinds = {}
    for kind in CLASSES:
        seeds = range(arguments.seeds)
        runs = [statistics(kind, arguments.rows, seed) for seed in seeds]
        kinds[kind] = describe(runs)
        print(kind, "done", flush=True)
    content = {
        "rows": arguments.rows,
        "columns": len(runs[0]),
        "seeds": arguments.seeds,
        "kinds": kinds,
    }
    common.write("ranking_noise", "Columns of noise held against chance", content)


if __name__ == "__main__":
    main()
