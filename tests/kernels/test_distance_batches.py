"""The compiled kernel of distances in batches against the plain one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from featurekit.kernels.registry import kernel


def _matrices(n, c, seed=0):
    rng = np.random.default_rng([seed, n, c])
    points = rng.normal(size=(n, 3))
    base = ((points[:, None] - points) ** 2).sum(axis=2)
    arrays = (
        base,
        rng.normal(size=(c, n)),
        rng.normal(size=(n, n)),
        rng.normal(size=(n, n)),
    )
    return [np.ascontiguousarray(a, np.float32) for a in arrays]


def _run(device, *arrays):
    out = np.full((len(arrays[1]), 4), np.nan)
    kernel("joint_sums", device)(*arrays, out)
    return out


def test_signature():
    compiled = kernel("joint_sums")
    python = getattr(compiled, "py_func", compiled)
    assert inspect.signature(python) == inspect.signature(
        kernel("joint_sums", "reference")
    )


@pytest.mark.parametrize("both", [True, False], ids=["two", "one"])
@pytest.mark.parametrize("c", [0, 1, 7])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 31, 257])
def test_joint_sums(n, c, both):
    base, columns, first, second = _matrices(n, c)
    if not both:
        second = np.zeros((0, 0), np.float32)
    for array in (base, columns, first, second):
        array.flags.writeable = False
    found = _run("cpu", base, columns, first, second)
    expected = _run("reference", base, columns, first, second)
    # of the terms' size: those of either sign cancel
    largest = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5 * largest)
    if not both:
        assert (found[:, 1] == 0).all()


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_sums_of_three_rows_by_hand(device):
    """One column at 0, 3 and 4 with nothing else: distances 3, 4 and 1."""
    zero = np.zeros((3, 3), np.float32)
    first = np.arange(9, dtype=np.float32).reshape(3, 3)
    columns = np.array([[0, 3, 4], [5, 5, 5]], np.float32)
    found = _run(device, zero, columns, first, first.T.copy())
    # first_ij + first_ji is 4, 8 and 12 for the pairs (0, 1), (0, 2) and (1, 2)
    products = 3 * 4 + 4 * 8 + 1 * 12
    np.testing.assert_allclose(found[0], [products, products, 49 + 16 + 25, 16])
    np.testing.assert_array_equal(found[1], 0)


def test_a_distance_that_is_there_already():
    """3 and 4 at right angles are 5 apart."""
    base = np.array([[0, 9], [9, 0]], np.float32)
    one = np.ones((2, 2), np.float32)
    none = np.zeros((0, 0), np.float32)
    columns = np.array([[0, 4]], np.float32)
    np.testing.assert_allclose(_run("cpu", base, columns, one, none), [[10, 0, 50, 10]])


def test_a_candidate_does_not_depend_on_those_beside_it():
    base, columns, first, second = _matrices(70, 9)
    together = _run("cpu", base, columns, first, second)
    alone = [_run("cpu", base, x[None], first, second)[0] for x in columns]
    np.testing.assert_array_equal(together, alone)
