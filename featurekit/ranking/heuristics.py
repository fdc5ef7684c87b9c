"""What people rank by besides tables: models, under the same names for all.

Each is fitted to codes: categories as their numbers, bins in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.statistics.contingency import entropy
from featurekit.statistics.pairs import Rows

Floats = NDArray[np.float64]

NAMES = ("random_forest", "lightgbm", "permutation", "surrogate")
N_TREES = 100
HASHED = 1 << 18
SURROGATE_FOLDS = 4


def importances(
    name: str,
    rows: Rows,
    seed: int,
    n_threads: int,
    reference: Sequence[int] = (),
) -> Floats:
    """The importance of every column.

    Parameters
    ----------
    name : {"random_forest", "lightgbm", "permutation", "surrogate"}
        Impurity of a forest; total gain of boosted trees; what shuffling a column in
        held-out rows costs those trees; the log-loss that a logistic model of hashed
        one-hot values, fitted by stochastic gradients and cross-validated, has less
        than one without the column.
    rows : Rows
    seed : int
    n_threads : int
    reference : sequence of int
        For "surrogate": columns that the model has in any case.

    Returns
    -------
    float64 array (F,)
    """
    if name == "surrogate":
        return _surrogate(rows, seed, list(reference))
    X = np.column_stack([c.astype(np.float64) for c in rows.codes])
    if name == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            N_TREES, min_samples_leaf=5, n_jobs=n_threads, random_state=seed
        )
        forest.fit(X, rows.y, sample_weight=rows.times)
        return forest.feature_importances_
    # importance of trees that split on values in order; native categories of many
    # values would be split by the target's own noise
    held_out = np.arange(len(rows)) % 4 == 3 if name == "permutation" else None
    model = _boosted(X, rows, held_out, seed, n_threads)
    if held_out is None:
        return model.booster_.feature_importance("gain")
    from sklearn.inspection import permutation_importance

    found = permutation_importance(
        model, X[held_out], rows.y[held_out], scoring="neg_log_loss", n_repeats=3,
        random_state=seed, n_jobs=1, sample_weight=rows.times[held_out],
    )  # fmt: skip
    return found.importances_mean


def _boosted(X: Floats, rows: Rows, held_out: Any, seed: int, n_threads: int) -> Any:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(
        n_estimators=N_TREES, n_jobs=n_threads, random_state=seed, verbose=-1,
        deterministic=True, force_row_wise=True,
    )  # fmt: skip
    train = slice(None) if held_out is None else ~held_out
    return model.fit(X[train], rows.y[train], sample_weight=rows.times[train])


def _surrogate(rows: Rows, seed: int, reference: list[int]) -> Floats:
    """Log-loss without the column less log-loss with it, out of fold, nats a row."""
    fold = np.arange(len(rows)) % SURROGATE_FOLDS
    base = _loss_of(rows, reference, fold, seed)
    out = np.zeros(len(rows.codes))
    for j in range(len(rows.codes)):
        if j not in reference:
            out[j] = base - _loss_of(rows, [*reference, j], fold, seed)
    if reference:
        for j in reference:
            rest = [r for r in reference if r != j]
            out[j] = _loss_of(rows, rest, fold, seed) - base
    return out


def _loss_of(rows: Rows, columns: list[int], fold: Any, seed: int) -> float:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss

    if not columns:
        return entropy(rows.classes())
    n = len(rows)
    at = np.empty((n, len(columns)), np.int64)
    for i, j in enumerate(columns):
        at[:, i] = (rows.codes[j].astype(np.int64) * 2654435761 + j * 97) % HASHED
    X = csr_matrix(
        (np.ones(at.size), at.ravel(), np.arange(0, at.size + 1, len(columns))),
        shape=(n, HASHED),
    )
    total = 0.0
    labels = np.arange(rows.n_classes)
    for f in range(SURROGATE_FOLDS):
        train, test = fold != f, fold == f
        model = SGDClassifier(
            loss="log_loss", alpha=1e-5, max_iter=20, tol=1e-4, average=True,
            random_state=seed,
        )  # fmt: skip
        model.fit(X[train], rows.y[train], sample_weight=rows.times[train])
        p = np.full((int(test.sum()), rows.n_classes), 1e-9)
        p[:, model.classes_] = model.predict_proba(X[test])
        weight = rows.times[test]
        loss = log_loss(
            rows.y[test], p / p.sum(axis=1, keepdims=True), labels=labels,
            sample_weight=weight,
        )  # fmt: skip
        total += loss * weight.sum()
    return float(total / rows.n_total)
