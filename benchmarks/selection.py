"""Do the chosen columns tell the class? Feature selectors on wide data.

``python -m benchmarks.selection --sets colon orl --methods f_classif mrmr``
``python -m benchmarks.selection --table``

Results are JSON lines; what is there already is not run again. See SELECTION.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Before any numerical library is loaded: one core for everybody.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
from lightgbm import LGBMClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402

from benchmarks import records, selection_table, wide  # noqa: E402
from benchmarks.datasets import REPORTED_SEEDS  # noqa: E402
from benchmarks.methods import ONE_CORE, PEERS, ROOT, end_group, last_error  # noqa: E402
from benchmarks.peers.build import python_of  # noqa: E402
from benchmarks.selection_table import METHODS, Method  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results" / "selection.jsonl"
LIMIT = 300.0
SIZES = (10, 50)
START_UP = 120.0
"""Wall seconds for imports and the warm-up, beside the limit of the fit."""
ALL = 0
"""Stands for the number of columns of the method `all`."""


class NotThere(Exception):
    """The method cannot be imported (yet): there is nothing to record."""


@dataclass(frozen=True)
class Fit:
    """How a fit ended.

    Attributes
    ----------
    status : {"ok", "timeout", "error"}
    order : list of int
        Columns, best first.
    about : dict
        Seconds and versions, or the error.
    """

    status: str
    order: list[int]
    about: dict[str, Any]


def sizes(n_columns: int, wanted: Sequence[int]) -> list[int]:
    """Return the numbers of columns to choose: at most half of those there are."""
    return sorted(k for k in wanted if 2 * k <= n_columns)


def fit(
    method: Method, name: str, split: wide.WideSplit, k: int, seed: int, limit: float
) -> Fit:
    """Fit a selector in a process of its own.

    Parameters
    ----------
    method : Method
        One of `METHODS`.
    name : str
        Its name.
    split : WideSplit
        Its raw training rows are handed over.
    k : int
        How many columns to choose.
    seed : int
        The seed of the split, for methods that draw with it.
    limit : float
        Wall seconds of the fit, imports and warm-up not counted.

    Raises
    ------
    NotThere
        The method cannot be imported.
    """
    python = Path(sys.executable)
    if method.environment:
        python = python_of(method.environment)
    if not python.exists():
        raise NotThere(f"no {method.environment}: run python -m benchmarks.peers.build")
    environment = {**os.environ, **ONE_CORE}
    environment.pop("PYTHONPATH", None)
    if method.environment is None:
        environment["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory(prefix="selection-") as place:
        folder = Path(place)
        request = {"method": name, "k": k, "seed": seed, "limit": limit}
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        np.save(folder / "X.npy", np.ascontiguousarray(split.X_train))
        np.save(folder / "y.npy", split.y_train)
        log = folder / "log.txt"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [str(python), str(PEERS / str(method.script)), str(folder)],
                cwd=folder,
                env=environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(timeout=limit + START_UP)
            except subprocess.TimeoutExpired:
                why = f"not done {START_UP:g} s after its limit: a slow start?"
                return Fit("error", [], {"error": why})
            finally:
                end_group(process)
        if code == -signal.SIGALRM:
            return Fit("timeout", [], {"error": f"more than {limit:g} s"})
        answer = folder / "result.json"
        if code != 0 or not answer.exists():
            why = f"ended with {code}: {last_error(log, folder)}"
            return Fit("error", [], {"error": why})
        result = json.loads(answer.read_text(encoding="utf-8"))
    if "missing" in result:
        raise NotThere(result["missing"])
    return Fit("ok", result.pop("order"), result)


def judge(split: wide.WideSplit, columns: Sequence[int]) -> dict[str, Any]:
    """Return what three models make of the columns, on the test rows.

    Returns
    -------
    dict
        For ``knn``, ``logistic`` and ``lightgbm``: ``balanced_accuracy`` (the mean
        recall of the classes among the test rows) and ``accuracy``.
    """
    train, test = wide.standardised(split.X_train[:, columns], split.X_test[:, columns])
    models = {
        "knn": KNeighborsClassifier(5, n_jobs=1),
        "logistic": LogisticRegression(C=1.0, max_iter=5_000),
        "lightgbm": LGBMClassifier(
            n_estimators=50,
            learning_rate=0.1,
            num_leaves=15,
            min_child_samples=5,
            max_bin=63,
            n_jobs=1,
            random_state=0,
            deterministic=True,
            force_row_wise=True,
            verbosity=-1,
        ),
    }
    scores = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            right = model.fit(train, split.y_train).predict(test) == split.y_test
        recalls = [right[split.y_test == c].mean() for c in np.unique(split.y_test)]
        scores[name] = {
            "balanced_accuracy": round(float(np.mean(recalls)), 5),
            "accuracy": round(float(right.mean()), 5),
        }
    return scores


@cache
def _split(name: str, seed: int) -> wide.WideSplit:
    """Return a split; the last one is kept."""
    return wide.split(name, seed)


def chosen(split: wide.WideSplit, name: str, k: int, seed: int) -> Fit:
    """Return the columns of the methods that look at nothing."""
    order = np.arange(split.n_columns)
    if name == "random":
        order = np.random.default_rng([seed, k]).permutation(order)[:k]
    return Fit("ok", order.tolist(), {"fit_cpu": 0.0, "fit_wall": 0.0})


def measure(
    path: Path, name: str, seed: int, method_name: str, ks: list[int], limit: float
) -> None:
    """Fit, judge and record a method on a split, for what is not recorded yet.

    Parameters
    ----------
    path : Path
        The results file.
    name : str
        A set of `benchmarks.wide`.
    seed : int
        The seed of the split.
    method_name : str
        One of `METHODS`.
    ks : list of int
        Numbers of columns to choose, ascending.
    limit : float
        Wall seconds of each fit.
    """
    method = METHODS[method_name]
    there = records.read(path)
    mine = [r for r in there if (r["set"], r["method"]) == (name, method_name)]
    done = {r["k"] for r in mine if r["split"] == seed}
    left = [k for k in ks if k not in done]
    # A method with one order for all k is fitted once, for the largest.
    groups = [left] if method.nested and left else [[k] for k in left]
    for group in groups:
        k = group[-1]
        late = [r["k"] for r in mine if r["status"] == "timeout" and r["k"] <= k]
        split = _split(name, seed)
        if late:
            about = {"error": "timed out before, on this set", "by_rule": True}
            outcome = Fit("timeout", [], about)
        elif method.script:
            outcome = fit(method, method_name, split, k, seed, limit)
        else:
            outcome = chosen(split, method_name, k, seed)
        for size in group:
            columns = outcome.order[:size] if size != ALL else outcome.order
            record = {
                "set": name,
                "split": seed,
                "method": method_name,
                "k": size,
                "status": outcome.status,
                **outcome.about,
                "limit": limit,
                "fit_k": k,
                "n_train": len(split.y_train),
                "n_test": len(split.y_test),
                "n_columns": split.n_columns,
                "n_classes": split.n_classes,
            }
            if outcome.status == "ok":
                record["scores"] = judge(split, columns)
                record["columns"] = columns if size != ALL else []
            record |= records.stamp()
            records.append(path, record)
            mine.append(record)
            print(_line(record), flush=True)


def _line(record: records.Record) -> str:
    """Return what is said of a record while the benchmark runs."""
    where = "{set:12} {split:3d} {method:28} k={k:<3d}".format_map(record)
    if record["status"] != "ok":
        return f"{where} {record['status']}: {record['error']}"
    scores = [model["balanced_accuracy"] for model in record["scores"].values()]
    return f"{where} fit {record['fit_cpu']:8.2f} s  balanced accuracy " + " ".join(
        f"{score:.3f}" for score in scores
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure what is not in the results file yet, method by method within a split."""
    for name in arguments.sets:
        for seed in arguments.splits:
            _split.cache_clear()
            for method in arguments.methods:
                ks = sizes(_split(name, seed).n_columns, arguments.k)
                if method == "all":
                    ks = [ALL]
                try:
                    measure(arguments.results, name, seed, method, ks, arguments.limit)
                except NotThere as error:
                    print(f"{name:12} {seed:3d} {method:28} not there: {error}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(wide.LOADERS), metavar="SET")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), metavar="METHOD")
    parser.add_argument("--splits", nargs="+", type=int, metavar="SEED")
    parser.add_argument("--k", nargs="+", type=int, default=SIZES, metavar="COLUMNS")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, help="wall seconds for each fit"
    )
    parser.add_argument(
        "--redo",
        nargs="+",
        choices=list(METHODS),
        default=(),
        metavar="METHOD",
        help="forget the records of these methods (of --sets, --splits, --k) first",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="run nothing, write the table beside the results",
    )
    arguments = parser.parse_args()
    arguments.sets = arguments.sets or list(wide.LOADERS)
    arguments.methods = arguments.methods or list(METHODS)
    arguments.splits = arguments.splits or list(REPORTED_SEEDS)
    return arguments


def main() -> None:
    arguments = parse_arguments()
    path = arguments.results
    wanted_k = {*arguments.k, ALL}
    if not arguments.table:
        records.drop(
            path,
            lambda record: (
                record["method"] in arguments.redo
                and record["set"] in arguments.sets
                and record["split"] in arguments.splits
                and record["k"] in wanted_k
            ),
        )
        run(arguments)
        return
    text = selection_table.report(
        [
            record
            for record in records.read(path)
            if record["set"] in arguments.sets
            and record["method"] in arguments.methods
            and record["split"] in arguments.splits
            and record["k"] in wanted_k
        ],
        arguments.splits,
    )
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
