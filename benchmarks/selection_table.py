"""The methods of the selection benchmark, and the tables of its results.

A score is the mean of the balanced accuracies of the three models. A method counts as
failed on a set and k when a fit of any split failed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev
from textwrap import wrap

import numpy as np
from scipy.stats import rankdata

from benchmarks.records import Record
from benchmarks.wide import LOADERS


@dataclass(frozen=True)
class Method:
    """How a method is run.

    Attributes
    ----------
    script : str or None
        In `benchmarks.peers`; None where nothing is fitted.
    environment : str or None
        The name of the peer's environment; None is the running one.
    nested : bool
        Whether the first columns of a choice are the choice of fewer: one fit does for
        all k.
    ours : bool
    """

    script: str | None
    environment: str | None = None
    nested: bool = True
    ours: bool = False


_SKLEARN = "run_selectors.py"
METHODS: dict[str, Method] = {
    "all": Method(None),
    "random": Method(None, nested=False),
    "f_classif": Method(_SKLEARN),
    "mutual_info": Method(_SKLEARN),
    "l1": Method(_SKLEARN, nested=False),
    "rfe": Method(_SKLEARN, nested=False),
    "mrmr": Method("run_select.py", "peer-select"),
    "lassonet": Method("run_lassonet.py", "peer-lassonet"),
    "boruta": Method("run_select.py", "peer-select"),
    "sfs": Method(_SKLEARN, nested=False),
    "inf_fs": Method(_SKLEARN, nested=False, ours=True),
    "inf_fs_u": Method(_SKLEARN, nested=False, ours=True),
    "disco": Method(_SKLEARN, ours=True),
    "disco_forward": Method(_SKLEARN, ours=True),
    "sequential_attention": Method(_SKLEARN, nested=False, ours=True),
    "sequential_attention_linear": Method(_SKLEARN, nested=False, ours=True),
    "featurekit_mrmr": Method(_SKLEARN, ours=True),
    "boruta_shadow": Method(_SKLEARN, ours=True),
}
MODELS = ("knn", "logistic", "lightgbm")
REFERENCE = "f_classif"
UNRANKED = ("all",)
OFTEN = 2 / 3
"""A method that finished this share of the tasks is in the table of the finished."""

Task = tuple[str, int]
"""A set and a number of columns."""


@dataclass(frozen=True)
class Cell:
    """A method on a task: its scores and seconds, in the order of the splits."""

    scores: tuple[dict[str, float], ...]
    """Balanced accuracies by model; empty where any split failed."""
    seconds: tuple[float, ...]
    """CPU seconds of the fits; those that failed count with their limit."""
    n_timeouts: int
    n_errors: int

    @property
    def failed(self) -> bool:
        return self.n_timeouts + self.n_errors > 0

    def values(self, model: str | None = None) -> tuple[float, ...]:
        """One score for each split, of a model or the mean of all."""
        if model:
            return tuple(scores[model] for scores in self.scores)
        return tuple(mean(scores.values()) for scores in self.scores)

    def __str__(self) -> str:
        if self.n_timeouts:
            return "timeout"
        if self.n_errors:
            return "error"
        values = [100 * value for value in self.values()]
        return f"{mean(values):.1f} ± {standard_error(values):.1f}"


Cells = dict[tuple[Task, str], Cell]


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of a mean, nan for one value."""
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def cells(records: Iterable[Record], splits: Sequence[int]) -> Cells:
    """Return the cells of tasks and methods that have records on all of the splits."""
    by_key: dict[tuple[Task, str], dict[int, Record]] = {}
    for record in records:
        key = ((record["set"], record["k"]), record["method"])
        by_key.setdefault(key, {})[record["split"]] = record
    found: Cells = {}
    for key, by_split in by_key.items():
        if set(splits) - set(by_split):
            continue
        row = [by_split[seed] for seed in splits]
        failed = any(r["status"] != "ok" for r in row)
        found[key] = Cell(
            scores=()
            if failed
            else tuple(
                {m: r["scores"][m]["balanced_accuracy"] for m in MODELS} for r in row
            ),
            seconds=tuple(r["fit_cpu"] if "fit_cpu" in r else r["limit"] for r in row),
            n_timeouts=sum(r["status"] == "timeout" for r in row),
            n_errors=sum(r["status"] == "error" for r in row),
        )
    return found


def ranks(
    table: Cells, tasks: Sequence[Task], methods: Sequence[str], model: str | None
) -> dict[str, float]:
    """Return the mean rank of each method over tasks; those that failed share the last.

    Parameters
    ----------
    table : dict
        With a cell for every task and method.
    tasks : sequence of (str, int)
    methods : sequence of str
    model : str or None
        Ranks by one model, or by the mean of all.
    """
    rows = []
    for task in tasks:
        row = [table[task, method] for method in methods]
        # less than any score: these get the worst rank
        scores = [mean(cell.values(model)) if not cell.failed else -1.0 for cell in row]
        places = rankdata([-score for score in scores])
        places[[cell.failed for cell in row]] = len(methods)
        rows.append(places)
    means = np.mean(rows, axis=0) if rows else np.full(len(methods), np.nan)
    return dict(zip(methods, means.tolist(), strict=True))


def verdict(ours: Cell, other: Cell) -> int:
    """Return 1 where one is better by two paired standard errors, -1 for worse.

    Who failed loses against who did not.
    """
    if ours.failed or other.failed:
        return int(other.failed) - int(ours.failed)
    pairs = zip(ours.values(), other.values(), strict=True)
    differences = [a - b for a, b in pairs]
    middle = mean(differences)
    if abs(middle) > 2 * standard_error(differences):
        return 1 if middle > 0 else -1
    return 0


def report(records: Sequence[Record], splits: Sequence[int]) -> str:
    """Return the whole report in Markdown.

    Parameters
    ----------
    records : sequence of dict
        Lines of the results file.
    splits : sequence of int
        The splits that a method needs to have been run on.
    """
    table = cells(records, splits)
    places = list(LOADERS)
    tasks = sorted(
        {task for task, _ in table if task[1]},
        key=lambda task: (task[1], places.index(task[0])),
    )
    present = [m for m in METHODS if any(key[1] == m for key in table)]
    ranked = [
        m
        for m in present
        if m not in UNRANKED and all((task, m) in table for task in tasks)
    ]
    partly = [m for m in present if m not in UNRANKED and m not in ranked]
    if not tasks:
        return "No results yet.\n"
    lines = [
        "# Feature selectors on wide data",
        "",
        *_paragraph(
            "Balanced accuracy on test rows in percent, the mean of five nearest "
            "neighbours, logistic regression and LightGBM on the chosen columns. What "
            "is measured and how: [SELECTION.md](../SELECTION.md)."
        ),
        *_ranks(table, tasks, ranked),
        *_finished(table, tasks, ranked),
        *_versus(table, tasks, ranked),
        *_seconds(table, tasks, present),
        *_same_time(table, tasks, ranked),
    ]
    if partly:
        lines += _paragraph(
            "Not ranked, for they were not run on every set and split: "
            f"{', '.join(partly)}."
        )
    for k in sorted({task[1] for task in tasks}):
        lines += _scores(table, [task for task in tasks if task[1] == k], present)
    return "\n".join([*lines, *_origin(records)]) + "\n"


def _rank_columns(
    table: Cells, tasks: Sequence[Task], methods: Sequence[str]
) -> tuple[list[str], dict[str, list[float]]]:
    """Return the header and, for each method, its mean ranks: all, by k, by model."""
    ks = sorted({k for _, k in tasks})
    parts = [("mean rank", ranks(table, tasks, methods, None))]
    for k in ks:
        of_k = [task for task in tasks if task[1] == k]
        parts.append((f"k = {k}", ranks(table, of_k, methods, None)))
    for model in MODELS:
        parts.append((model, ranks(table, tasks, methods, model)))
    return [name for name, _ in parts], {
        m: [rank[m] for _, rank in parts] for m in methods
    }


def _ranks(table: Cells, tasks: Sequence[Task], methods: Sequence[str]) -> list[str]:
    header, of = _rank_columns(table, tasks, methods)
    lines = [
        "## Mean rank",
        "",
        *_paragraph(
            f"Over {_count(tasks)}, 1 is best of {len(methods)}. Methods that ran out "
            "of time or failed in any split of a task have the last rank there; "
            "*failed*: on how many. The last columns rank by one model alone."
        ),
        *_head(["method", *header, "failed"]),
    ]
    for method in sorted(methods, key=lambda m: of[m]):
        failed = sum(table[task, method].failed for task in tasks)
        lines += _row([method, *[f"{rank:.2f}" for rank in of[method]], str(failed)])
    return [*lines, ""]


def _finished(table: Cells, tasks: Sequence[Task], methods: Sequence[str]) -> list[str]:
    often = [
        m
        for m in methods
        if sum(not table[task, m].failed for task in tasks) >= OFTEN * len(tasks)
    ]
    rest = [m for m in methods if m not in often]
    kept = [task for task in tasks if not any(table[task, m].failed for m in often)]
    lines = [
        "## Mean rank where all finished",
        "",
        *_paragraph(
            f"Over the {_count(kept)} that all of these methods finished. Left out are "
            "methods that finished less than two thirds: "
            f"{', '.join(rest) or 'none'}."
        ),
    ]
    if not kept:
        return [*lines, "There is none.", ""]
    header, of = _rank_columns(table, kept, often)
    lines += _head(["method", *header, "mean score"])
    for method in sorted(often, key=lambda m: of[m]):
        score = mean(mean(table[task, method].values()) for task in kept)
        row = [f"{rank:.2f}" for rank in of[method]]
        lines += _row([method, *row, f"{100 * score:.1f}"])
    return [*lines, ""]


def _versus(table: Cells, tasks: Sequence[Task], methods: Sequence[str]) -> list[str]:
    if REFERENCE not in methods:
        return []
    ks = sorted({k for _, k in tasks})
    lines = [
        f"## Against {REFERENCE}",
        "",
        *_paragraph(
            "Sets where a method is better or worse by more than two paired standard "
            "errors over the splits (a failed one is worse), and the mean difference "
            "of the score, in points, where it finished."
        ),
        *_head(
            ["method", *(f"{w}, k = {k}" for k in ks for w in ("better", "worse"))]
            + ["mean difference"]
        ),
    ]
    for method in methods:
        if method == REFERENCE:
            continue
        row = []
        for k in ks:
            found = [
                verdict(table[task, method], table[task, REFERENCE])
                for task in tasks
                if task[1] == k
            ]
            row += [str(found.count(1)), str(found.count(-1))]
        both = [
            task
            for task in tasks
            if not table[task, method].failed and not table[task, REFERENCE].failed
        ]
        gains = [
            100
            * (
                mean(table[task, method].values())
                - mean(table[task, REFERENCE].values())
            )
            for task in both
        ]
        lines += _row([method, *row, f"{mean(gains):+.2f}" if gains else ""])
    return [*lines, ""]


def _seconds(table: Cells, tasks: Sequence[Task], methods: Sequence[str]) -> list[str]:
    ks = sorted({k for _, k in tasks})
    header = [f"{what}, k = {k}" for k in ks for what in ("median", "sum")]
    lines = [
        "## Seconds",
        "",
        *_paragraph(
            "CPU seconds of the fits. A method with one order for all k is fitted "
            "once, for the largest, and its seconds stand at each k. Fits that failed "
            "count with their limit, marked ≥; of those by rule, see the end."
        ),
        *_head(["method", *header, "timeouts", "errors"]),
    ]
    for method in methods:
        if method in UNRANKED:
            continue
        row = []
        mine = [table[task, method] for task in tasks if (task, method) in table]
        for k in ks:
            own = [
                table[task, method]
                for task in tasks
                if task[1] == k and (task, method) in table
            ]
            seconds = [s for cell in own for s in cell.seconds]
            mark = "≥ " if any(cell.failed for cell in own) else ""
            row += (
                [f"{median(seconds):.2f}", f"{mark}{sum(seconds):.0f}"]
                if seconds
                else ["", ""]
            )
        row += [
            str(sum(cell.n_timeouts for cell in mine)),
            str(sum(cell.n_errors for cell in mine)),
        ]
        lines += _row([method, *row])
    return [*lines, ""]


def _same_time(
    table: Cells, tasks: Sequence[Task], methods: Sequence[str]
) -> list[str]:
    """For each of ours, the peers that take no more time, and how it does by them."""
    ours = [m for m in methods if METHODS[m].ours]
    peers = [m for m in methods if METHODS[m].script and not METHODS[m].ours]
    if not ours or not peers:
        return []
    total = {
        m: sum(sum(table[task, m].seconds) for task in tasks) for m in (*ours, *peers)
    }
    late = {m: any(table[task, m].failed for task in tasks) for m in total}
    rank = ranks(table, tasks, methods, None)
    lines = [
        "## Peers in the same time",
        "",
        *_paragraph(
            "For each of ours the peers; *in its time*: their seconds, all fits "
            "together, are not above its own; of a peer that ran out of time (≥) only "
            "the least is known. *better* and *worse*: tasks where ours is better or "
            "worse by more than two paired standard errors, or by one having failed."
        ),
        *_head(
            [
                "ours", "peer", "in its time", "seconds", "of the peer", "rank",
                "of the peer", "better", "worse",
            ]
        ),
    ]  # fmt: skip
    for own in ours:
        for peer in sorted(peers, key=lambda m: total[m]):
            found = [verdict(table[task, own], table[task, peer]) for task in tasks]
            lines += _row(
                [
                    own,
                    peer,
                    "no"
                    if total[peer] > total[own]
                    else "unknown" * late[peer] or "yes",
                    f"{'≥ ' * late[own]}{total[own]:.0f}",
                    f"{'≥ ' * late[peer]}{total[peer]:.0f}",
                    f"{rank[own]:.2f}",
                    f"{rank[peer]:.2f}",
                    str(found.count(1)),
                    str(found.count(-1)),
                ]
            )
    return [*lines, ""]


def _scores(table: Cells, tasks: Sequence[Task], methods: Sequence[str]) -> list[str]:
    """Return the scores of every method and set, for one k."""
    k = tasks[0][1]
    lines = [
        f"## Scores of {k} columns",
        "",
        "Mean over the splits ± standard error; `all`: every column, not ranked.",
        "",
        *_head(["method", *(name for name, _ in tasks)]),
    ]
    for method in methods:
        row = [
            table.get(((name, 0) if method == "all" else (name, k), method), "")
            for name, _ in tasks
        ]
        lines += _row([method, *map(str, row)])
    return [*lines, ""]


def _count(tasks: Sequence[Task]) -> str:
    sets = len({name for name, _ in tasks})
    return f"{len(tasks)} tasks (pairs of a set and k; {sets} sets)"


def _origin(records: Sequence[Record]) -> list[str]:
    """Return what the numbers were made with."""
    splits = sorted({r["split"] for r in records})
    dates = sorted({r["date"] for r in records})
    versions: dict[str, set[str]] = {}
    names = ("featurekit", "scikit-learn", "mrmr_selection", "Boruta", "lassonet")
    for record in records:
        for name in names:
            if name in record.get("versions", {}):
                versions.setdefault(name, set()).add(record["versions"][name])
    limits = sorted(
        {f"{r['method']} {r['limit']:g} s" for r in records if r["status"] == "timeout"}
    )
    used = [f"{name} {', '.join(sorted(found))}" for name, found in versions.items()]
    text = (
        f"Splits {', '.join(map(str, splits))}; {dates[0]} to {dates[-1]}; "
        f"{'; '.join(sorted(used))}."
    )
    if limits:
        by_rule = sum(bool(r.get("by_rule")) for r in records)
        text += (
            f" Limits of the fits that ran out of time: {', '.join(limits)}; where one "
            "did, the other splits and larger k of the set were not run but count as "
            f"out of time ({by_rule} records)."
        )
    return _paragraph(text)[:-1]


def _paragraph(text: str) -> list[str]:
    """Return a text in lines, and an empty one."""
    lines = wrap(text, 88, break_long_words=False, break_on_hyphens=False)
    return [*lines, ""]


def _row(values: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(values) + " |"]


def _head(header: Sequence[str]) -> list[str]:
    """Return a header and the line below it, numbers to the right."""
    return [*_row(header), "|---|" + "---:|" * (len(header) - 1)]
