"""Fitted features depend on the row and the state alone; nesting leaks nothing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, TimeSeriesSplit

from featurekit.data.columns import NumericColumn, Table
from featurekit.expressions import cross_fit, fit, parse
from featurekit.expressions.evaluate import Distinct, has_learning
from featurekit.expressions.keyed import SMOOTHING, Key
from featurekit.expressions.restore import fitted_from_dict, fitted_to_dict
from tests.expressions.tables import (
    folds_of,
    make_frame,
    schema_of,
    table_of,
    target,
)

N = 200
FRAME = make_frame(N)
TABLE = table_of(FRAME)
Y = target(N)["numbers"]
TARGET = Y, None
FOLDS = folds_of(KFold(4, shuffle=True, random_state=1), N)

FEATURES = [
    *("x", "log(x)", "x/z", "(x+z)*o", "sigmoid(residual(x))", "month(t)"),
    *("freq(c)", "freq(o)", "count(x)", "freq(month(t))", "count_missing(x;c)"),
    *("mean(x|c)", "median(z|o)", "std(x|d)"),
    *("rank(x|c)", "nunique(o|c)", "zscore(x|c)"),
    *("c&o", "freq(c&d)", "max(x|c&d)"),
    *("target_mean(c)", "target_mean(d&o)", "x-mean(x|c)"),
    *("mean(target_mean(c)|d)", "freq(round(x))", "freq(freq(c))"),
    "min(rank(x|c);target_mean(o))/z",
]


def codes(values):
    """Values as floats, whatever their kind."""
    return np.asarray(values.codes if isinstance(values, Key) else values, np.float64)


# --- new rows


@pytest.mark.parametrize("text", FEATURES)
def test_one_row_a_batch_and_all_rows_give_the_same_bits(text):
    fitted = fit(parse(text), TABLE, TARGET, FOLDS)
    everything = codes(fitted.values(TABLE))
    assert len(everything) == N
    some = np.array([5, 199, 5, 0, 77])
    np.testing.assert_array_equal(
        codes(fitted.values(TABLE.take(some))), everything[some]
    )
    for i in range(0, N, 17):
        one = codes(fitted.values(TABLE.take([i])))
        np.testing.assert_array_equal(one, everything[i : i + 1])
    assert len(codes(fitted.values(TABLE.take(slice(0, 0))))) == 0


@pytest.mark.parametrize("text", FEATURES)
def test_applying_changes_nothing(text):
    fitted = fit(parse(text), TABLE, TARGET, FOLDS)
    before = codes(fitted.values(TABLE)).copy()
    fitted.values(TABLE.take([3, 4]))
    fresh = make_frame(50, seed=9).assign(c="never")
    fitted.values(table_of(fresh, TABLE))
    np.testing.assert_array_equal(codes(fitted.values(TABLE)), before)


@pytest.mark.parametrize("text", FEATURES)
def test_order_of_rows_in_fit_does_not_matter(text):
    order = np.random.default_rng(0).permutation(N)
    straight = fit(parse(text), TABLE, TARGET, FOLDS).values(TABLE)
    mixed = fit(parse(text), TABLE.take(order), (Y[order], None), FOLDS.take(order))
    np.testing.assert_allclose(
        codes(mixed.values(TABLE)), codes(straight), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("text", FEATURES)
def test_order_of_rows_out_of_fold_does_not_matter(text):
    order = np.random.default_rng(0).permutation(N)
    straight = cross_fit(parse(text), TABLE, TARGET, FOLDS)
    mixed = cross_fit(
        parse(text), TABLE.take(order), (Y[order], None), FOLDS.take(order)
    )
    np.testing.assert_allclose(codes(mixed), codes(straight)[order], 1e-9, 1e-12)


@pytest.mark.parametrize("text", FEATURES)
def test_a_stored_feature_is_the_same_feature(text):
    fitted = fit(parse(text), TABLE, TARGET)
    stored = json.dumps(fitted_to_dict(fitted), allow_nan=False)
    again = fitted_from_dict(json.loads(stored), schema_of(TABLE))
    assert again.expression == fitted.expression
    new = table_of(make_frame(60, seed=3), TABLE)
    for table in (TABLE, new):
        np.testing.assert_array_equal(
            codes(again.values(table)), codes(fitted.values(table))
        )


@pytest.mark.parametrize("text", FEATURES)
def test_nothing_learnt_means_no_difference_out_of_fold(text):
    node = parse(text)
    learns = any(sign in text for sign in ("|", "freq(", "count(", "target_"))
    assert has_learning(node) == learns
    if not learns:
        np.testing.assert_array_equal(
            codes(cross_fit(node, TABLE, TARGET, FOLDS)),
            codes(fit(node, TABLE, TARGET).values(TABLE)),
        )


def test_infinities_count_as_missing():
    x = np.array([1.0, np.inf, -np.inf, np.nan, 3.0])
    table = Table.of({"x": NumericColumn(x), "k": NumericColumn(np.ones(5))})
    gone = [False, True, True, True, False]
    np.testing.assert_array_equal(np.isnan(fit(parse("x"), table).values(table)), gone)
    mean = fit(parse("mean(x|k)"), table).values(table)
    np.testing.assert_array_equal(mean, np.full(5, 2.0))
    key = fit(parse("freq(x)"), table).values(table)
    np.testing.assert_array_equal(key, [0.2, np.nan, np.nan, np.nan, 0.2])
    np.testing.assert_array_equal(x[1:3], [np.inf, -np.inf])  # the input is untouched


@given(
    st.lists(st.floats(allow_nan=True, width=32), max_size=12),
    st.lists(st.floats(allow_nan=True, width=32), max_size=12),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_distinct_values_get_codes_of_their_own(seen, asked):
    seen, asked = np.array(seen, float), np.array(asked, float)
    distinct, _ = Distinct.learn(seen, np.isnan(seen))
    key = distinct.encode(asked, np.isnan(asked))
    known = sorted(set(seen[~np.isnan(seen)]))
    assert key.size == len(known) + 2
    for value, code in zip(asked, key.codes, strict=True):
        if np.isnan(value):
            assert code == key.missing
        elif value in known:
            assert known[code] == value
        else:
            assert code == key.unseen


# --- nesting


def target_mean(key, y):
    """Table of a key's smoothed target mean, and what an unseen key gets."""
    key = key.fillna("gone")
    prior = y.mean()
    groups = pd.Series(y, key.index).groupby(key)
    table = (groups.sum() + SMOOTHING * prior) / (groups.count() + SMOOTHING)
    return lambda new: new.fillna("gone").map(table).fillna(prior).to_numpy()


def inner_values(train, folds, f):
    """Out-of-fold target means of c, on the training rows of fold f alone."""
    out = pd.Series(np.nan, train)
    for g in range(folds.n_folds):
        if g == f:
            continue
        learn = np.intersect1d(folds.train_rows(g), train)
        tell = np.intersect1d(folds.test_rows(g), train)
        if len(learn) and len(tell):
            mean = target_mean(FRAME["c"].iloc[learn], Y[learn])
            out[tell] = mean(FRAME["c"].iloc[tell])
    return out


def naive(kind, folds):
    """Features on TargetMean(c), one fold at a time in pandas."""
    out = np.full(N, np.nan)
    for f in range(folds.n_folds):
        train, test = folds.train_rows(f), folds.test_rows(f)
        x = FRAME["x"].iloc[test].to_numpy()
        encoded = target_mean(FRAME["c"].iloc[train], Y[train])(FRAME["c"].iloc[test])
        inner = inner_values(train, folds, f)
        by_d = inner.groupby(FRAME["d"].iloc[train].to_numpy())
        d = FRAME["d"].iloc[test]
        out[test] = {
            "plus": encoded + x,
            "mean": d.map(by_d.mean()),
            "diff": encoded - d.map(by_d.mean()),
            "std": d.map(by_d.std()) * x,
        }[kind]
    return out


NESTED = {
    "plus": "target_mean(c)+x",
    "mean": "mean(target_mean(c)|d)",
    "diff": "diff(target_mean(c)|d)",
    "std": "std(target_mean(c)|d)*x",
}


@pytest.mark.parametrize(
    "splitter",
    [KFold(4), KFold(3, shuffle=True, random_state=2), TimeSeriesSplit(4)],
    ids=["4-fold", "shuffled", "time"],
)
@pytest.mark.parametrize("kind", NESTED)
def test_nested_out_of_fold_values_equal_a_naive_loop(kind, splitter):
    folds = folds_of(splitter, N)
    ours = cross_fit(parse(NESTED[kind]), TABLE, TARGET, folds)
    theirs = naive(kind, folds)
    tested = folds.fold >= 0
    if isinstance(splitter, TimeSeriesSplit):
        tested &= folds.fold >= 2  # two inner folds at least, or none are used
    np.testing.assert_allclose(ours[tested], theirs[tested], rtol=1e-9, atol=1e-12)
    assert np.isfinite(ours[tested]).mean() > 0.5


@pytest.mark.parametrize("text", ["target_mean(c)", *NESTED.values()])
def test_a_rows_own_fold_never_shows_in_its_value(text):
    """Other targets in a fold leave the out-of-fold values of its rows alone."""
    node = parse(text)
    before = cross_fit(node, TABLE, TARGET, FOLDS)
    for f in range(FOLDS.n_folds):
        rows = FOLDS.test_rows(f)
        y = Y.copy()
        y[rows] = 1000 + np.arange(len(rows))
        after = cross_fit(node, TABLE, (y, None), FOLDS)
        np.testing.assert_array_equal(after[rows], before[rows])
        others = np.setdiff1d(np.arange(N), rows)
        assert not np.allclose(after[others], before[others], equal_nan=True)


@pytest.mark.parametrize("text", ["rank(x|c)", "zscore(x|c)", "x-freq(c)"])
def test_a_rows_own_fold_teaches_it_nothing_of_other_columns(text):
    """Likewise where the statistic is one of the inputs."""
    node = parse(text)
    before = cross_fit(node, TABLE, (None, None), FOLDS)
    rows = FOLDS.test_rows(1)
    one, rest = rows[0], rows[1:]
    frame = FRAME.copy()
    frame.loc[rest, "x"] = 77.0
    frame.loc[rest, "c"] = "a"
    after = cross_fit(node, table_of(frame, TABLE), (None, None), FOLDS)
    np.testing.assert_allclose(after[one], before[one], rtol=1e-12)


@pytest.mark.parametrize("text", ["mean(target_mean(c)|d)"])
def test_fit_on_folds_learns_from_out_of_fold_values(text):
    """A table on a table sees what new rows will have, not its own rows' targets."""
    fitted = fit(parse(text), TABLE, TARGET, FOLDS)
    inner = pd.Series(cross_fit(parse("target_mean(c)"), TABLE, TARGET, FOLDS))
    theirs = FRAME["d"].map(inner.groupby(FRAME["d"]).mean())
    np.testing.assert_allclose(fitted.values(TABLE), theirs)
    in_sample = fit(parse(text), TABLE, TARGET).values(TABLE)
    assert not np.allclose(in_sample, theirs)


@pytest.mark.parametrize("text", ["freq(c)+x", *NESTED.values()])
def test_rows_of_no_fold_are_missing_in_a_nested_tree(text):
    folds = folds_of(TimeSeriesSplit(4), N)
    ours = cross_fit(parse(text), TABLE, TARGET, folds)
    assert np.isnan(ours[folds.fold < 0]).all()


# --- errors


@pytest.mark.parametrize(
    "text, message",
    [
        ("Frequency(c)", "no operator 'Frequency'.*register_operator"),
        ("mean(x)", "takes 2 argument"),
        ("log(x, z)", "log takes 1 argument"),
        ("target_mean()", "takes 1 or 2 arguments"),
        ("target_mean(c;'a';'b')", "takes 1 or 2 arguments"),
        ("log(c)", "'c' is used where a numeric input is needed, but it is key"),
        ("x+t", "'t' is used where a numeric input is needed, but it is datetime"),
        ("x+1", "'1' is used where a numeric input is needed, but it is literal"),
        ("month(x)", "'x' is used where a datetime input is needed"),
        ("mean(x|t)", "'t' is used where a key input is needed"),
    ],
)
def test_what_does_not_fit_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        fit(parse(text), TABLE, TARGET)
    with pytest.raises(ValueError, match=message):
        cross_fit(parse(text), TABLE, TARGET, FOLDS)


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="no column 'xx'.*'x'"):
        fit(parse("log(xx)"), TABLE)


def test_distinct_values_within_two_keys_of_many_values():
    """A table of all pairs would take more memory than there is."""
    n = 200_000
    a, b = (NumericColumn(np.arange(float(n)) // 2), NumericColumn(np.arange(float(n))))
    table = Table.of({"a": a, "b": b})
    values = fit(parse("nunique(b|a)"), table).values(table)
    np.testing.assert_array_equal(values, 2.0)


@pytest.mark.parametrize("numbers", [[-3, -3, 2, 5], [-(10**12), 7, 10**15, 7]])
def test_whole_numbers_below_zero_are_numbered(numbers):
    values = np.array(numbers)
    gone = np.zeros(len(values), bool)
    distinct, key = Distinct.learn(values, gone)
    np.testing.assert_array_equal(distinct.seen, np.unique(values))
    np.testing.assert_array_equal(key.codes, distinct.encode(values, gone).codes)
    np.testing.assert_array_equal(distinct.seen[key.codes], values)
