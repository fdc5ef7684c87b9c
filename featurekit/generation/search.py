"""The two stages of OpenFE on one set of rows: prune one by one, then attribute.

`rank` takes a table, the base model's out-of-fold scores and the candidates, and
returns them in order of usefulness. It looks at nothing outside its rows, so the gate
can call it on the training part of every fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.execution.budget import Budget
from featurekit.execution.local import run_threads
from featurekit.expressions.evaluate import cross_fit
from featurekit.expressions.grammar import Candidate
from featurekit.expressions.tree import Expression
from featurekit.generation.attribution import importances, linear_importances
from featurekit.generation.candidates import Space
from featurekit.generation.model import MAX_ROWS
from featurekit.generation.problem import Problem, as_numbers
from featurekit.generation.screening import Screener, by_key
from featurekit.statistics.boosting import Rounds, RowSums, score
from featurekit.statistics.exact import LOGLOSS, SOFTMAX, SQUARED, FeatureScorer
from featurekit.statistics.loss import Absolute, LogLoss, MultiLogLoss, Squared
from featurekit.statistics.moments import unit_ranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_SURVIVORS = 30
EXACT_PER_SURVIVOR = 1.5
SAME = 0.995
LINEAR = 1 - 1e-9
"""Correlation from which a feature is another one in other units."""
TWIN_ROWS = 4000
CHUNKS = 20
MAX_PARENTS = 15
MIN_BLOCK = 1_000
"""Rows that the smallest data block has at least: fewer rank candidates at random."""
GRACE = 0.3
PARTS = 5
"""Parts of a chunk after each of which a time budget is looked at."""


@dataclass(frozen=True)
class Settings:
    """How the search goes about it.

    Half as many again as ``n_survivors`` are scored exactly; so many enter the second
    stage. With ``likeliest_first`` candidates are scored in the order in which they
    come, else in the order that is fastest. Without ``trees`` the features are for a
    model to which more than the order of their values matters.
    """

    n_data_blocks: int = 8
    min_candidate_features: int = 2000
    importance: str = "gain"
    n_threads: int = 1
    seed: int = 0
    n_survivors: int = N_SURVIVORS
    likeliest_first: bool = False
    trees: bool = True
    how: Rounds = field(default_factory=Rounds)


@dataclass(slots=True)
class Record:
    """What became of one candidate."""

    expression: Expression
    stage: str = "candidate"
    score: float = np.nan
    standard_error: float = np.nan
    importance: float = np.nan
    reason: str = ""
    drops: Any = None


@dataclass
class Ranking:
    """The features in order of usefulness, and what became of every candidate.

    Attributes
    ----------
    order : list of Expression
    records : dict of Expression to Record
        Of the candidates that were to be scored.
    unscored : list of Candidate
        Candidates that needed no score, with the reason.
    n_left_out : int
        Candidates beyond the limit.
    """

    order: list[Expression]
    records: dict[Expression, Record]
    unscored: list[Candidate] = field(default_factory=list)
    n_left_out: int = 0


N_STEPS = CHUNKS + 2


def search(
    problem: Problem,
    space: Space,
    order: int,
    settings: Settings,
    budget: Budget,
    step: Callable[[], None] = lambda: None,
    screening: Budget | None = None,
) -> Ranking:
    """Rank the candidates; for higher orders, again with what grows of the best.

    Parameters
    ----------
    screening : Budget, optional
        Of the first stage, where it must leave time for what follows.
    """
    listed = space.listed(problem, settings.seed)
    ranking = rank(problem, listed.nodes, settings, budget, step, screening)
    unscored, n_left_out = list(listed.unscored), listed.n_left_out
    for _ in range(order - 1):
        if budget.stopped() or (screening is not None and screening.stopped()):
            break
        best = ranking.order[:MAX_PARENTS]
        grown = space.grown(problem, best, listed)
        listed = grown.listed(problem, settings.seed)
        new = [*ranking.order, *listed.nodes]
        again = rank(problem, new, settings, budget, step, screening)
        ranking = Ranking(again.order, ranking.records | again.records)
        unscored += listed.unscored
        n_left_out += listed.n_left_out
    return replace(ranking, unscored=unscored, n_left_out=n_left_out)


def rank(
    problem: Problem,
    candidates: Sequence[Expression],
    settings: Settings,
    budget: Budget,
    step: Callable[[], None] = lambda: None,
    screening: Budget | None = None,
) -> Ranking:
    """Both stages: the survivors, most useful first, in `N_STEPS` steps.

    The first stage looks at all rows, what follows at `MAX_ROWS` of them at most. What
    follows is given `GRACE` seconds when the budget is spent, so that what the first
    stage found is not lost.
    """
    records = {node: Record(node) for node in candidates}
    first = screening or budget
    finalists = _prune(problem, candidates, records, settings, first, step)
    problem = problem.sample(MAX_ROWS, settings.seed)
    survivors = _survivors(problem, finalists, records, settings, budget)
    step()
    order = _attribute(problem, survivors, records, settings, budget)
    step()
    return Ranking(order, records)


# -- stage 1: one candidate at a time -------------------------------------------------


def _prune(
    problem: Problem,
    candidates: Sequence[Expression],
    records: dict[Expression, Record],
    settings: Settings,
    budget: Budget,
    step: Callable[[], None],
) -> list[Expression]:
    """Successive halving over nested blocks of rows; the best, in order."""
    problem = _scored_rows(problem, settings.seed)
    alive = list(candidates)
    block = _first_block(settings.n_data_blocks, len(problem.y))
    while True:
        if len(alive) < 2 * settings.min_candidate_features:
            block = 1
        part = problem if block == 1 else _prefix(problem, block)
        alive = _score_round(part, alive, records, settings, budget, step, block == 1)
        if block == 1 or budget.stopped():
            break
        keep = len(alive) // 2
        for node in alive[keep:]:
            records[node].reason = f"below the best {keep} on 1/{block} of the rows"
        alive = alive[:keep]
        block //= 2
    n_exact = int(EXACT_PER_SURVIVOR * settings.n_survivors)
    best: list[Expression] = []
    for node in alive:
        record = records[node]
        if record.score == 0.0:
            record.reason = record.reason or "constant"
        elif len(best) >= n_exact:
            record.reason = f"below the best {n_exact}"
        else:
            best.append(node)
    return best


def _first_block(n_data_blocks: int, n_rows: int) -> int:
    """Into how many blocks to cut: no more than leave `MIN_BLOCK` rows in each."""
    while n_data_blocks > 1 and n_rows < MIN_BLOCK * n_data_blocks:
        n_data_blocks //= 2
    return n_data_blocks


def _scored_rows(problem: Problem, seed: int) -> Problem:
    """Rows that have an out-of-fold score, by atom, in random order inside each."""
    shuffled = np.random.default_rng(seed).permutation(len(problem.y))
    shuffled = shuffled[~np.isnan(problem.raw[shuffled, 0])]
    order = shuffled[np.argsort(problem.folds.atom[shuffled], kind="stable")]
    return problem.take(order)


def _prefix(problem: Problem, block: int) -> Problem:
    """The first 1/block of every atom's rows: blocks are nested."""
    starts = np.searchsorted(problem.folds.atom, np.arange(problem.folds.n_atoms + 1))
    rows = [
        np.arange(lo, lo + -(-(hi - lo) // block))
        for lo, hi in zip(starts[:-1], starts[1:], strict=True)
    ]
    return problem.take(np.concatenate(rows))


def _score_round(
    problem: Problem,
    alive: list[Expression],
    records: dict[Expression, Record],
    settings: Settings,
    budget: Budget,
    step: Callable[[], None],
    last: bool,
) -> list[Expression]:
    """Score, drop those that score bit for bit like a better one, sort."""
    g, h = problem.loss.gradients(problem.y, problem.raw)
    sums = RowSums.of(g, h, problem.weight)
    target = (problem.y, problem.classes)
    how = settings.how
    if problem.loss.l2:
        how = replace(how, ridge=problem.loss.l2)
    screener = Screener(
        problem.table, problem.folds, sums, target, how, settings.n_threads
    )
    n_parts = CHUNKS * PARTS if settings.likeliest_first else CHUNKS
    if not settings.likeliest_first:
        alive = by_key(alive)
    scored: list[Expression] = []
    bounds = np.linspace(0, len(alive), n_parts + 1).astype(int)
    for k, (lo, hi) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        # however short the time, the very likeliest are scored
        if budget.stopped() and not (settings.likeliest_first and k == 0):
            for node in alive[lo:]:
                records[node].reason = "not reached: " + budget.why
            break
        part = by_key(alive[lo:hi])
        drops = screener.drops(part)
        means, errors = score(drops, screener.n_test)
        for i, node in enumerate(part):
            record = records[node]
            record.stage = "screened"
            record.score, record.standard_error = float(means[i]), float(errors[i])
            record.drops = drops[i]
        scored += part
        if last and k % (n_parts // CHUNKS) == 0:
            step()
    order = sorted(scored, key=lambda node: -records[node].score)
    seen: dict[bytes, Expression] = {}
    kept = []
    for node in order:
        print_ = records[node].drops.tobytes()
        if settings.trees and print_ in seen and records[node].score != 0:
            records[node].reason = f"scores exactly like {seen[print_].name}"
        else:
            seen[print_] = node
            kept.append(node)
    return kept


# -- between the stages: exact scores, no twins ----------------------------------------


def _survivors(
    problem: Problem,
    finalists: list[Expression],
    records: dict[Expression, Record],
    settings: Settings,
    budget: Budget,
) -> list[Expression]:
    """Finalists by exact score, without those that rank the rows like a better one.

    Those that do not reduce the held-out loss are left out. Where the budget is spent,
    those not scored exactly follow in the order of the first stage.
    """
    ranks = _rescore(problem, finalists, records, settings, budget)
    order = sorted(
        range(len(finalists)),
        key=lambda i: (not ranks[i].any(), -records[finalists[i]].score),
    )
    out: list[Expression] = []
    same = SAME if settings.trees else LINEAR
    for i in _without_twins(order, finalists, ranks, records, same):
        record = records[finalists[i]]
        if not record.score > 0:
            record.reason = "does not reduce the held-out loss"
        elif len(out) >= settings.n_survivors:
            record.reason = f"below the best {settings.n_survivors}"
        else:
            record.stage = "survived"
            out.append(finalists[i])
    return out


def _rescore(
    problem: Problem,
    finalists: list[Expression],
    records: dict[Expression, Record],
    settings: Settings,
    budget: Budget,
) -> Floats:
    """Score each feature as LightGBM itself would on it alone, fold by fold.

    One feature at a time is made and dropped again; of each only the ranks of some
    rows are kept, (finalists, rows), centred and of unit length. They are zero where
    the budget was spent before the feature's turn.
    """
    loss, folds = problem.loss, problem.folds
    known = ~np.isnan(problem.raw[:, 0])
    y, raw, atom = loss.labels(problem.y)[known], problem.raw[known], folds.atom[known]
    weight = None if problem.weight is None else problem.weight[known]
    fold = folds.fold_of_atom[atom]
    n_test = np.bincount(fold[fold >= 0], minlength=folds.n_folds)
    out = np.zeros((len(finalists), folds.n_folds))
    rows = np.linspace(0, len(y) - 1, min(len(y), TWIN_ROWS)).astype(np.int64)
    ranks = np.zeros((len(finalists), len(rows)))
    scorer = None
    if isinstance(loss, (Squared, LogLoss, MultiLogLoss)) and not isinstance(
        loss, Absolute
    ):
        name = SQUARED if isinstance(loss, Squared) else LOGLOSS
        name = SOFTMAX if isinstance(loss, MultiLogLoss) else name
        init = raw if name == SOFTMAX else raw[:, 0]
        scorer = FeatureScorer(name, y, init, weight, atom, folds.train, folds.test)
    target = (problem.y, problem.classes)

    def one(i: int) -> None:
        if budget.stopped(GRACE):
            return
        values = as_numbers(cross_fit(finalists[i], problem.table, target, folds))
        x = np.ascontiguousarray(values[known])
        ranks[i] = (unit_ranks if settings.trees else _unit)(x[rows])
        if scorer is not None:  # else the second-order scores of the screen stand
            out[i] = scorer(x)

    run_threads(one, range(len(finalists)), settings.n_threads)
    if scorer is not None and finalists:
        means, errors = score(out * n_test, n_test)
        for i, node in enumerate(finalists):
            if not ranks[i].any():
                continue
            records[node].stage = "rescored"
            records[node].score = float(means[i])
            records[node].standard_error = float(errors[i])
    return ranks


def _unit(values: Floats) -> Floats:
    """Values centred and of unit length, missing ones 0."""
    centred = values - np.nanmean(values) if not np.isnan(values).all() else values
    centred = np.nan_to_num(centred)
    return centred / (np.linalg.norm(centred) or 1.0)


def _without_twins(
    order: list[int],
    finalists: list[Expression],
    ranks: Floats,
    records: dict[Expression, Record],
    same: float,
) -> list[int]:
    """Leave out features whose ranks correlate above ``same`` with a better one's."""
    alike = np.abs(ranks @ ranks.T)
    kept: list[int] = []
    for i in order:
        twin = next((k for k in kept if alike[i, k] > same), None)
        if twin is None:
            kept.append(i)
        else:
            records[
                finalists[i]
            ].reason = f"orders the rows like {finalists[twin].name}"
    return kept


# -- stage 2: all survivors together ---------------------------------------------------


def _attribute(
    problem: Problem,
    survivors: list[Expression],
    records: dict[Expression, Record],
    settings: Settings,
    budget: Budget,
) -> list[Expression]:
    """The survivors in order of importance; by score where the budget is spent."""
    if not survivors or budget.stopped():
        return survivors
    if settings.trees:
        found = importances(
            problem, survivors, settings.importance, settings.seed,
            settings.n_threads, budget,
        )  # fmt: skip
    else:
        found = linear_importances(problem, survivors, settings.n_threads)
    for node, value in zip(survivors, found, strict=True):
        records[node].stage = "attributed"
        records[node].importance = float(value)
    return sorted(survivors, key=lambda node: -records[node].importance)
