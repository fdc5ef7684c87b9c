"""Which candidates are listed, how many there are, and which of a wide table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurekit import OpenFE
from featurekit.data import Schema
from featurekit.exceptions import FeatureKitWarning
from featurekit.execution.budget import Budget
from featurekit.expressions.grammar import DEFAULT, OPENFE, Enumeration
from featurekit.expressions.keyed import Key
from featurekit.expressions.tree import Column
from featurekit.generation.candidates import Space
from featurekit.generation.interactions import promise
from featurekit.generation.model import BoostedModel
from featurekit.generation.problem import Problem
from featurekit.generation.screening import Screener
from featurekit.generation.search import Settings, search
from featurekit.statistics.folds import Folds
from featurekit.statistics.loss import LogLoss, MultiLogLoss, Squared


def table_of(frame):
    return Schema.learn(frame)[1]


def mixed_frame(rng, n=300):
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "positive": rng.uniform(1, 2, n),
            "gappy": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "gappy_too": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "few": rng.integers(0, 5, n),
            "many": rng.integers(0, 103, n).astype(float),
            "city": rng.choice(list("abcdefgh"), n),
            "shop": rng.integers(0, 60, n).astype(str),
            "id": [f"id{i}" for i in range(n)],
            "constant": 1.0,
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 9000, n), unit="h"),
        }
    )


def problem_of(frame, y, loss=None, classes=None, weight=None):
    n = len(frame)
    loss = loss or Squared()
    y = np.asarray(y, float)
    rows = np.arange(n)
    splits = [(rows[rows % 4 != f], rows[rows % 4 == f]) for f in range(4)]
    folds = Folds.from_splits(splits, n)
    raw = np.tile(loss.baseline(y), (n, 1))
    return Problem(table_of(frame), y, classes, weight, loss, folds, raw)


def space_of(frame, most=None, operators=DEFAULT, classes=None, ordered=False):
    return Space.of(table_of(frame), operators, classes, most, ordered)


@pytest.mark.parametrize("operators", [DEFAULT, OPENFE, ("+", "/", "target_mean")])
@pytest.mark.parametrize("classes", [None, ("a", "b", "c")])
def test_candidates_are_counted_as_they_are_listed(operators, classes):
    frame = mixed_frame(np.random.default_rng(0))
    for columns in (list(frame), ["x", "few", "city"], ["constant"], ["city", "shop"]):
        space = space_of(frame[columns], operators=operators, classes=classes)
        listed = Enumeration(space.pool, operators, len(frame), classes).candidates
        assert space.size == len(listed)


def test_candidates_of_the_next_order_are_counted_as_they_are_listed():
    rng = np.random.default_rng(0)
    frame = mixed_frame(rng)[["x", "positive", "few", "city"]]
    problem = problem_of(frame, rng.normal(size=300))
    space = space_of(frame, operators=("+", "/", "freq", "mean"))
    listed = space.listed(problem, 0)
    grown = space.grown(problem, listed.nodes[:3], listed)
    listed = grown.listed(problem, 0)
    assert grown.size == len(listed.nodes) + len(listed.unscored) > 0


def test_pairs_asked_for_are_the_only_ones_listed():
    frame = mixed_frame(np.random.default_rng(0))[["x", "positive", "few", "city"]]
    pool = space_of(frame).pool
    a, b = pool[0], next(m for m in pool if m.expression.columns() == ("city",))
    some = Enumeration(pool, DEFAULT, 300, singles=[], pairs=[(a, b)]).candidates
    every = Enumeration(pool, DEFAULT, 300).candidates
    columns = {a.expression.columns()[0], "city"}
    wanted = {c.expression for c in every if set(c.expression.columns()) == columns}
    assert {c.expression for c in some} == wanted != set()


def wide(seed, n=800, d=40):
    """Noise, and a product of two columns that say nothing each."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return pd.DataFrame(X, columns=[f"c{i}" for i in range(d)]), X[:, 7] * X[:, 23], rng


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_a_planted_pair_of_a_wide_table_comes_first(kind):
    frame, product, rng = wide(0)
    y = product + rng.normal(0, 0.5, len(product))
    loss, classes = Squared(), None
    if kind == "binary":
        y, loss = y > 0, LogLoss()
    if kind == "multiclass":
        y, loss, classes = np.digitize(y, [-0.5, 0.5]), MultiLogLoss(3), (0, 1, 2)
    problem = problem_of(frame, y, loss, classes)
    listed = space_of(frame, 300, classes=classes).listed(problem, 0)
    assert len(listed.nodes) == 300
    used = [frozenset(node.columns()) for node in listed.nodes[:20]]
    assert frozenset({"c7", "c23"}) in used
    assert listed.n_left_out > 4000


def test_limit_of_candidates_is_exact_and_said(monkeypatch):
    # the default limit is for wider tables than a test should have
    monkeypatch.setattr("featurekit.generation.openfe.AUTO_CANDIDATES", 200)
    frame, product, _ = wide(0, n=300)
    maker = OpenFE(3, random_state=0)
    with pytest.warns(FeatureKitWarning, match="max_candidates=None"):
        maker.fit(frame, product)
    assert maker.n_candidates_ == 200
    last = maker.report_.iloc[-1]
    assert last["feature"] == "" and "beyond max_candidates" in last["reason"]
    with pytest.raises(KeyError, match="beyond max_candidates"):
        maker.explain("c0+c99")
    every = OpenFE(3, max_candidates=None).estimate(frame, product)
    assert every["n_candidates"] > 4000
    few = OpenFE(3, max_candidates=200, random_state=0)
    assert few.estimate(frame, product)["bytes"] < every["bytes"] - 4_000_000
    few.fit(frame, product)  # no warning


def test_a_limit_holds_for_each_order():
    frame, product, rng = wide(1, n=400, d=30)
    problem = problem_of(frame, product * (1 + frame["c3"]))
    space = space_of(frame, 60, operators=("*", "+"))
    ranking = search(problem, space, 2, Settings(n_survivors=5), Budget())
    of_two = [node for node in ranking.records if len(node.columns()) == 3]
    assert len(ranking.records) <= 60 + 5 + 60 and of_two
    assert ranking.n_left_out > 900
    assert ranking.order[0].columns() in {("c3", "c23", "c7"), ("c23", "c7", "c3")}


def numbers(rng, n, d):
    return [rng.normal(size=n) for _ in range(d)]


def test_screen_does_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(0)
    n = 500
    columns = [*numbers(rng, n, 6), Key(rng.integers(0, 5, n), 7)]
    columns[2][::7] = np.nan
    g = rng.normal(size=(n, 2)) + columns[0][:, None] * columns[1][:, None]
    order = rng.permutation(n)
    shuffled = [
        Key(c.codes[order], c.size) if isinstance(c, Key) else c[order] for c in columns
    ]
    a = promise(columns, [g, g - 1], 15)
    b = promise(shuffled, [g[order], g[order] - 1], 15)
    np.testing.assert_array_equal(a.columns, b.columns)
    np.testing.assert_array_equal(a.pairs, b.pairs)
    assert tuple(a.pairs[0]) == (0, 1)


@pytest.mark.parametrize(
    "made", [lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / (b + 3)]
)
def test_screen_finds_products_differences_and_ratios(made):
    found = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        columns = [rng.uniform(-1, 1, 600) for _ in range(15)]
        y = made(columns[4], columns[11]) + rng.normal(0, 0.3, 600)
        pairs = promise(columns, [y[:, None]], 12).pairs
        found += (4, 11) in set(map(tuple, pairs))
    assert found >= 4


def test_screen_lists_all_pairs_where_there_are_few():
    rng = np.random.default_rng(0)
    found = promise(numbers(rng, 50, 5), [rng.normal(size=(50, 1))], 100)
    assert sorted(map(tuple, found.pairs)) == [
        (i, j) for i in range(5) for j in range(i + 1, 5)
    ]
    assert promise([], [np.zeros((50, 1))], 3).pairs.shape == (0, 2)
    assert promise(numbers(rng, 50, 1), [np.zeros((50, 1))], 3).pairs.shape == (0, 2)


def test_likeliest_candidates_come_first_where_time_may_run_out():
    frame, _, _ = wide(2, d=30)
    product = frame["c7"] * frame["c3"]
    problem = problem_of(frame, product)
    space = space_of(frame, ordered=True)
    nodes = space.listed(problem, 0).nodes
    first = [set(node.columns()) for node in nodes[:12]]
    assert {"c3", "c7"} in first
    assert set(nodes) == set(space_of(frame).listed(problem, 0).nodes)


def test_columns_keep_their_kind_in_the_screen():
    frame = mixed_frame(np.random.default_rng(0))
    space = space_of(frame, 50)
    listed = space.listed(problem_of(frame, np.arange(300) % 7), 0)
    assert len(listed.nodes) == 50
    assert all(isinstance(node.columns()[0], str) for node in listed.nodes)
    assert Column("day") not in listed.nodes


def test_a_search_that_is_stopped_has_scored_the_likeliest(monkeypatch):
    frame, product, rng = wide(3, d=30)
    problem = problem_of(frame, product + rng.normal(0, 0.3, len(product)))
    space = space_of(frame, ordered=True)
    budget = Budget()
    score = Screener.drops

    def once(self, nodes, *args):
        budget.stop("enough")
        return score(self, nodes, *args)

    monkeypatch.setattr(Screener, "drops", once)
    ranking = search(problem, space, 1, Settings(likeliest_first=True), budget)
    scored = [r for r in ranking.records.values() if r.stage != "candidate"]
    assert 0 < len(scored) < 0.05 * len(ranking.records)
    assert set(ranking.order[0].columns()) == {"c7", "c23"}
    missed = [r for r in ranking.records.values() if r.stage == "candidate"]
    assert {r.reason for r in missed} == {"not reached: enough"}


def test_the_very_likeliest_are_scored_however_short_the_time():
    frame, product, rng = wide(3, d=30)
    y = product + rng.normal(0, 0.3, len(product))
    with pytest.warns(FeatureKitWarning, match="unjudged"):
        maker = OpenFE(time_budget=0, random_state=0).fit(frame, y)
    assert 0 < maker.n_candidates_ < 100
    assert set(maker.features_[0].columns()) == {"c7", "c23"}


def test_training_ends_with_the_budget():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    folds = problem_of(pd.DataFrame(X), y).folds
    budget = Budget()
    model = BoostedModel(Squared(), rounds=30, budget=budget)
    assert model.train(model.dataset(X, y), np.arange(200)).current_iteration() == 30
    budget.stop("enough")
    assert model.train(model.dataset(X, y), np.arange(200)).current_iteration() == 1
    found = model.out_of_fold(X, y, folds)
    assert found.rounds == 1 and not np.isnan(found.raw).any()
