"""Names and JSON of trees go there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurekit.expressions import Call, Column, Expression, Literal, parse

columns = st.text(max_size=12).map(Column)
literals = st.one_of(
    st.text(max_size=8), st.integers(-(10**9), 10**9), st.floats(allow_nan=False)
)


def _calls(children):
    pairs = st.tuples(children, children)
    infix = st.builds(Call, st.sampled_from("+-*/"), pairs)
    named = st.builds(Call, st.sampled_from(["min", "GroupByThenMean"]), pairs)
    return st.one_of(infix, named, st.builds(Call, st.just("log"), st.tuples(children)))


trees = st.recursive(columns, _calls, max_leaves=8)


@given(trees)
def test_name_parses_back(tree):
    assert parse(tree.name) == tree


@given(trees)
def test_json_round_trip(tree):
    assert Expression.from_dict(json.loads(json.dumps(tree.to_dict()))) == tree


@given(st.one_of(st.text(max_size=10), st.integers(-(10**9), 10**9)))
def test_literals(value):
    tree = Call("TargetMean", (Column("k"), Literal(value)))
    assert parse(tree.name) == tree


@pytest.mark.parametrize(
    "text, name",
    [
        ("a+b*c", "a + (b * c)"),
        ("(a - b) - c", "(a - b) - c"),
        ("a - -1", "a - -1"),
        ("a -1", "a - 1"),
        ('"NT-a" / b', '"NT-a" / b'),
    ],
)
def test_precedence_and_spaces(text, name):
    assert parse(text).name == name


def test_canonical_form_is_one_for_both_orders():
    assert parse("b + a").canonical() == parse("a + b").canonical()
    assert parse("b - a").canonical() != parse("a - b").canonical()


@pytest.mark.parametrize("text", ["", "a +", "f(a", "a b", "(a", "a & b", '"open'])
def test_malformed_names_say_where(text):
    with pytest.raises(ValueError, match="position"):
        parse(text)
