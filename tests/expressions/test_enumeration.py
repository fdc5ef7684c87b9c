"""The reference's candidates to the number, and why some need no score.

`test_grammar` has the first cases; here are shapes at random, and the truth of every
reason on data.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from featurekit.data.columns import CategoricalColumn, NumericColumn, Table
from featurekit.expressions import OPERATORS, Column, fit, parse
from featurekit.expressions.grammar import (
    DEFAULT,
    MAX_ORDINAL,
    OPENFE,
    Enumeration,
    Member,
    count_candidates,
    n_reference_candidates,
    operator_names,
    pool_of,
    with_calendar,
)
from featurekit.expressions.operators import Elementwise, register_operator
from tests.expressions.tables import make_frame, table_of

N = 150


def table_with(numeric, categorical, ordinal, n=N):
    """Columns of the three kinds, mixed up; the first ordinal one has gaps."""
    rng = np.random.default_rng(0)
    columns = {f"n{i}": NumericColumn(rng.normal(size=n)) for i in range(numeric)}
    for i in range(categorical):
        columns[f"c{i}"] = CategoricalColumn(rng.integers(0, 4, n), tuple("abc"))
    for i in range(ordinal):
        values = rng.integers(0, 5, n).astype(float)
        values[: 9 * (i == 0)] = np.nan
        columns[f"o{i}"] = NumericColumn(values)
    names = rng.permutation(list(columns))
    return Table.of({name: columns[name] for name in names})


def enumerate_all(table, operators=OPENFE, **more):
    return Enumeration(pool_of(table), operators, len(table), **more)


def counts_of_the_reference(numeric, categorical, ordinal):
    """The specification's table, pairs counted one by one."""
    numbers = [f"n{i}" for i in range(numeric)] + [f"o{i}" for i in range(ordinal)]
    keys = [f"c{i}" for i in range(categorical)] + [f"o{i}" for i in range(ordinal)]
    counts = {"freq": len(numbers) + len(keys)}
    for op in ("abs", "log", "sqrt", "square", "sigmoid", "round", "residual"):
        counts[op] = len(numbers)
    for op in ("min", "max", "+", "-", "*", "/"):
        counts[op] = len(list(combinations(numbers, 2)))
    for op in ("group_min", "group_max", "mean", "median", "std", "rank"):
        counts[op] = sum(a != k for a in numbers for k in keys)
    for op in ("combine", "pair_freq"):
        counts[op] = len(list(combinations(keys, 2)))
    counts["nunique"] = sum(a != k for a in keys for k in keys)
    return counts


shapes = st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 4))


@given(shapes.filter(any))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_counts_per_operator(shape):
    found = enumerate_all(table_with(*shape))
    expected = counts_of_the_reference(*shape)
    assert {op: found.counts[op] for op in OPENFE} == expected
    numeric, categorical, ordinal = shape
    n, c = numeric + ordinal, categorical + ordinal
    assert sum(expected.values()) == n_reference_candidates(n, c, ordinal)
    of_reference = [x for x in found.candidates if not x.extra]
    assert len(of_reference) == sum(expected.values())


@pytest.mark.parametrize(
    "numeric, categorical, ordinal, total",
    [
        *((8, 0, 0, 232), (100, 0, 0, 30_500), (20, 10, 20, 13_850), (3, 2, 0, 84)),
        *((8, 1, 0, 281), (7, 0, 1, 275), (2, 15, 2, 1025), (2, 8, 4, 822)),
    ],
)
def test_totals_measured_on_the_reference(numeric, categorical, ordinal, total):
    n, c = numeric + ordinal, categorical + ordinal
    assert n_reference_candidates(n, c, ordinal) == total
    if total > 20_000:
        return  # a matter of seconds; the formula is tested above
    found = enumerate_all(table_with(numeric, categorical, ordinal))
    assert found.counts.total() == total


@given(shapes.filter(any), st.sampled_from([OPENFE, DEFAULT]))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_no_candidate_is_scored_twice(shape, operators):
    found = enumerate_all(table_with(*shape), operators)
    kept = [node.canonical() for node in found.kept]
    assert len(set(kept)) == len(kept)
    assert not any(isinstance(node, Column) for node in kept)
    dropped = [c for c in found.candidates if c.reason is not None]
    assert len(kept) + len(dropped) == len(found.candidates)


def test_every_operator_of_the_default_has_candidates():
    frame = make_frame(400).rename(columns={"d": "e"})
    frame["whole"] = np.random.default_rng(0).integers(0, 120, 400).astype(float)
    table = table_of(frame)
    pool = with_calendar(pool_of(table), table)
    found = Enumeration(pool, DEFAULT, 400)
    used = {c.expression.op for c in found.candidates}
    # a frequency of a pair is a frequency
    assert used == set(DEFAULT) - {"pair_freq"}
    assert found.counts["pair_freq"] > 0


def test_what_is_beyond_the_reference_is_not_counted_as_its():
    found = enumerate_all(table_with(3, 2, 1))
    extra = [c.expression for c in found.candidates if c.extra]
    assert extra
    assert {node.op for node in extra} == {"/"}


# --- the pool


def members(**columns):
    table = Table.of(
        {
            name: values
            if isinstance(values, CategoricalColumn)
            else NumericColumn(np.asarray(values, float))
            for name, values in columns.items()
        }
    )
    return {m.expression.name: m for m in pool_of(table)}


def test_kinds_of_columns():
    n = 300
    rng = np.random.default_rng(0)
    kinds = members(
        few=np.arange(n) % MAX_ORDINAL,
        many=np.arange(n) % (MAX_ORDINAL + 1),
        constant=np.ones(n),
        nothing=np.full(n, np.nan),
        one_or_missing=np.where(rng.random(n) < 0.5, 1.0, np.nan),
        word=CategoricalColumn(rng.integers(0, 3, n), ("a", "b", "c")),
        one_word=CategoricalColumn(np.zeros(n, int), ("a", "b", "c")),
        word_or_missing=CategoricalColumn(rng.choice([0, 3], n), ("a", "b", "c")),
    )
    assert {name: m.kind for name, m in kinds.items()} == {
        "few": "ordinal",
        "many": "numeric",
        "constant": "constant",
        "nothing": "constant",
        "one_or_missing": "ordinal",
        "word": "categorical",
        "one_word": "constant",
        "word_or_missing": "categorical",
    }
    assert kinds["one_or_missing"].gaps
    assert kinds["word_or_missing"].gaps
    assert not kinds["few"].gaps


def test_what_a_member_says_of_its_values():
    x = [3.0, -1.0, np.nan, np.inf, 0.0, 0.0]
    m = members(x=x, y=np.arange(6) + 0.5)["x"]
    assert (m.low, m.high, m.n_distinct) == (-1.0, 3.0, 3)
    assert m.whole and m.has_zero and m.gaps
    assert not m.unique and not m.sign_is_fixed
    assert members(y=np.arange(6) + 0.5)["y"].unique
    assert members(y=np.arange(6) + 0.5)["y"].sign_is_fixed
    assert members(y=-np.arange(1, 6))["y"].sign_is_fixed


def test_constant_columns_are_in_no_candidate():
    table = Table.of(
        {
            "a": NumericColumn(np.arange(N) * 1.5),
            "b": NumericColumn(np.full(N, 2.0)),
            "c": CategoricalColumn(np.zeros(N, int), ("x",)),
        }
    )
    used = {n for e in enumerate_all(table, DEFAULT).kept for n in e.columns()}
    assert used <= {"a"}


# --- the same to a tree


def awkward_table(seed):
    """Signs, zeros, gaps, whole numbers, ranges apart and touching."""
    rng = np.random.default_rng(seed)
    gaps = rng.random(N) < 0.15
    steps = np.abs(rng.normal(size=N))
    numbers = {
        "any": rng.normal(size=N),
        "any_gaps": np.where(gaps, np.nan, rng.normal(size=N)),
        "positive": 0.1 + steps,
        "positive_gaps": np.where(gaps, np.nan, 0.3 + rng.random(N)),
        "negative": -0.1 - steps,
        "zeros": np.where(rng.random(N) < 0.2, 0.0, rng.normal(size=N)),
        "not_below_zero": np.where(rng.random(N) < 0.2, 0.0, steps),
        "whole": rng.permutation(np.arange(N) - 60.0),
        "few": rng.integers(-2, 3, N),
        "few_positive": rng.integers(1, 4, N),
        "far": 50 + rng.random(N),
        "touching": rng.uniform(-9, 0.1, N).clip(max=0.1),
        "far_gaps": np.where(gaps, np.nan, 90 + rng.random(N)),
    }
    return Table.of({k: NumericColumn(v.astype(float)) for k, v in numbers.items()})


def look(node, table):
    return fit(node, table).values(table)


def same_to_a_tree(a, b):
    """The same rows are missing, and the others are in the same order or reversed."""
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    seen = ~np.isnan(a)
    rank_a, rank_b = (rankdata(x[seen], method="dense") for x in (a, b))
    reverse = rankdata(-b[seen], method="dense")
    return np.array_equal(rank_a, rank_b) or np.array_equal(rank_a, reverse)


def saturates(x):
    """Float64 has no numbers left next to one: ties where the argument has none."""
    return np.nanmax(np.abs(x)) > 30


def equivalent_of(reason):
    """The feature that the reason says the candidate is equivalent to."""
    return parse(reason.rpartition(" to " if "equivalent" in reason else " as ")[2])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_dropped_is_equivalent_to_what_it_is_said_to_be(seed):
    table = awkward_table(seed)
    found = enumerate_all(table)
    there = set(found.kept) | {Column(name) for name in table.names}
    kinds = set()
    for candidate in found.candidates:
        node, reason = candidate.expression, candidate.reason
        if reason is None or reason == "the same as another candidate":
            continue
        values = look(node, table)
        if reason.startswith("constant"):
            kinds.add(reason)
            assert len(np.unique(values[~np.isnan(values)])) == 1, node.name
            continue
        other = equivalent_of(reason)
        assert other in there, (node.name, reason)
        theirs = look(other, table)
        kinds.add(reason.partition(other.name)[0])
        if reason.startswith("the same values as"):
            np.testing.assert_array_equal(values, theirs)
            assert candidate.equivalent_to is None
        elif node.op == "sigmoid" and saturates(theirs):
            in_order = values[np.argsort(theirs)]
            assert (np.diff(in_order[~np.isnan(in_order)]) >= 0).all()
        else:
            assert candidate.equivalent_to == other
            assert same_to_a_tree(values, theirs), (node.name, reason)
    assert kinds == {
        "for tree models equivalent to ",
        "the same values as ",
        "constant: whole numbers have no fraction",
        "constant: every value occurs once",
    }


def test_what_is_the_same_as_another_candidate_is_among_the_others():
    found = enumerate_all(table_with(2, 2, 2))
    kept = set(found.kept)
    again = [c for c in found.candidates if c.reason == "the same as another candidate"]
    assert {c.expression for c in again} == {parse("freq(o0)"), parse("freq(o1)")}
    assert all(c.expression in kept for c in again)


@pytest.mark.parametrize(
    "operators, kept",
    [
        (["square"], {"square(any)"}),
        (["sqrt"], {"sqrt(any)"}),
        (["sqrt", "square"], {"sqrt(any)"}),  # one of those that order the rows alike
        (["abs", "sqrt", "square"], {"abs(any)"}),
        (["square", "abs"], {"abs(any)"}),
        (["sigmoid"], set()),  # of a column, which is there
    ],
)
def test_a_candidate_is_dropped_only_if_its_equivalent_is_there(operators, kept):
    table = table_of(pd.DataFrame({"any": [-2.0, -1.0, 0.5, 1.5, 3.0] * 20}))
    found = Enumeration(pool_of(table), operators, len(table))
    assert {node.name for node in found.kept} == kept


def test_calendar_parts_are_candidates():
    """They are in the pool as keys, which makes them no features by itself."""
    table = table_of(pd.DataFrame({"t": make_frame(400)["t"]}))
    pool = with_calendar(pool_of(table), table)
    names = {e.name for e in Enumeration(pool, ["month", "sqrt"], 400).kept}
    # sqrt(hour(t)) orders the rows like hour(t), which is no candidate here
    assert names == {"month(t)", "sqrt(hour(t))", "sqrt(day_of_week(t))"}
    everything = Enumeration(pool, DEFAULT, 400)
    assert {"month(t)", "hour(t)"} <= {e.name for e in everything.kept}


def test_for_other_models_what_orders_the_rows_alike_is_not_the_same():
    table = awkward_table(0)
    pool = pool_of(table)
    found = Enumeration(pool, OPENFE, len(table), trees=False)
    kept = {node.name for node in found.kept}
    assert {"log(positive)", "sqrt(positive)", "square(any)", "sigmoid(any)"} <= kept
    assert {"far/positive", "positive/far"} <= kept
    assert "abs(positive)" not in kept  # the very same values
    assert all(c.equivalent_to is None for c in found.candidates)
    counted = count_candidates(pool, OPENFE, len(table), trees=False)
    assert counted.total() == len(found.candidates)


@pytest.mark.parametrize("seed", range(3))
def test_kept_quotients_differ_and_dropped_ones_do_not(seed):
    """Both orientations where signs differ, one where the other is it backwards."""
    table = awkward_table(seed)
    kept = {node.name for node in enumerate_all(table, ["/"]).kept}
    for a, b in combinations(table.names, 2):
        one, other = f"{a}/{b}", f"{b}/{a}"
        assert one in kept or other in kept
        if not (one in kept and other in kept):
            assert same_to_a_tree(look(parse(one), table), look(parse(other), table))
    assert "any/positive" in kept and "positive/any" in kept
    assert len({"positive/far", "far/positive"} & kept) == 1


def test_differences_are_made_one_way_only():
    table = awkward_table(0)
    kept = {node.name for node in enumerate_all(table, ["-"]).kept}
    pairs = list(combinations(table.names, 2))
    for a, b in pairs:
        assert (f"{a}-{b}" in kept) != (f"{b}-{a}" in kept)
        assert same_to_a_tree(
            look(parse(f"{a}-{b}"), table), look(parse(f"{b}-{a}"), table)
        )
    assert len(kept) == len(pairs)


def test_what_is_kept_by_one_operator_is_not_its_argument():
    """Nothing that would have been worth a reason."""
    table = awkward_table(1)
    for node in enumerate_all(table, ["log", "square", "sigmoid", "round"]).kept:
        if node.columns() == ("touching",):
            continue  # its few positive values are less than any other in size
        assert not same_to_a_tree(look(node, table), look(node.args[0], table))


# --- targets, order two, names


def test_target_statistics_of_keys_and_pairs():
    table = table_with(1, 2, 1)
    found = enumerate_all(table, ["target_mean"])
    names = {node.name for node in found.kept}
    assert {"target_mean(c0)", "target_mean(o0)", "target_mean(c0&c1)"} <= names
    assert len(names) == 3 + 3
    assert all(node.op == "target_mean" for node in found.kept)


def test_target_rates_of_each_class():
    found = enumerate_all(table_with(0, 2, 0), ["target_mean"], classes=("x", "y", "z"))
    assert len(found.kept) == 3 * 3
    assert parse("target_rate(c1;'y')") in found.kept


def test_target_statistics_of_what_never_repeats_are_left_out():
    n = 500
    unique = CategoricalColumn(np.arange(n), tuple(f"{i:03}" for i in range(n)))
    table = Table.of({"id": unique, "k": NumericColumn(np.arange(n) % 7.0)})
    names = {node.name for node in enumerate_all(table, ["target_mean"]).kept}
    assert "target_mean(id)" not in names
    assert "target_mean(k)" in names


def test_order_two_uses_what_survived():
    table = table_with(2, 1, 0)
    pool = pool_of(table)
    new = parse("n0/n1")
    values = look(new, table)
    fresh = frozenset([new])
    found = Enumeration(
        [*pool, Member.of_numbers(new, values, key=False)], OPENFE, N, fresh=fresh
    )
    assert found.kept
    for node in found.kept:
        assert new in node.walk()
        assert node != new
    seen = {n.name for n in found.kept}
    assert "n0*(n0/n1)" in seen
    assert "mean(n0/n1|c0)" in seen


def test_calendar_parts_become_keys():
    table = table_of(pd.DataFrame({"t": make_frame(400)["t"], "x": np.arange(400.0)}))
    pool = with_calendar(pool_of(table), table)
    keys = {m.expression.name: m for m in pool if m.is_key}
    assert set(keys) == {"month(t)", "day_of_week(t)", "hour(t)"}
    names = {e.name for e in Enumeration(pool, ["mean"], 400).kept}
    assert "mean(x|month(t))" in names


def test_a_users_operator_is_enumerated():
    register_operator(Elementwise("hypot", ("numeric", "numeric"), function=np.hypot))
    try:
        found = enumerate_all(table_with(3, 0, 0), ["hypot"])
    finally:
        del OPERATORS["hypot"]
    names = {node.name for node in found.kept}
    # nobody said that it is commutative
    assert names == {
        f"hypot({a};{b})" for a in ("n0", "n1", "n2") for b in ("n0", "n1", "n2")
        if a != b
    }  # fmt: skip


def test_names_of_operators():
    assert operator_names("openfe") == OPENFE
    assert operator_names("default") == DEFAULT
    assert operator_names(["+", "log", "+"]) == ("+", "log")
    with pytest.raises(ValueError, match="'openfe', 'default' or a list"):
        operator_names("all")
    with pytest.raises(ValueError, match="empty"):
        operator_names([])
    with pytest.raises(ValueError, match="no operator 'plus'"):
        operator_names(["plus"])


def test_a_feature_named_like_a_column_is_not_made():
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": [4.0, 6.0, 5.5]})
    frame["a*b"] = [0.3, 0.1, 0.2]
    table = table_of(frame)
    found = Enumeration(pool_of(table), ("+", "*"), len(table)).candidates
    reasons = {c.expression.name: c.reason for c in found}
    assert reasons["a*b"] == "X has a column of this name"
    assert reasons["a+b"] is None
