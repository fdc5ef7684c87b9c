"""What a search has to say: its table, its forecast, features in words, leaks."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from featurekit.data.columns import NumericColumn, Table
from featurekit.exceptions import LeakageWarning, warn
from featurekit.expressions.grammar import Candidate
from featurekit.expressions.operators import operator
from featurekit.expressions.tree import Call, Column, Expression, Literal
from featurekit.fitting import Target
from featurekit.generation.model import MAX_ROWS, BoostedModel, base_matrix
from featurekit.generation.screening import Screener
from featurekit.generation.search import EXACT_PER_SURVIVOR, TWIN_ROWS, Ranking
from featurekit.kernels.registry import kernel
from featurekit.statistics.boosting import Rounds, RowSums
from featurekit.statistics.folds import Folds

COLUMNS = (
    "feature",
    "operator",
    "inputs",
    "stage",
    "score",
    "standard_error",
    "importance",
    "reason",
)

LEAK = 0.9999


def empty() -> pd.DataFrame:
    """A report without rows."""
    return pd.DataFrame({name: [] for name in COLUMNS})


def table(
    candidates: Sequence[Candidate], ranking: Ranking, kept: Sequence[Expression]
) -> pd.DataFrame:
    """One row per candidate, the kept first, then by importance and score."""
    place = {node: i for i, node in enumerate(kept)}
    rows = []
    for node, record in ranking.records.items():
        chosen = node in place
        reason = record.reason
        if record.stage == "attributed" and not chosen:
            reason = reason or "not among the features kept"
        stage = "kept" if chosen else record.stage
        rows.append(
            (*_identity(node), stage, record.score, record.standard_error,
             record.importance, "" if chosen else reason)
        )  # fmt: skip
    for c in candidates:
        if c.reason is not None:
            gap = (np.nan, np.nan, np.nan)
            rows.append((*_identity(c.expression), "candidate", *gap, c.reason))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    first = [place.get(node, len(place)) for node in ranking.records]
    first += [len(place)] * (len(frame) - len(first))
    return (
        frame.assign(_first=first)
        .sort_values(
            ["_first", "importance", "score"],
            ascending=[True, False, False],
            kind="stable",
        )
        .drop(columns="_first")
        .reset_index(drop=True)
    )


def _identity(node: Expression) -> tuple[str, str, str]:
    name = node.op if isinstance(node, Call) else ""
    return node.name, name, ", ".join(node.columns())


def in_words(node: Expression) -> str:
    """The feature in a sentence's part, from what its operators say of themselves."""
    if isinstance(node, Column):
        return node.name_
    if isinstance(node, Literal):
        return repr(node.value)
    assert isinstance(node, Call)
    op = operator(node.op)
    args = [
        f"({in_words(arg)})" if isinstance(arg, Call) else in_words(arg)
        for arg in node.args
    ]
    if op.takes_any_number:
        args = [", ".join(args)]
    about = op.about or node.name
    shown = {int(i) for i in re.findall(r"\{(\d)\}", about) if int(i) < len(args)}
    text = re.sub(
        r"\{(\d)\}", lambda m: args[int(m[1])] if int(m[1]) in shown else m[0], about
    )
    rest = [arg for i, arg in enumerate(args) if i not in shown] if shown else []
    return text + (f" ({', '.join(rest)})" if rest else "")


def explain(node: Expression, frame: pd.DataFrame, kept: Sequence[Expression]) -> str:
    """What a candidate is, how it did, why it was kept or dropped."""
    rows = frame[frame["feature"] == node.name]
    if rows.empty:
        raise KeyError(
            f"{node.name!r} was not among the candidates; report_['feature'] lists them"
        )
    row = rows.iloc[0]
    lines = [node.name, f"  {in_words(node)}", f"  made of: {row['inputs']}"]
    if np.isfinite(row["score"]):
        error = row["standard_error"]
        lines.append(
            f"  takes {row['score']:.3g} (standard error {error:.2g}) off the loss of "
            "a row, on held-out folds, beyond the model of the columns"
        )
    if np.isfinite(row["importance"]):
        lines.append(f"  importance beside all survivors: {row['importance']:.4g}")
    if node in kept:
        lines.append(f"  kept, number {list(kept).index(node) + 1} of {len(kept)}")
    else:
        lines.append(f"  dropped at stage {row['stage']!r}: {row['reason']}")
    return "\n".join(lines)


def base_score(target: Target, raw: NDArray[np.float64]) -> float:
    """The metric of out-of-fold raw scores, on the rows that have one."""
    known = ~np.isnan(raw[:, 0])
    y, raw = target.y[known], raw[known]
    if target.metric == "auc":
        if raw.shape[1] == 1:
            return float(roc_auc_score(y, raw[:, 0]))
        each = [roc_auc_score(y == k, raw[:, k]) for k in np.unique(y).astype(int)]
        return float(np.mean(each))
    loss = float(target.loss.per_row(y, raw).mean())
    return float(np.sqrt(loss)) if target.metric == "rmse" else loss


def bytes_needed(n: int, d: int, n_survivors: int) -> int:
    """Bytes that a search needs on top of the data, from its largest arrays.

    The columns once more in the order of the folds and as LightGBM's matrix, the sums
    per row, a batch of candidates, and the survivors' values.
    """
    few = min(n, MAX_ROWS)
    columns = 3 * n * d * 8
    sums = n * 6 * 8
    survivors = 2 * few * (n_survivors + d) * 8
    ranks = int(3 * EXACT_PER_SURVIVOR * n_survivors) * TWIN_ROWS * 8
    return columns + sums + survivors + ranks + (256 << 20)


def estimate(
    data: Table,
    target: Target,
    folds: Folds,
    candidates: Sequence[Candidate],
    gate: bool,
    order: int,
    n_survivors: int,
) -> dict[str, Any]:
    """Candidates, bytes and seconds of a search, from a trial on few rows."""
    nodes = [c.expression for c in candidates if c.reason is None]
    n = len(data)
    rows = np.linspace(0, n - 1, min(n, 4000)).astype(np.int64)
    rows = rows[np.argsort(folds.atom[rows], kind="stable")]
    y, loss = target.y[rows], target.loss
    part, few = data.take(rows), folds.take(rows)
    per_candidate = 0.0
    if nodes:
        raw = np.tile(loss.baseline(target.y), (len(rows), 1))
        sums = RowSums.of(*loss.gradients(y, raw))
        some = [nodes[i] for i in np.linspace(0, len(nodes) - 1, 48).astype(int)]
        args = (part, few, sums, (y, target.classes), Rounds())
        Screener(*args).drops(some[:8])  # loads the kernels
        begin = time.perf_counter()
        Screener(*args).drops(some)
        per_candidate = (time.perf_counter() - begin) / len(some)
    X, categorical = base_matrix(part)
    begin = time.perf_counter()
    BoostedModel(loss, rounds=20).fit_raw(X, y, None, categorical, X)
    per_round = (time.perf_counter() - begin) / 20
    growth = n / len(rows)
    wider = 1 + n_survivors / max(1, len(data.names))
    screen = len(nodes) * per_candidate * max(1.0, 0.5 * growth)
    models = per_round * max(1.0, 0.7 * min(growth, MAX_ROWS / len(rows)))
    base = folds.n_folds * 150 * models
    one = screen + 100 * models * wider * 0.5
    judged = folds.n_folds * (one + 4 * 120 * models * 2) if gate else 0.0
    return {
        "n_candidates": len(nodes),
        "n_enumerated": len(candidates),
        "by_operator": dict(
            Counter(
                c.expression.op for c in candidates if isinstance(c.expression, Call)
            )
        ),
        "bytes": bytes_needed(n, len(data.names), n_survivors),
        "seconds": base + order * (one + judged),
    }


def warn_of_leaks(data: Table, target: Target) -> None:
    """Warn of number columns that order the rows almost as the target does."""
    if target.task == "multiclass" or len(data) < 20:
        return
    rows = np.linspace(0, len(data) - 1, min(len(data), 20_000)).astype(np.int64)
    y = target.y[rows]
    unit_ranks = kernel("unit_ranks")
    of_y, of_x = np.empty(len(rows)), np.empty(len(rows))
    unit_ranks(y, of_y)
    for name, column in data:
        if not isinstance(column, NumericColumn):
            continue
        x = column.values[rows].astype(np.float64)
        if np.isnan(x).any() or x.min() == x.max():
            continue
        length = unit_ranks(x, of_x)
        if target.task == "binary":
            n = y.sum()
            off = length * (of_x @ y) / max(n * (len(y) - n), 1.0)
            strength = 0.5 + abs(off)  # the area under the ROC curve
        else:
            strength = abs(of_x @ of_y)
        if strength >= LEAK:
            warn(
                f"Column {name!r} alone orders the rows as the target does "
                f"({strength:.5f}). If it is not known when predictions are made, "
                "drop it; no new feature can add to it.",
                LeakageWarning,
            )
