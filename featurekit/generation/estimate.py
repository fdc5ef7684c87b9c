"""What a fit would take: candidates, bytes and CPU seconds, from short trials."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurekit.exceptions import warn
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.expressions.tree import Expression
from featurekit.generation.find import BASE_ROUNDS, Data, Plan, base_model
from featurekit.generation.find import initial_problem as problem_of
from featurekit.generation.gate import SIZES
from featurekit.generation.model import MAX_ROWS, BoostedModel, base_matrix
from featurekit.generation.screening import Screener
from featurekit.generation.search import EXACT_PER_SURVIVOR, TWIN_ROWS, search
from featurekit.statistics.boosting import Rounds, RowSums

TRIAL_ROWS = (800, 2400)
TRIAL_CANDIDATES = 48
SIZES_TRIED = 3.0
"""Models of the gate for each fold: of the two least numbers of features, or more."""
_PER_CANDIDATE = 5_000
"""Bytes of a candidate's expression, record and line of the report."""
_FIXED = 110 << 20
"""Bytes of the libraries and kernels that a first fit loads."""


def bytes_needed(data: Data, plan: Plan) -> int:
    """Bytes that a search needs on top of the data, from its largest arrays.

    The first stage holds the columns once more in the order of the folds, as
    arguments, in the order of their values and stacked; the gate holds the training
    and test rows of every fold for its models; each fold's base model holds a
    histogram for each leaf.
    """
    n, d = len(data.table), len(data.table.names)
    few = min(n, MAX_ROWS)
    n_survivors = plan.settings.n_survivors
    screening = 4 * n * d * 8 + n * (2 + 2 * data.target.loss.n_outputs) * 8
    models = 2 * few * (n_survivors + d) * 8 + few * d
    ranks = int(3 * EXACT_PER_SURVIVOR * n_survivors) * TWIN_ROWS * 8
    judged = 0
    if plan.judged:
        judged = data.folds.n_folds * few * (d + max(SIZES)) * 8
    bins = min(255 if plan.judged else 63, max(1, n // 3))
    histograms = data.folds.n_folds * 31 * bins * 16 * d
    candidates = _PER_CANDIDATE * data.space.n_scored * plan.order
    arrays = n * d * 8 + max(screening, models + ranks) + judged + histograms
    return _FIXED + arrays + candidates


def estimate(data: Data, plan: Plan, begun: float) -> dict[str, Any]:
    """Candidates, bytes and seconds of a fit.

    Parameters
    ----------
    begun : float
        CPU seconds of what comes before the search, which is not tried on fewer rows.
    """
    space = data.space
    return {
        "n_candidates": space.n_scored,
        "n_enumerated": space.size,
        "by_operator": dict(space.by_operator),
        "bytes": bytes_needed(data, plan),
        "seconds": begun + _seconds(data, plan),
    }


@dataclass(frozen=True)
class _Trial:
    """CPU seconds of the parts of a fit on some rows."""

    n_rows: int
    base: float
    search: float
    model: float
    rounds: int


def _seconds(data: Data, plan: Plan) -> float:
    """CPU seconds from the base model on, extrapolated from two sizes."""
    n = len(data.table)
    sizes = sorted({min(n, rows) for rows in TRIAL_ROWS})
    few_candidates = replace(data, space=replace(data.space, most=20))
    _trial(few_candidates, plan, min(n, 200))  # loads the kernels
    trials = [_trial(data, plan, size) for size in sizes]

    def at(part: Callable[[_Trial], float], rows: float) -> float:
        last = trials[-1]
        if len(trials) == 1:
            return part(last) * rows / last.n_rows
        growth = part(last) - part(trials[0])
        slope = max(0.0, growth / (last.n_rows - trials[0].n_rows))
        return max(0.0, part(last) + slope * (rows - last.n_rows))

    few = min(n, MAX_ROWS)
    out = at(lambda t: t.base, few) + at(lambda t: t.search, n)
    if plan.judged:
        inner = 1 - 1 / data.folds.n_folds
        # more rows take more rounds to learn
        last = trials[-1]
        growth = min((few / last.n_rows) ** 0.33, BASE_ROUNDS / max(1, last.rounds))
        models = SIZES_TRIED * at(lambda t: t.model, inner * few) * max(1.0, growth)
        out += data.folds.n_folds * (at(lambda t: t.search, inner * n) + models)
    return out


def _trial(data: Data, plan: Plan, n_rows: int) -> _Trial:
    """Run the base model, one search and one model of the gate on so many rows."""
    rows = _spread(data, n_rows)
    target = replace(data.target, y=data.target.y[rows])
    weight = None if data.weight is None else data.weight[rows]
    table, folds = data.table.take(rows), data.folds.take(rows)
    some = replace(data, table=table, target=target, weight=weight, folds=folds)
    budget = Budget()
    begin = time.process_time()
    with Progress(None, plan.n_phases, budget) as progress:
        model, base = base_model(some, plan, budget, progress)
    based = time.process_time()
    settings = plan.settings
    search(problem_of(some, plan, base), data.space, plan.order, settings, budget)
    searched = time.process_time()
    rounds = BASE_ROUNDS
    if plan.judged:
        X, categorical = base_matrix(table)
        model.judge(X, target.y, weight, categorical, X[:1], [0])
        if isinstance(model, BoostedModel):
            rounds = model.rounds
    end = time.process_time()
    return _Trial(n_rows, based - begin, searched - based, end - searched, rounds)


def _spread(data: Data, n_rows: int) -> Any:
    """So many rows from all over the table, ordered by atom."""
    rows = np.linspace(0, len(data.table) - 1, n_rows).astype(np.int64)
    return rows[np.argsort(data.folds.atom[rows], kind="stable")]


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
    """CPU seconds of the first stage of one search, from a few candidates."""
    some = data.space.some(TRIAL_CANDIDATES)
    if not some:
        return 0.0
    n = len(data.table)
    size = min(n, TRIAL_ROWS[-1])
    _score(data, some, min(n, 200))  # loads the kernels, all that are needed
    per_candidate = _score(data, some, size) / len(some)
    # successive halving scores about half of the candidates times the rows
    share = 0.5 if n_candidates >= 8_000 else 1.0
    return n_candidates * per_candidate * max(1.0, share * n / size)


def _score(data: Data, nodes: list[Expression], n_rows: int) -> float:
    """CPU seconds to score candidates on so many rows."""
    rows = _spread(data, n_rows)
    loss, y = data.target.loss, data.target.y[rows]
    raw = np.tile(loss.baseline(data.target.y), (n_rows, 1))
    sums = RowSums.of(*loss.gradients(y, raw))
    table, folds = data.table.take(rows), data.folds.take(rows)
    begin = time.process_time()
    target = (y, data.target.classes)
    Screener(table, folds, sums, target, Rounds()).drops(nodes)
    return time.process_time() - begin
