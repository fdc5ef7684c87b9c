"""How long does a first fit take, with kernels to compile, compiled, and copied?

python -m benchmarks.first_use [--rounds 3] [--task OpenFE-regression ...]

Each fit runs in a process of its own on 2,000 rows, three ways: *cold* with an empty
cache, *cached* with the cache that the cold fit filled, *copied* with the cache copied
to another folder, times of files changed. CPU seconds are those of the fit, of this
process and of those it started; wall seconds say something on an idle machine only.
"pace" is what `benchmarks.records.pace` took after the task.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.records import pace, stamp

RESULT = Path(__file__).parent / "results" / "first_use.json"
TASKS = {
    "OpenFE-regression": ("OpenFE(random_state=0)", 0),
    "OpenFE-binary": ("OpenFE(random_state=0)", 2),
    "OpenFE-multiclass": ("OpenFE(random_state=0)", 3),
    "OutRank": ("OutRank(random_state=0)", 2),
    "DisCo": ("DisCo(random_state=0)", 0),
    "InfFS": ("InfFS(n_features_to_select=5)", 2),
    "SequentialAttention-linear": (
        "SequentialAttention(n_features_to_select=3, model='linear', random_state=0)",
        0,
    ),
}
SCRIPT = """
import json, os, resource, time
from pathlib import Path
import numpy as np, pandas as pd
from featurekit import DisCo, InfFS, OpenFE, OutRank, SequentialAttention

rng = np.random.default_rng(0)
n, classes = 2000, {classes}
X = pd.DataFrame(rng.normal(size=(n, 8)), columns=list("abcdefgh"))
X.loc[rng.random(n) < 0.1, "b"] = np.nan
X["city"], X["shop"] = rng.choice(list("uvwxyz"), n), rng.choice(list("klmnop"), n)
y = X["a"] * X["c"] + X["d"] + (X["city"] == "u") + rng.normal(0, 0.1, n)
y = y.to_numpy()
if classes:
    y = np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)

def cpu():
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(who)[:2]) for who in whose)

model = {model}
begin, wall = cpu(), time.perf_counter()
model.fit(X, y)
wall = time.perf_counter() - wall
while True:  # a process that compiles ahead ends when it has nothing left
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        break
cache = Path(os.environ["NUMBA_CACHE_DIR"])
print(json.dumps([cpu() - begin, wall, len(list(cache.rglob("*.nbc")))]))
"""


def fit(task: str, cache: Path) -> list[float]:
    """CPU and wall seconds of a fit in a new process, and kernels in the cache."""
    model, classes = TASKS[task]
    script = SCRIPT.replace("{model}", model).replace("{classes}", str(classes))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(task: str) -> dict[str, list[float]]:
    """The three ways, once."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "a"
        found = {"cold": fit(task, cache), "cached": fit(task, cache)}
        copy = Path(folder) / "b"
        if cache.exists():  # not every method has kernels
            shutil.copytree(cache, copy, copy_function=shutil.copyfile)
        before = len(list(copy.rglob("*.nbc")))
        found["copied"] = fit(task, copy)
        assert found["copied"][2] == before, "a copied cache was compiled again"
    return found


def main() -> None:
    """Measure in turn, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", nargs="*", choices=TASKS, default=list(TASKS))
    args = parser.parse_args()
    results: dict[str, Any] = {}
    for task in args.task:
        rounds = [measure(task) for _ in range(args.rounds)]
        results[task] = {
            way: {
                "cpu_seconds": round(median(row[way][0] for row in rounds), 2),
                "wall_seconds": round(median(row[way][1] for row in rounds), 2),
                "kernels_in_cache": int(rounds[0][way][2]),
            }
            for way in ("cold", "cached", "copied")
        }
        results[task]["pace"] = pace()
        print(task, json.dumps(results[task]), flush=True)
        load = round(os.getloadavg()[0], 1)
        content = {**stamp(), "rounds": args.rounds, "load": load, **results}
        RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
