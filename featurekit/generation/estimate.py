"""What a fit would take: candidates, bytes and CPU seconds, from short trials."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from featurekit.exceptions import warn
from featurekit.expressions.tree import Expression
from featurekit.generation.find import Data, Plan
from featurekit.generation.model import MAX_ROWS
from featurekit.generation.screening import Screener
from featurekit.generation.search import EXACT_PER_SURVIVOR, TWIN_ROWS
from featurekit.statistics.boosting import Rounds, RowSums

TRIAL_ROWS = (1000, 4000)
TRIAL_CANDIDATES = 48


def bytes_needed(data: Data, plan: Plan) -> int:
    """Bytes that a search needs on top of the data, from its largest arrays.

    The columns once more in the order of the folds and as LightGBM's matrix, the sums
    per row, a batch of candidates, and the survivors' values.
    """
    n, d = len(data.table), len(data.table.names)
    n_survivors = plan.settings.n_survivors
    few = min(n, MAX_ROWS)
    columns = 3 * n * d * 8
    sums = n * 6 * 8
    survivors = 2 * few * (n_survivors + d) * 8
    ranks = int(3 * EXACT_PER_SURVIVOR * n_survivors) * TWIN_ROWS * 8
    return columns + sums + survivors + ranks + (256 << 20)


def estimate(data: Data, plan: Plan) -> dict[str, Any]:
    """Candidates, bytes and seconds of a search, from trials on few rows."""
    space = data.space
    return {
        "n_candidates": space.n_scored,
        "n_enumerated": space.size,
        "by_operator": dict(space.by_operator),
        "bytes": bytes_needed(data, plan),
        "seconds": screening_seconds(data, space.n_scored),
    }


def warn_of_cut(data: Data, plan: Plan) -> None:
    """Warn that not all candidates are scored, and of what scoring all would take."""
    space = data.space
    searches = 1 + data.folds.n_folds * plan.judged
    seconds = searches * screening_seconds(data, space.size)
    warn(
        f"X allows {space.size:,} candidate features; scoring all of them would take "
        f"about {_duration(seconds)} on one core. The {space.most:,} likeliest are "
        "scored, by a screen of columns and pairs of columns. max_candidates=None "
        "scores all, a number so many, and both switch off this warning."
    )


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} seconds"


def screening_seconds(data: Data, n_candidates: int) -> float:
    """CPU seconds of the first stage of one search."""
    some = data.space.some(TRIAL_CANDIDATES)
    if not some:
        return 0.0
    n = len(data.table)
    sizes = sorted({min(n, rows) for rows in TRIAL_ROWS})
    _trial(data, some[:8], sizes[0])  # loads the kernels
    taken = [_trial(data, some, size) / len(some) for size in sizes]
    slope = 0.0
    if len(sizes) > 1:
        slope = max(0.0, (taken[1] - taken[0]) / (sizes[1] - sizes[0]))
    # successive halving scores half of the product of candidates and rows
    share = 0.5 if n_candidates >= 8000 else 1.0
    return n_candidates * (taken[-1] + slope * (n - sizes[-1])) * share


def _trial(data: Data, nodes: list[Expression], n_rows: int) -> float:
    """CPU seconds to score candidates on so many rows."""
    rows = np.linspace(0, len(data.table) - 1, n_rows).astype(np.int64)
    rows = rows[np.argsort(data.folds.atom[rows], kind="stable")]
    target = data.target
    y = target.y[rows]
    raw = np.tile(target.loss.baseline(target.y), (n_rows, 1))
    sums = RowSums.of(*target.loss.gradients(y, raw))
    table, folds = data.table.take(rows), data.folds.take(rows)
    begin = time.thread_time()
    Screener(table, folds, sums, (y, target.classes), Rounds()).drops(nodes)
    return time.thread_time() - begin
