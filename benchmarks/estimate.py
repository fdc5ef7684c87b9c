"""Does ``OpenFE.estimate`` tell what a fit takes? CPU seconds and memory of both.

``python -m benchmarks.estimate``

Each set and kind of fit runs in two fresh processes on one core: one for the estimate,
one for the fit. Kernels are loaded by a small fit beforehand, since the estimate leaves
them out of the seconds. Memory is the peak of the process less what it held with the
data loaded, before any fit: libraries that a first fit loads are part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from benchmarks import datasets, records, wide  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results" / "estimate.json"
CASES = (
    ("california_housing", "auto"),
    ("diamonds", 10),
    ("nycflights13", "auto"),
    ("telco_churn", "auto"),
    ("credit_default", 10),
    ("adult", 10),
    ("poker_hand", 10),
    ("higgs_small", "auto"),
    ("madelon", 10),
    ("mice_protein", 10),
    ("sylva", 10),
)


def table(name: str) -> tuple[Any, np.ndarray, str]:
    """Training rows of a set of `datasets` or `wide`, and the task."""
    if name in datasets.LOADERS:
        split = datasets.split(name, 100)
        return split.X_train, split.y_train, split.task
    split_ = wide.split(name, 100)
    names = [f"c{i}" for i in range(split_.n_columns)]
    return pd.DataFrame(split_.X_train, columns=names), split_.y_train, "classification"


def measure(name: str, n_features: int | str, what: str) -> dict[str, float]:
    """Run a fit or an estimate in this process."""
    from featurekit import OpenFE

    warnings.simplefilter("ignore")
    X, y, task = table(name)
    maker = OpenFE(n_features, task=task, random_state=0, n_jobs=1)
    before = _resident()
    few = np.random.default_rng(0).choice(len(X), min(len(X), 300), replace=False)
    OpenFE(2, task=task, max_candidates=200).fit(X.iloc[few], y[few])
    begin = time.process_time()
    if what == "estimate":
        found = maker.estimate(X, y)
        took = time.process_time() - begin
        return {"seconds": found["seconds"], "bytes": found["bytes"], "took": took}
    maker.fit(X, y)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": time.process_time() - begin, "bytes": peak - before}


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def in_process(*arguments: str) -> dict[str, float]:
    """Run `measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.estimate", "--one", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--sets", nargs="+", metavar="SET")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.one:
        name, number, what = arguments.one
        n_features = number if number == "auto" else int(number)
        print(json.dumps(measure(name, n_features, what)))
        return
    sets = []
    for name, n_features in CASES:
        if arguments.sets and name not in arguments.sets:
            continue
        told = in_process(name, str(n_features), "estimate")
        took = in_process(name, str(n_features), "fit")
        sets.append(
            {
                "set": name,
                "n_features": n_features,
                "fit_seconds": round(took["seconds"], 2),
                "estimated_seconds": round(told["seconds"], 2),
                "ratio_seconds": round(told["seconds"] / took["seconds"], 2),
                "fit_mb": round(took["bytes"] / 2**20),
                "estimated_mb": round(told["bytes"] / 2**20),
                "ratio_bytes": round(told["bytes"] / max(1, took["bytes"]), 2),
                "estimate_took": round(told["took"], 2),
            }
        )
        print(sets[-1], flush=True)
        what = "estimate() against a fit: CPU seconds, bytes on top of the data"
        result = {**records.stamp(), "what": what, "sets": sets}
        arguments.results.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
