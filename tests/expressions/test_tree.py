"""Trees: their names, and reading them back."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from featurekit.expressions.operators import OPERATORS
from featurekit.expressions.tree import (
    COMMUTATIVE,
    Call,
    Column,
    Expression,
    Literal,
    parse,
)

LOOSE = settings(max_examples=200, deadline=None, derandomize=True)

AWKWARD = [
    *("", " ", '"', "'", "\\", '\\"', "\\\\", "a\\", '"a"', "\\n", "\n", "\r\n", "\t"),
    *("a b", " a", "a ", "NT-proBNP", "a/b", "(a)", "a,b", "min", "min(a, b)", "+"),
    *("-", "1", "1.5", "-3", "1e9", "2x", "x2", "_", "__", "naïve", "größe", "価格"),
    *("٣", "²", "🙂", "\u200b", "\x00", "\x85", "\u2028", "None", "nan", "True"),
    *("GroupByThenMean", "GroupByThenMean(a, b)", '"a" + "b"', "a'b", "%s", "{0}"),
]

names = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=12))
literals = st.one_of(
    st.text(max_size=6),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
).map(Literal)


def _calls(inside):
    two = st.tuples(inside, inside)
    infix = st.builds(Call, st.sampled_from("+-*/"), two)
    prefix = st.builds(
        Call,
        st.sampled_from(["min", "Combine", "GroupByThenMean", "f", "año"]),
        st.lists(inside, max_size=3).map(tuple),
    )
    return st.one_of(infix, prefix)


trees = st.recursive(st.one_of(names.map(Column), literals), _calls, max_leaves=8)


@pytest.mark.parametrize("name", AWKWARD)
def test_a_column_of_any_name_reads_back(name):
    column = Column(name)
    assert parse(column.name) == column
    node = Call("-", (Call("log", (column,)), Call("+", (column, Column("other")))))
    assert parse(node.name) == node
    assert node.columns() == (name, "other")


@given(names)
@LOOSE
def test_any_column_name_reads_back(name):
    assert parse(Column(name).name) == Column(name)
    assert parse(f"  {Column(name).name}\n") == Column(name)


@given(trees)
@example(Call("-", (Column("a"), Literal(-1))))
@example(Call("-", (Literal(-1), Literal(-1.5))))
@example(Call("TargetMean", (Column("k"), Literal("it's"))))
@LOOSE
def test_any_tree_reads_back(node):
    again = parse(node.name)
    assert again == node
    assert again.name == node.name


@given(trees)
@LOOSE
def test_any_tree_survives_json(node):
    text = json.dumps(node.to_dict(), allow_nan=False)
    assert Expression.from_dict(json.loads(text)) == node


@given(trees, trees)
@LOOSE
def test_distinct_trees_have_distinct_names(a, b):
    assert (a.name == b.name) == (repr(a) == repr(b))


@given(trees)
@LOOSE
def test_canonical_form_is_final_and_keeps_the_columns(node):
    canonical = node.canonical()
    assert canonical.canonical() == canonical
    assert sorted(canonical.columns()) == sorted(node.columns())
    assert canonical.depth() == node.depth()


@pytest.mark.parametrize("op", sorted(OPERATORS))
def test_canonical_form_sorts_commutative_operands_only(op):
    a, b = Column("a"), Call("log", (Column("b"),))
    one, other = Call(op, (a, b)), Call(op, (b, a))
    same = one.canonical() == other.canonical()
    assert same == (op in COMMUTATIVE)
    if not same:
        assert one.canonical() == one


def test_canonical_form_goes_all_the_way_down():
    deep = parse("log(min(z, b + a)) / (y * x)")
    assert deep.canonical().name == "log(min(a + b, z)) / (x * y)"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a", Column("a")),
        ("a+b", Call("+", (Column("a"), Column("b")))),
        ("a - 1", Call("-", (Column("a"), Literal(1)))),
        ("a-1", Call("-", (Column("a"), Literal(1)))),
        ("a - -1", Call("-", (Column("a"), Literal(-1)))),
        ("(a)-1", Call("-", (Column("a"), Literal(1)))),
        ("f(-1)", Call("f", (Literal(-1),))),
        ("f()", Call("f", ())),
        ("f('x', 2.5)", Call("f", (Literal("x"), Literal(2.5)))),
        ("((a))", Column("a")),
        ('"a b"/c', Call("/", (Column("a b"), Column("c")))),
    ],
)
def test_what_is_read(text, expected):
    assert parse(text) == expected


def test_multiplication_binds_closer_and_operations_go_left_to_right():
    assert parse("a + b * c") == parse("a + (b * c)")
    assert parse("a * b + c") == parse("(a * b) + c")
    assert parse("a - b - c") == parse("(a - b) - c")
    assert parse("a / b / c") == parse("(a / b) / c")


def test_names_are_as_one_would_write_them():
    price, city = Column("price"), Column("home city")
    mean = Call("GroupByThenMean", (price, city))
    assert mean.name == 'GroupByThenMean(price, "home city")'
    assert Call("/", (price, mean)).name == f"price / {mean.name}"
    both = Call("*", (Call("+", (price, Column("tax"))), price))
    assert str(both) == "(price + tax) * price"


@pytest.mark.parametrize(
    "text, position, what",
    [
        ("", 0, "it ends too early"),
        ("   ", 3, "it ends too early"),
        ("a +", 3, "it ends too early"),
        ("f(a", 3, "it ends too early"),
        ("f(a,", 4, "it ends too early"),
        ("(a + b", 6, "it ends too early"),
        ("a b", 2, "unexpected 'b'"),
        ("a + * b", 4, "unexpected '*'"),
        ("f(a,)", 4, "unexpected ')'"),
        ("a)", 1, "unexpected ')'"),
        (", a", 0, "unexpected ','"),
        ("a % b", 2, "unexpected '%'"),
        ('a + "b', 4, "unexpected '\"'"),
        ("a + 2x", 4, "unexpected '2'"),
        ('"a" "b"', 5, "unexpected 'b'"),
    ],
)
def test_errors_say_where(text, position, what):
    with pytest.raises(ValueError, match="cannot read feature") as caught:
        parse(text)
    assert f"at position {position}: {what}" in str(caught.value)


@given(st.text(max_size=15))
@LOOSE
def test_any_text_is_read_or_refused_with_a_position(text):
    try:
        node = parse(text)
    except ValueError as error:
        assert "at position" in str(error)
    else:
        assert parse(node.name) == node


def test_walk_and_depth():
    node = parse("GroupByThenMean(a / b, c) - a")
    assert [type(n).__name__ for n in node.walk()] == [
        *("Call", "Call", "Call", "Column", "Column", "Column", "Column")
    ]
    assert node.columns() == ("a", "b", "c")
    assert node.depth() == 3
    assert Column("a").depth() == 0


def test_trees_are_values():
    a, b = parse("log(x) + y"), parse("log( x )+y")
    assert a == b
    assert len({a, b}) == 1
    with pytest.raises(AttributeError):
        a.op = "-"
