"""The table of the quality benchmark.

A cell is the mean over the splits of the test error's reduction in percent against the
base columns on the same split (positive is better), with its standard error. A method
that failed on a split is given the base's error there: it added nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev

from benchmarks.datasets import LOADERS
from benchmarks.downstream import PRIMARY
from benchmarks.methods import METHODS, PEER_METHODS
from benchmarks.records import Record


@dataclass(frozen=True)
class Cell:
    """What a method gains on a set."""

    reductions: tuple[float, ...]
    """One for each split, in percent."""
    n_failed: int

    @property
    def mean(self) -> float:
        return mean(self.reductions)

    @property
    def standard_error(self) -> float:
        n = len(self.reductions)
        return stdev(self.reductions) / n**0.5 if n > 1 else float("nan")

    @property
    def verdict(self) -> int:
        """1 for better than base by two standard errors, -1 for worse, else 0."""
        if abs(self.mean) > 2 * self.standard_error:
            return 1 if self.mean > 0 else -1
        return 0

    def __str__(self) -> str:
        text = f"{self.mean:+.2f} ± {self.standard_error:.2f}"
        if self.verdict:
            text = f"**{text}**"
        return text + f" ({self.n_failed} failed)" * bool(self.n_failed)


def primary_error(record: Record) -> float:
    """Return the error of a record that methods are judged by."""
    return record[PRIMARY[record["task"]]]


def cells(records: Iterable[Record]) -> dict[tuple[str, str], Cell]:
    """Return the cell of each set and method that has records beside its base."""
    by_key = {(r["set"], r["method"], r["split"]): r for r in records}
    found: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    for (name, method, seed), record in sorted(by_key.items()):
        base = by_key.get((name, "base", seed))
        if method == "base" or base is None:
            continue
        failed = record["status"] == "failed"
        ratio = 1.0 if failed else primary_error(record) / primary_error(base)
        found.setdefault((name, method), []).append((100 * (1 - ratio), failed))
    return {
        key: Cell(tuple(value for value, _ in row), sum(bad for _, bad in row))
        for key, row in found.items()
    }


def report(records: Sequence[Record]) -> str:
    """Return the whole report in Markdown.

    Parameters
    ----------
    records : sequence of dict
        Lines of the results file.
    """
    table = cells(records)
    sets = [name for name in LOADERS if any(key[0] == name for key in table)]
    methods = [m for m in METHODS if any(key[1] == m for key in table)]
    if not sets:
        return "No results yet.\n"
    lines = [
        "# Quality: test error against no new features",
        "",
        "Reduction of the test error in percent (RMSE or log-loss of one fixed model),",
        "mean over the splits ± standard error; positive is better, bold is beyond two",
        "standard errors. *Oracle*: the best mean of the peers or nothing, set by set.",
        "",
        *_rows(["set", "base error", *methods, "oracle"]),
    ]
    for name in sets:
        errors = [
            primary_error(r)
            for r in records
            if (r["set"], r["method"]) == (name, "base")
        ]
        row = [str(table.get((name, method), "")) for method in methods]
        lines += _row(
            [name, f"{mean(errors):.4g}", *row, f"{oracle(table, name):+.2f}"]
        )
    lines += ["", *_totals(table, sets, methods, records)]
    return "\n".join([*lines, "", *_origin(records)]) + "\n"


def oracle(table: dict[tuple[str, str], Cell], name: str) -> float:
    """Return the best mean reduction of the peers on a set, 0 when all are harmful."""
    peers = [table[name, m].mean for m in PEER_METHODS if (name, m) in table]
    return max([0.0, *peers])


def _totals(
    table: dict[tuple[str, str], Cell],
    sets: Sequence[str],
    methods: Sequence[str],
    records: Sequence[Record],
) -> list[str]:
    """Return the table with one row for each method."""
    header = ["method", "sets", "mean", "median", "oracle there", "better", "worse"]
    costs = ["median fit CPU s", "all fits CPU s", "again CPU s"]
    lines = _rows([*header, *costs, "median new columns", "failed"])
    for method in methods:
        there = [name for name in sets if (name, method) in table]
        row = [table[name, method] for name in there]
        means = [cell.mean for cell in row]
        runs = [r for r in records if r["method"] == method and r["status"] == "ok"]
        seconds = [r["fit_cpu"] for r in runs if "fit_cpu" in r]
        again = [r["fit_again_cpu"] for r in runs if "fit_again_cpu" in r]
        columns = [r["n_new_columns"] for r in runs if "n_new_columns" in r]
        lines += _row(
            [
                method,
                str(len(there)),
                f"{mean(means):+.2f}",
                f"{median(means):+.2f}",
                f"{mean(oracle(table, name) for name in there):+.2f}",
                str(sum(cell.verdict > 0 for cell in row)),
                str(sum(cell.verdict < 0 for cell in row)),
                f"{median(seconds):.1f}" if seconds else "",
                f"{sum(seconds):.0f}" if seconds else "",
                f"{sum(again):.0f}" if len(again) == len(seconds) > 0 else "",
                f"{median(columns):g}" if columns else "",
                str(sum(cell.n_failed for cell in row)),
            ]
        )
    return [
        *lines,
        "",
        "*better*, *worse*: sets beyond two standard errors of base. *oracle there*:",
        "the mean of the oracle over the sets that the method has results on. *again*:",
        "a second fit in the same process, which has loaded what the first had to.",
    ]


def _origin(records: Sequence[Record]) -> list[str]:
    """Return what the numbers were made with."""
    splits = sorted({r["split"] for r in records})
    dates = sorted({r["date"] for r in records})
    versions: dict[str, set[str]] = {}
    for record in records:
        own = record.get("versions", {})
        for name in ("openfe", "autogluon.features", "featurekit"):
            if name in own:
                versions.setdefault(name, set()).add(own[name])
        for name, number in record["harness"].items():
            versions.setdefault(f"{name} of the judge", set()).add(number)
    used = [f"{name} {', '.join(sorted(found))}" for name, found in versions.items()]
    return [
        f"Splits {', '.join(map(str, splits))}; {dates[0]} to {dates[-1]}; "
        f"{'; '.join(sorted(used))}."
    ]


def _row(values: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(values) + " |"]


def _rows(header: Sequence[str]) -> list[str]:
    """Return a header and the line below it, numbers to the right."""
    rule = "|---|" + "---:|" * (len(header) - 1)
    return [*_row(header), rule]
