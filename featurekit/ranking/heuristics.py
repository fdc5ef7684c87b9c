"""What people rank by besides tables: models, under the same names for all.

Each is fitted to codes: categories as their numbers, bins in their order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.statistics.contingency import entropy
from featurekit.statistics.pairs import Rows

Floats = NDArray[np.float64]
Columns = tuple[int, ...]

NAMES = ("random_forest", "lightgbm", "permutation", "surrogate")
N_TREES = 100
MOST_REPEATED = 1 << 18
HASHED = 1 << 18
N_FOLDS = 4


def importances(
    name: str,
    rows: Rows,
    seed: int,
    n_threads: int,
    reference: Sequence[Columns] = (),
) -> Floats:
    """The importance of every column.

    Parameters
    ----------
    name : {"random_forest", "lightgbm", "permutation", "surrogate"}
        Impurity of a forest; total gain of boosted trees; what shuffling a column in
        held-out rows costs those trees; the log-loss that a logistic model of hashed
        one-hot values, cross-validated, has less than one without the column.
    rows : Rows
    seed : int
    n_threads : int
    reference : sequence of tuples of int
        For "surrogate": columns and combinations that the model has in any case.

    Returns
    -------
    float64 array (F,)
    """
    rows = rows.repeated(MOST_REPEATED)
    if name == "surrogate":
        return _surrogate(rows, list(reference))
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
    out = rows.times_of_fold(0, N_FOLDS) if name == "permutation" else 0 * rows.times
    model = _boosted(X, rows.y, rows.times - out, seed, n_threads)
    if name == "lightgbm":
        return model.booster_.feature_importance("gain")
    from sklearn.inspection import permutation_importance

    test = out > 0
    found = permutation_importance(
        model, X[test], rows.y[test], scoring=_neg_log_loss, n_repeats=3,
        random_state=seed, n_jobs=1, sample_weight=out[test],
    )  # fmt: skip
    return found.importances_mean


def _neg_log_loss(model: Any, X: Floats, y: Any, sample_weight: Any) -> float:
    """Of the rows whose class the model knows; some may lack in either part."""
    from sklearn.metrics import log_loss

    known = np.isin(y, model.classes_)
    return -log_loss(
        y[known], model.predict_proba(X[known]), sample_weight=sample_weight[known],
        labels=model.classes_,
    )  # fmt: skip


def _boosted(X: Floats, y: Any, times: Any, seed: int, n_threads: int) -> Any:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(
        n_estimators=N_TREES, n_jobs=n_threads, random_state=seed, verbose=-1,
        deterministic=True, force_row_wise=True,
    )  # fmt: skip
    train = times > 0
    return model.fit(X[train], y[train], sample_weight=times[train])


def reference_sets(given: Any, names: Sequence[str]) -> list[Columns]:
    """Columns, and combinations of them, that a model has already.

    Parameters
    ----------
    given : list of str, or path
        Names, "a,b" being a combination; or a JSON file of the released package, which
        lists them as ``{"desc": {"features": [...]}}``.
    names : sequence of str
        Of all columns.
    """
    if isinstance(given, str | Path):
        try:
            given = json.loads(Path(given).read_text(encoding="utf-8"))
            given = given["desc"]["features"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ValueError(
                f"{given} is no reference model: a JSON file with "
                '{"desc": {"features": ["a", "b,c"]}} is expected'
            ) from None
    position = {name: i for i, name in enumerate(names)}
    out = []
    for item in given:
        parts = [item] if item in position else str(item).split(",")
        lacking = [part for part in parts if part not in position]
        if lacking:
            raise ValueError(f"reference_features names {lacking[0]!r}, no column of X")
        out.append(tuple(position[part] for part in parts))
    return out


def _surrogate(rows: Rows, reference: list[Columns]) -> Floats:
    """Log-loss without the column less log-loss with it, out of fold, nats a row."""
    base = _loss_of(rows, reference)
    out = np.zeros(len(rows.codes))
    for j in range(len(rows.codes)):
        if (j,) in reference:
            rest = [r for r in reference if r != (j,)]
            out[j] = _loss_of(rows, rest) - base
        else:
            out[j] = base - _loss_of(rows, [*reference, (j,)])
    return out


def _hashed(rows: Rows, columns: Columns) -> NDArray[np.int64]:
    """The place of each row's value, or combination of values, in the one-hot row."""
    out = np.full(len(rows), hash(columns) & 0xFFFF, np.uint64)
    for j in columns:
        out = (out ^ rows.codes[j].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
    return (out % np.uint64(HASHED)).astype(np.int64)


def _loss_of(rows: Rows, columns: list[Columns]) -> float:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    if not columns:
        return entropy(rows.classes())
    n = len(rows)
    used, at = np.unique(
        np.column_stack([_hashed(rows, c) for c in columns]), return_inverse=True
    )
    ends = np.arange(0, at.size + 1, len(columns))
    X = csr_matrix((np.ones(at.size), at.ravel(), ends), shape=(n, len(used)))
    total = 0.0
    labels = np.arange(rows.n_classes)
    for f in range(N_FOLDS):
        out = rows.times_of_fold(f, N_FOLDS)
        train, test = rows.times > out, out > 0
        if not test.any() or not train.any():
            continue
        # L2 of one row's worth: values seen once or twice stay near the mean
        model = LogisticRegression(C=1.0, max_iter=300)
        weight = (rows.times - out)[train]
        p = np.full((int(test.sum()), rows.n_classes), 1e-9)
        if len(np.unique(rows.y[train])) > 1:
            model.fit(X[train], rows.y[train], sample_weight=weight)
            p[:, model.classes_] = model.predict_proba(X[test])
        else:
            p[:, rows.y[train][0]] = 1.0
        loss = log_loss(
            rows.y[test], p / p.sum(axis=1, keepdims=True), labels=labels,
            sample_weight=out[test],
        )  # fmt: skip
        total += loss * out[test].sum()
    return float(total / rows.n_total)
