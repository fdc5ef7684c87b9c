"""MRMR against a slow loop, and on planted structures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.feature_selection import f_classif, f_regression

from featurekit.selection import MRMR


def _table(seed=0, n=120, d=12, classes=3):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    X = rng.normal(size=(n, d))
    X[:, : d // 2] += y[:, None] * rng.random(d // 2)
    X[:, d // 2 :] += X[:, : d - d // 2] * rng.random(d - d // 2)
    return X, y


def _slow(X, relevance, k, scheme):
    """The definition, for columns that are units, without copies among them."""
    d = X.shape[1]
    chosen = [int(np.argmax(relevance))]
    while len(chosen) < k:
        best, best_score = -1, -np.inf
        for j in range(d):
            if j in chosen:
                continue
            r = [abs(np.corrcoef(X[:, j], X[:, i])[0, 1]) for i in chosen]
            mean = np.mean(np.maximum(r, 1e-3))
            score = relevance[j] - mean
            if scheme == "quotient":
                score = relevance[j] / mean
            if score > best_score:
                best, best_score = j, score
        chosen.append(best)
    return chosen


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scheme", ["quotient", "difference"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_is_the_definition(seed, scheme, task):
    X, y = _table(seed)
    if task == "regression":
        y = X[:, 0] - X[:, 3] + np.random.default_rng(seed).normal(size=len(y))
        F = f_regression(X, y)[0]
        correlation = np.abs([np.corrcoef(x, y)[0, 1] for x in X.T])
    else:
        F = f_classif(X, y)[0]
        means = np.array([X[y == c].mean(axis=0) for c in np.unique(y)])[y]
        correlation = np.sqrt(means.var(axis=0) / X.var(axis=0))
    for name, relevance in (("f", F), ("correlation", correlation)):
        mrmr = MRMR(12, relevance=name, scheme=scheme).fit(X, y)
        np.testing.assert_allclose(mrmr.relevance_, relevance)
        assert mrmr.order_.tolist() == _slow(X, relevance, 12, scheme)
        half = MRMR(5, relevance=name, scheme=scheme).fit(X, y)
        assert half.order_.tolist() == mrmr.order_[:5].tolist()


def test_scores_are_those_of_the_step():
    X, y = _table()
    mrmr = MRMR(3).fit(X, y)
    a, b, c = mrmr.order_
    r = np.abs(np.corrcoef(X.T))
    expected = mrmr.relevance_[c] / ((r[c, a] + r[c, b]) / 2)
    assert mrmr.scores_[a] == mrmr.relevance_[a]
    assert mrmr.scores_[c] == pytest.approx(expected)
    assert mrmr.redundancy_[a] == 0
    left = np.flatnonzero(~mrmr.support_)
    mean = np.maximum(r[left][:, [a, b]], 1e-3).mean(axis=1)
    np.testing.assert_allclose(mrmr.redundancy_[left], mean)
    by_score = left[np.argsort(-mrmr.scores_[left])]
    assert mrmr.ranking_[by_score].tolist() == list(range(4, 13))


def test_of_copies_one_is_kept():
    rng = np.random.default_rng(0)
    a, b, noise = rng.normal(size=(3, 400))
    X = np.column_stack([a, 5 - 3 * a, a + 0.02 * noise, b, noise])
    y = 5 * a + b
    for scheme in ("quotient", "difference"):
        mrmr = MRMR(4, relevance="correlation", scheme=scheme).fit(X, y)
        assert mrmr.ranking_[1] == 5  # but for scale the first column
        assert mrmr.order_[:2].tolist() == [0, 3]


def test_auto_stops_when_columns_tell_less_than_they_repeat():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    y = a + 0.5 * rng.normal(size=500)
    near = [a + 0.3 * rng.normal(size=500) for _ in range(4)]
    X = np.column_stack([a, *near, 2 - a])
    mrmr = MRMR("auto", relevance="correlation", scheme="difference").fit(X, y)
    assert mrmr.order_.tolist() == [0]
    assert (mrmr.scores_[1:] < 0).all()
    with pytest.raises(ValueError, match="needs scheme='difference'"):
        MRMR("auto").fit(X, y)
    flat = np.column_stack([np.tile([0.0, 1.0], 4), np.repeat([0.0, 1.0], 4)])
    y = np.array([0, 0, 1, 1, 1, 1, 0, 0])
    mrmr = MRMR("auto", relevance="correlation", scheme="difference").fit(flat, y)
    assert mrmr.support_.sum() == 1


def test_weights_are_repetition():
    rng = np.random.default_rng(0)
    X, y = _table(1)
    frame = pd.DataFrame(X[:, :8])
    frame["c"] = rng.choice(list("abcd"), len(y))
    frame.loc[rng.random(len(y)) < 0.2, 3] = np.nan
    frame.columns = frame.columns.astype(str)
    weight = rng.integers(0, 4, len(y))
    for target in (y, X @ rng.normal(size=12)):
        for scheme in ("quotient", "difference"):
            mrmr = MRMR(9, scheme=scheme).fit(frame, target, sample_weight=weight)
            at = np.repeat(np.arange(len(y)), weight)
            again = MRMR(9, scheme=scheme).fit(frame.iloc[at], target[at])
            np.testing.assert_allclose(mrmr.scores_, again.scores_, rtol=1e-9)
            assert mrmr.order_.tolist() == again.order_.tolist()


def test_categories_gaps_and_groups():
    rng = np.random.default_rng(0)
    n = 600
    y = rng.integers(0, 2, n)
    city = np.where(rng.random(n) < 0.8, y, 1 - y)
    gap = np.where((y == 1) & (rng.random(n) < 0.5), np.nan, rng.normal(size=n))
    frame = pl.DataFrame(
        {
            "noise": rng.normal(size=n),
            "city": [("left", "right")[c] for c in city],
            "again": city.astype(float),
            "gap": gap,
            "id": [f"u{i}" for i in range(n)],
        },
        nan_to_null=True,
    )
    mrmr = MRMR(2).fit(frame, y)
    # a category and its numbers are copies
    assert mrmr.get_feature_names_out().tolist() == ["city", "gap"]
    assert mrmr.ranking_[2] == 4
    grouped = MRMR(1, groups=[["noise", "gap"], ["city", "id"]]).fit(frame, y)
    assert grouped.get_feature_names_out().tolist() == ["city", "id"]
    assert grouped.relevance_[0] == grouped.relevance_[3] == mrmr.relevance_[3]


def test_redundancy_of_units_is_the_largest_correlation():
    X, y = _table(2, d=6)
    groups = ["a", "b", "a", "c", "b", "c"]
    mrmr = MRMR(3, groups=groups).fit(X, y)
    r = np.abs(np.corrcoef(X.T))
    F = f_classif(X, y)[0]
    members = {u: [i for i, g in enumerate(groups) if g == u] for u in "abc"}
    best = {u: max(F[i] for i in at) for u, at in members.items()}
    chosen = [max(best, key=best.get)]
    while len(chosen) < 3:
        score = {
            u: best[u]
            / np.mean([r[np.ix_(members[u], members[v])].max() for v in chosen])
            for u in "abc"
            if u not in chosen
        }
        chosen.append(max(score, key=score.get))
    assert [groups[i] for i in mrmr.order_[::2]] == chosen


def test_columns_that_give_the_target_away_differ_from_each_other():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200).astype(float)
    X = np.column_stack([rng.normal(size=200), y, 2 * y + 1, 1e6 + y**2])
    mrmr = MRMR(2).fit(X, y)
    assert np.isfinite(mrmr.scores_).all()
    assert mrmr.order_[0] in (1, 2)
    assert mrmr.ranking_[3 - mrmr.order_[0]] == 4


def test_scale_and_offset_do_not_matter():
    X, y = _table()
    order = MRMR(12).fit(X, y).order_.tolist()
    scaled = 1e9 + X * 10.0 ** np.arange(-2, 10)
    assert MRMR(12).fit(scaled, y).order_.tolist() == order
    huge = X * 3e307 / np.abs(X).max() * 5
    assert MRMR(12).fit(huge, y).order_.tolist() == order
    assert MRMR(12).fit(X * 1e-300, y).order_.tolist() == order


def test_constants_come_last_and_all_can_be_asked_for():
    X, y = _table()
    X[:, 4] = 3.0
    mrmr = MRMR(12).fit(X, y)
    assert mrmr.order_[-1] == 4 and mrmr.support_.all()


def test_more_classes_than_rows_to_spare():
    X = np.random.default_rng(0).normal(size=(4, 3))
    mrmr = MRMR(2).fit(X, ["a", "b", "c", "d"])
    assert np.isfinite(mrmr.scores_).all()


def test_bad_parameters():
    X, y = _table()
    with pytest.raises(ValueError, match="n_features_to_select=13, but X has 12"):
        MRMR(13).fit(X, y)
    with pytest.raises(ValueError, match="'n_features_to_select' parameter"):
        MRMR(0).fit(X, y)
    with pytest.raises(ValueError, match="'scheme' parameter"):
        MRMR(2, scheme="sum").fit(X, y)
