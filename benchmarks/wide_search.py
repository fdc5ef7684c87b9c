"""Is OpenFE affordable at its defaults on wide tables, and within a time budget?

    python -m benchmarks.wide_search [--seeds 3]

Tables of normal columns. The target is the sum of the products of two pairs of columns,
of which each alone says little, of three columns and of noise. Each fit with
``n_features="auto"`` runs in a fresh process on one core, its kernels loaded
beforehand: its CPU and wall seconds, the peak memory of the process less what it held
with the table, and how many of the two planted products are among the ten best. With a
``time_budget`` the wall seconds matter, and how many candidates were scored. "pace" is
what `benchmarks.records.pace` took after the fit.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings

import numpy as np
import pandas as pd

from benchmarks import ranking_common as common
from benchmarks.ranking_common import middle
from benchmarks.records import pace

CASES: tuple[tuple[int, int, float | None], ...] = (
    (2_000, 102, None),
    (10_000, 300, None),
    (10_000, 300, 5.0),
    (10_000, 300, 2.0),
)
PAIRS = (("c10", "c20"), ("c30", "c40"))


def table(n: int, p: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Columns c0 ... and a target."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, p))).add_prefix("c")
    weak = sum(0.2 * X[c] for pair in PAIRS for c in pair)
    products = sum(X[a] * X[b] for a, b in PAIRS)
    y = products + weak + X["c1"] - X["c2"] + 0.5 * X["c3"] + rng.normal(size=n)
    return X, y.to_numpy()


def measure(n: int, p: int, budget: float | None, seed: int) -> dict[str, float]:
    """Fit in this process."""
    from featurekit import OpenFE

    warnings.simplefilter("ignore")
    OpenFE(5, random_state=0).fit(*table(400, 120, 0))  # loads the kernels
    X, y = table(n, p, seed)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    maker = OpenFE(time_budget=budget, n_jobs=1, random_state=seed).fit(X, y)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024
    report = maker.report_
    found = [str(f) for f in maker.features_[:10]]
    planted = sum(any(f"{a}*{b}" in f for f in found) for a, b in PAIRS)
    return {
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "mib": mib,
        "candidates": float(len(report)),
        "scored": float(report["score"].notna().sum()),
        "planted_found": float(planted),
        "kept": float(len(maker.features_)),
        "pace": pace(),
    }


def main() -> None:
    """Fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        n, p, budget, seed = map(float, arguments.one)
        print(json.dumps(measure(int(n), int(p), budget or None, int(seed))))
        return
    lines = []
    for n, p, budget in CASES:
        runs = []
        for seed in range(arguments.seeds):
            which = map(str, ("--one", n, p, budget or 0, seed))
            runs.append(common.module("wide_search", *which).last_json)
        line = {"rows": n, "columns": p, "time_budget": budget}
        line |= {name: middle([run[name] for run in runs]) for name in runs[0]}
        line["planted_found"] = [int(run["planted_found"]) for run in runs]
        print(line, flush=True)
        lines.append(line)
    common.write(
        "wide_search", "OpenFE at its defaults on wide tables, medians of fits",
        {"seeds": arguments.seeds, "planted": len(PAIRS), "fits": lines},
    )  # fmt: skip


if __name__ == "__main__":
    main()
