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

from featurekit.data.columns import Table
from featurekit.execution.budget import Budget
from featurekit.execution.local import run_threads
from featurekit.expressions.evaluate import cross_fit
from featurekit.expressions.keyed import Key
from featurekit.expressions.tree import Expression
from featurekit.generation.model import (
    MAX_ROWS,
    BoostedModel,
    at_most,
    base_matrix,
)
from featurekit.generation.screening import Screener, by_key
from featurekit.kernels.registry import kernel
from featurekit.statistics.boosting import Rounds, RowSums, score
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import (
    Absolute,
    LogLoss,
    Loss,
    MultiLogLoss,
    Squared,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_SURVIVORS = 30
EXACT_PER_SURVIVOR = 1.5
SAME = 0.995
TWIN_ROWS = 4000
CHUNKS = 20
MAX_PARENTS = 15
TREES = 50
"""Trees of the model of the second stage; of several classes each round has one each,
and at least 15 rounds are needed for the gains to settle."""


@dataclass(frozen=True)
class Problem:
    """A table, its target and what is already known of it.

    Attributes
    ----------
    table : Table
    y : float64 array (n,)
    classes : tuple or None
        Labels of class codes, for more than two classes.
    weight : float64 array (n,) or None
    loss : Loss
    folds : Folds
    raw : float64 array (n, K)
        Initial score of each row: out-of-fold, or the best constant.
    """

    table: Table
    y: Floats
    classes: tuple[Any, ...] | None
    weight: Floats | None
    loss: Loss
    folds: Folds
    raw: Floats

    def sample(self, most: int, seed: int) -> Problem:
        """All rows, or ``most`` of them at random."""
        rows = at_most(np.arange(len(self.y)), most, seed)
        return self if len(rows) == len(self.y) else self.take(rows)

    def take(self, rows: Ints, folds: Folds | None = None) -> Problem:
        """The same on some of the rows."""
        return replace(
            self,
            table=self.table.take(rows),
            y=self.y[rows],
            weight=None if self.weight is None else self.weight[rows],
            folds=self.folds.take(rows) if folds is None else folds,
            raw=self.raw[rows],
        )


@dataclass(frozen=True)
class Settings:
    """How the search goes about it.

    Half as many again as ``n_survivors`` are scored exactly; so many enter the second
    stage.
    """

    n_data_blocks: int = 8
    min_candidate_features: int = 2000
    importance: str = "gain"
    n_threads: int = 1
    seed: int = 0
    n_survivors: int = N_SURVIVORS
    how: Rounds = field(default_factory=Rounds)


@dataclass
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
    """Survivors in order of usefulness, and a record of every candidate."""

    order: list[Expression]
    records: dict[Expression, Record]


N_STEPS = CHUNKS + 2


def search(
    problem: Problem,
    candidates: Sequence[Expression],
    grow: Callable[[Problem, list[Expression]], list[Expression]],
    order: int,
    settings: Settings,
    budget: Budget,
    step: Callable[[], None] = lambda: None,
) -> Ranking:
    """Rank the candidates; for higher orders, again with what grows of the best.

    Parameters
    ----------
    grow : callable
        Candidates made of the best so far, given the problem and those.
    """
    ranking = rank(problem, candidates, settings, budget, step)
    for _ in range(order - 1):
        if budget.stopped():
            break
        new = grow(problem, ranking.order[:MAX_PARENTS])
        again = rank(problem, [*ranking.order, *new], settings, budget, step)
        ranking = Ranking(again.order, ranking.records | again.records)
    return ranking


def rank(
    problem: Problem,
    candidates: Sequence[Expression],
    settings: Settings,
    budget: Budget,
    step: Callable[[], None] = lambda: None,
) -> Ranking:
    """Both stages: the survivors, most useful first, in `N_STEPS` steps.

    The first stage looks at all rows, what follows at `MAX_ROWS` of them at most.
    """
    records = {node: Record(node) for node in candidates}
    finalists = _prune(problem, candidates, records, settings, budget, step)
    problem = problem.sample(MAX_ROWS, settings.seed)
    finalists = _survivors(problem, finalists, records, settings)
    step()
    order = _attribute(problem, finalists, records, settings)
    step()
    return Ranking([finalists[i] for i in order], records)


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
    block = settings.n_data_blocks
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
    screener = Screener(
        problem.table, problem.folds, sums, target, settings.how, settings.n_threads
    )
    alive = by_key(alive)
    scored: list[Expression] = []
    bounds = np.linspace(0, len(alive), CHUNKS + 1).astype(int)
    for lo, hi in zip(bounds[:-1], bounds[1:], strict=True):
        if budget.stopped():
            for node in alive[lo:]:
                records[node].reason = "not reached: " + budget.why
            break
        part = alive[lo:hi]
        drops = screener.drops(part)
        means, errors = score(drops, screener.n_test)
        for i, node in enumerate(part):
            record = records[node]
            record.stage = "screened"
            record.score, record.standard_error = float(means[i]), float(errors[i])
            record.drops = drops[i]
        scored += part
        if last:
            step()
    order = sorted(scored, key=lambda node: -records[node].score)
    seen: dict[bytes, Expression] = {}
    kept = []
    for node in order:
        print_ = records[node].drops.tobytes()
        if print_ in seen and records[node].score != 0:
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
) -> list[Expression]:
    """Finalists by exact score, without those that rank the rows like a better one."""
    ranks = _rescore(problem, finalists, records, settings)
    order = sorted(range(len(finalists)), key=lambda i: -records[finalists[i]].score)
    out: list[Expression] = []
    for i in _without_twins(order, finalists, ranks, records):
        record = records[finalists[i]]
        if len(out) >= settings.n_survivors:
            record.reason = f"below the best {settings.n_survivors}"
        else:
            record.stage = "survived"
            out.append(finalists[i])
    return out


def out_of_fold_values(
    problem: Problem, nodes: Sequence[Expression], n_threads: int = 1
) -> Floats:
    """Out-of-fold values of each feature, (n, features), keys as codes."""
    out = np.empty((len(problem.y), len(nodes)), order="F")
    target = (problem.y, problem.classes)

    def one(i: int) -> None:
        out[:, i] = as_numbers(
            cross_fit(nodes[i], problem.table, target, problem.folds)
        )

    run_threads(one, range(len(nodes)), n_threads)
    return out


def as_numbers(values: Any) -> Floats:
    """Values of a feature as float64; a key as its codes, NaN where missing."""
    if isinstance(values, Key):
        out = values.codes.astype(np.float64)
        out[values.codes >= values.missing] = np.nan
        return out
    return values


def _rescore(
    problem: Problem,
    finalists: list[Expression],
    records: dict[Expression, Record],
    settings: Settings,
) -> Floats:
    """Score each feature as LightGBM itself would on it alone, fold by fold.

    One feature at a time is made and dropped again; of each only the ranks of some
    rows are kept, (finalists, rows), centred and of unit length.
    """
    loss, folds = problem.loss, problem.folds
    known = ~np.isnan(problem.raw[:, 0])
    y, raw, atom = problem.y[known], problem.raw[known], folds.atom[known]
    weight = np.empty(0) if problem.weight is None else problem.weight[known]
    fold = folds.fold_of_atom[atom]
    n_test = np.bincount(fold[fold >= 0], minlength=folds.n_folds)
    out = np.zeros((len(finalists), folds.n_folds))
    rows = np.linspace(0, len(y) - 1, min(len(y), TWIN_ROWS)).astype(np.int64)
    ranks = np.zeros((len(finalists), len(rows)))
    exact = isinstance(loss, (Squared, LogLoss, MultiLogLoss))
    exact = exact and not isinstance(loss, Absolute)
    target = (problem.y, problem.classes)

    def one(i: int) -> None:
        values = as_numbers(cross_fit(finalists[i], problem.table, target, folds))
        x = np.ascontiguousarray(values[known])
        kernel("unit_ranks")(x[rows], ranks[i])
        if not exact:  # the second-order scores of the screen stand
            return
        if isinstance(loss, MultiLogLoss):
            kernel("boost_exact_multiclass_folds")(
                x,
                y.astype(np.int64),
                raw,
                weight,
                atom,
                folds.train,
                folds.test,
                out[i],
            )
        else:
            kernel("boost_exact_folds")(
                x, y, raw[:, 0].copy(), weight, atom, folds.train, folds.test,
                0 if isinstance(loss, Squared) else 1, out[i],
            )  # fmt: skip

    run_threads(one, range(len(finalists)), settings.n_threads)
    if exact and finalists:
        means, errors = score(out * n_test, n_test)
        for i, node in enumerate(finalists):
            records[node].stage = "rescored"
            records[node].score = float(means[i])
            records[node].standard_error = float(errors[i])
    return ranks


def _without_twins(
    order: list[int],
    finalists: list[Expression],
    ranks: Floats,
    records: dict[Expression, Record],
) -> list[int]:
    """Leave out features whose ranks correlate above `SAME` with a better one's."""
    alike = np.abs(ranks @ ranks.T)
    kept: list[int] = []
    for i in order:
        twin = next((k for k in kept if alike[i, k] > SAME), None)
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
    finalists: list[Expression],
    records: dict[Expression, Record],
    settings: Settings,
) -> list[int]:
    """Order of the survivors by what a model of the columns and all of them uses.

    The model starts from the initial scores, as each feature did when scored alone.
    """
    if not finalists:
        return []
    X, categorical = base_matrix(problem.table)
    both = np.hstack([X, out_of_fold_values(problem, finalists, settings.n_threads)])
    model = BoostedModel(
        problem.loss,
        settings.seed,
        settings.n_threads,
        rounds=max(15, TREES // problem.loss.n_outputs),
        params=(
            ("num_leaves", 16),
            ("learning_rate", 0.15),
            ("feature_fraction", 0.5),
            ("max_bin", 63),
        ),
    )
    init = np.where(np.isnan(problem.raw), 0.0, problem.raw)
    data = model.dataset(both, problem.y, problem.weight, categorical, init)
    known = np.flatnonzero(~np.isnan(problem.raw[:, 0]))
    if settings.importance == "gain":
        booster = model.train(data, known)
        importance = booster.feature_importance("gain")[X.shape[1] :]
    else:
        importance = _permutation(problem, model, data, both, X.shape[1], settings)
    for node, value in zip(finalists, importance, strict=True):
        records[node].stage = "attributed"
        records[node].importance = float(value)
    return sorted(range(len(finalists)), key=lambda i: -importance[i])


def _permutation(
    problem: Problem,
    model: BoostedModel,
    data: Any,
    both: Floats,
    first: int,
    settings: Settings,
) -> Floats:
    """Loss put on held-out rows when a feature is shuffled among them, over folds."""
    rng = np.random.default_rng(settings.seed)
    out = np.zeros(both.shape[1] - first)
    for f in range(problem.folds.n_folds):
        train, test = problem.folds.train_rows(f), problem.folds.test_rows(f)
        booster = model.train(data, train[~np.isnan(problem.raw[train, 0])])
        part, y, raw = both[test], problem.y[test], problem.raw[test]
        before = problem.loss.per_row(y, raw + model.raw(booster, part)).sum()
        for i in range(len(out)):
            kept = part[:, first + i].copy()
            part[:, first + i] = rng.permutation(kept)
            after = problem.loss.per_row(y, raw + model.raw(booster, part)).sum()
            out[i] += after - before
            part[:, first + i] = kept
    return out / len(problem.y)
