"""Boosting one feature by squared loss, from the sums of its bins.

See `featurekit.statistics.exact`: H never changes and G moves by ``H * step``.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit
from featurekit.kernels.cpu.exact_bins import CONSTANT_HESSIAN, bin_flags
from featurekit.kernels.cpu.exact_tree import N_ROUNDS, grow_tree, improves


@njit(cache=True, nogil=True)
def boost_exact_squared(train, valid, zero_bin, constant):
    """Drop of the mean squared error on the validation rows of one fold.

    Parameters
    ----------
    train, valid : float64 arrays (3, n_bins + 1)
        Per bin the number of rows, the sum of their weights and the weighted sum of
        residuals ``init - y``; changed in place. The last bin is that of NaN.
    zero_bin : int
        The bin that holds zero.
    constant : bool
        Whether all weights are one.
    """
    n_bins = train.shape[1] - 1
    count, hess, grad = train[0], train[1], train[2]
    if count[n_bins] == 0:  # NaN not seen in training goes where zero goes
        for j in range(3):
            valid[j, zero_bin] += valid[j, n_bins]
            valid[j, n_bins] = 0.0
    flags = bin_flags(count, n_bins, zero_bin)
    rows = 0.0
    for w in valid[1]:
        rows += w
    if flags < 0 or rows == 0.0:
        return 0.0 if rows > 0.0 else np.nan
    if constant:
        flags = CONSTANT_HESSIAN
    f = np.zeros(n_bins + 1)
    step = np.zeros(n_bins + 1)
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
    return best / rows
