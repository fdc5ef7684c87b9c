"""What the operators promise: gaps, unseen keys, pairs, and training rows as new rows.

`test_operators` has the plain cases; here are the rules that its data do not reach.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, LeaveOneOut, TimeSeriesSplit

from featurekit.data.columns import CategoricalColumn, NumericColumn, Table
from featurekit.expressions import evaluate
from featurekit.expressions.grammar import OPENFE
from featurekit.expressions.keyed import SMOOTHING, Key, Learning
from featurekit.expressions.naming import parse
from featurekit.expressions.operators import (
    OPERATORS,
    Binning,
    Elementwise,
    KeyTable,
    Pairing,
    register_operator,
)
from tests.expressions.tables import folds_of, make_frame, table_of, target
from tests.reference import operators as oracle

N = 200
FRAME = make_frame(N)
TABLE = table_of(FRAME)
Y = target(N)
CLASSES = ("low", "mid", "high")


def goal(text, rows=slice(None)):
    """The target that a feature needs, on some rows."""
    if "target_" not in text:
        return None, None
    if "'" in text:
        return Y["classes"][rows], CLASSES
    return Y["binary" if "woe" in text else "numbers"][rows], None


def fitted(text, table=TABLE):
    return evaluate.fit(parse(text), table, goal(text))


def values(text, table=TABLE):
    return fitted(text, table).values(table)


# --- all 23, on every kind of input

ARGUMENTS = {
    ("key",): ["c", "d", "o", "x"],
    ("numeric",): ["x", "z", "o"],
    ("numeric", "numeric"): ["x, z", "z, x", "x, o", "o, z"],
    ("numeric", "key"): ["x, c", "z, d", "x, o", "o, c", "z, x"],
    ("key", "key"): ["c, d", "d, c", "c, o", "o, z"],
}
CALLS = [(op, args) for op in OPENFE for args in ARGUMENTS[OPERATORS[op].inputs]]


GROUP = {
    "group_min": "Min",
    "group_max": "Max",
    "mean": "Mean",
    "median": "Median",
    "std": "Std",
}


def text_of(op, args):
    left, _, right = args.partition(", ")
    return f"{left} {op} {right}" if op in "+-*/" else f"{op}({args})"


def expected(op, args):
    columns = [FRAME[name] for name in args.split(", ")]
    if op == "freq":
        return oracle.frequency(*columns)
    if op == "rank":
        return oracle.rank(*columns)
    if op == "nunique":
        return oracle.n_unique(*columns)
    if op == "pair_freq":
        pair = columns[0].astype("string") + "_" + columns[1].astype("string")
        return oracle.frequency(pair)
    if op in GROUP:
        return oracle.group(GROUP[op], *columns)
    return (oracle.unary if len(columns) == 1 else oracle.binary)(op, *columns)


def test_the_reference_has_23_operators():
    assert len(OPENFE) == 23
    assert set(OPENFE) <= set(OPERATORS)


@pytest.mark.parametrize("op, args", [c for c in CALLS if c[0] != "combine"])
def test_in_sample(op, args):
    ours = values(text_of(op, args))
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, expected(op, args), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("args", ARGUMENTS["key", "key"])
def test_a_pair_is_one_key(args):
    ours = values(f"combine({args})")
    assert isinstance(ours, Key)
    theirs = (
        FRAME.groupby(args.split(", "))
        .ngroup()
        .replace(-1, np.nan)
        .fillna(ours.missing)
    )
    np.testing.assert_array_equal(ours.codes == ours.missing, theirs == ours.missing)
    ids = pd.DataFrame({"ours": ours.codes, "theirs": theirs}).drop_duplicates()
    assert ids["ours"].is_unique
    assert ids["theirs"].is_unique


def test_pairs_that_read_alike_are_told_apart():
    """As text joined by "_" these two pairs would be one; codes keep them apart."""
    table = Table.of(
        {
            "a": CategoricalColumn(np.array([0, 1]), ("x", "x_y")),
            "b": CategoricalColumn(np.array([1, 0]), ("z", "y_z")),
        }
    )
    key = values("a&b", table)
    assert key.codes[0] != key.codes[1]


@pytest.mark.parametrize("op, args", CALLS)
def test_missing_inputs_give_missing_values(op, args):
    """A row lacking the value itself; a key's statistic needs only its key."""
    ours = values(text_of(op, args))
    if isinstance(ours, Key):
        ours = np.where(ours.codes == ours.missing, np.nan, ours.codes)
    looked_up = isinstance(OPERATORS[op], KeyTable) and op != "rank"
    needed = args.split(", ")[-1:] if looked_up else args.split(", ")
    gone = FRAME[needed].isna().any(axis=1)
    assert np.isnan(ours[gone]).all()
    assert np.isfinite(ours[~gone]).any()


def by_hand(text, **columns):
    """Numbers, and keys given as text of a's, b's and blanks."""
    made = {}
    for name, given in columns.items():
        if isinstance(given, str):
            codes = np.array([2 if k == " " else "ab".find(k) for k in given])
            made[name] = CategoricalColumn(codes, ("a", "b"))
        else:
            made[name] = NumericColumn(np.array(given, float))
    return values(text, Table.of(made))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("log(x)", [np.log(2.5), np.nan, 0, np.nan]),
        ("sqrt(x)", [np.sqrt(2.5), 0, 1, np.nan]),
        ("round(x)", [-3, 0, 1, np.nan]),
        ("residual(x)", [0.5, 0, 0, np.nan]),
        ("z/x", [-0.4, np.nan, 1, np.nan]),
        ("min(x;z)", [-2.5, 0, 1, np.nan]),
        ("max(x;z)", [1, 1, 1, np.nan]),
        ("sigmoid(x)", [1 / (1 + np.exp(2.5)), 0.5, 1 / (1 + np.exp(-1)), np.nan]),
    ],
)
def test_elementwise_by_hand(text, expected):
    out = by_hand(text, x=[-2.5, 0, 1, np.nan], z=[1, 1, 1, 1])
    np.testing.assert_allclose(out, expected, rtol=1e-14)


@pytest.mark.parametrize("size", [1e17, 1e19, 1e300])
def test_floor_of_large_numbers(size):
    np.testing.assert_array_equal(by_hand("round(x)", x=[-size, size]), [-size, size])
    np.testing.assert_array_equal(by_hand("residual(x)", x=[-size, size]), [0, 0])


@pytest.mark.parametrize(
    "text, expected",
    [
        ("min(x|k)", [1, 1, 1, np.nan, np.nan]),
        ("max(x|k)", [3, 3, 3, np.nan, np.nan]),
        ("mean(x|k)", [2, 2, 2, np.nan, np.nan]),
        ("median(x|k)", [2, 2, 2, np.nan, np.nan]),
        ("std(x|k)", [np.sqrt(2), np.sqrt(2), np.sqrt(2), np.nan, np.nan]),
        ("rank(x|k)", [1.5 / 3, 2.5 / 3, np.nan, np.nan, np.nan]),
        ("freq(k)", [0.6, 0.6, 0.6, 0.2, np.nan]),
        ("count(k)", [3, 3, 3, 1, np.nan]),
        ("nunique(x|k)", [2, 2, 2, 0, np.nan]),
        ("freq(x&k)", [0.2, 0.2, np.nan, np.nan, np.nan]),
    ],
)
def test_key_tables_by_hand(text, expected):
    """Key b holds no x at all, the last row has no key."""
    out = by_hand(text, x=[1, 3, np.nan, np.nan, 9], k="aaab ")
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_deviation_of_a_lone_row_is_missing():
    out = by_hand("std(x|k)", x=[1, 3, 7], k="aab")
    np.testing.assert_allclose(out, [np.sqrt(2), np.sqrt(2), np.nan])


@pytest.mark.parametrize("level", [0.1, 1e6 + 0.1, 1e9])
@pytest.mark.parametrize("far", [10.0, 1e9])
def test_deviation_is_accurate_wherever_other_keys_lie(level, far):
    """One key is constant, one is small, one is far away."""
    rng = np.random.default_rng(0)
    x = np.r_[np.full(30, level), rng.normal(size=30), far + rng.normal(size=30)]
    key = np.repeat([0, 1, 2], 30)
    table = Table.of({"x": NumericColumn(x), "k": CategoricalColumn(key, (5, 6, 7))})
    theirs = pd.Series(x).groupby(key).transform("std")
    ours = values("std(x|k)", table)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=0)
    assert np.isnan(values("zscore(x|k)", table)[:30]).all()


# --- rank


def test_rank_in_sample_is_the_reference_rank_with_the_row_counted_twice():
    rank = FRAME["x"].groupby(FRAME["c"]).rank()
    n = FRAME["c"].map(FRAME["x"].groupby(FRAME["c"]).count())
    ours = values("rank(x|c)")
    np.testing.assert_allclose(ours, (rank + 0.5) / (n + 1))


@pytest.mark.parametrize("value", [-9.0, -0.3, 0.0, 9.0, np.nan])
def test_rank_of_a_new_row_is_its_rank_among_the_fitted_rows(value):
    row = FRAME.iloc[[0]].assign(x=value, c="b")
    ours = fitted("rank(x|c)").values(table_of(row, TABLE))[0]
    peers = FRAME.loc[FRAME["c"] == "b", "x"].dropna()
    theirs = pd.Series([*peers, value]).rank(pct=True).iloc[-1]
    assert ours == pytest.approx(theirs, nan_ok=True)


def test_rank_out_of_fold_is_the_reference_rank_if_each_row_is_its_own_fold():
    """A row's rank in its own group is its rank put among the others."""
    node = parse("rank(x|c)")
    folds = folds_of(LeaveOneOut(), N)
    ours = evaluate.cross_fit(node, TABLE, (None, None), folds)
    theirs = FRAME["x"].groupby(FRAME["c"]).rank(pct=True)
    lone = FRAME["c"].map(FRAME["x"].groupby(FRAME["c"]).count()) == 1
    np.testing.assert_allclose(ours, theirs.mask(lone))


# --- relative, target, calendar


def test_relative_values_out_of_their_domain_are_missing():
    columns = {"x": [-1, 1, 4, 4, 7], "k": "aabb "}
    ratio = by_hand("ratio(x|k)", **columns)
    np.testing.assert_allclose(ratio, [np.nan, np.nan, 1, 1, np.nan])
    z = by_hand("zscore(x|k)", **columns)
    assert np.isnan(z[2:]).all()
    np.testing.assert_allclose(z[:2], np.array([-1, 1]) / np.sqrt(2))


@pytest.mark.parametrize("key", ["c", "d", "o"])
def test_target_mean(key):
    theirs = oracle.target_mean(FRAME[key], pd.Series(Y["numbers"]), SMOOTHING)
    np.testing.assert_allclose(values(f"target_mean({key})"), theirs)


@pytest.mark.parametrize("label", CLASSES)
def test_target_rate_of_a_class(label):
    y = pd.Series((Y["classes"] == CLASSES.index(label)) * 1.0)
    ours = values(f"target_rate(c;'{label}')")
    np.testing.assert_allclose(ours, oracle.target_mean(FRAME["c"], y, SMOOTHING))


def test_target_mean_of_a_pair():
    theirs = oracle.target_mean(FRAME["c"] + FRAME["d"], pd.Series(Y["numbers"]))
    np.testing.assert_allclose(values("target_mean(c&d)"), theirs)


def test_weight_of_evidence():
    y = pd.Series(Y["binary"])
    rate, prior = oracle.target_mean(FRAME["c"], y, SMOOTHING), y.mean()
    theirs = np.log(rate / (1 - rate)) - np.log(prior / (1 - prior))
    np.testing.assert_allclose(values("target_woe(c)"), theirs)


def test_weight_of_evidence_of_one_class_is_missing_never_infinite():
    state = evaluate.fit(parse("target_woe(c)"), TABLE, (np.ones(N), None))
    assert np.isnan(state.values(TABLE)).all()


EPOCH = np.datetime64("1970-01-01", "us")
CALENDAR = {
    "year": lambda t: t.dt.year,
    "month": lambda t: t.dt.month,
    "day": lambda t: t.dt.day,
    "day_of_year": lambda t: t.dt.day_of_year,
    "day_of_week": lambda t: t.dt.day_of_week,
    "hour": lambda t: t.dt.hour,
    "minute": lambda t: t.dt.minute,
    "days": lambda t: (t - EPOCH) / np.timedelta64(1, "D"),
}
MOMENTS = [
    *("1969-12-31 23:59:59.999999", "1970-01-01", "2000-02-29 12:30", "1900-03-01"),
    *("2024-12-31 23:59:59", "2023-01-01 00:00:01", "1600-02-29", "2262-01-01"),
    "9999-12-31",
]


@pytest.mark.parametrize("op", CALENDAR)
def test_calendar_parts(op):
    extra = pd.Series(np.array(MOMENTS, "datetime64[us]"))
    times = pd.concat([FRAME["t"].astype("datetime64[us]"), extra], ignore_index=True)
    ours = values(f"{op}(t)", table_of(pd.DataFrame({"t": times})))
    np.testing.assert_allclose(ours, CALENDAR[op](times), rtol=1e-12)
    assert np.isnan(ours).sum() == times.isna().sum() > 0


def test_every_calendar_operator_is_tested():
    of_time = {n for n, op in OPERATORS.items() if op.inputs == ("datetime",)}
    assert of_time == set(CALENDAR)


def test_count_of_missing():
    ours = values("count_missing(x;c;t;o)")
    np.testing.assert_array_equal(ours, FRAME[["x", "c", "t", "o"]].isna().sum(axis=1))


# --- unseen and missing keys

FIRST_ARGUMENT = {"numeric": "x, ", "key": "d, "}
TABLES = [name for name, op in OPERATORS.items() if isinstance(op, KeyTable)]
UNSEEN = {
    "freq": 0.0,
    "count": 0.0,
    "target_mean": Y["numbers"].mean(),
    "target_woe": 0.0,
}


def call_on(name, key):
    """A key table's feature with ``key`` looked up."""
    kinds = [k for k in OPERATORS[name].inputs if not k.endswith("?")]
    first = FIRST_ARGUMENT[kinds[0]] if len(kinds) > 1 else ""
    return f"{name}({first}{key})"


@pytest.mark.parametrize("key", ["c", "o"])
@pytest.mark.parametrize("name", TABLES)
def test_an_unseen_key_gets_what_the_operator_states(name, key):
    new = FRAME.iloc[:5].assign(x=1.0, **{key: "never" if key == "c" else 99.0})
    out = fitted(call_on(name, key)).values(table_of(new, TABLE))
    np.testing.assert_allclose(out, np.full(5, UNSEEN.get(name, np.nan)), atol=1e-12)


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_key_is_missing_but_for_target_statistics(name):
    gone = FRAME["c"].isna().to_numpy()
    out = values(call_on(name, "c"))
    if OPERATORS[name].needs_target:
        assert np.isfinite(out).all()
        assert not np.isin(out[gone][0], out[~gone])
    else:
        assert np.isnan(out[gone]).all()


OF_PAIRS = ["freq(c&o)", "target_mean(c&o)", "count(c&o)"]


def pairs(wanted):
    """Rows of pairs that occur in no row, or (``wanted``) with a part that does not."""
    seen = set(zip(FRAME["c"], FRAME["o"], strict=True))
    new = [(c, o) for c in [*"abcdef", "never"] for o in [0.0, 1, 2, 3, 4, 5, 99]]
    unknown = {"whole": (False, False), "left": (True, False), "right": (False, True)}
    parts = [p for p in new if (p[0] == "never", p[1] == 99) == unknown[wanted]]
    return pd.DataFrame([p for p in parts if p not in seen], columns=["c", "o"])


@pytest.mark.parametrize("text", OF_PAIRS)
@pytest.mark.parametrize("wanted", ["whole", "left", "right"])
def test_a_pair_that_is_new_as_a_whole_or_in_a_part_is_unseen(text, wanted):
    new = pairs(wanted)
    assert len(new) > 1
    out = fitted(text).values(table_of(new, TABLE))
    np.testing.assert_allclose(out, np.full(len(new), UNSEEN[text.split("(")[0]]))


@pytest.mark.parametrize("gone", [{"c": None}, {"o": np.nan}])
def test_a_pair_with_a_missing_part_is_missing(gone):
    new = FRAME[["c", "o"]].dropna().iloc[:4].assign(**gone)
    assert np.isnan(fitted("freq(c&o)").values(table_of(new, TABLE))).all()


# --- out of fold

SPLITTERS = [KFold(5), KFold(4, shuffle=True, random_state=0), TimeSeriesSplit(4)]
OUT_OF_FOLD = [
    *(call_on(name, key) for name in TABLES for key in ("c", "o", "c&d")),
    *("freq(c&d)", "freq(c&o)", "target_rate(d;'mid')"),
    *("target_mean(c&o)", "freq(x)"),
]


def one_fold_at_a_time(text, folds):
    """Fitted on the training rows, read afresh, and applied to the others."""
    out = np.full(N, np.nan)
    for f in range(folds.n_folds):
        train, test = folds.train_rows(f), folds.test_rows(f)
        seen = table_of(FRAME.iloc[train])
        new = table_of(FRAME.iloc[test], like=seen)
        state = evaluate.fit(parse(text), seen, goal(text, train))
        out[test] = state.values(new)
    return out


@pytest.mark.parametrize("splitter", SPLITTERS, ids=["5-fold", "shuffled", "time"])
@pytest.mark.parametrize("text", OUT_OF_FOLD)
def test_out_of_fold_values_are_those_of_new_rows(text, splitter):
    """Keys that occur only in a row's own fold are unseen, in a pair as well."""
    folds = folds_of(splitter, N)
    ours = evaluate.cross_fit(parse(text), TABLE, goal(text), folds)
    theirs = one_fold_at_a_time(text, folds)
    tested = folds.fold >= 0
    np.testing.assert_allclose(ours[tested], theirs[tested], rtol=1e-9, atol=1e-11)
    assert np.isfinite(ours[tested]).mean() > 0.3


@pytest.mark.parametrize("text", OUT_OF_FOLD)
def test_rows_of_no_fold_get_what_nothing_can_tell(text):
    """No count, and no statistic."""
    folds = folds_of(TimeSeriesSplit(4), N)
    ours = evaluate.cross_fit(parse(text), TABLE, goal(text), folds)[folds.fold < 0]
    if text.startswith(("freq", "count", "pair_freq")):
        assert (ours[~np.isnan(ours)] == 0).all()
        assert (ours == 0).any()
    else:
        assert np.isnan(ours).all()


@pytest.mark.parametrize("text", ["freq(c)", "mean(x|c)", "target_mean(c)"])
def test_out_of_fold_differs_from_in_sample(text):
    folds = folds_of(KFold(5), N)
    outside = evaluate.cross_fit(parse(text), TABLE, goal(text), folds)
    assert not np.allclose(values(text), outside, equal_nan=True)


@pytest.mark.parametrize("name", TABLES)
def test_sharing_work_changes_nothing(name):
    """Operators on the same columns share sums through the memo of `Learning`."""
    folds = folds_of(KFold(3), N)
    key = Key(TABLE["c"].codes.astype(np.int64), 9)
    other = Key(TABLE["d"].codes.astype(np.int64), 5)
    x = np.array(TABLE["x"].values)
    y = Y["binary"]
    arguments = {
        ("key",): (key,),
        ("key", "key"): (other, key),
        ("numeric", "key"): (x, key),
    }
    shared = Learning(folds.atom, folds.n_atoms, y)
    outs = []
    for learning in (shared, shared, Learning(folds.atom, folds.n_atoms, y)):
        for op in (OPERATORS[t] for t in ("count", "std", name, "freq")):
            kinds = tuple(k for k in op.inputs if not k.endswith("?"))
            out = op.cross(arguments[kinds], learning, folds.train, folds.fold)
            if op.name == name:
                outs.append(out)
    for out in outs[1:]:
        np.testing.assert_array_equal(outs[0], out)


# --- operators of users


def test_a_users_operator_is_like_any_other():
    register_operator(Elementwise("hypot", ("numeric", "numeric"), function=np.hypot))
    try:
        ours = values("hypot(x;z)/o")
    finally:
        del OPERATORS["hypot"]
    theirs = oracle.binary("/", np.hypot(FRAME["x"], FRAME["z"]), FRAME["o"])
    np.testing.assert_allclose(ours, theirs)


def test_a_users_table_is_cross_fitted():
    def ranges(args, learning, train):
        low = OPERATORS["group_min"].tables(args, learning, train)
        return OPERATORS["group_max"].tables(args, learning, train) - low

    register_operator(KeyTable("Range", ("numeric", "key"), tables=ranges))
    try:
        folds = folds_of(KFold(4), N)
        ours = evaluate.cross_fit(parse("Range(x, c)"), TABLE, (None, None), folds)
        theirs = one_fold_at_a_time("Range(x, c)", folds)
    finally:
        del OPERATORS["Range"]
    np.testing.assert_allclose(ours, theirs)


def test_infinite_results_of_a_users_function_are_missing():
    op = Elementwise("inverse", ("numeric",), function=lambda x: 1 / x)
    with np.errstate(divide="ignore"):
        out = op.apply((np.array([0.0, 2.0]),))
    np.testing.assert_array_equal(out, [np.nan, 0.5])


@pytest.mark.parametrize("name", ["+", "freq", "target_mean"])
def test_a_name_that_is_taken_is_refused(name):
    with pytest.raises(ValueError, match="there is an operator"):
        register_operator(Elementwise(name, ("numeric",), function=np.abs))


@pytest.mark.parametrize("name", ["", "a b", "%", "2x", "a-b", "+-"])
def test_a_name_that_is_no_word_is_refused(name):
    try:
        with pytest.raises(ValueError, match="plain word"):
            register_operator(Elementwise(name, ("numeric",), function=np.abs))
    finally:
        OPERATORS.pop(name, None)


def test_what_operators_say_of_themselves():
    for name, op in OPERATORS.items():
        assert op.name == name
        assert op.about
        of_keys = isinstance(op, Pairing | Binning)
        assert op.output == ("key" if of_keys else "numeric")
        assert op.needs_target == name.startswith("target_")
        assert op.learns == (name in TABLES)
