"""What does a fit cost? CPU seconds, wall seconds and memory beside openfe.

``python -m benchmarks.speed --sets california_housing --rounds 3``
``python -m benchmarks.speed --table``

Each fit runs in a fresh process on one core, the methods in turn (A B A B), so that
whatever else the machine does falls on all of them; ratios are taken within a round.
featurekit runs once unmeasured on each set beforehand: its kernels are compiled once
and kept on disk. Test rows play no part, loading data and imports are not counted.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from sklearn.model_selection import train_test_split

from benchmarks import datasets, records
from benchmarks.methods import MethodFailed, Runner, run

RESULTS = Path(__file__).resolve().parent / "results" / "speed.jsonl"
SETS = ("california_housing", "telco_churn", "adult")
RANDOM_STATE = 1


def _openfe(boosting: bool) -> Runner:
    options = {"fit_only": True, "feature_boosting": boosting}
    return Runner("run_openfe.py", "peer-openfe", options)


def _featurekit(n_features: int | str) -> Runner:
    return Runner(
        "run_featurekit.py", None, {"fit_only": True, "n_features": n_features}
    )


METHODS = {
    "openfe": _openfe(False),
    "featurekit_10": _featurekit(10),
    "openfe_boosting": _openfe(True),
    "featurekit": _featurekit("auto"),
}
"""openfe's own default is without feature boosting; its paper is with it."""


def training_part(name: str) -> datasets.Split:
    """Return four fifths of the rows of a set, all of them for training.

    Of Adult only the official training file is used. The test part is one row: the
    fit does not look at it.
    """
    X, y, task = datasets.load(name)
    if name == "adult":
        X = X[: datasets.ADULT_OFFICIAL_TRAIN_ROWS]
        y = y[: datasets.ADULT_OFFICIAL_TRAIN_ROWS]
    stratify = None if task == "regression" else y
    X_train, _, y_train, _ = train_test_split(
        X, y, test_size=0.2, random_state=RANDOM_STATE, stratify=stratify
    )
    X_train = X_train.reset_index(drop=True)
    n_classes = 0 if task == "regression" else int(y.max()) + 1
    return datasets.Split(X_train, y_train, X_train[:1], y_train[:1], task, n_classes)


def measure(method: str, split: datasets.Split, limit: float) -> records.Record:
    """Return what one fit in a fresh process took, or the error it ended with."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        try:
            result = run(METHODS[method], Path(folder), split, limit)
        except MethodFailed as error:
            return {"status": "failed", "error": str(error)}
    kept = ("fit_cpu", "fit_wall", "peak_mb", "versions")
    return {"status": "ok", **{key: result[key] for key in kept}}


def compare(
    sets: Sequence[str],
    methods: Sequence[str],
    rounds: int,
    path: Path,
    limit: float,
) -> None:
    """Run the methods in turn on each set, and write a record for each fit.

    Parameters
    ----------
    sets, methods : sequence of str
        Of `SETS` and `METHODS`; their earlier records are replaced.
    rounds : int
        How often each method runs on each set.
    path : Path
        The results file.
    limit : float
        Wall seconds that one fit may take.
    """
    records.drop(path, lambda r: r["set"] in sets and r["method"] in methods)
    for name in sets:
        split = training_part(name)
        for method in methods:
            if method.startswith("featurekit"):
                measure(method, split, limit)  # compiles the kernels
        for number in range(rounds):
            for method in methods:
                record = {
                    "set": name,
                    "method": method,
                    "round": number,
                    "n_train": len(split.y_train),
                    **measure(method, split, limit),
                    **records.stamp(),
                }
                records.append(path, record)
                took = record.get("fit_cpu", record.get("error"))
                print(f"{name:20} {number} {method:16} {took}", flush=True)


def report(results: Sequence[records.Record]) -> str:
    """Return both tables, costs and ratios, in Markdown."""
    done = [r for r in results if r["status"] == "ok"]
    if not done:
        return "No results yet.\n"
    sets = [name for name in SETS if any(r["set"] == name for r in done)]
    lines = [
        "# Speed: one fit, one core",
        "",
        "Medians over the rounds; the peak is that of the largest process.",
        "",
        "| set | rows | method | rounds | CPU s | wall s | peak MB |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for name in sets:
        for method in METHODS:
            runs = [r for r in done if (r["set"], r["method"]) == (name, method)]
            if runs:
                values = [
                    f"{median(r[key] for r in runs):,.2f}"
                    for key in ("fit_cpu", "fit_wall", "peak_mb")
                ]
                cells = [name, f"{runs[0]['n_train']:,}", method, str(len(runs))]
                lines.append("| " + " | ".join([*cells, *values]) + " |")
    lines += ["", *_ratios(done, sets), "", *_origin(done)]
    return "\n".join(lines) + "\n"


def _ratios(done: Sequence[records.Record], sets: Sequence[str]) -> list[str]:
    """Return the table of how many times featurekit is faster."""
    by_key = {(r["set"], r["method"], r["round"]): r for r in done}
    lines = [
        "Times faster than the peer: median over the rounds of the ratio within one.",
        "",
        "| set | peer | featurekit | CPU | wall | memory |",
        "|---|---|---|---:|---:|---:|",
    ]
    for name in sets:
        for peer in ("openfe", "openfe_boosting"):
            for own in ("featurekit_10", "featurekit"):
                pairs = [
                    (record, by_key[name, own, number])
                    for (where, method, number), record in by_key.items()
                    if (where, method) == (name, peer) and (name, own, number) in by_key
                ]
                if pairs:
                    values = [
                        f"{median(a[key] / b[key] for a, b in pairs):.2f}"
                        for key in ("fit_cpu", "fit_wall", "peak_mb")
                    ]
                    lines.append("| " + " | ".join([name, peer, own, *values]) + " |")
    return lines


def _origin(done: Sequence[records.Record]) -> list[str]:
    dates = sorted({r["date"] for r in done})
    versions = sorted(
        {
            f"{name} {r['versions'][name]}"
            for r in done
            for name in ("openfe", "featurekit")
            if name in r["versions"]
        }
    )
    return [
        f"{dates[0]} to {dates[-1]}; {done[0]['cores']} cores; {'; '.join(versions)}."
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET"
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=list(METHODS),
        default=list(METHODS),
        metavar="METHOD",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument(
        "--limit", type=float, default=3_600.0, help="wall seconds for each fit"
    )
    parser.add_argument(
        "--table", action="store_true", help="run nothing, write the table"
    )
    arguments = parser.parse_args()
    path = arguments.results
    if not arguments.table:
        compare(
            arguments.sets, arguments.methods, arguments.rounds, path, arguments.limit
        )
    text = report(records.read(path))
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
