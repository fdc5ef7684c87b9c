"""The candidates of the reference, counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from featurekit.data import Schema
from featurekit.expressions import fit, parse
from featurekit.expressions.grammar import (
    OPENFE,
    Enumeration,
    n_reference_candidates,
    pool_of,
)


def _table(numeric, categorical, ordinal, n=300):
    rng = np.random.default_rng(0)
    frame = {f"n{i}": rng.normal(size=n) for i in range(numeric)}
    frame |= {f"c{i}": rng.choice(list("abc"), n) for i in range(categorical)}
    frame |= {f"o{i}": rng.integers(-2, 3, n) for i in range(ordinal)}
    return Schema.learn(pd.DataFrame(frame))[1]


@pytest.mark.parametrize(
    "numeric, categorical, ordinal, total",
    [(8, 0, 0, 232), (20, 10, 20, 13_850), (3, 2, 0, None), (2, 1, 3, None)],
)
def test_counts_of_the_reference(numeric, categorical, ordinal, total):
    table = _table(numeric, categorical, ordinal)
    found = Enumeration(pool_of(table), OPENFE, len(table))
    n, c, o = numeric + ordinal, categorical + ordinal, ordinal
    assert found.counts.total() == n_reference_candidates(n, c, o)
    if total is not None:
        assert found.counts.total() == total
    assert found.counts["freq"] == n + c
    assert all(found.counts[u] == n for u in ("abs", "log", "round", "sigmoid"))
    assert all(found.counts[b] == n * (n - 1) // 2 for b in ("+", "-", "/", "min"))
    assert found.counts["rank"] == n * c - o
    assert found.counts["combine"] == c * (c - 1) // 2
    assert found.counts["nunique"] == c * (c - 1)
    assert len(set(found.kept)) == len(found.kept)


def test_what_is_called_the_same_is_the_same_to_a_tree():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "pos": rng.uniform(1, 5, 200),
            "any": rng.normal(size=200),
            "low": rng.uniform(-3, -1, 200),
            # many values, but none where sigmoid is 1 in float64
            "whole": rng.normal(0, 0.2, 200).cumsum().round(3),
        }
    )
    table = Schema.learn(frame)[1]
    for c in Enumeration(pool_of(table), OPENFE, 200).candidates:
        if c.equivalent_to is None:
            continue
        x = fit(c.expression, table).values(table)
        base = fit(c.equivalent_to, table).values(table)
        ranks = rankdata(x), rankdata(base)
        alike = abs(np.corrcoef(*ranks)[0, 1])
        assert alike == pytest.approx(1.0), c.expression.name


def test_both_orientations_only_where_signs_differ():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"p": rng.uniform(1, 2, 300), "q": rng.uniform(1, 2, 300)})
    frame["s"] = rng.normal(size=300)
    table = Schema.learn(frame)[1]
    names = {e.name for e in Enumeration(pool_of(table), ["/"], 300).kept}
    assert names == {"p/q", "p/s", "s/p", "q/s", "s/q"}
    assert parse("p/s").name in names
