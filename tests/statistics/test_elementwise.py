"""Elementwise operations against the same value by value."""

from __future__ import annotations

import numpy as np
import pytest

from featurekit.statistics.elementwise import evaluate
from tests.reference import boosting as oracle

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-300, -1e300, 1e300, 800.0, -800.0, np.nan]
    + [np.inf, -np.inf, 0.1, -3.0]
)


@pytest.mark.parametrize("op", range(14))
def test_evaluate_of_special_values(op):
    a, b = (m.ravel() for m in np.meshgrid(SPECIAL, SPECIAL))
    fast, slow = np.empty(len(a)), np.empty(len(a))
    evaluate(op, a, b, fast)
    oracle.evaluate(op, a, b, slow)
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
        for run in (evaluate, oracle.evaluate):
            out = np.empty(4)
            run(op, a, b, out)
            np.testing.assert_allclose(out, values, rtol=1e-14, err_msg=str(op))


@pytest.mark.parametrize("op", [5, 6])
@pytest.mark.parametrize("a, b", [(np.nan, 1.0), (1.0, np.nan)])
def test_least_and_greatest_are_missing_if_either_is(op, a, b):
    for run in (evaluate, oracle.evaluate):
        out = np.empty(1)
        run(op, np.array([a]), np.array([b]), out)
        assert np.isnan(out[0])


@pytest.mark.parametrize("op", range(14))
def test_evaluate_of_one_value_equals_batch(op):
    rng = np.random.default_rng(op)
    a, b = np.exp(9 * rng.normal(size=(2, 101))) * rng.choice([-1, 1], (2, 101))
    batch, one = np.empty(101), np.empty(101)
    evaluate(op, a, b, batch)
    for i in range(101):
        evaluate(op, a[i : i + 1], b[i : i + 1], one[i : i + 1])
    np.testing.assert_array_equal(batch, one)
