"""Each operator against pandas, in the sample and out of fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurekit.data import Schema
from featurekit.expressions import cross_fit, fit, parse
from featurekit.statistics.folds import Folds
from tests.reference import operators as oracle

UNARY = ["abs", "log", "sqrt", "square", "sigmoid", "round", "residual"]
BINARY = ["min", "max", "+", "-", "*", "/"]
GROUP = ["Min", "Max", "Mean", "Median", "Std"]


def _rows(seed=0, n=160):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": np.round(rng.normal(0, 2, n), 1),
            "b": rng.integers(-3, 4, n).astype(float),
            "k": rng.choice(list("uvwxyz"), n),
            "m": rng.choice(["p", "q"], n),
        }
    )
    for name in ("a", "b", "k"):
        frame.loc[rng.random(n) < 0.1, name] = None
    y = pd.Series(rng.normal(size=n))
    folds = Folds.from_splits(
        [
            (
                np.flatnonzero(np.arange(n) % 4 != f),
                np.flatnonzero(np.arange(n) % 4 == f),
            )
            for f in range(4)
        ],
        n,
    )
    return frame, y, folds


def _values(text, frame, y):
    _, table = Schema.learn(frame)
    return fit(parse(text), table, (y.to_numpy(), None)).values(table)


CASES = [(f"{u}(a)", lambda f, y, u=u: oracle.unary(u, f["a"])) for u in UNARY]
CASES += [
    (
        f"{o}(a, b)" if o in ("min", "max") else f"a {o} b",
        lambda f, y, o=o: oracle.binary(o, f["a"], f["b"]),
    )
    for o in BINARY
]
LEARNT = [
    (f"GroupByThen{g}(a, k)", lambda f, y, g=g: oracle.group(g, f["a"], f["k"]))
    for g in GROUP
]
LEARNT += [
    ("mean(a|b)", lambda f, y: oracle.group("Mean", f["a"], f["b"])),
    ("nunique(k|m)", lambda f, y: oracle.n_unique(f["k"], f["m"])),
    ("freq(k)", lambda f, y: oracle.frequency(f["k"])),
    ("count(k)", lambda f, y: oracle.frequency(f["k"]) * len(f)),
    (
        "freq(k&m)",
        lambda f, y: oracle.frequency((f["k"] + f["m"]).where(f["k"].notna())),
    ),
    ("rank(a|k)", lambda f, y: oracle.rank(f["a"], f["k"])),
    ("target_mean(k)", lambda f, y: oracle.target_mean(f["k"], y)),
    (
        "diff(a|k)",
        lambda f, y: f["a"] - oracle.group("Mean", f["a"], f["k"]),
    ),
    (
        "ratio(a|k)",
        lambda f, y: f["a"] / oracle.group("Mean", f["a"], f["k"]),
    ),
    (
        "zscore(a|k)",
        lambda f, y: (
            (f["a"] - oracle.group("Mean", f["a"], f["k"]))
            / oracle.group("Std", f["a"], f["k"])
        ),
    ),
]


@pytest.mark.parametrize(
    "text, expected", CASES + LEARNT, ids=[text for text, _ in CASES + LEARNT]
)
def test_in_sample(text, expected):
    frame, y, _ = _rows()
    np.testing.assert_allclose(
        _values(text, frame, y),
        expected(frame, y).to_numpy(float),
        rtol=1e-9,
        atol=1e-12,
    )


@pytest.mark.parametrize("text", [text for text, _ in LEARNT])
def test_out_of_fold_equals_a_loop_over_folds(text):
    frame, y, folds = _rows()
    schema, table = Schema.learn(frame)
    target = (y.to_numpy(), None)
    found = cross_fit(parse(text), table, target, folds)
    for f in range(folds.n_folds):
        train, test = folds.train_rows(f), folds.test_rows(f)
        part = (y.to_numpy()[train], None)
        fitted = fit(parse(text), table.take(train), part)
        expected = fitted.values(table.take(test))
        np.testing.assert_allclose(found[test], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("text", [text for text, _ in LEARNT])
def test_order_of_rows_changes_nothing(text):
    frame, y, folds = _rows()
    order = np.random.default_rng(1).permutation(len(frame))
    _, table = Schema.learn(frame)
    _, mixed = Schema.learn(frame.iloc[order])
    a = cross_fit(parse(text), table, (y.to_numpy(), None), folds)
    b = cross_fit(parse(text), mixed, (y.to_numpy()[order], None), folds.take(order))
    np.testing.assert_allclose(a[order], b, rtol=1e-9, atol=1e-12)


def test_unseen_and_missing_keys():
    frame, y, _ = _rows()
    schema, table = Schema.learn(frame)
    new = schema.read(frame.head(2).assign(k=["never", None]))
    target = (y.to_numpy(), None)
    rules = {
        "mean(a|k)": (np.nan, np.nan),
        "freq(k)": (0.0, np.nan),
        "count(k)": (0.0, np.nan),
    }
    for text, expected in rules.items():
        values = fit(parse(text), table, target).values(new)
        np.testing.assert_array_equal(values, expected)
    seen = fit(parse("target_mean(k)"), table, target).values(new)
    assert seen[0] == pytest.approx(y.mean())
    missing = y[frame["k"].isna()]
    smooth = (missing.sum() + 10 * y.mean()) / (len(missing) + 10)
    assert seen[1] == pytest.approx(smooth)


def test_calendar_parts():
    dates = pd.to_datetime(["2024-02-29 23:59", "1969-12-31 00:30", None])
    _, table = Schema.learn(pd.DataFrame({"d": dates, "x": [1.0, 2.0, 3.0]}))
    parts = {
        "year": dates.year, "month": dates.month, "day": dates.day,
        "day_of_year": dates.dayofyear, "day_of_week": dates.dayofweek,
        "hour": dates.hour, "minute": dates.minute,
    }  # fmt: skip
    for name, expected in parts.items():
        values = fit(parse(f"{name}(d)"), table).values(table)
        np.testing.assert_array_equal(values, np.asarray(expected, float))


def test_division_and_logarithm_are_never_infinite():
    frame = pd.DataFrame({"a": [1.0, 0.0, 1e300], "b": [0.0, 0.0, 1e-300]})
    _, table = Schema.learn(frame)
    for text in ("a/b", "log(a)", "square(a)", "a*a"):
        assert not np.isinf(fit(parse(text), table).values(table)).any()


def test_wrong_kind_is_named():
    frame, y, _ = _rows()
    _, table = Schema.learn(frame)
    with pytest.raises(ValueError, match="numeric input is needed, but it is key"):
        fit(parse("k+a"), table).values(table)
    with pytest.raises(ValueError, match="takes 2"):
        fit(parse("mean(a)"), table)
