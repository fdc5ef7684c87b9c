"""What a search has to say: its table, its forecast, features in words, leaks."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from featurekit.data.columns import NumericColumn, Table
from featurekit.exceptions import LeakageWarning, warn
from featurekit.expressions.operators import operator
from featurekit.expressions.tree import Call, Column, Expression, Literal
from featurekit.fitting import Target
from featurekit.generation.search import Ranking
from featurekit.statistics.moments import mid_ranks, unit_ranks

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
    ranking: Ranking, kept: Sequence[Expression], unit: float = 1.0
) -> pd.DataFrame:
    """One row per candidate, the kept first, then by importance and score.

    Scores, their errors and importances are multiplied by ``unit``, of the loss. A last
    row, without a feature, stands for the candidates beyond the limit.
    """
    rows = []
    for node, record in ranking.records.items():
        rows.append(
            (*_identity(node), record.stage, record.score, record.standard_error,
             record.importance, record.reason)
        )  # fmt: skip
    none = (np.nan, np.nan, np.nan)
    for c in ranking.unscored:
        rows.append((*_identity(c.expression), "candidate", *none, c.reason or ""))
    if ranking.n_left_out:
        reason = f"{ranking.n_left_out:,} more candidates: beyond max_candidates"
        rows.append(("", "", "", "candidate", *none, reason))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    losses = ["score", "standard_error", "importance"]
    with np.errstate(over="ignore"):  # a squared error may be beyond the float64 range
        frame[losses] *= unit
    return with_kept(frame, kept)


def with_kept(frame: pd.DataFrame, kept: Sequence[Expression]) -> pd.DataFrame:
    """The report for these features kept, whichever were kept in it before."""
    place = frame["feature"].map({node.name: i for i, node in enumerate(kept)})
    others = place.isna()
    before = np.where(frame["importance"].isna(), "survived", "attributed")
    stage = frame["stage"].where(frame["stage"] != "kept", before)
    beaten = stage.isin(["survived", "attributed"]) & (frame["reason"] == "")
    reason = frame["reason"].mask(beaten, "not among the features kept")
    return (
        frame.assign(
            stage=stage.where(others, "kept"),
            reason=reason.where(others, ""),
            _first=place.fillna(len(kept)),
        )
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
        beyond = frame.loc[frame["feature"] == "", "reason"].tolist()
        also = f" ({beyond[0]})" if beyond else ""
        raise KeyError(
            f"{node.name!r} was not among the candidates that report_['feature'] "
            f"lists{also}"
        )
    row = rows.iloc[0]
    lines = [node.name, f"  {in_words(node)}", f"  made of: {row['inputs']}"]
    if np.isfinite(row["score"]):
        score, error = row["score"], row["standard_error"]
        lines.append(
            f"  reduces the held-out loss per row by {score:.3g} (SE {error:.2g}), "
            "beyond the model of the original columns"
        )
    if np.isfinite(row["importance"]):
        lines.append(
            f"  importance jointly with all survivors: {row['importance']:.4g}"
        )
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
    if target.metric == "rmse":
        return float(np.sqrt(loss)) * target.loss.size
    return loss * target.loss.unit


def warn_of_leaks(data: Table, target: Target) -> None:
    """Warn of number columns that order the rows almost as the target does."""
    if target.task == "multiclass" or len(data) < 20:
        return
    rows = np.linspace(0, len(data) - 1, min(len(data), 20_000)).astype(np.int64)
    y = target.y[rows]
    of_y = unit_ranks(y)
    for name, column in data:
        if not isinstance(column, NumericColumn):
            continue
        x = column.values[rows].astype(np.float64)
        if np.isnan(x).any() or x.min() == x.max():
            continue
        if target.task == "binary":
            n = y.sum()
            off = (mid_ranks(x) - len(x) / 2) @ y / max(n * (len(y) - n), 1.0)
            strength = 0.5 + abs(off)  # the area under the ROC curve
        else:
            strength = abs(unit_ranks(x) @ of_y)
        if strength >= LEAK:
            warn(
                f"Column {name!r} alone orders the rows as the target does "
                f"({strength:.5f}). If it is not known when predictions are made, "
                "drop it; no new feature can add to it.",
                LeakageWarning,
            )
