"""The compiled boosting kernels against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurekit.kernels.registry import kernel
from featurekit.statistics.boosting import Rounds, RowSums

OPS = range(14)
MISSING = 512
DEVICES = ("cpu", "reference")

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-300, -1e300, 1e300, 800.0, -800.0, np.nan]
    + [np.inf, -np.inf, 0.1, -3.0]
)


def _both(name):
    return [kernel(name, device) for device in DEVICES]


@pytest.mark.parametrize("op", OPS)
def test_evaluate_of_special_values(op):
    a, b = (m.ravel() for m in np.meshgrid(SPECIAL, SPECIAL))
    fast, slow = np.empty(len(a)), np.empty(len(a))
    kernel("evaluate")(op, a, b, fast)
    kernel("evaluate", "reference")(op, a, b, slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-13, atol=1e-300)


def test_evaluate_knows_its_operations():
    a = np.array([-2.5, 0.0, 4.0, np.nan])
    b = np.array([2.0, 0.0, -0.5, 1.0])
    expected = {
        1: [-0.5, 0, 3.5, np.nan],
        2: [-4.5, 0, 4.5, np.nan],
        3: [-5, 0, -2, np.nan],
        4: [-1.25, np.nan, -8, np.nan],
        5: [-2.5, 0, -0.5, np.nan],
        6: [2, 0, 4, np.nan],
        7: [2.5, 0, 4, np.nan],
        8: [np.log(2.5), np.nan, np.log(4), np.nan],
        9: [np.sqrt(2.5), 0, 2, np.nan],
        10: [6.25, 0, 16, np.nan],
        11: [1 / (1 + np.exp(2.5)), 0.5, 1 / (1 + np.exp(-4)), np.nan],
        12: [-3, 0, 4, np.nan],
        13: [0.5, 0, 0, np.nan],
    }
    for op, values in expected.items():
        for run in _both("evaluate"):
            out = np.empty(4)
            run(op, a, b, out)
            np.testing.assert_allclose(out, values, rtol=1e-14, err_msg=str(op))


@pytest.mark.parametrize("op", [5, 6])
@pytest.mark.parametrize("a, b", [(np.nan, 1.0), (1.0, np.nan)])
def test_least_and_greatest_are_missing_if_either_is(op, a, b):
    for run in _both("evaluate"):
        out = np.empty(1)
        run(op, np.array([a]), np.array([b]), out)
        assert np.isnan(out[0])


def _columns(rng, n):
    z = rng.normal(size=n)
    return np.stack(
        [
            z,
            np.round(2 * rng.normal(size=n)),
            np.where(rng.random(n) < 0.2, np.nan, np.exp(3 * rng.normal(size=n))),
            np.full(n, 3.0),
            np.full(n, np.nan),
            np.where(rng.random(n) < 0.9, 7.0, rng.normal(size=n)),
            1e9 + 1e-3 * z,
        ]
    )


def _program(rng, d, m=40):
    op = np.arange(m) % 14
    left, right = rng.integers(0, d, (2, m))
    return op, left, right


def _grids(op, left, right, columns, device="cpu"):
    n = columns.shape[1]
    rows = np.linspace(0, n - 1, min(n, 128)).astype(np.int64)
    centre, inverse = np.empty(len(op)), np.empty(len(op))
    kernel("grids", device)(op, left, right, columns, rows, centre, inverse)
    return centre, inverse


@pytest.mark.parametrize("n", [1, 2, 3, 50, 300])
def test_grids(n):
    rng = np.random.default_rng(n)
    columns = _columns(rng, n)
    program = _program(rng, len(columns), 70)
    fast, slow = (_grids(*program, columns, device) for device in DEVICES)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)
    assert np.isfinite(fast).all()
    assert (fast[1] > 0).all()


def test_grid_ignores_infinities():
    columns = np.array([[np.inf, 1.0, -np.inf, 2.0, 3.0, np.nan]])
    identity = np.zeros(1, np.int64)
    for device in DEVICES:
        centre, inverse = _grids(identity, identity, identity, columns, device)
        assert centre[0] == 2.0
        assert np.isfinite(inverse[0])


def _accumulate(program, columns, sums, starts, device, out=None):
    grid = _grids(*program, columns)
    if out is None:
        shape = len(program[0]), len(starts) - 1, 513, sums.shape[1]
        out = np.zeros(shape, np.int64)
    kernel("accumulate", device)(*program, columns, sums, starts, *grid, out)
    return out


@pytest.mark.parametrize("s", [2, 3, 4, 7])
@pytest.mark.parametrize(
    "starts", [[0, 300], [0, 0, 100, 100, 300, 300], [0, 1, 2, 300]]
)
def test_accumulate_counts_exactly_alike(s, starts):
    rng = np.random.default_rng(s)
    columns = _columns(rng, 300)
    sums = rng.integers(-(2**50), 2**50, (300, s))
    sums[:, 0] = 1
    program = _program(rng, len(columns))
    starts = np.array(starts)
    fast, slow = (_accumulate(program, columns, sums, starts, d) for d in DEVICES)
    np.testing.assert_array_equal(fast, slow)
    for a, (lo, hi) in enumerate(zip(starts, starts[1:], strict=False)):
        np.testing.assert_array_equal(
            fast[:, a].sum(axis=1), np.tile(sums[lo:hi].sum(axis=0), (40, 1))
        )


def test_accumulate_of_one_row_adds_to_what_is_there():
    columns = np.array([[4.0], [np.nan]])
    program = np.array([0, 1]), np.array([0, 0]), np.array([0, 1])
    sums = np.array([[1, -5]])
    for device in DEVICES:
        out = np.full((2, 1, 513, 2), 9, np.int64)
        _accumulate(program, columns, sums, np.array([0, 1]), device, out)
        np.testing.assert_array_equal(out[1, 0, MISSING], [10, 4])
        assert (out - 9).sum() == 2 * (1 - 5)


def test_accumulate_longer_than_a_tile():
    rng = np.random.default_rng(3)
    columns = _columns(rng, 9000)[:2]
    program = np.array([0, 2]), np.array([0, 0]), np.array([0, 1])
    sums = rng.integers(-1000, 1000, (9000, 2))
    starts = np.array([0, 4096, 4097, 9000])
    fast, slow = (_accumulate(program, columns, sums, starts, d) for d in DEVICES)
    np.testing.assert_array_equal(fast, slow)


def _cells(values, centre, inverse, device):
    """Cell of each value, found by giving each an atom of its own."""
    n = len(values)
    out = np.zeros((1, n, 513, 1), np.int64)
    zero = np.zeros(1, np.int64)
    kernel("accumulate", device)(
        zero, zero, zero, values[None], np.ones((n, 1), np.int64), np.arange(n + 1),
        np.array([centre]), np.array([inverse]), out,
    )  # fmt: skip
    assert (out.sum(axis=2) == 1).all()
    return out[0, :, :, 0].argmax(axis=1)


@given(
    st.lists(st.floats(), min_size=1, max_size=30),
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_cells_keep_the_order_of_values(values, centre, inverse):
    values = np.sort(np.array(values))
    fast, slow = (_cells(values, centre, inverse, device) for device in DEVICES)
    np.testing.assert_array_equal(fast, slow)
    assert (np.diff(fast) >= 0).all()
    np.testing.assert_array_equal(fast == MISSING, np.isnan(values))


def _merge(table, scale, n_bins, device):
    out = np.full((table.shape[0], n_bins + 1, table.shape[2]), 7.0)
    n = kernel("merge_cells", device)(table, scale, n_bins, out)
    return n, out


def _table(rng, n_atoms, s, kind):
    """A (A, 513, s) table such as rows of this kind leave."""
    table = np.zeros((n_atoms, 513, s), np.int64)
    if kind == "empty":
        return table
    cells = {
        "spread": np.arange(513),
        "few": np.array([3, 250, 251, 400]),
        "one": np.array([256]),
        "missing": np.array([MISSING]),
        "few and missing": np.array([0, 255, 256, 511, MISSING]),
    }[kind]
    part = rng.integers(-(10**6), 10**6, (n_atoms, len(cells), s))
    part[:, :, 0] = rng.integers(0, 60, (n_atoms, len(cells)))
    part[part[:, :, 0] == 0] = 0
    table[:, cells] = part
    return table


KINDS = ["spread", "few", "one", "missing", "few and missing", "empty"]


@pytest.mark.parametrize("n_bins", [1, 2, 8, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_merge_cells(kind, n_bins):
    rng = np.random.default_rng(n_bins)
    table = _table(rng, 3, 3, kind)
    scale = np.array([1.0, 1e-3, 0.25])
    (n, fast), (m, slow) = (_merge(table, scale, n_bins, d) for d in DEVICES)
    assert n == m <= n_bins
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(fast.sum(axis=1), table.sum(axis=1) * scale)
    np.testing.assert_allclose(fast[:, n], table[:, MISSING] * scale)
    assert (fast[:, n + 1 :] == 0).all()


def test_merged_bins_are_about_equal():
    rng = np.random.default_rng(0)
    table = np.zeros((2, 513, 2), np.int64)
    table[:, :512, 0] = rng.integers(0, 20, (2, 512))
    total = table[:, :, 0].sum()
    for device in DEVICES:
        n, out = _merge(table, np.ones(2), 16, device)
        assert n == 16
        counts = out[:, :n, 0].sum(axis=0)
        assert counts.max() < 1.6 * total / 16
        assert counts.min() > 0.4 * total / 16


def test_merging_looks_at_counts_alone():
    rng = np.random.default_rng(1)
    table = _table(rng, 2, 3, "spread")
    other = table.copy()
    other[:, :, 1:] = rng.integers(-9, 9, other[:, :, 1:].shape)
    for device in DEVICES:
        _, a = _merge(table, np.ones(3), 20, device)
        _, b = _merge(other, np.ones(3), 20, device)
        np.testing.assert_array_equal(a[:, :, 0], b[:, :, 0])


def _losses(kind, rng, x, n):
    """Gradients and hessians of a target that hangs on ``x``."""
    signal = np.sin(np.nan_to_num(x, nan=2.0)) + 0.3 * rng.normal(size=n)
    if kind == "squared":
        return (-signal)[:, None], np.ones((n, 1))
    if kind == "log-loss":
        p = rng.uniform(0.1, 0.9, n)
        y = signal > 0.2
        return (p - y)[:, None], (p * (1 - p))[:, None]
    p = rng.dirichlet(np.ones(3), n)
    y = np.digitize(signal, [-0.2, 0.5])
    return p - np.eye(3)[y], 1.5 * p * (1 - p)


FOLDS = {
    "three-fold": ~np.eye(3, dtype=bool),
    "in time": np.array([[1, 0, 0], [1, 1, 0]], bool),
    "learns from nothing": np.zeros((1, 3), bool),
}


def _boost(kind, folds, how, seed=0, n=240, devices=DEVICES):
    rng = np.random.default_rng(seed)
    columns = _columns(rng, n)
    g, h = _losses(kind, rng, columns[2], n)
    sums = RowSums.of(g, h)
    assert sums.squared == (kind == "squared")
    m = len(columns) + 3
    op = np.array([0] * len(columns) + [4, 3, 8])
    left = np.array([*range(len(columns)), 2, 0, 2])
    right = np.array([*range(len(columns)), 0, 2, 2])
    starts = np.array([0, n // 3, n // 2, n])
    table = _accumulate((op, left, right), columns, sums.values, starts, "cpu")
    train = FOLDS[folds]
    test = np.eye(3, dtype=bool)[-len(train) :]
    outs = []
    for device in devices:
        out = np.full((m, len(train)), np.nan)
        kernel("boost", device)(
            table, sums.scale, train, test, sums.n_outputs, sums.squared, how.n_bins,
            how.rounds, how.leaves, how.rate, how.patience, how.min_rows, how.ridge,
            out,
        )  # fmt: skip
        outs.append(out)
    return outs


HOW = Rounds(n_bins=7, rounds=6, leaves=4, min_rows=3.0, patience=2)


@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize("kind", ["squared", "log-loss", "multi-class"])
def test_boost(kind, folds):
    for seed in range(2):
        fast, slow = _boost(kind, folds, HOW, seed)
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)
    if folds == "learns from nothing":
        assert (fast == 0).all()
    else:
        assert fast.max() > 1.0  # something was there to be learnt


@pytest.mark.parametrize(
    "how",
    [
        Rounds(n_bins=12, rounds=4),
        Rounds(n_bins=6, rounds=1, leaves=2, min_rows=1.0),
        Rounds(n_bins=6, rounds=12, leaves=6, rate=1.0, patience=4, min_rows=1.0),
        Rounds(n_bins=6, rounds=5, leaves=3, min_rows=100.0),
        Rounds(n_bins=6, rounds=5, leaves=3, ridge=5.0),
        Rounds(n_bins=1, rounds=3, min_rows=2.0),
        Rounds(n_bins=6, rounds=0),
    ],
    ids=str,
)
def test_boost_under_other_settings(how):
    for kind in ("squared", "log-loss"):
        fast, slow = _boost(kind, "three-fold", how, seed=5)
        np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)


def test_boost_of_what_cannot_be_split():
    for kind in ("squared", "multi-class"):
        (fast,) = _boost(kind, "three-fold", Rounds(), devices=["cpu"])
        np.testing.assert_array_equal(fast[[3, 4]], 0.0)  # constant, all missing


def test_boost_of_an_empty_table():
    for device in DEVICES:
        out = np.full((2, 3), np.nan)
        kernel("boost", device)(
            np.zeros((2, 3, 513, 2), np.int64), np.ones(2), ~np.eye(3, dtype=bool),
            np.eye(3, dtype=bool), 1, True, 8, 5, 4, 0.3, 2, 5.0, 1e-6, out,
        )  # fmt: skip
        np.testing.assert_array_equal(out, 0.0)


@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize("kind", ["squared", "log-loss", "multi-class"])
def test_boost_per_fold(kind, folds):
    """Values that differ from fold to fold, missing ones among them."""
    rng = np.random.default_rng(3)
    n = 240
    columns = _columns(rng, n)
    sums = RowSums.of(*_losses(kind, rng, columns[2], n))
    train = FOLDS[folds]
    test = np.eye(3, dtype=bool)[-len(train) :]
    values = np.stack([np.roll(columns, f, axis=1) for f in range(len(train))], axis=1)
    starts = np.array([0, n // 3, n // 2, n])
    outs = []
    for device in DEVICES:
        out = np.full(values.shape[:2], np.nan)
        kernel("boost_per_fold", device)(
            values, sums.values, starts, np.arange(0, n, 3), sums.scale, train, test,
            sums.n_outputs, sums.squared, HOW.n_bins, HOW.rounds, HOW.leaves, HOW.rate,
            HOW.patience, HOW.min_rows, HOW.ridge, out,
        )  # fmt: skip
        outs.append(out)
    np.testing.assert_allclose(*outs, rtol=1e-9, atol=1e-9)
    if folds != "learns from nothing":
        assert outs[0].max() > 1.0
