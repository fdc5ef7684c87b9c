"""A million rows by twenty columns: wall seconds and peak memory of one fit.

python -m benchmarks.large [--rows 1000000]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from featurekit import OpenFE

RESULT = Path(__file__).parent / "results" / "large.json"


def table(n_rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Fourteen numbers and six keys of 10 to 2,430 values."""
    rng = np.random.default_rng(0)
    columns = {f"n{i}": rng.normal(size=n_rows) for i in range(14)}
    for i in range(6):
        values = [f"v{j}" for j in range(10 * 3**i)]
        columns[f"k{i}"] = rng.choice(values, n_rows)
    frame = pd.DataFrame(columns)
    y = frame["n0"] * frame["n1"] + frame["n2"] + rng.normal(size=n_rows)
    return frame, y.to_numpy()


def main() -> None:
    """Fit once, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--n-features", default="10")
    args = parser.parse_args()
    X, y = table(args.rows)
    k = "auto" if args.n_features == "auto" else int(args.n_features)
    begin = time.perf_counter()
    maker = OpenFE(n_features=k, random_state=0, n_jobs=-1).fit(X, y)
    content = {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "rows": args.rows,
        "columns": X.shape[1],
        "n_features": args.n_features,
        "n_candidates": maker.n_candidates_,
        "wall_seconds": round(time.perf_counter() - begin, 1),
        "peak_gib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
        ),
        "first": [feature.name for feature in maker.features_[:5]],
    }
    print(content)
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
