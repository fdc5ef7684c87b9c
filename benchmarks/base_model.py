"""Is the model without new features ever worse than a constant?

    python -m benchmarks.base_model            # tables of a known truth
    python -m benchmarks.base_model --data     # clicks of the data folder as well

Columns of noise, weak and strong signals and categories, at rates from 0.1 % to 50 %
and 1,000 to 100,000 rows; both lengths of the base model; two and four classes, and
counts. A row of the output is the loss of the base model and that of the best constant
of the same training rows, both out of fold, their difference, and a standard error: the
larger of the difference's and of the constant's loss. A row that is worse by more than
that is marked, and fails the command.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from featurekit.data import Schema
from featurekit.fitting import Target, make_folds
from featurekit.generation.find import BASE_ROUNDS
from featurekit.generation.model import (
    QUICK_RATE,
    QUICK_ROUNDS,
    BoostedModel,
    base_matrix,
)

QUICK = (("max_bin", 63), ("learning_rate", QUICK_RATE))
RATES = (0.001, 0.005, 0.02, 0.1, 0.5)
ROWS = (1_000, 10_000, 100_000)


def table(kind: str, n: int, rng: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """Eight columns, and the signal in them."""
    numbers = {f"x{i}": rng.normal(size=n) for i in range(5)}
    codes = {f"c{i}": rng.integers(0, k, n) for i, k in enumerate((5, 50, 500))}
    X = pd.DataFrame(numbers | {k: pd.Categorical(v) for k, v in codes.items()})
    strength = {"noise": 0.0, "weak": 0.3, "strong": 3.0, "sparse": 1.0}[kind]
    signal = X["x0"] * X["x1"] + X["x2"] + 0.5 * (codes["c0"] == 1)
    if kind == "sparse":
        X["x0"] = (X["x0"] > 2.5).astype(float)
        signal = X["x0"] * 4
    return X, strength * signal.to_numpy()


def targets(rate: float, z: np.ndarray, rng: Any) -> dict[str, np.ndarray]:
    """Two classes, four classes and counts, the rare ones at ``rate``."""
    z = z + rng.normal(size=len(z))
    top = (z > np.quantile(z, 1 - rate)).astype(int)
    four = top + 2 * rng.integers(0, 2, len(z))
    return {"binary": top, "classes": four, "poisson": rng.poisson(rate * np.exp(z))}


def compare(X: pd.DataFrame, y: np.ndarray, metric: str, short: bool, seed: int) -> Any:
    """Loss of the base model and of the constant, their difference and an error."""
    target = Target.of(y, "auto", metric)
    table_ = Schema.learn(X, "auto")[1]
    rounds, params = (QUICK_ROUNDS, QUICK) if short else (BASE_ROUNDS, ())
    model = BoostedModel(target.loss, seed, 1, rounds, params)
    folds = make_folds(5, target, seed=seed)
    matrix, categorical = base_matrix(table_)
    raw = model.out_of_fold(matrix, target.y, folds, None, categorical).raw
    flat = np.empty_like(raw)
    for f in range(folds.n_folds):
        flat[folds.test_rows(f)] = target.loss.baseline(target.y[folds.train_rows(f)])
    ours = target.loss.per_row(target.y, raw) * target.loss.unit
    constant = target.loss.per_row(target.y, flat) * target.loss.unit
    worse = ours - constant
    error = max(worse.std(), constant.std()) / np.sqrt(len(y))
    return ours.mean(), constant.mean(), worse.mean(), error


def cases(seed: int, rows: tuple[int, ...], real: bool) -> Iterator[tuple[Any, ...]]:
    """Names, table, target and metric."""
    for n in rows:
        for rate in RATES:
            for kind in ("noise", "weak", "strong", "sparse"):
                rng = np.random.default_rng([seed, n, int(1e4 * rate)])
                X, z = table(kind, n, rng)
                for task, y in targets(rate, z, rng).items():
                    if len(np.unique(y)) > 1:
                        metric = {"binary": "logloss", "classes": "multi_logloss"}
                        name = f"{task} {kind} {rate:g} {n}"
                        yield name, X, y, metric.get(task, "poisson")
    if not real:
        return
    folder = Path(os.environ["FEATUREKIT_DATA"]) / "open_bandit"
    for path in sorted(folder.glob("[br]*men.csv")):
        frame = pd.read_csv(path, index_col=0)
        y = frame.pop("click").to_numpy()
        frame = frame.drop(columns=["timestamp"])
        yield f"open_bandit {path.stem}", frame, y, "logloss"


def main() -> None:
    """Print a line for each case, and fail if one is worse than its constant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--data", action="store_true")
    args = parser.parse_args()
    n = bad = 0
    worst = -np.inf
    for seed in range(args.seeds):
        for name, X, y, metric in cases(seed, tuple(args.rows), args.data):
            for short in (False, True):
                base, constant, worse, error = compare(X, y, metric, short, seed)
                marked = bool(worse > error)
                n, bad, worst = n + 1, bad + marked, max(worst, worse / (error or 1))
                mark = " WORSE" if marked else ""
                kind = "short" if short else "long"
                print(
                    f"{name:32} {kind:5} base {base:.5f} constant {constant:.5f} "
                    f"difference {worse:+.6f} (SE {error:.6f}){mark}"
                )
    print(f"{bad} of {n} worse than the constant; at most {worst:.2f} standard errors")
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
