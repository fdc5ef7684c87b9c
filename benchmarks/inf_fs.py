"""Infinite feature selection on wide tables: seconds, memory, products with the graph.

`python -m benchmarks.inf_fs` fits 20,000 columns of 500 rows in three ways, each in a
process of its own: with the matrix of correlations kept, with it never formed, and
supervised with the mixture cross-validated. Then it times the whole fit beside one
that computes all eigenvalues and the inverse, in turn, on smaller tables.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ranking_common import middle, module, write

THREADS = 2
ROWS = 500
WIDE = 20_000
NARROW = (500, 1000, 2000)
REPEATS = 3
SEED = 100
CASES = ("kept", "never formed", "supervised")
LIMIT_GIB, LIMIT_MINUTES = 8, 5

Floats = NDArray[np.float64]


def table(d: int, seed: int = SEED) -> tuple[Floats, NDArray[np.int64]]:
    """Columns that share 30 factors, of differing spread; classes of five of them."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(30, d)) * (rng.random((30, d)) < 0.1)
    X = rng.normal(size=(ROWS, 30)) @ loadings + rng.normal(size=(ROWS, d))
    # tails of several lengths, so that columns differ in spread once they are scaled
    X = np.sign(X) * np.abs(X) ** rng.uniform(0.5, 2.0, d)
    y = (X[:, :5].sum(axis=1) + rng.normal(size=ROWS) > 0).astype(np.int64)
    return X, y


def counted() -> dict[str, int]:
    """Make the module count its systems, and their products with the graphs."""
    from featurekit.selection import inf_fs, paths

    counts = {"systems": 0, "products": 0}

    def counting(A, d, m, rho):
        def product(V):
            counts["products"] += 1
            return A(V)

        counts["systems"] += 1
        return paths.energies(product, d, m, rho)

    inf_fs.energies = counting
    return counts


def fit(case: str, d: int) -> dict[str, Any]:
    """One fit in this process."""
    from threadpoolctl import threadpool_limits

    from featurekit.selection import InfFS

    X, y = table(d)
    if case == "supervised":
        selector = InfFS(n_features_to_select=100, n_jobs=THREADS, random_state=0)
        target = y
    else:
        limit = 0 if case == "never formed" else None
        selector = InfFS("unsupervised", alpha=0.5, memory_limit=limit)
        target = None
    counts = counted()
    with threadpool_limits(THREADS):
        begin = time.perf_counter()
        selector.fit(X, target)
        seconds = time.perf_counter() - begin
    return {
        "fit_seconds": round(seconds, 1),
        "alpha": list(selector.alpha_),
        **counts,
    }


def by_inverse(X: Floats, alpha: float = 0.5) -> Floats:
    """The scores as the formulas have them: all eigenvalues, and the inverse."""
    from scipy.stats import rankdata

    d = X.shape[1]
    ranks = np.apply_along_axis(rankdata, 0, X)
    spread = X.std(axis=0, ddof=1) / np.ptp(X, axis=0)
    sigma = (spread - spread.min()) / np.ptp(spread)
    unlike = 1 - np.abs(np.corrcoef(ranks, rowvar=False))
    A = alpha * np.maximum(sigma[:, None], sigma) + (1 - alpha) * unlike
    r = 0.9 / np.abs(np.linalg.eigvals(A)).max()
    return np.asarray((np.linalg.inv(np.eye(d) - r * A) - np.eye(d)).sum(axis=1))


def beside_inverse(d: int) -> dict[str, Any]:
    """Both, in turn, on one thread."""
    from threadpoolctl import threadpool_limits

    from featurekit.selection import InfFS

    X, _ = table(d)
    selector = InfFS("unsupervised", alpha=0.5)
    selector.fit(X[:, :50])
    seconds: dict[str, list[float]] = {"featurekit": [], "inverse": []}
    apart = 0.0
    with threadpool_limits(1):
        for _ in range(REPEATS):
            begin = time.perf_counter()
            scores = selector.fit(X).scores_
            seconds["featurekit"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            expected = by_inverse(X)
            seconds["inverse"].append(time.perf_counter() - begin)
            apart = float(np.abs(scores / expected - 1).max())
    found = {name: middle(values) for name, values in seconds.items()}
    ratio = round(found["inverse"] / found["featurekit"], 1)
    return {"features": d, "seconds": found, "times": ratio, "largest_error": apart}


def main() -> None:
    """Run all, and write ``results/inf_fs.json``."""
    wide = {}
    for case in CASES:
        cost = module("inf_fs", "fit", case, str(WIDE), limit=540)
        wide[case] = {
            **cost.last_json,
            "wall": round(cost.wall, 1),
            "cpu": round(cost.cpu, 1),
            "peak_gib": round(cost.peak_mib / 1024, 2),
            "load": [round(x, 1) for x in os.getloadavg()],
        }
        print(case, wide[case], flush=True)
    rows = [module("inf_fs", "inverse", str(d)).last_json for d in NARROW]
    write(
        "inf_fs",
        f"InfFS on {WIDE} columns of {ROWS} rows, {THREADS} threads, process start and "
        "data included in wall, cpu and peak; load: of the machine, at the end; "
        "products: with the graphs of all mixtures at once, of all systems together. "
        f"beside_inverse: medians of {REPEATS} whole fits, one thread, in turn.",
        {
            "bar": {"gib": LIMIT_GIB, "minutes": LIMIT_MINUTES},
            "wide": wide,
            "beside_inverse": rows,
        },
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        print(json.dumps(fit(sys.argv[2], int(sys.argv[3]))))
    elif sys.argv[1:2] == ["inverse"]:
        print(json.dumps(beside_inverse(int(sys.argv[2]))))
    else:
        main()
