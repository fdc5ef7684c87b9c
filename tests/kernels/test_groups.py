"""The compiled group kernels against the plain ones, and against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featurekit.kernels.registry import kernel

DEVICES = ("cpu", "reference")
SIZES = [1, 2, 40, 200]
SHIFT = np.array([0.3, -1.0, 0.0, 2.0, 5.0])


def _rows(n, kind, seed=0):
    """Values, keys 0..4 (key 3 never occurs), atoms 0..3 (atom 2 is empty)."""
    rng = np.random.default_rng([seed, n])
    x = {
        "normal": rng.normal(size=n),
        "ties": rng.integers(-2, 3, n).astype(float),
        "missing": np.where(rng.random(n) < 0.4, np.nan, rng.integers(0, 9, n)),
        "all missing": np.full(n, np.nan),
        "constant": np.full(n, 0.1),
    }[kind]
    codes = rng.choice([0, 1, 2, 4], n)
    atom = np.sort(rng.choice([0, 1, 3], n))
    return x, codes, atom


def _order(x):
    return np.argsort(x, kind="stable")[: np.sum(~np.isnan(x))]


TRAIN = np.array(
    [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0], [0, 0, 0, 0]], bool
)
KINDS = ["normal", "ties", "missing", "all missing", "constant"]


@pytest.mark.parametrize("s", [1, 2, 5])
@pytest.mark.parametrize("n", [0, *SIZES])
def test_sum_by_key(n, s):
    _, codes, atom = _rows(n, "normal")
    values = np.random.default_rng(1).integers(-(2**55), 2**55, (n, s))
    outs = [np.full((4 * 5, s), 3, np.int64) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("sum_by_key", device)(values, atom, codes, 5, out)
    np.testing.assert_array_equal(*outs)
    np.testing.assert_array_equal(outs[0].sum(axis=0), 60 + values.sum(axis=0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.int64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_group_moments(n, kind, dtype):
    x, codes, atom = _rows(n, kind)
    fast, slow = (
        kernel("group_moments", d)(x, codes.astype(dtype), atom, 4, 5, SHIFT)
        for d in DEVICES
    )
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)
    for i in (0, 3, 4):  # counts and extremes are exact
        np.testing.assert_array_equal(fast[i], slow[i])


@pytest.mark.parametrize("device", DEVICES)
def test_group_moments_are_those_of_pandas(device):
    x, codes, atom = _rows(200, "missing")
    out = kernel("group_moments", device)(x, codes, atom, 4, 5, np.zeros(5))
    for (a, c), part in pd.Series(x).groupby([atom, codes]):
        expected = [part.count(), part.sum(), (part**2).sum(), part.min(), part.max()]
        np.testing.assert_allclose(out[:, a, c], expected)
    np.testing.assert_array_equal(out[:, 2, 0], [0, 0, 0, np.inf, -np.inf])


@pytest.mark.parametrize("kind", [*KINDS, "far", "around zero"])
@pytest.mark.parametrize("n", SIZES)
def test_combine_moments(n, kind):
    x, codes, atom = _rows(n, "normal" if kind in ("far", "around zero") else kind)
    if kind == "far":
        x = x + 1e8
    if kind == "around zero":
        x = np.where(np.arange(n) % 2, 0.1, -0.1)
    outs = []
    for device in DEVICES:
        shift = np.empty(5)
        kernel("group_means", device)(x, codes, 5, shift)
        parts = kernel("group_moments", device)(x, codes, atom, 4, 5, shift)
        out = np.full((4, len(TRAIN), 5), 7.0)
        kernel("combine_moments", device)(parts, shift, TRAIN, 4, out)
        outs.append(out)
    np.testing.assert_allclose(*outs, rtol=1e-9, atol=1e-14)
    assert np.isnan(outs[0][:, :, 4]).all()  # the key from which on values are missing
    assert np.isnan(outs[0][:, 4]).all()  # learnt from nothing
    for f, atoms in enumerate(TRAIN[:4]):
        seen = atoms[atom] & (codes < 4)
        groups = pd.Series(x[seen]).groupby(codes[seen])
        for i, name in enumerate(("mean", "var", "min", "max")):
            expected = groups.agg(name).reindex(range(4))
            np.testing.assert_allclose(outs[0][i, f, :4], expected, 1e-7, 1e-12)


def test_sum_over_sets():
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(4, 30))
    of, key = rng.integers(0, len(TRAIN), (3, 50)), rng.integers(0, 30, 50)
    outs = [np.empty((3, 50)) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("sum_over_sets", device)(parts, TRAIN, of, key, out)
    np.testing.assert_allclose(*outs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(outs[0], (TRAIN @ parts)[of, key], 1e-12, 1e-14)


@pytest.mark.parametrize("n_atoms", [4, 70, 200])
@pytest.mark.parametrize("n", SIZES)
def test_group_distinct(n, n_atoms):
    rng = np.random.default_rng(n)
    what, codes = rng.integers(0, 9, n), rng.integers(0, 4, n)  # no row of key 4
    atom = rng.integers(0, n_atoms, n)
    train = rng.random((6, n_atoms)) < 0.5
    train[5] = False
    pairs = np.arange(9 * 5)
    args = (what * 5 + codes, atom, n_atoms, pairs % 5, pairs // 5 < 8, train, 5)
    outs = [np.full((6, 5), 7.0) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("group_distinct", device)(*args, out)
    np.testing.assert_array_equal(*outs)
    for f, atoms in enumerate(train):
        seen = atoms[atom]
        values = pd.Series(np.where(what == 8, np.nan, what)[seen])
        expected = values.groupby(codes[seen]).nunique().reindex(range(5))
        np.testing.assert_array_equal(outs[0][f], expected)


NUMBERS = {
    "spread": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.integers(-3, 3, n).astype(float),
    "close": lambda rng, n: 1.0 + rng.integers(0, 5, n) * 2.0**-50,
    "extreme": lambda rng, n: rng.choice([-1e300, 1e-300, 0.0, 5e-324, np.inf], n),
    "and missing": lambda rng, n: rng.choice([np.nan, np.inf, -0.0, 0.0, 1.0], n),
    "missing": lambda rng, n: np.where(rng.random(n) < 0.5, np.nan, rng.normal(size=n)),
    "all missing": lambda rng, n: np.full(n, np.nan),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("n", [0, *SIZES])
def test_distinct(n, kind):
    x = NUMBERS[kind](np.random.default_rng(n), n)
    outs = []
    for device in DEVICES:
        codes, seen = np.empty(n, np.int64), np.empty(n)
        k = kernel("distinct", device)(x, codes, seen)
        outs.append((k, codes, seen[:k].copy()))
    for fast, slow in zip(*outs, strict=True):
        np.testing.assert_array_equal(fast, slow)
    k, codes, seen = outs[0]
    assert (codes[np.isnan(x)] == k).all()
    np.testing.assert_array_equal(seen[codes[~np.isnan(x)]], x[~np.isnan(x)])


@pytest.mark.parametrize("n", [0, *SIZES])
def test_renumber(n):
    rng = np.random.default_rng(n)
    ids, gone = rng.integers(0, 60, n), rng.random(n) < 0.2
    outs = []
    for device in DEVICES:
        codes, seen = np.empty(n, np.int64), np.empty(60, np.int64)
        k = kernel("renumber", device)(ids, gone, codes, seen)
        outs.append((k, codes, seen[:k].copy()))
    for fast, slow in zip(*outs, strict=True):
        np.testing.assert_array_equal(fast, slow)
    k, codes, seen = outs[0]
    np.testing.assert_array_equal(seen, np.unique(ids[~gone]))
    np.testing.assert_array_equal(seen[codes[~gone]], ids[~gone])
    assert (codes[gone] == k).all()


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e300])
def test_sort_is_exact(scale):
    rng = np.random.default_rng(8)
    x = scale * rng.normal(size=3000)
    x[:1500] = (1.0 + 1e-9 * rng.random(1500)) * scale  # equal in their upper bits
    x[rng.random(3000) < 0.1] = np.nan
    order, ranked = np.empty(3000, np.int64), np.empty(3000)
    m = kernel("sort_rows")(x, order, ranked)
    assert m == np.sum(~np.isnan(x))
    np.testing.assert_array_equal(ranked[:m], np.sort(x)[:m])
    np.testing.assert_array_equal(x[order[:m]], ranked[:m])
    np.testing.assert_array_equal(np.sort(order), np.arange(3000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_group_medians(n, kind):
    x, codes, atom = _rows(n, kind)
    fast, slow = (
        kernel("group_medians", d)(_order(x), x, codes, atom, TRAIN, 5) for d in DEVICES
    )
    np.testing.assert_array_equal(fast, slow)
    assert np.isnan(fast[4]).all()
    assert np.isnan(fast[:, 3]).all()


@pytest.mark.parametrize("device", DEVICES)
def test_group_medians_are_those_of_pandas(device):
    x, codes, atom = _rows(200, "missing", seed=4)
    out = kernel("group_medians", device)(_order(x), x, codes, atom, TRAIN, 5)
    for f, atoms in enumerate(TRAIN[:4]):
        seen = atoms[atom]
        expected = pd.Series(x[seen]).groupby(codes[seen]).median().reindex(range(5))
        np.testing.assert_allclose(out[f], expected)


def _ranks(x, codes, atom, fold, device):
    out = np.full(len(x), 7.0)
    kernel("group_ranks", device)(
        _order(x), x, codes, atom, TRAIN, fold, 5, out
    )  # fmt: skip
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_group_ranks(n, kind):
    x, codes, atom = _rows(n, kind)
    fold = np.where(atom == 1, -1, atom)  # rows of atom 1 are tested by no fold
    fast, slow = (_ranks(x, codes, atom, fold, d) for d in DEVICES)
    np.testing.assert_array_equal(fast, slow)
    assert np.isnan(fast[atom == 1]).all()
    if n == 200:  # every key has training rows
        rest = atom != 1
        np.testing.assert_array_equal(np.isnan(fast[rest]), np.isnan(x[rest]))


@pytest.mark.parametrize("device", DEVICES)
def test_group_rank_is_the_rank_of_a_row_put_among_the_training_rows(device):
    x, codes, atom = _rows(200, "ties", seed=2)
    out = _ranks(x, codes, atom, atom, device)
    for i in range(200):
        seen = TRAIN[atom[i]][atom] & (codes == codes[i])
        with_row = pd.Series([*x[seen], x[i]])
        assert out[i] == pytest.approx(with_row.rank(pct=True).iloc[-1], abs=1e-12)


def test_group_ranks_of_a_fold_that_learns_nothing_are_missing():
    x, codes, atom = _rows(40, "normal")
    for device in DEVICES:
        out = _ranks(x, codes, atom, np.full(40, 4), device)
        assert np.isnan(out).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
def test_ranks_in_groups(n, kind):
    x, codes, _ = _rows(n, kind)
    known, keys, _ = _rows(100, "ties", seed=9)
    order = np.lexsort((known, keys))
    starts = np.searchsorted(keys[order], np.arange(6))
    outs = [np.full(n, 7.0) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("ranks_in_groups", device)(x, codes, known[order], starts, out)
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize("device", DEVICES)
def test_ranks_in_groups_by_hand(device):
    values = np.array([1.0, 2.0, 2.0, 5.0, 7.0])  # key 0: four, key 1: none, key 2: one
    starts = np.array([0, 4, 4, 5])
    x = np.array([0.0, 2.0, 9.0, np.nan, 1.0, 7.0])
    codes = np.array([0, 0, 0, 0, 1, 2])
    out = np.empty(6)
    kernel("ranks_in_groups", device)(x, codes, values, starts, out)
    np.testing.assert_allclose(out, [0.2, 0.6, 1.0, np.nan, np.nan, 0.75])
