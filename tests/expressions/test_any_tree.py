"""Every operator in every place of a tree: fitted, cross-fitted, stored, loaded."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, TimeSeriesSplit

from featurekit.expressions import Call, Column, Literal, cross_fit, fit, parse
from featurekit.expressions.keyed import Key
from featurekit.expressions.operators import OPERATORS, Alias
from featurekit.expressions.restore import fitted_from_dict, fitted_to_dict
from tests.expressions.tables import (
    folds_of,
    make_frame,
    schema_of,
    table_of,
    target,
)

N = 90
FRAME = make_frame(N)
TABLE = table_of(FRAME)
LATER = table_of(make_frame(40, seed=1), like=TABLE)
CLASSES = ("low", "mid", "high")
FOLDS = {
    "shuffled": folds_of(KFold(3, shuffle=True, random_state=0), N),
    "time": folds_of(TimeSeriesSplit(3), N),
}
COLUMNS = {
    "numeric": ["x", "z", "o"],
    "key": ["c", "d", "o", "x"],
    "datetime": ["t"],
    "any": ["x", "c", "t", "o"],
}
REAL = [op for op in OPERATORS.values() if not isinstance(op, Alias)]
Y = target(N)


@st.composite
def trees(draw, kind="numeric", depth=3):
    """A tree of at most this depth whose value can be used as ``kind``."""
    if kind == "literal":
        return Literal(draw(st.sampled_from(CLASSES)))
    fits = [op for op in REAL if op.output == kind or kind in ("key", "any")]
    if depth == 0 or kind == "datetime" or draw(st.integers(0, 4)) == 0:
        return Column(draw(st.sampled_from(COLUMNS[kind])))
    return draw(calls(draw(st.sampled_from(fits)), depth))


@st.composite
def calls(draw, op, depth=3):
    """The operator on trees of one level less."""
    if op.takes_any_number:
        kinds = [op.input_kind(0)] * draw(st.integers(1, 3))
    else:
        least = sum(not kind.endswith("?") for kind in op.inputs)
        n = draw(st.integers(least, len(op.inputs)))
        kinds = [op.input_kind(i) for i in range(n)]
    return Call(op.name, tuple(draw(trees(kind, depth - 1)) for kind in kinds))


def goal(node):
    """A target that every statistic in the tree can be of."""
    calls_ = [n for n in node.walk() if isinstance(n, Call)]
    if any(n.op == "target_mean" and len(n.args) > 1 for n in calls_):
        return Y["classes"], CLASSES
    return Y["binary"], None


def plain(values):
    """Values as float64, a key as its codes."""
    return values.codes.astype(float) if isinstance(values, Key) else values


def check(node, folds):
    aim = goal(node)
    fitted = fit(node, TABLE, aim, folds)
    ours = fitted.values(LATER)
    assert len(plain(ours)) == 40
    assert isinstance(ours, Key) == (OPERATORS[node.op].output == "key")
    if not isinstance(ours, Key):
        assert ours.dtype == np.float64 and not np.isinf(ours).any()
    one_by_one = [plain(fitted.values(LATER.take(np.array([i])))) for i in range(40)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), plain(ours))
    content = json.loads(json.dumps(fitted_to_dict(fitted), allow_nan=False))
    again = fitted_from_dict(content, schema_of(TABLE))
    assert again.expression == node
    np.testing.assert_array_equal(plain(again.values(LATER)), plain(ours))
    train = cross_fit(node, TABLE, aim, folds)
    assert len(plain(train)) == N and isinstance(train, Key) == isinstance(ours, Key)
    if isinstance(train, Key):
        assert train.size == ours.size
        assert train.codes.min() >= 0 and train.codes.max() < train.size


@pytest.mark.parametrize("op", [op.name for op in REAL])
@given(data=st.data(), cv=st.sampled_from(sorted(FOLDS)))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_an_operator_on_any_trees(op, data, cv):
    check(data.draw(calls(OPERATORS[op])), FOLDS[cv])


@pytest.mark.parametrize("inner", [op.name for op in REAL])
@given(data=st.data(), cv=st.sampled_from(sorted(FOLDS)))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_an_operator_inside_any_operator(inner, data, cv):
    """The operator as argument of one that is itself an argument."""
    node = data.draw(calls(OPERATORS[inner], depth=1))
    for _ in range(2):
        node = data.draw(_around(node))
    check(node, FOLDS[cv])


@st.composite
def _around(draw, node):
    """An operator one of whose arguments is ``node``."""
    kind = OPERATORS[node.op].output
    usable = {kind, "key", "any"}
    places = [
        (op, i)
        for op in REAL
        for i in range(1 if op.takes_any_number else len(op.inputs))
        if op.input_kind(i) in usable
    ]
    op, place = draw(st.sampled_from(places))
    args = list(draw(calls(op, depth=1)).args)
    args[min(place, len(args) - 1)] = node
    return Call(op.name, tuple(args))


@pytest.mark.parametrize(
    "text",
    [
        "freq(CombineThenFreq(c, d))",
        "GroupByThenMean(CombineThenFreq(c, d), o)",
        "GroupByThenMean(x, Combine(CombineThenFreq(c, d), o))",
        "TargetMean(CombineThenFreq(c, d))",
        "log(CombineThenFreq(c, o)) + x",
    ],
)
def test_aliases_at_any_depth(text):
    check(parse(text), FOLDS["shuffled"])


@pytest.mark.parametrize("text", ["freq(freq(c))", "mean(x|freq(c&d))", "freq(c)&d"])
def test_keys_of_learnt_numbers_are_found_again(text):
    """New rows meet the keys that training rows had: both are values of all rows."""
    node = parse(text)
    fitted = fit(node, TABLE, (None, None), FOLDS["shuffled"])
    values = fitted.values(TABLE)
    if isinstance(values, Key):
        assert not (values.codes == values.unseen).any()
    else:
        in_sample = fit(node, TABLE).values(TABLE)
        np.testing.assert_array_equal(values, in_sample)
        assert np.nanmax(values) > 0


def test_keys_made_of_target_statistics_do_not_contain_the_rows_own_target():
    """The bin of a training row's target mean is that of its out-of-fold value."""
    folds = FOLDS["shuffled"]
    aim = (Y["numbers"], None)
    key = cross_fit(parse("bin(target_mean(x))"), TABLE, aim, folds)
    edges = fit(parse("bin(target_mean(x))"), TABLE, aim, folds).state
    inner = cross_fit(parse("target_mean(x)"), TABLE, aim, folds)
    np.testing.assert_array_equal(key.codes, np.searchsorted(edges, inner, "right"))


@pytest.mark.parametrize(
    "text, aim, what",
    [
        ("target_rate(c;'low')", (Y["binary"], None), "the target has no classes"),
        ("target_rate(c;'no')", (Y["classes"], CLASSES), "no class 'no'"),
        ("target_mean(c)", (None, None), "needs a target"),
    ],
)
def test_targets_that_do_not_fit_are_refused(text, aim, what):
    with pytest.raises(ValueError, match=what):
        fit(parse(text), TABLE, aim)


def test_too_many_combinations_are_refused():
    """Their numbers would not be distinct in 64 bits."""
    big = table_of(make_frame(5000))
    with pytest.raises(ValueError, match="too many combinations"):
        fit(parse("cross(x&z&x&z&x&z&x&z&x&z)"), big)
