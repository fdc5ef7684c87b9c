"""A target of pure noise, twenty times: how often the gate keeps nothing.

python -m benchmarks.noise [--seeds 20] [--rows 3000]
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from featurekit import OpenFE

RESULT = Path(__file__).parent / "results" / "noise.json"


def table(n_rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Six numbers and three keys that say nothing of the target."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 6)), columns=list("abcdef"))
    for name, k in (("small", 5), ("middle", 50), ("large", 400)):
        frame[name] = rng.integers(0, k, n_rows).astype(str)
    y = rng.normal(size=n_rows)
    return frame, y if seed % 2 else (y > 0) * 1


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=3000)
    args = parser.parse_args()
    kept = []
    for seed in range(args.seeds):
        maker = OpenFE(random_state=seed).fit(*table(args.rows, seed))
        kept.append(len(maker.features_))
        print(seed, maker.task_, "kept", kept[-1], flush=True)
    content = {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "rows": args.rows,
        "kept": kept,
        "zero": sum(k == 0 for k in kept),
        "seeds": args.seeds,
    }
    print(f"nothing kept in {content['zero']} of {args.seeds}")
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
