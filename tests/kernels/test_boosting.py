"""The compiled boosting kernels against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurekit.kernels.registry import kernel
from featurekit.statistics.boosting import Rounds, RowSums, grids
from featurekit.statistics.elementwise import evaluate

MISSING = 512
DEVICES = ("cpu", "reference")


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


def _accumulate(program, columns, sums, starts, device, out=None):
    """Sums per candidate, atom and cell, each atom in a table of its own."""
    rows = np.linspace(0, columns.shape[1] - 1, min(columns.shape[1], 128)).astype(int)
    if out is None:
        shape = len(program[0]), len(starts) - 1, 513, sums.shape[1]
        out = np.zeros(shape, np.int64)
    for c, (op, left, right) in enumerate(zip(*program, strict=True)):
        values = np.empty(columns.shape[1])
        evaluate(op, columns[left], columns[right], values)
        centre, inverse = grids(values[None, rows])
        kernel("accumulate", device)(
            values, sums, starts, np.arange(len(starts) - 1), centre[0], inverse[0],
            out[c],
        )  # fmt: skip
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


@pytest.mark.parametrize("device", DEVICES)
def test_atoms_share_a_table_or_are_left_out(device):
    rng = np.random.default_rng(4)
    values, sums = rng.normal(size=90), rng.integers(-9, 9, (90, 2))
    starts = np.array([0, 20, 50, 90])
    apart, shared = np.zeros((3, 513, 2), np.int64), np.zeros((2, 513, 2), np.int64)
    grid = values, sums, starts
    kernel("accumulate", device)(*grid, np.arange(3), 0.1, 2.0, apart)
    kernel("accumulate", device)(*grid, np.array([1, -1, 1]), 0.1, 2.0, shared)
    assert not shared[0].any()
    np.testing.assert_array_equal(shared[1], apart[0] + apart[2])


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
    kernel("accumulate", device)(
        values, np.ones((n, 1), np.int64), np.arange(n + 1), np.arange(n), centre,
        inverse, out[0],
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
