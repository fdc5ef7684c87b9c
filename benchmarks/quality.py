"""Do the new columns help a model? Test errors of all methods on all sets.

``python -m benchmarks.quality --sets telco_churn adult --methods base openfe``
``python -m benchmarks.quality --table``

Results are JSON lines; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Before any numerical library is loaded: one core for everybody.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pandas as pd  # noqa: E402

from benchmarks import datasets, records, summary  # noqa: E402
from benchmarks.downstream import test_errors  # noqa: E402
from benchmarks.methods import METHODS, Augmented, MethodFailed, augment  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results" / "quality.jsonl"
LIMIT = 1_200.0


def measure(name: str, seed: int, method: str, limit: float) -> records.Record:
    """Return the record of one set, split and method.

    Parameters
    ----------
    name : str
        A set of `benchmarks.datasets`.
    seed : int
        The seed of the split.
    method : str
        One of `benchmarks.methods.METHODS`.
    limit : float
        Wall seconds that the method may take; beyond it counts as failed.
    """
    split = datasets.split(name, seed)
    record: dict[str, Any] = {
        "set": name,
        "split": seed,
        "method": method,
        "task": split.task,
        "n_train": len(split.y_train),
        "n_test": len(split.y_test),
        "n_columns": split.X_train.shape[1],
    }
    try:
        augmented = augment(method, split, seed, limit)
    except MethodFailed as error:
        return {**record, "status": "failed", "error": str(error), **records.stamp()}
    errors = _errors(augmented, split)
    return {**record, "status": "ok", **errors, **augmented.cost, **records.stamp()}


def _errors(augmented: Augmented, split: datasets.Split) -> dict[str, float]:
    """Return the test errors; tables that are the same are judged once.

    Without categoricals both methods of AutoGluon make the same 2,000 columns, and the
    model on them takes minutes.
    """
    digest = hashlib.sha1(usedforsecurity=False)
    for frame in (augmented.X_train, augmented.X_test):
        digest.update(" ".join(map(str, frame.columns)).encode())
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy())
    key = digest.hexdigest()
    if key not in _judged:
        _judged.clear()
        _judged[key] = test_errors(
            augmented.X_train,
            split.y_train,
            augmented.X_test,
            split.y_test,
            split.task,
            split.n_classes,
        )
    return _judged[key]


_judged: dict[str, dict[str, float]] = {}


def run(
    sets: Sequence[str],
    methods: Sequence[str],
    splits: Sequence[int],
    path: Path,
    limit: float,
) -> None:
    """Measure what is not in the results file yet, method by method within a split."""
    for name in sets:
        for seed in splits:
            for method in methods:
                done = {(r["set"], r["split"], r["method"]) for r in records.read(path)}
                if (name, seed, method) in done:
                    continue
                record = measure(name, seed, method, limit)
                records.append(path, record)
                print(_line(record), flush=True)


def _line(record: records.Record) -> str:
    """Return what is said of a record while the benchmark runs."""
    where = f"{record['set']:20} {record['split']:3d} {record['method']:14}"
    if record["status"] == "failed":
        return f"{where} failed: {record['error']}"
    error = summary.primary_error(record)
    cost = record.get("fit_cpu", 0.0)
    columns = record.get("n_new_columns", 0)
    return (
        f"{where} {error:10.5f}  fit {cost:7.1f} s  {columns:4d} columns  "
        f"model {record['model_cpu']:6.1f} s"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", nargs="+", choices=list(datasets.LOADERS), metavar="SET"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="METHOD")
    parser.add_argument("--splits", nargs="+", type=int, metavar="SEED")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="wall seconds for each method"
    )
    parser.add_argument(
        "--redo",
        nargs="+",
        choices=METHODS,
        default=(),
        metavar="METHOD",
        help="forget the records of these methods (of --sets and --splits) first",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="run nothing, write the table beside the results",
    )
    arguments = parser.parse_args()
    arguments.sets = arguments.sets or list(datasets.LOADERS)
    arguments.methods = arguments.methods or list(METHODS)
    arguments.splits = arguments.splits or list(datasets.REPORTED_SEEDS)
    return arguments


def main() -> None:
    arguments = parse_arguments()
    path = arguments.results
    if not arguments.table:
        records.drop(
            path,
            lambda record: (
                record["method"] in arguments.redo
                and record["set"] in arguments.sets
                and record["split"] in arguments.splits
            ),
        )
        run(arguments.sets, arguments.methods, arguments.splits, path, arguments.limit)
    wanted = [
        record
        for record in records.read(path)
        if record["split"] in arguments.splits and record["set"] in arguments.sets
    ]
    text = summary.report(wanted)
    if arguments.table:
        path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
