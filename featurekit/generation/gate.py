"""How many of the new features to keep: none is an answer.

For every fold the whole search is run again on the fold's training rows, and models
with the best k features are compared on rows that had no part in finding them. The
smallest k within one standard error of the best is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from featurekit.data.columns import Table
from featurekit.execution.budget import Budget
from featurekit.expressions.evaluate import fit
from featurekit.expressions.tree import Expression
from featurekit.generation.model import Model, base_matrix
from featurekit.generation.search import (
    Problem,
    Ranking,
    as_numbers,
    out_of_fold_values,
)
from featurekit.statistics.folds import Folds

Floats = NDArray[np.float64]

SIZES = (5, 10, 20, 50)


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


def judge(
    problem: Problem,
    base: Floats,
    model: Model,
    metric: str,
    search: Callable[[Problem], Ranking],
    budget: Budget,
    sizes: Sequence[int] = SIZES,
) -> Verdict | None:
    """Compare numbers of features by nested cross-validation.

    Parameters
    ----------
    base : float64 array (n, K)
        Out-of-fold raw scores of ``model`` without new features.
    search : callable
        The search, to be run on the training part of each fold.

    Returns
    -------
    Verdict or None
        None where fewer than two folds could be judged.
    """
    gains: list[Floats] = []
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
        gains.append(
            _compare(problem, part, ranking, test, base[test], model, metric, sizes)
        )
    if len(gains) < 2:
        return None
    return _decide((0, *sizes), gains, metric)


def _compare(
    problem: Problem,
    part: Problem,
    ranking: Ranking,
    test: NDArray[np.int64],
    base_raw: Floats,
    model: Model,
    metric: str,
    sizes: Sequence[int],
) -> Floats:
    """Loss without new features less loss with the best k, (sizes, test rows).

    For a metric that is no sum over rows (AUC) it has one column.
    """
    test_table = problem.table.take(test)
    y = problem.y[test]
    base = _errors(problem, y, base_raw, metric)
    out = np.zeros((1 + len(sizes), len(base)))
    if not ranking.order:
        return out
    most = min(max(sizes), len(ranking.order))
    old = out_of_fold_values(part, ranking.order[:most])
    new = fitted_values(part, ranking.order[:most], test_table)
    X, categorical = base_matrix(part.table)
    X_test, _ = base_matrix(test_table)
    before = -1
    for i, k in enumerate(sizes, start=1):
        k = min(k, most)
        if k == before:
            out[i] = out[i - 1]
            continue
        before = k
        raw = model.fit_raw(
            np.hstack([X, old[:, :k]]), part.y, part.weight, categorical,
            np.hstack([X_test, new[:, :k]]),
        )  # fmt: skip
        out[i] = base - _errors(problem, y, raw, metric)
    return out


def _errors(problem: Problem, y: Floats, raw: Floats, metric: str) -> Floats:
    if metric != "auc":
        return problem.loss.per_row(y, raw)
    if raw.shape[1] == 1:
        return np.array([1.0 - roc_auc_score(y, raw[:, 0])])
    one_vs_rest = [
        roc_auc_score(y == k, raw[:, k])
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


def _decide(sizes: tuple[int, ...], gains: list[Floats], metric: str) -> Verdict:
    """The smallest size within one standard error of the best.

    The error is the greater of that over rows and that over folds: rows miss what the
    fit contributes, folds are few.
    """
    per_fold = np.array([g.mean(axis=1) for g in gains])
    rows = np.hstack(gains)
    mean = rows.mean(axis=1)
    over_folds = per_fold.std(axis=0, ddof=1) / np.sqrt(len(gains))
    over_rows = rows.std(axis=1, ddof=1) / np.sqrt(rows.shape[1])
    error = np.maximum(over_folds, over_rows)
    best = int(mean.argmax())
    enough = mean >= mean[best] - error[best]
    return Verdict(sizes, mean, error, sizes[int(enough.argmax())], len(gains))
