"""Compare the exact one-feature scorer with LightGBM fits on real tables.

For every candidate feature of a table, LightGBM is trained on the feature alone and
`boost_exact` scores it on the same split with the same initial scores, interleaved in
one process and on one thread.  Printed and written as JSON: the agreement of the
scores and of the ranking, and the median ratio of the times.

Run from the root of the repository::

    python -m benchmarks.exact_parity [--candidates 240] [--out FILE]

Tables lie in the folder named by ``FEATUREKIT_DATA`` (``../shared/data`` by default).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import date
from itertools import combinations
from pathlib import Path

import lightgbm as lgb
import numba
import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.model_selection import KFold, train_test_split

from featurekit.statistics.exact import LOGLOSS, SQUARED, boost_exact

ROOT = Path(__file__).resolve().parents[1]
PARAMS = {
    "num_leaves": 16,
    "learning_rate": 0.1,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}
OBJECTIVE = {
    SQUARED: {"objective": "regression", "metric": "l2"},
    LOGLOSS: {"objective": "binary", "metric": "binary_logloss"},
}


def data_folder() -> Path:
    """Folder of the tables."""
    default = ROOT / ".." / "shared" / "data"
    return Path(os.environ.get("FEATUREKIT_DATA") or default)


def load(name: str) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Columns, target and loss code of a table."""
    if name == "california_housing":
        frame = pd.read_parquet(data_folder() / name / "sklearn_form.parquet")
        y = frame.pop("MedHouseVal").to_numpy(np.float64)
        return frame, y, SQUARED
    frame = pd.read_parquet(data_folder() / name / "train.parquet")
    y = frame.pop("income").astype(str).str.contains(">50K").to_numpy(np.float64)
    return frame, y, LOGLOSS


def _group_statistics(frame, codes, numeric):
    for key, value in ((k, v) for k in codes for v in numeric if k != v):
        by = frame[value].groupby(codes[key])
        for how in ("mean", "std", "median", "max", "rank"):
            x = by.rank(pct=True) if how == "rank" else by.transform(how)
            yield f"{how}({value}|{key})", x.to_numpy(np.float64)


def candidates(frame: pd.DataFrame, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw ``count`` generated features: arithmetic, group statistics, frequencies."""
    numeric = [c for c in frame if pd.api.types.is_numeric_dtype(frame[c])]
    values = frame[numeric].astype(np.float64)
    codes = {c: pd.factorize(frame[c])[0] for c in frame}
    made = {c: values[c].to_numpy() for c in numeric}
    with np.errstate(all="ignore"):
        for a, b in combinations(numeric, 2):
            x, z = made[a], made[b]
            made[f"{a}+{b}"], made[f"{a}-{b}"] = x + z, x - z
            made[f"{a}*{b}"] = x * z
            made[f"{a}/{b}"] = x / np.where(z == 0, np.nan, z)
            made[f"{b}/{a}"] = z / np.where(x == 0, np.nan, x)
            made[f"min({a},{b})"] = np.minimum(x, z)
        for a in numeric:
            made[f"log|{a}|"] = np.log(np.abs(np.where(made[a] == 0, np.nan, made[a])))
            made[f"sigmoid({a})"] = 1 / (1 + np.exp(-made[a]))
    for key, code in codes.items():
        made[f"freq({key})"] = np.bincount(code + 1)[code + 1].astype(np.float64)
    made.update(_group_statistics(values, codes, numeric))
    names = list(made)
    picked = np.random.default_rng(seed).permutation(len(names))[:count]
    return {names[i]: made[names[i]] for i in sorted(picked)}


def constant_scores(y: np.ndarray, loss: int) -> np.ndarray:
    """The same initial score for every row: mean, or log-odds."""
    mean = y.mean()
    return np.full(y.size, mean if loss == SQUARED else np.log(mean / (1 - mean)))


def out_of_fold_scores(frame: pd.DataFrame, y: np.ndarray, loss: int) -> np.ndarray:
    """Raw scores of LightGBM models that have not seen the row."""
    X = frame.copy()
    for c in X:
        if not pd.api.types.is_numeric_dtype(X[c]):
            X[c] = X[c].astype("category")
    out = np.empty(y.size)
    for train, test in KFold(5, shuffle=True, random_state=1).split(X):
        data = lgb.Dataset(X.iloc[train], y[train])
        model = lgb.train({**PARAMS, **OBJECTIVE[loss]}, data, 60)
        out[test] = model.predict(X.iloc[test], raw_score=True)
    return out


def lightgbm_drop(x, y, init, train, valid, loss) -> float:
    """Score of LightGBM trained on the feature alone."""
    data = lgb.Dataset(
        x[train].reshape(-1, 1), y[train], init_score=init[train], params=PARAMS
    )
    check = data.create_valid(x[valid].reshape(-1, 1), y[valid], init_score=init[valid])
    model = lgb.train(
        {**PARAMS, **OBJECTIVE[loss]},
        data,
        100,
        valid_sets=[check],
        callbacks=[lgb.early_stopping(3, verbose=False)],
    )
    ((best,),) = (list(m.values()) for m in model.best_score.values())
    return initial_loss(y[valid], init[valid], loss) - best


def initial_loss(y, init, loss) -> float:
    """Mean loss of the initial scores, on labels in float32 as LightGBM keeps them."""
    y = y.astype(np.float32)
    if loss == SQUARED:
        return float(np.mean((y - init) ** 2))
    return float(np.mean(np.logaddexp(0.0, np.where(y > 0, -init, init))))


def agreement(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Rank correlation, recall of LightGBM's best and score differences."""
    gap = np.abs(ours - theirs)
    report = {
        "spearman": float(spearmanr(ours, theirs)[0]),
        # without the order that rounding gives to scores which are equal
        "spearman_10_digits": float(spearmanr(ours.round(10), theirs.round(10))[0]),
    }
    for share in (0.05, 0.1, 0.25, 0.5):
        k = max(1, int(share * ours.size))
        best = set(np.argsort(-theirs, kind="stable")[:k])
        found = best & set(np.argsort(-ours, kind="stable")[:k])
        report[f"recall@{share:g}"] = len(found) / k
    report["diff_median"] = float(np.median(gap))
    report["diff_95"] = float(np.quantile(gap, 0.95))
    report["diff_max"] = float(gap.max())
    report["score_min"], report["score_max"] = float(theirs.min()), float(theirs.max())
    return report


def compare(features, y, init, loss, verbose=False) -> dict[str, float]:
    """Score all features with both and time them in turn."""
    train, valid = train_test_split(np.arange(y.size), test_size=0.2, random_state=0)
    train, valid = np.sort(train), np.sort(valid)
    first = next(iter(features.values()))
    boost_exact(first, y, init, None, train, valid, loss)
    lightgbm_drop(first, y, init, train, valid, loss)
    rows = []
    for name, x in features.items():
        t0 = time.perf_counter()
        theirs = lightgbm_drop(x, y, init, train, valid, loss)
        t1 = time.perf_counter()
        ours = boost_exact(x, y, init, None, train, valid, loss)
        rows.append((ours, theirs, time.perf_counter() - t1, t1 - t0))
        if verbose and abs(ours - theirs) > 1e-7:
            print(f"  {name}: ours {ours:.9f}, LightGBM {theirs:.9f}")
    ours, theirs, t_ours, t_theirs = np.array(rows).T
    report = {"candidates": len(rows), "train": train.size, "valid": valid.size}
    report.update(agreement(ours, theirs))
    report["ms_ours"] = float(np.median(t_ours) * 1e3)
    report["ms_lightgbm"] = float(np.median(t_theirs) * 1e3)
    report["time_ratio"] = float(np.median(t_theirs / t_ours))
    return report


def main() -> None:
    """Run both tables with constant and with out-of-fold initial scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=240)
    parser.add_argument("--verbose", action="store_true", help="print differences")
    default = ROOT / "benchmarks" / "results" / "exact_parity.json"
    parser.add_argument("--out", type=Path, default=default)
    args = parser.parse_args()
    result = {
        "date": date.today().isoformat(),
        "cores": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
        "numba": numba.__version__,
        "lightgbm": lgb.__version__,
        "runs": {},
    }
    for name in ("california_housing", "adult"):
        if not (data_folder() / name).is_dir():
            print(f"{name}: not in the data folder, skipped")
            continue
        frame, y, loss = load(name)
        features = candidates(frame, args.candidates)
        scores = {
            "constant": constant_scores(y, loss),
            "out_of_fold": out_of_fold_scores(frame, y, loss),
        }
        for kind, init in scores.items():
            report = compare(features, y, init, loss, args.verbose)
            result["runs"][f"{name}/{kind}"] = report
            print(f"{name}, {kind} initial scores")
            for key, value in report.items():
                print(f"  {key:<20} {value:.6g}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
