"""The scoring loop against one LightGBM fit per candidate, one thread.

Both score the same candidates (sums, products and ratios of columns) from the same
out-of-fold initial scores. LightGBM does what the reference implementation of OpenFE
does for each: 100 rounds of 16 leaves with early stopping after 3 on one 80/20 split,
columns given, so that neither the candidate's values nor reading them is counted
against it. Ours scores over five folds, values included. Candidates are timed in
turns; the figure is the median of the ratios.

    python -m benchmarks.scoring
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.model_selection import KFold, StratifiedKFold

from featurekit.generation.model import BoostedModel
from featurekit.statistics.boosting import Program, RowSums, boosting_drops
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import LogLoss, Squared

RESULT = Path(__file__).parent / "results" / "scoring.json"
BATCH = 12


def problem(n_rows: int, task: str, seed: int = 0):
    """Rows with signal in interactions, out-of-fold scores, folds."""
    X, y = make_friedman1(n_rows, n_features=12, noise=1.0, random_state=seed)
    X[:, 5] = np.exp(2 * X[:, 5])
    y = y + 3 * X[:, 6] * X[:, 7]
    loss = Squared()
    splitter = KFold(5, shuffle=True, random_state=0)
    if task == "binary":
        y = (y > np.median(y) + np.random.default_rng(seed).normal(0, 2, n_rows)) * 1.0
        loss = LogLoss()
        splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    folds = Folds.from_splits(list(splitter.split(X, y)), n_rows)
    raw = BoostedModel(loss, rounds=33).out_of_fold(X, y, folds).early
    order = np.argsort(folds.atom, kind="stable")
    return X[order], y[order], raw[order], folds.take(order), loss


def candidates(d: int, n: int, seed: int = 0) -> Program:
    """``n`` random elementwise candidates on ``d`` columns."""
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.choice(d, 2, replace=False) for _ in range(n)])
    return Program(rng.integers(1, 5, n), pairs[:, 0].copy(), pairs[:, 1].copy())


def lightgbm_seconds(values, y, raw, folds, loss) -> float:
    """CPU seconds of one fit as the reference makes it."""
    train, test = folds.train_rows(0), folds.test_rows(0)
    params = {
        "num_leaves": 16, "learning_rate": 0.1, "num_threads": 1, "seed": 1,
        "deterministic": True, "verbosity": -1, **loss.params,
    }  # fmt: skip
    begin = time.process_time()
    data = lightgbm.Dataset(values[train][:, None], y[train], init_score=raw[train, 0])
    valid = lightgbm.Dataset(
        values[test][:, None], y[test], init_score=raw[test, 0], reference=data
    )
    lightgbm.train(
        params, data, 100, valid_sets=[valid],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    return time.process_time() - begin


def values_of(program: Program, i: int, X: np.ndarray) -> np.ndarray:
    """Values of candidate ``i``."""
    a, b = X[:, program.left[i]], X[:, program.right[i]]
    with np.errstate(all="ignore"):
        return [a + b, a - b, a * b, a / b][program.op[i] - 1]


def measure(n_rows: int, task: str, n_batches: int) -> dict:
    """Median ratio and milliseconds per candidate."""
    X, y, raw, folds, loss = problem(n_rows, task)
    columns = np.ascontiguousarray(X.T)
    sums = RowSums.of(*loss.gradients(y, raw))
    starts = np.searchsorted(folds.atom, np.arange(folds.n_atoms + 1))
    program = candidates(X.shape[1], BATCH * n_batches)
    args = (columns, sums, starts, folds.train, folds.test)
    boosting_drops(program[:2], *args)
    ours, theirs = [], []
    for b in range(n_batches):
        part = program[b * BATCH : (b + 1) * BATCH]
        begin = time.process_time()
        boosting_drops(part, *args)
        ours.append((time.process_time() - begin) / BATCH)
        # one in four is fitted by LightGBM: it is what takes the time
        some = range(b * BATCH, (b + 1) * BATCH, 4)
        each = [
            lightgbm_seconds(values_of(program, i, X), y, raw, folds, loss)
            for i in some
        ]
        theirs.append(float(np.mean(each)))
    ratios = np.array(theirs) / np.array(ours)
    return {
        "rows": n_rows,
        "task": task,
        "ours_ms": round(1e3 * float(np.median(ours)), 4),
        "lightgbm_ms": round(1e3 * float(np.median(theirs)), 3),
        "ratio_median": round(float(np.median(ratios)), 1),
        "ratio_range": [round(float(ratios.min()), 1), round(float(ratios.max()), 1)],
        "batches": n_batches,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=15)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows = [
        measure(n, task, args.batches)
        for n in (20_000, 100_000)
        for task in ("regression", "binary")
    ]
    for row in rows:
        print(row)
    content = {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "lightgbm": lightgbm.__version__,
        "what": "CPU time of scoring one candidate, one thread, interleaved",
        "rows": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
