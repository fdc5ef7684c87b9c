"""The compiled walks over rows by value against the plain ones."""

from __future__ import annotations

import inspect
from collections import Counter

import numpy as np
import pytest

from featurekit.kernels.registry import kernel

DEVICES = ("cpu", "reference")
NAMES = ["group_rows", "gather", "hash_rows", "pair_counts", "cross_counts"]
TYPES = [np.uint8, np.uint16, np.uint32]
SMALL = 32  # counts from here on are listed one by one
# rows, values left and right, classes; code 0 occurs neither left nor right
SHAPES = {
    "no rows": (0, 5, 4, 2),
    "one row": (1, 5, 4, 2),
    "two values": (300, 3, 3, 2),
    "many values": (300, 90, 70, 3),
    "many classes": (300, 4, 4, 90),
    "all distinct": (200, 201, 201, 2),
    "one value": (200, 2, 2, 1),
}


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    compiled = kernel(name)
    python = getattr(compiled, "py_func", compiled)
    assert inspect.signature(python) == inspect.signature(kernel(name, "reference"))


def _columns(shape):
    n, left, right, n_classes = SHAPES[shape]
    rng = np.random.default_rng(n + left)
    x, z = rng.integers(1, left, n), rng.integers(1, right, n)
    if shape == "all distinct":
        x, z = 1 + rng.permutation(n), 1 + rng.permutation(n)
    return x, z, rng.integers(0, n_classes, n)


def _grouped(device, codes, n_values):
    start, rows = np.empty(n_values + 1, np.int64), np.empty(len(codes), np.int32)
    kernel("group_rows", device)(codes, n_values, start, rows)
    return start, rows


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_group_rows(shape, dtype):
    codes = _columns(shape)[0].astype(dtype)
    n_values = SHAPES[shape][1]
    outs = [_grouped(d, codes, n_values) for d in DEVICES]
    for fast, slow in zip(*outs, strict=True):
        np.testing.assert_array_equal(fast, slow)
    np.testing.assert_array_equal(outs[0][1], np.argsort(codes, kind="stable"))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_gather(shape, dtype):
    codes = _columns(shape)[0].astype(dtype)
    rows = np.random.default_rng(0).permutation(len(codes)).astype(np.int32)
    for device in DEVICES:
        out = np.zeros(len(codes), np.uint32)
        kernel("gather", device)(codes, rows, out)
        np.testing.assert_array_equal(out, codes[rows])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_hash_rows(shape, dtype):
    x, z, _ = _columns(shape)
    place = np.random.default_rng(0).integers(-3, 2**62, 256)
    outs = [np.full(len(x), 2**63, np.uint64) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        for salt, codes in enumerate((x, z)):
            args = codes.astype(dtype), place, np.uint64(salt)
            kernel("hash_rows", device)(*args, out)
    np.testing.assert_array_equal(*outs)
    # rows have one hash where both values are the same, and nowhere else
    pairs = len(np.unique(np.stack([x, z]), axis=1).T)
    assert len(np.unique(outs[0])) == pairs


@pytest.mark.parametrize("device", DEVICES)
def test_hash_rows_tells_columns_apart(device):
    codes, place = np.arange(50, dtype=np.uint32), np.arange(50)
    outs = np.zeros((2, 50), np.uint64)
    for salt, out in enumerate(outs):
        kernel("hash_rows", device)(codes, place, np.uint64(salt), out)
    assert len(np.unique(outs)) == 100


TIMES = {
    "once": lambda rng, n: np.ones(n, np.int64),
    "repeated": lambda rng, n: rng.integers(1, 6, n),
    "some often": lambda rng, n: rng.choice([1, 2, SMALL, 5000], n),
}


def _in_groups(shape, times):
    x, z, y = _columns(shape)
    times = TIMES[times](np.random.default_rng(1), len(x))
    start, rows = _grouped("reference", x.astype(np.uint32), SHAPES[shape][1])
    right = z[rows].astype(np.uint32)
    return (x, z, y, times), (start, right, y[rows].astype(np.uint16), times[rows])


def _counted(small, large):
    """Numbers of rows of all cells, rising."""
    assert (large >= len(small)).all()
    return sorted([*np.arange(len(small)).repeat(small), *large])


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_pair_counts(shape, times):
    (x, z, _, rows), (start, right, _, times) = _in_groups(shape, times)
    outs = []
    for device in DEVICES:
        seen, small = np.zeros(SHAPES[shape][2], int), np.zeros(SMALL, int)
        large = np.empty(times.sum() // SMALL + 2, np.int64)
        k = kernel("pair_counts", device)(start, right, times, seen, small, large)
        outs.append((small, large[:k]))
        assert not seen.any()
    for fast, slow in zip(*outs, strict=True):
        np.testing.assert_array_equal(fast, slow)
    cells = Counter()
    for i, j, t in zip(x, z, rows, strict=True):
        cells[i, j] += t
    assert _counted(*outs[0]) == sorted(cells.values())


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_counts(shape, times):
    (x, z, y, rows), (start, *columns) = _in_groups(shape, times)
    _, left, right, n_classes = SHAPES[shape]
    outs = []
    for device in DEVICES:
        seen, small = np.zeros(right * (n_classes + 1), int), np.zeros(SMALL, int)
        large = np.empty(rows.sum() // SMALL + 2, np.int64)
        sizes, bounds = np.empty(len(x), np.int64), np.empty(left + 1, np.int64)
        k = kernel("cross_counts", device)(
            start, *columns, n_classes, seen, small, large, sizes, bounds
        )
        outs.append((small, large[:k], sizes[: bounds[-1]], bounds))
        assert not seen.any()
    for fast, slow in zip(*outs, strict=True):
        np.testing.assert_array_equal(fast, slow)
    small, large, sizes, bounds = outs[0]
    cells, pairs = Counter(), [Counter() for _ in range(left)]
    for i, j, c, t in zip(x, z, y, rows, strict=True):
        cells[i, j, c] += t
        pairs[i][j] += t
    assert _counted(small, large) == sorted(cells.values())
    for i, of_value in enumerate(pairs):
        found = sizes[bounds[i] : bounds[i + 1]]
        assert sorted(found) == sorted(of_value.values())
