"""How many of the new features to keep: none is an answer.

For every fold the whole search is run again on the fold's training rows, and models
with the best k features are compared on rows that had no part in finding them. The best
k is kept, and none where no k is so many standard errors above none as `Model.sure`
says. Errors are of differences on the same rows.

A new column changes every tree of a boosted model, for better or worse: most of the
noise of such a comparison is the model's own. So where one model leaves the answer
open, more are trained for each k, of random parts of rows and columns, and their losses
averaged row by row: three bring the standard error to .64 of that of one (median of 144
comparisons). The first model without new features is the base model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from featurekit.data.columns import Table
from featurekit.execution.budget import Budget
from featurekit.expressions.evaluate import fit
from featurekit.expressions.tree import Expression
from featurekit.generation.model import Model, base_matrix
from featurekit.generation.problem import Problem, as_numbers, out_of_fold_values
from featurekit.generation.search import Ranking
from featurekit.statistics.folds import Folds

Floats = NDArray[np.float64]

SIZES = (5, 10, 20, 50)
OPEN = (0.5, 3.0)
"""Standard errors between which one model does not answer whether features help."""
WORTH = 0.5
"""Standard errors by which a size must be better than all smaller ones for a greater
one to be tried; for the second, by which the first may be worse than none."""


@dataclass(frozen=True)
class Verdict:
    """What the gate found.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of features compared, 0 first.
    gain : float64 array (len(sizes),)
        Mean improvement of the metric over no new features, on held-out rows.
    standard_error : float64 array (len(sizes),)
    n_features : int
        The decision.
    n_folds : int
        Folds that were compared.
    """

    sizes: tuple[int, ...]
    gain: Floats
    standard_error: Floats
    n_features: int
    n_folds: int

    def times(self, unit: float) -> Verdict:
        """The same with gains in other units."""
        with np.errstate(over="ignore", invalid="ignore"):
            gain, error = self.gain * unit, self.standard_error * unit
        return replace(self, gain=gain, standard_error=error)


def judge(
    problem: Problem,
    base: Floats,
    model: Model,
    metric: str,
    search: Callable[[Problem], Ranking],
    budget: Budget,
    sizes: Sequence[int] = SIZES,
    step: Callable[[], None] = lambda: None,
) -> Verdict | None:
    """Compare numbers of features by nested cross-validation, the smallest first.

    More are tried as long as more were better by half a standard error, and the second
    unless the first was worse than none by as much: what adds less is not kept for it.

    Parameters
    ----------
    base : float64 array (n, K)
        Out-of-fold raw scores of ``model`` without new features.
    search : callable
        The search, to be run on the training part of each fold.
    step : callable
        Called once for each size.

    Returns
    -------
    Verdict or None
        None where fewer than two folds could be judged, or only no features.
    """
    trials: list[_Trial] = []
    for f in range(problem.folds.n_folds):
        inner, rows = problem.folds.within(f)
        if inner.n_folds < 2:
            continue  # the first steps of a time-ordered splitter have no past to use
        if budget.stopped():
            break
        part = problem.take(rows, inner)
        ranking = search(part)
        if budget.stopped():
            break
        test = problem.folds.test_rows(f)
        trials.append(_Trial.of(problem, part, ranking, test, model, max(sizes)))
    if len(trials) < 2:
        return None

    def errors_of(size: int, seeds: Sequence[int]) -> list[Floats]:
        return [trial.errors(problem, model, size, metric, seeds) for trial in trials]

    found = max(trial.n_new for trial in trials)
    tried = [0]
    errors = [[t.errors_at(problem, [base[t.test]], metric) for t in trials]]
    gains = _gains(errors)
    step()
    for size in sizes:
        if budget.stopped() or tried[-1] >= found or not _more_may_help(gains):
            break
        now = errors_of(size, [0])
        if budget.stopped():
            break  # in the midst of training: these models are not complete
        tried.append(size)
        errors.append(now)
        gains = _gains(errors)
        step()
    if found and len(tried) < 2:
        return None
    more = range(1, model.n_judges)
    if more and OPEN[0] < max(map(_sureness, gains)) < OPEN[1]:
        others = _gains([errors_of(size, more) for size in tried])
        if not budget.stopped():
            gains = [
                [(a + len(more) * b) / model.n_judges for a, b in zip(*g, strict=True)]
                for g in zip(gains, others, strict=True)
            ]
    unit = 1.0 if metric == "auc" else problem.loss.unit
    return _decide(tuple(tried), gains, model.sure).times(unit)


def _more_may_help(gains: list[list[Floats]]) -> bool:
    """Whether a greater size is worth a try, after those of these gains."""
    if len(gains) < 2:
        return True
    mean, error = _summary(gains[-1])
    best = max(_summary(gain)[0] for gain in gains[:-1])
    return mean > best + WORTH * error * (1 if len(gains) > 2 else -1)


def _sureness(gain: list[Floats]) -> float:
    """Mean of a gain in standard errors; 0 where there is none."""
    mean, error = _summary(gain)
    return mean / error if error > 0 else 0.0


def _gains(errors: list[list[Floats]]) -> list[list[Floats]]:
    """By how much errors are less than those of the first size, fold by fold."""
    return [
        [none - some for none, some in zip(errors[0], of_size, strict=True)]
        for of_size in errors
    ]


def _summary(gain: list[Floats]) -> tuple[float, float]:
    """Mean over the rows of all folds, and its standard error.

    The error is the greater of that over rows and that over folds: rows miss what the
    fit contributes, folds are few.
    """
    rows = np.concatenate(gain)
    over_rows = rows.std(ddof=1) / np.sqrt(len(rows))
    over_folds = np.std([g.mean() for g in gain], ddof=1) / np.sqrt(len(gain))
    return float(rows.mean()), float(max(over_rows, over_folds))


@dataclass(frozen=True)
class _Trial:
    """One fold: what was found on its training rows, and its test rows.

    The new columns stand behind the old ones, the most useful first. Of the training
    rows no more are kept than a model is trained on.
    """

    X: Floats
    y: Floats
    weight: Floats | None
    categorical: list[int]
    X_test: Floats
    y_test: Floats
    test: NDArray[np.int64]
    n_new: int

    @classmethod
    def of(
        cls,
        problem: Problem,
        part: Problem,
        ranking: Ranking,
        test: NDArray[np.int64],
        model: Model,
        most: int,
    ) -> _Trial:
        table = problem.table.take(test)
        X, categorical = base_matrix(part.table)
        X_test, _ = base_matrix(table)
        if best := ranking.order[:most]:
            X = np.hstack([X, out_of_fold_values(part, best)])
            X_test = np.hstack([X_test, fitted_values(part, best, table)])
        rows = model.sample(np.arange(len(part.y)))
        return cls(
            # by columns: the first k of them lie in one piece
            np.asfortranarray(X[rows]), part.y[rows],
            None if part.weight is None else part.weight[rows], categorical,
            np.asfortranarray(X_test), problem.y[test], test, len(best),
        )  # fmt: skip

    def errors(
        self,
        problem: Problem,
        model: Model,
        size: int,
        metric: str,
        seeds: Sequence[int],
    ) -> Floats:
        """Mean errors of models with the best ``size`` features, of each test row."""
        k = self.X.shape[1] - self.n_new + min(size, self.n_new)
        X, X_test = self.X[:, :k], self.X_test[:, :k]
        many = model.judge(X, self.y, self.weight, self.categorical, X_test, seeds)
        return self.errors_at(problem, many, metric)

    def errors_at(
        self, problem: Problem, many: Sequence[Floats], metric: str
    ) -> Floats:
        """Mean errors of raw scores of the test rows, of one or more models.

        Weighted, if rows are; for ``metric="auc"`` one error of the whole fold.
        """
        weight = None if problem.weight is None else problem.weight[self.test]
        if metric == "auc":
            per_model = [_auc_loss(self.y_test, raw, weight) for raw in many]
        else:
            per_model = [problem.loss.per_row(self.y_test, raw) for raw in many]
        mean: Floats = np.mean(per_model, axis=0)
        if weight is None or metric == "auc":
            return mean
        return mean * (weight / problem.mean_weight)


def _auc_loss(y: Floats, raw: Floats, weight: Floats | None) -> Floats:
    """One minus the area under the curve, the mean of one class against the rest."""
    if raw.shape[1] == 1:
        return np.array([1.0 - roc_auc_score(y, raw[:, 0], sample_weight=weight)])
    one_vs_rest = [
        roc_auc_score(y == k, raw[:, k], sample_weight=weight)
        for k in range(raw.shape[1])
        if 0 < (y == k).sum() < len(y)
    ]
    return np.array([1.0 - np.mean(one_vs_rest)])


def fitted_values(
    problem: Problem, nodes: Sequence[Expression], table: Table
) -> Floats:
    """Values on new rows of features fitted on the problem's rows, (n, features)."""
    target = (problem.y, problem.classes)
    folds: Folds = problem.folds
    columns = [
        as_numbers(fit(node, problem.table, target, folds).values(table))
        for node in nodes
    ]
    return np.column_stack(columns)


def _decide(sizes: tuple[int, ...], gains: list[list[Floats]], sure: float) -> Verdict:
    """The best size, or none where no size is surely better than none."""
    mean, error = np.array([_summary(gain) for gain in gains]).T
    best = int(mean.argmax()) if (mean > sure * error).any() else 0
    return Verdict(sizes, mean, error, sizes[best], len(gains[0]))
