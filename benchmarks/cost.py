"""What do ten features cost beside AutoGluon's generators? CPU seconds of the fit.

``python -m benchmarks.cost --rounds 3``

The sets and the training rows are those of `benchmarks.quality`, split 0. Each fit runs
in a fresh process on one core, the two in turn. featurekit runs once unmeasured on each
set beforehand: its kernels are compiled once and kept on disk. What a library loads on
the first use of its own functions counts, imports at the top do not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks import datasets, records
from benchmarks.methods import RUNNERS, run

RESULT = Path(__file__).resolve().parent / "results" / "cost.json"
OWN, PEER = "featurekit_10", "autogluon"
LIMIT = 1_200.0


def cost(method: str, split: datasets.Split) -> tuple[float, float]:
    """CPU seconds of the first fit of a process, and of a second one in it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        result = run(RUNNERS[method], Path(folder), split, LIMIT)
    return result["fit_cpu"], result["fit_again_cpu"]


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians over the rounds of one set."""
    split = datasets.split(name, 0)
    cost(OWN, split)  # compiles the kernels
    own, peer = [], []
    for _ in range(rounds):
        own.append(cost(OWN, split))
        peer.append(cost(PEER, split))
    return {
        "set": name,
        "own": round(median(first for first, _ in own), 3),
        "peer": round(median(first for first, _ in peer), 3),
        "own_again": round(median(again for _, again in own), 3),
        "peer_again": round(median(again for _, again in peer), 3),
        "ratio": round(median(a[0] / b[0] for a, b in zip(own, peer, strict=True)), 2),
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the sets and their ratio, cold and warm."""
    own, peer = mean(r["own"] for r in rows), mean(r["peer"] for r in rows)
    again = mean(r["own_again"] for r in rows)
    peer_again = mean(r["peer_again"] for r in rows)
    return {
        "mean_own": round(own, 3),
        "mean_peer": round(peer, 3),
        "ratio_of_means": round(own / peer, 2),
        "ratio_of_means_again": round(again / peer_again, 2),
        "median_ratio": round(median(r["ratio"] for r in rows), 2),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(datasets.LOADERS)
    parser.add_argument("--sets", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.sets:
        rows.append(measure(name, arguments.rounds))
        print(rows[-1], flush=True)
    content = {
        **records.stamp(),
        "what": "CPU seconds of fit_transform, medians over the rounds, one core",
        "rounds": arguments.rounds,
        **summary(rows),
        "sets": rows,
    }
    print({key: content[key] for key in summary(rows)})
    arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
