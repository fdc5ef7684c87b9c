"""The boosting statistic: sums that do not care for order, blocks or threads."""

from __future__ import annotations

import numpy as np
import pytest

from featurekit.statistics.boosting import (
    BoostingSums,
    Program,
    RowSums,
    boosting_drops,
)
from featurekit.statistics.loss import LogLoss, MultiLogLoss, Squared


def _problem(loss, n=3000, seed=0):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(4, n))
    columns[2, rng.random(n) < 0.1] = np.nan
    signal = columns[0] * columns[1]
    if isinstance(loss, Squared):
        y = signal + rng.normal(size=n)
    elif isinstance(loss, LogLoss):
        y = (signal + rng.normal(size=n) > 0) * 1.0
    else:
        y = np.digitize(signal + rng.normal(size=n), [-0.5, 0.5]).astype(float)
    raw = np.tile(loss.baseline(y), (n, 1))
    sums = RowSums.of(*loss.gradients(y, raw))
    starts = np.linspace(0, n, 6).astype(np.int64)
    eye = np.eye(5, dtype=bool)
    program = Program(
        np.array([3, 0, 1, 4, 0]), np.array([0, 0, 0, 1, 2]), np.array([1, 0, 2, 3, 2])
    )
    return columns, sums, starts, ~eye, eye, program


LOSSES = [Squared(), LogLoss(), MultiLogLoss(3)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: type(v).__name__)
def test_planted_product_wins_and_noise_gains_nothing(loss):
    columns, sums, starts, train, test, program = _problem(loss)
    drops = boosting_drops(program, columns, sums, starts, train, test).sum(axis=1)
    assert drops.argmax() == 0 and drops[0] > 20
    assert (drops[[1, 2, 4]] < 0.1 * drops[0]).all()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: type(v).__name__)
def test_blocks_threads_and_row_order_change_nothing(loss):
    columns, sums, starts, train, test, program = _problem(loss)
    whole = boosting_drops(program, columns, sums, starts, train, test)
    np.testing.assert_array_equal(
        whole, boosting_drops(program, columns, sums, starts, train, test, n_threads=2)
    )
    alone = [
        boosting_drops(program[i : i + 1], columns, sums, starts, train, test)[0]
        for i in range(len(program))
    ]
    np.testing.assert_array_equal(whole, np.array(alone))

    empty = BoostingSums.start(program, columns, 5)
    total = None
    for lo in range(0, 3000, 700):
        hi = min(lo + 700, 3000)
        block_starts = np.clip(starts, lo, hi) - lo
        part = empty.summarise(
            np.ascontiguousarray(columns[:, lo:hi]),
            sums.take(slice(lo, hi)),
            block_starts,
        )
        total = part if total is None else part.merge(total)
    np.testing.assert_array_equal(whole, total.finalise(sums, train, test))

    rng = np.random.default_rng(1)
    order = np.concatenate(
        [
            rng.permutation(np.arange(a, b))
            for a, b in zip(starts, starts[1:], strict=False)
        ]
    )
    mixed = empty.summarise(
        np.ascontiguousarray(columns[:, order]), sums.take(order), starts
    )
    np.testing.assert_array_equal(whole, mixed.finalise(sums, train, test))


def test_sums_by_key_are_sums_over_rows():
    columns, sums, starts, *_ = _problem(LogLoss())
    atom = np.repeat(np.arange(5), np.diff(starts))
    codes = np.random.default_rng(0).integers(0, 7, 3000)
    found = sums.by_key(atom, 5, codes, 7).values.reshape(5, 7, -1)
    for a in range(5):
        for c in range(7):
            rows = (atom == a) & (codes == c)
            np.testing.assert_array_equal(found[a, c], sums.values[rows].sum(axis=0))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda v: type(v).__name__)
def test_gradients_are_differences_of_the_loss(loss):
    rng = np.random.default_rng(0)
    k = loss.n_outputs
    y = rng.integers(0, max(k, 2), 50).astype(float)
    raw = rng.normal(size=(50, k))
    g, h = loss.gradients(y, raw)
    half = 2.0 if isinstance(loss, Squared) else 1.0  # squared loss halves its gradient
    factor = k / (k - 1) if k > 1 else 1.0  # LightGBM's, in the hessian
    e = 1e-4
    for j in range(k):
        up, down = raw.copy(), raw.copy()
        up[:, j] += e
        down[:, j] -= e
        a, b, c = (loss.per_row(y, r) / half for r in (up, raw, down))
        np.testing.assert_allclose((a - c) / (2 * e), g[:, j], atol=1e-6)
        np.testing.assert_allclose(
            (a - 2 * b + c) / e**2 * factor, h[:, j], rtol=1e-3, atol=1e-4
        )
