"""Trees: their names, and reading them back."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from featurekit.expressions.naming import parse
from featurekit.expressions.operators import INFIX, OPERATORS, Alias
from featurekit.expressions.tree import Call, Column, Expression, Literal

LOOSE = settings(max_examples=200, deadline=None, derandomize=True)

AWKWARD = [
    *("", " ", '"', "'", "\\", '\\"', "\\\\", "a\\", '"a"', "\\n", "\n", "\r\n", "\t"),
    *("a b", " a", "a ", "NT-proBNP", "a/b", "(a)", "a,b", "min", "min(a, b)", "+"),
    *("-", "1", "1.5", "-3", "1e9", "2x", "x2", "_", "__", "naïve", "größe", "価格"),
    *("٣", "²", "🙂", "\u200b", "\x00", "\x85", "\u2028", "None", "nan", "True"),
    *("GroupByThenMean", "GroupByThenMean(a, b)", '"a" + "b"', "a'b", "%s", "{0}"),
    *(
        "`",
        "``",
        "`a`",
        "\\`",
        "a`b",
        "a&b",
        "a|b",
        "a;b",
        "mean(a|b)",
        "min(a;b)",
        "&",
    ),
]

names = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=12))
literals = st.one_of(
    st.text(max_size=6),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
).map(Literal)


def _calls(inside):
    two = st.tuples(inside, inside)
    infix = st.builds(Call, st.sampled_from(["+", "-", "*", "/", "combine"]), two)
    prefix = st.builds(
        Call,
        st.sampled_from([*(set(OPERATORS) - set("+-*/") - {"combine"}), "f", "año"]),
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
    assert same == OPERATORS[op].commutative
    if not same:
        assert one.canonical() == one


def test_canonical_form_goes_all_the_way_down():
    deep = parse("log(min(z, b + a)) / (y * x)")
    assert deep.canonical().name == "log(min(a+b;z))/(x*y)"


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
    mean = Call("mean", (price, city))
    assert mean.name == "mean(price|`home city`)"
    assert Call("/", (price, mean)).name == f"price/{mean.name}"
    both = Call("*", (Call("+", (price, Column("tax"))), price))
    assert str(both) == "(price+tax)*price"


@pytest.mark.parametrize(
    "former, name",
    [
        ("price / area", "price/area"),
        ("(a + b) * c", "(a+b)*c"),
        ("min(a, b)", "min(a;b)"),
        ("GroupByThenMin(price, city)", "min(price|city)"),
        ("GroupByThenMax(price, city)", "max(price|city)"),
        ("GroupByThenMean(price, city)", "mean(price|city)"),
        ("GroupByThenMedian(price, city)", "median(price|city)"),
        ("GroupByThenStd(price, city)", "std(price|city)"),
        ("GroupByThenRank(price, city)", "rank(price|city)"),
        ("GroupByThenZScore(price, city)", "zscore(price|city)"),
        ("GroupByThenDiff(price, city)", "diff(price|city)"),
        ("GroupByThenRatio(price, city)", "ratio(price|city)"),
        ("GroupByThenNUnique(shop, city)", "nunique(shop|city)"),
        ("GroupByThenMean(price, Combine(city, month))", "mean(price|city&month)"),
        ("TargetMean(city)", "target_mean(city)"),
        ("TargetMean(Combine(city, month))", "target_mean(city&month)"),
        ("TargetMean(city, 'yes')", "target_rate(city;'yes')"),
        ("TargetMean(city, 2)", "target_rate(city;2)"),
        ("TargetWoE(city)", "target_woe(city)"),
        ("CombineThenFreq(a, b)", "freq(a&b)"),
        ("freq(CombineThenFreq(a, b))", "freq(freq(a&b))"),
        ("Combine(a, b)", "a&b"),
        ("Combine(Combine(a, b), c)", "(a&b)&c"),
        ("Cross(a, b, c)", "cross(a&b&c)"),
        ("Cross(a, Bin(b))", "cross(a&bin(b))"),
        ("Cross(Combine(a, b), c + d)", "cross((a&b)&(c+d))"),
        ("DayOfWeek(date)", "day_of_week(date)"),
        ("CountMissing(a, b)", "count_missing(a;b)"),
        ('GroupByThenMean("NT-proBNP", "a \\"b\\"")', 'mean(`NT-proBNP`|`a "b"`)'),
    ],
)
def test_former_names_are_read(former, name):
    node = parse(former)
    assert node.name == name
    assert parse(name) == node


@pytest.mark.parametrize("name", ["GroupByThenMean", "mean"])
def test_trees_hold_the_present_name_of_an_operator(name):
    node = Call(name, (Column("x"), Column("k")))
    assert node.op == "mean" and node == parse("mean(x|k)")


def test_trees_hold_what_an_alias_is_short_for():
    pair = (Column("a"), Column("b"))
    node = Call("log", (Call("CombineThenFreq", pair),))
    assert node == Call("log", (Call("freq", (Call("combine", pair),)),))
    assert Expression.from_dict(node.to_dict()) == node


def test_separators_tell_operators_of_one_label_apart():
    assert parse("min(a;b)").op == "min"
    assert parse("min(a|b)").op == "group_min"
    assert parse("group_min(a; b)") == parse("min(a|b)")


@given(trees)
@LOOSE
def test_models_take_every_name_of_plain_columns(node):
    """What operators add to a name has none of the characters that models refuse."""
    plain = {name: f"c{i}" for i, name in enumerate(node.columns())}
    name = _renamed(node, plain).name
    assert not set(name) & set('",:[]{}< \t\n')


def _renamed(node, columns):
    """The tree with other column names, and no literal of text."""
    if isinstance(node, Column):
        return Column(columns[node.name_])
    if isinstance(node, Literal):
        return Literal("yes") if isinstance(node.value, str) else node
    return Call(node.op, tuple(_renamed(arg, columns) for arg in node.args))


def test_every_operator_has_a_way_of_writing_of_its_own():
    forms = [
        (label, op.separator)
        for op in OPERATORS.values()
        if not isinstance(op, Alias)
        for label in op.labels
    ]
    assert len(set(forms)) == len(forms)
    assert all(label in INFIX or label.isidentifier() for label, _ in forms)


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
        ("f(a;b|c)", 5, "unexpected '|'"),
        ("hypot(a|b)", 0, "no operator is written hypot(...|...)"),
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
    node = parse("mean(a/b|c)-a")
    assert [type(n).__name__ for n in node.walk()] == [
        *("Call", "Call", "Call", "Column", "Column", "Column", "Column")
    ]
    assert node.columns() == ("a", "b", "c")
    assert node.depth() == 3
    assert Column("a").depth() == 0


def test_names_nested_too_deeply_are_refused():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse("(" * 50_000 + "a" + ")" * 50_000)


def test_trees_are_values():
    a, b = parse("log(x) + y"), parse("log( x )+y")
    assert a == b
    assert len({a, b}) == 1
    with pytest.raises(AttributeError):
        a.op = "-"
