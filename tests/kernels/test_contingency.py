"""The compiled kernels of counts against the plain ones."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from featurekit.kernels.cpu.contingency import SMALL
from featurekit.kernels.registry import kernel
from featurekit.statistics.contingency import LOGS

DEVICES = ("cpu", "reference")
NAMES = [
    *("count_codes", "count_repeated", "compress", "table_statistics"),
    *("information_value", "shift_counts"),
]
TYPES = [np.uint8, np.uint16, np.uint32]
# rows, values, classes; code 0 never occurs. A table is small up to SMALL cells, and
# is counted in four parts if there are four rows to each cell
SHAPES = {
    "no rows": (0, 5, 2),
    "one row": (1, 5, 2),
    "one value": (50, 2, 2),
    "few rows": (39, 5, 2),
    "four parts": (43, 5, 2),
    "many classes": (300, 4, 200),
    "small": (4 * SMALL + 3, SMALL // 16, 16),
    "large": (4 * SMALL + 3, SMALL // 16 + 1, 16),
    "all distinct": (200, 201, 3),
}


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    compiled = kernel(name)
    python = getattr(compiled, "py_func", compiled)
    assert inspect.signature(python) == inspect.signature(kernel(name, "reference"))


def _rows(shape, dtype=np.uint32):
    """Codes, some of the highest; classes, of which class 1 is rare."""
    n, n_values, n_classes = SHAPES[shape]
    rng = np.random.default_rng(n)
    codes = rng.integers(1, n_values, n)
    codes[: n // 3] = n_values - 1
    if shape == "all distinct":
        codes = 1 + rng.permutation(n)
    if dtype == np.uint8:
        codes %= 256
    y = rng.integers(0, n_classes, n)
    y[(y == 1) & (np.arange(n) % 3 > 0)] = 0
    return codes.astype(dtype), y.astype(np.uint16), n_values, n_classes


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_count_codes(shape, dtype):
    codes, y, n_values, n_classes = _rows(shape, dtype)
    times = np.random.default_rng(0).integers(1, 9, len(y))
    before = np.arange(n_values * n_classes)
    outs = [before.copy() for _ in DEVICES]
    repeated = [before.copy() for _ in DEVICES]
    for i, device in enumerate(DEVICES):
        kernel("count_codes", device)(codes, y, n_classes, outs[i])
        kernel("count_repeated", device)(codes, y, times, n_classes, repeated[i])
    np.testing.assert_array_equal(*outs)
    np.testing.assert_array_equal(*repeated)
    assert (outs[0] - before).sum() == len(y)
    assert (outs[0] - before)[:n_classes].sum() == (codes == 0).sum()
    each = [codes.repeat(times), y.repeat(times)]
    kernel("count_codes")(*each, n_classes, before)
    np.testing.assert_array_equal(repeated[0], before)


def _table(shape):
    codes, y, n_values, n_classes = _rows(shape)
    table = np.zeros(n_values * n_classes, np.int64)
    kernel("count_codes", "reference")(codes, y, n_classes, table)
    return table, n_values, n_classes


def _compressed(device, table, order, n_classes):
    m = len(order)
    start, sizes = np.empty(m + 1, np.int64), np.empty(m, np.int64)
    classes, counts = np.empty((2, m * n_classes), np.int64)
    k, filled = kernel("compress", device)(
        table, order, n_classes, start, classes, counts, sizes
    )
    return start[: k + 1], classes[:filled], counts[:filled], sizes[:k]


@pytest.mark.parametrize("room", [0, 7])
@pytest.mark.parametrize("order", ["codes", "any", "some", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_compress(shape, order, room):
    table, n_values, n_classes = _table(shape)
    order = {
        "codes": np.arange(n_values),
        "any": np.random.default_rng(0).permutation(n_values),
        "some": np.arange(0, n_values, 2),
        "none": np.zeros(0, np.int64),
    }[order]
    table = np.append(table, np.zeros(room * n_classes, np.int64))
    outs = [_compressed(d, table, order, n_classes) for d in DEVICES]
    for fast, slow in zip(*outs, strict=True):
        np.testing.assert_array_equal(fast, slow)
    start, classes, counts, sizes = outs[0]
    assert (counts > 0).all() and (sizes > 0).all()
    wide = table.reshape(-1, n_classes)[order]
    wide = wide[wide.sum(axis=1) > 0]
    again = np.zeros_like(wide)
    again[np.arange(len(wide)).repeat(np.diff(start)), classes] = counts
    np.testing.assert_array_equal(again, wide)


def _finished(shape):
    table, n_values, n_classes = _table(shape)
    start, classes, counts, _ = _compressed(
        "reference", table, np.arange(n_values), n_classes
    )
    return start, classes, counts, table.reshape(-1, n_classes).sum(axis=0)


WITH_ROWS = [shape for shape in SHAPES if shape != "no rows"]


@pytest.mark.parametrize("smoothing", [10.0, 0.5])
@pytest.mark.parametrize("n_logs", [len(LOGS), 4])
@pytest.mark.parametrize("shape", WITH_ROWS)
def test_table_statistics(shape, n_logs, smoothing):
    """Counts that have no logarithm in the table take it themselves."""
    args = (*_finished(shape), LOGS[:n_logs].copy(), smoothing)
    outs = [np.full(6, 7.0) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("table_statistics", device)(*args, out)
    np.testing.assert_allclose(*outs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prior", [1.0, 0.1])
@pytest.mark.parametrize("shape", WITH_ROWS)
def test_information_value(shape, prior):
    args = _finished(shape)
    outs = [np.full(len(args[-1]), 7.0) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("information_value", device)(*args, prior, out)
    np.testing.assert_allclose(*outs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", WITH_ROWS)
def test_shift_counts(shape, dtype):
    codes, y, n_values, n_classes = _rows(shape, dtype)
    fast, slow = (
        kernel("shift_counts", d)(codes, y, n_values, n_classes) for d in DEVICES
    )
    assert fast == pytest.approx(slow, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_shift_counts_see_nothing_in_sorted_rows(device):
    """Why this statistic is there to be compared with, and not to be used."""
    y = np.repeat([0, 1], 512).astype(np.uint16)
    blocks = np.repeat(np.arange(64), 16).astype(np.uint32)
    mixed = np.random.default_rng(0).permutation(1024)
    assert kernel("shift_counts", device)(blocks, y, 64, 2) < 0.05
    assert kernel("shift_counts", device)(blocks[mixed], y[mixed], 64, 2) > 0.6
