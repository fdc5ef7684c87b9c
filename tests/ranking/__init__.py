"""Tables and comparisons shared by the tests of ranking."""

from __future__ import annotations

import numpy as np
import pandas as pd

from featurekit import OutRank

TABLES = ("scores_", "quality_", "pair_scores_", "drift_")


def make_table(n=600, seed=0):
    """Columns of every kind, with gaps, ties, a constant and values seen once; labels.

    The label hangs on ``size`` and ``word`` together, on ``real`` alone and a little
    on ``flag``.
    """
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 5, n)
    word = rng.choice(list("abcd"), n)
    real = np.round(rng.normal(size=n), 2)
    flag = rng.random(n) < 0.4
    X = pd.DataFrame(
        {
            "size": pd.Series(size, dtype="Int64"),
            "word": pd.Series(word, dtype="str"),
            "real": real,
            "flag": flag,
            "when": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 90, n), unit="D"),
            "id": rng.permutation(n) * 1_000_003,
            "same": 7,
            "shop": rng.integers(0, 150, n),
        }
    )
    X.loc[rng.random(n) < 0.1, "size"] = pd.NA
    X.loc[rng.random(n) < 0.15, "word"] = None
    X.loc[rng.random(n) < 0.1, "real"] = np.nan
    logit = 1.5 * ((size + (word < "c")) % 2) + (real > 0.3) + 0.5 * flag - 1.5
    label = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "yes", "no").astype(
        object
    )
    label[rng.random(n) < 0.1] = "maybe"
    return X, label


def fitted(X, y, sample_weight=None, **params):
    """A ranker with a fixed seed."""
    return OutRank(**({"random_state": 0} | params)).fit(X, y, sample_weight)


def assert_same(a, b, *, but=()):
    """Two rankers say the same, to the last digit."""
    for name in TABLES:
        assert hasattr(a, name) == hasattr(b, name)
        if hasattr(a, name) and name not in but:
            one, two = getattr(a, name), getattr(b, name)
            pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert (a.n_rows_, a.target_entropy_) == (b.n_rows_, b.target_entropy_)
    assert a.ranking_.tolist() == b.ranking_.tolist()
    assert a.get_support().tolist() == b.get_support().tolist()
    assert a.crosses_ == b.crosses_
    assert list(a.get_feature_names_out()) == list(b.get_feature_names_out())


def scores_of(ranker, what="score"):
    """One column of ``scores_`` by feature."""
    return ranker.scores_.set_index("feature")[what]
