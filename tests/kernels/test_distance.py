"""The compiled kernels of distance covariance against the plain ones."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from featurekit.kernels.cpu.distance import BLOCK, SOME
from featurekit.kernels.cpu.distance_classes import TILE
from featurekit.kernels.registry import kernel

DEVICES = ("cpu", "reference")
NAMES = ["order_line", "sum_line", "cross_lines", "cross_line_classes", "cross_points"]
SIZES = [1, 2, 3, 5, BLOCK, BLOCK + 1, 4 * BLOCK + 3, SOME // 32 + 7, TILE + 90]
KINDS = ["normal", "ties", "constant", "one", "sparse", "outliers"]


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    compiled = kernel(name)
    python = getattr(compiled, "py_func", compiled)
    assert inspect.signature(python) == inspect.signature(kernel(name, "reference"))


def _values(kind, n, seed=0):
    rng = np.random.default_rng([seed, n])
    return {
        "normal": rng.normal(size=n),
        "ties": rng.integers(-3, 4, n) / 4.0,
        "constant": np.full(n, 2.5),
        "one": (np.arange(n) == n // 2) * 3.0,
        "sparse": rng.normal(size=n) * (rng.random(n) < 0.2),
        "outliers": rng.standard_cauchy(n) ** 3,
    }[kind]


def _ordered(device, values, centre=None):
    n = len(values)
    order, size = np.full(n, -1), np.full(n, np.nan)
    centre = np.sort(values)[n // 2] if centre is None else centre
    n_low, m = kernel("order_line", device)(values, centre, order, size)
    return order[:m], size[:m], n_low


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [*SIZES, SOME + 5, 2 * SOME + 11])
def test_order_line(n, kind):
    values = _values(kind, n)
    values.flags.writeable = False
    (order, size, n_low), (_, expected, low) = (_ordered(d, values) for d in DEVICES)
    assert n_low == low
    np.testing.assert_array_equal(size, expected)
    centre = np.sort(values)[n // 2]
    np.testing.assert_array_equal(np.abs(values[order] - centre), size)
    assert len(set(order.tolist())) == len(order)
    assert (values[order[:n_low]] < centre).all()
    assert (values[order[n_low:]] > centre).all()


def test_rows_that_share_the_upper_bits_are_ordered_too():
    """A wide range leaves few bits to tell close neighbours apart."""
    rng = np.random.default_rng(0)
    values = 1 + rng.permutation(3 * SOME) * 2.0**-52
    for far in ((1e-300, 1e300), (1e-5, 1e5)):
        values[:2] = far
        order, size, _ = _ordered("cpu", values, 0.0)
        np.testing.assert_array_equal(values[order], np.sort(values))
        np.testing.assert_array_equal(size, np.sort(values))


def _lines(kind, n, weighted, correction, seed=0):
    """A line with what `sum_line` gives, on both devices; times."""
    rng = np.random.default_rng(n)
    times = rng.integers(1, 4, n) * 1.0 if weighted else np.zeros(0)
    n_total = (times.sum() if weighted else n) + 0.0
    order, size, n_low = _ordered("reference", _values(kind, n, seed))
    given = times[order] if weighted else times
    outs = []
    for device in DEVICES:
        scaled, sums = size.copy(), np.empty(len(size))
        both = kernel("sum_line", device)(
            scaled, given, n_low, n_total, correction, sums
        )
        outs.append((scaled, sums, both))
    return order, n_low, times, n_total, outs


def _corrections(n):
    return [0.0, 1.0] if n > 3 else [0.0]


CASES = [(n, c) for n in SIZES for c in _corrections(n)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "correction"), CASES)
def test_sum_line(n, correction, kind, weighted):
    *_, outs = _lines(kind, n, weighted, correction)
    fast, slow = outs
    np.testing.assert_array_equal(fast[0], slow[0])
    np.testing.assert_allclose(fast[1], slow[1], rtol=1e-12)
    np.testing.assert_allclose(fast[2], slow[2], rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kinds", [(a, b) for a in KINDS for b in KINDS[:3]])
@pytest.mark.parametrize(("n", "correction"), CASES)
def test_cross_lines(n, correction, kinds, weighted):
    order, n_low, times, n_total, outs = _lines(kinds[0], n, weighted, correction)
    size, sums, _ = outs[1]
    y_order, y_low, _, _, y_outs = _lines(kinds[1], n, weighted, correction, 1)
    rank = np.full(n, -1, np.int32)
    rank[y_order] = np.arange(len(y_order))
    y_sums = np.random.default_rng(0).normal(size=n)
    fast, slow = (
        kernel("cross_lines", device)(
            order, size, sums, n_low, rank, y_outs[1][0], y_sums, y_low,
            times if weighted else None, correction,
        )
        for device in DEVICES
    )  # fmt: skip
    scale = np.abs(y_sums).sum() * np.abs(sums).sum()
    assert fast[0] == pytest.approx(slow[0], rel=1e-12, abs=1e-300)
    assert fast[1] == pytest.approx(slow[1], rel=1e-12, abs=1e-12 * scale)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kinds", [("normal", "normal"), ("outliers", "sparse"),
                                   ("normal", "ties"), ("ties", "normal")])  # fmt: skip
def test_blocks_parted_time_and_again(kinds, weighted):
    test_cross_lines(40 * BLOCK, 1.0, kinds, weighted)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [1, 2, 7])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "correction"), CASES)
def test_cross_line_classes(n, correction, kind, n_classes, weighted):
    order, n_low, times, _, outs = _lines(kind, n, weighted, correction)
    size, sums, _ = outs[1]
    rng = np.random.default_rng(n)
    codes = rng.integers(0, n_classes, n).astype(np.int32)
    apart, class_sums = rng.random(n_classes), rng.normal(size=n_classes)
    fast, slow = (
        kernel("cross_line_classes", device)(
            order, size, sums, n_low, codes, apart, class_sums, times, correction
        )
        for device in DEVICES
    )
    scale = np.abs(class_sums).sum() * np.abs(sums).sum()
    assert fast[0] == pytest.approx(slow[0], rel=1e-12, abs=1e-300)
    assert fast[1] == pytest.approx(slow[1], rel=1e-12, abs=1e-12 * scale)


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("n", SIZES)
def test_cross_points(n, classes):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(3, n)), rng.normal(size=(2, n))
    y[:, : n // 3] = 0  # rows at the point o, and alike
    none = np.zeros(0, np.int32)
    codes = rng.integers(0, 3, n).astype(np.int32) if classes else none
    args = (
        *(x, np.sqrt((x * x).sum(axis=0)), none, 0),
        *(y, np.sqrt((y * y).sum(axis=0)), codes, 3),
    )
    times = rng.integers(1, 3, n) * 1.0
    for correction in _corrections(n):
        outs = []
        for device in DEVICES:
            x_sums, y_sums = np.empty((2, n))
            sums = kernel("cross_points", device)(
                *args, times, correction, x_sums, y_sums
            )
            outs.append(np.concatenate([sums, x_sums, y_sums]))
        np.testing.assert_allclose(*outs, rtol=1e-11, atol=1e-12 * n)
