"""Are the ten planted columns the first ten? Recall, ours and others.

    python -m benchmarks.ranking_recall [--seeds 5] [--methods ...]

Ten columns of 2 to 46,000 values among 100 of `make_mixed`, 100,000 rows. The two
columns of its pair tell a little each for itself; they are not of the ten. Methods that
were not asked for keep their earlier results. What each method was given:

featurekit_*      categories; one fit, its scores in turn
outrank           its command line on the CSV file, every row, defaults otherwise
mutual_info       mutual_info_classif, discrete_features=True
chi2              scikit-learn's, of codes as numbers
random_forest     100 trees, codes as numbers, each tree on a fifth of the rows
lightgbm          gain, codes as numbers, default parameters
lightgbm_cat      gain, codes as categories
mrmr              mrmr_selection on 10,000 rows, columns as categories
boruta            Boruta on 10,000 rows, codes as numbers; what it confirms
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import ranking_common as common
from benchmarks.peers import build
from featurekit.datasets import make_mixed

ROWS, SAMPLE, N_TOP = 100_000, 10_000, 10
OURS = ("ami", "excess", "z", "te_gain", "mi")
SEEDS_OF = {"outrank": 5, "boruta": 2}
Order = tuple[list[str], float]


def featurekit(data) -> dict[str, Order]:
    """Columns in the order of each score of one fit."""
    from featurekit import OutRank

    begin = time.process_time()
    ranker = OutRank(categorical_features="all", n_jobs=1).fit(data.X, data.y)
    seconds = time.process_time() - begin
    table = ranker.scores_
    return {
        f"featurekit_{name}": (
            table.sort_values(name, ascending=False)["feature"].tolist(), seconds
        )
        for name in OURS
    }  # fmt: skip


def outrank(data) -> Order:
    """By the command line, on a CSV file."""
    with tempfile.TemporaryDirectory(prefix="ranking-") as place:
        frame = data.X.assign(**{common.LABEL: data.y})
        frame.to_csv(Path(place) / "data.csv", index=False)
        cost, scores = common.outrank(Path(place))
    return sorted(scores, key=lambda name: -scores[name]), cost.cpu


def by_number(score: Callable) -> Callable:
    """A method that gives each column a number."""

    def method(data) -> Order:
        begin = time.process_time()
        values = np.asarray(score(data.X, data.y))
        seconds = time.process_time() - begin
        order = np.argsort(-values, kind="stable")
        return [data.X.columns[i] for i in order], seconds

    return method


def mutual_info(X, y):
    from sklearn.feature_selection import mutual_info_classif

    return mutual_info_classif(X, y, discrete_features=True, n_jobs=1)


def chi_squared(X, y):
    from sklearn.feature_selection import chi2

    return chi2(X, y)[0]


def random_forest(X, y):
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(max_samples=0.2, n_jobs=1, random_state=0)
    return forest.fit(X, y).feature_importances_


def lightgbm_gain(X, y, categories: bool = False):
    import lightgbm

    model = lightgbm.LGBMClassifier(
        importance_type="gain", n_jobs=1, random_state=0, verbosity=-1
    )
    features = list(X) if categories else "auto"
    return model.fit(X, y, categorical_feature=features).feature_importances_


def selected(name: str) -> Callable:
    """A method of the environment ``peer-select``, on a sample."""

    def method(data) -> Order:
        rows = np.random.default_rng(0).permutation(len(data.X))[:SAMPLE]
        with tempfile.TemporaryDirectory(prefix="ranking-") as place:
            path = Path(place) / "rows.npz"
            X, y = data.X.to_numpy()[rows], data.y.to_numpy()[rows]
            np.savez(path, codes=X, y=y.astype(np.int64))
            script = Path(__file__).resolve().parent / "ranking_select.py"
            python = str(build.python_of("peer-select"))
            cost = common.process([python, str(script), name, str(path)], limit=600)
        if cost.code:
            raise RuntimeError(f"{name} ended with {cost.code}: {cost.output[-500:]}")
        found = cost.last_json
        order = [data.X.columns[i] for i in found["order"]]
        # what it keeps is what counts, where that is less than ten
        return order[: max(1, found["kept"])], found["cpu"]

    return method


METHODS: dict[str, Callable] = {
    "featurekit": featurekit,
    "outrank": outrank,
    "mutual_info": by_number(mutual_info),
    "chi2": by_number(chi_squared),
    "random_forest": by_number(random_forest),
    "lightgbm": by_number(lightgbm_gain),
    "lightgbm_cat": by_number(lambda X, y: lightgbm_gain(X, y, categories=True)),
    "mrmr": selected("mrmr"),
    "boruta": selected("boruta"),
}


def judge(order: list[str], truth, seed: int, cpu: float) -> dict:
    """Recall, and which columns were missed and which taken instead."""
    top, planted = order[:N_TOP], set(truth.main)
    sizes = truth.cardinalities

    def named(names) -> list[str]:
        return [f"{name} (K={sizes[name]})" for name in names]

    return {
        "seed": seed,
        "recall": len(planted & set(top)) / len(planted),
        "missed": named(name for name in truth.main if name not in top),
        "instead": named(name for name in top if name not in planted),
        "cpu_seconds": round(cpu, 2),
    }


def main() -> None:
    """Rank, judge, write after every ranking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    found: dict[str, list[dict]] = {}
    for seed in range(arguments.seeds):
        data = make_mixed(ROWS, random_state=seed)
        for name in arguments.methods:
            if seed >= SEEDS_OF.get(name, arguments.seeds):
                continue
            try:
                result = METHODS[name](data)
            except RuntimeError as error:
                print(error)
                found.setdefault(name, []).append({"seed": seed, "error": str(error)})
                continue
            several = result if isinstance(result, dict) else {name: result}
            for kind, (order, cpu) in several.items():
                line = judge(order, data.truth, seed, cpu)
                found.setdefault(kind, []).append(line)
                print(kind, json.dumps(line), flush=True)
    keep(found)


def keep(found: dict[str, list[dict]]) -> None:
    """Put results beside those of other methods."""
    path = common.RESULTS / "ranking_recall.json"
    methods = {}
    if path.exists():
        methods = json.loads(path.read_text(encoding="utf-8"))["methods"]
    for name, lines in found.items():
        recalls = [line["recall"] for line in lines if "recall" in line]
        mean = round(float(np.mean(recalls)), 3) if recalls else None
        methods[name] = {"mean_recall": mean, "runs": lines}
    content = {
        "rows": ROWS,
        "columns": 100,
        "planted": N_TOP,
        "peer_versions": common.peer_versions("peer-outrank", "outrank")
        | common.peer_versions("peer-select", "mrmr_selection", "Boruta"),
        "methods": methods,
    }
    common.write(
        "ranking_recall", "Recall of ten planted columns among the first ten", content
    )


if __name__ == "__main__":
    main()
