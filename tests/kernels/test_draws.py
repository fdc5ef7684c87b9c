"""Drawn tables: the compiled kernel against the plain one and against all tables."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import chisquare

from featurekit.kernels.registry import kernel
from featurekit.statistics.tails import LOGS
from tests.reference import contingency as oracle

DEVICES = ("cpu", "reference")


def drawn(device, groups, urns, with_rest, n, seed=1):
    """Sums of k ln k of ``n`` tables, and where the generator stands afterwards."""
    state, out = np.array([seed], np.uint64), np.full(n, 7.0)
    kernel("draw_tables", device)(
        np.array(groups, np.int64), np.array(urns, np.int64), with_rest, LOGS, state,
        out,
    )  # fmt: skip
    return out, int(state[0])


def test_signature():
    compiled = kernel("draw_tables").py_func
    reference = kernel("draw_tables", "reference")
    assert inspect.signature(compiled) == inspect.signature(reference)


@pytest.mark.parametrize("with_rest", [False, True])
@pytest.mark.parametrize(
    "groups, urns",
    [
        ([5, 3, 2], [10, 7, 3]),
        ([4, 4, 2], [6, 4]),  # all rows are dealt out
        ([1, 1, 1], [2] * 20),
        ([30], [20_000, 600, 40, 1, 1, 1]),  # more rows than there are logarithms
        ([7, 2], [9]),
        ([], [5, 5]),
    ],
)
def test_draws_equal_the_plain_ones(groups, urns, with_rest):
    fast, slow = (drawn(d, groups, urns, with_rest, 60) for d in DEVICES)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-9, atol=1e-9)
    assert fast[1] == slow[1]


def test_draws_go_on_where_the_last_ones_stopped():
    state, parts = np.array([5], np.uint64), [np.empty(7), np.empty(13)]
    for out in parts:
        kernel("draw_tables")(
            np.array([4, 3]), np.array([5, 5]), True, LOGS, state, out
        )
    whole, _ = drawn("cpu", [4, 3], [5, 5], True, 20, seed=5)
    assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize("a, b", [([4, 3, 2], [5, 4]), ([3, 3, 2, 1], [4, 3, 2])])
def test_tables_are_as_frequent_as_orders_of_the_labels_make_them(a, b):
    orders = oracle.arrangements(tuple(b))
    starts = np.cumsum([0, *a[:-1]])
    wide = np.stack(
        [np.add.reduceat(orders == c, starts, axis=1, dtype=int) for c in range(len(b))]
    )
    exact, times = np.unique(xlogy(wide, wide).sum(axis=(0, 2)).round(9),
                             return_counts=True)  # fmt: skip
    n = 40_000
    out, _ = drawn("cpu", a, b, False, n)
    found = np.array([(np.abs(out - value) < 1e-6).sum() for value in exact])
    assert found.sum() == n
    assert chisquare(found, n * times / times.sum()).pvalue > 1e-3
