"""Boosting one feature by squared loss, from the sums of its bins.

See `featurekit.statistics.exact`: H never changes and G moves by ``H * step``.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.exact_tree import N_ROUNDS, grow_tree, improves


@njit(cache=True, nogil=True)
def boost_exact_squared(train, valid, flags):
    """Drop of the squared error on the validation rows of one fold.

    Parameters
    ----------
    train, valid : float64 arrays (3, n_bins + 1)
        Per bin the number of rows, the sum of their weights and the weighted sum of
        residuals ``init - y``; the former is changed. The last bin is that of NaN.
    flags : int
        As of `exact_tree.grow_tree`.
    """
    n_bins = train.shape[1] - 1
    count, hess, grad = train[0], train[1], train[2]
    f = np.empty(n_bins + 1)
    for b in range(n_bins + 1):
        f[b] = 0.0
    step = np.empty(n_bins + 1)
    work = np.empty((4, n_bins + 2))
    best, at, more = -np.inf, 0, True
    for r in range(N_ROUNDS):
        leaves = grow_tree(grad, hess, count, n_bins, flags, 0.0, work, step)
        drop = 0.0
        for b in range(n_bins + 1):
            f[b] += step[b]
            grad[b] += hess[b] * step[b]
            drop -= f[b] * (2.0 * valid[2, b] + f[b] * valid[1, b])
        best, at, more = improves(drop, best, at, r)
        if leaves == 1 or not more:
            break
    return best
