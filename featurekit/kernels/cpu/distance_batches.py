"""Distances of a batch of rows once one more column is looked at, and their sums.

Candidates are taken row by row of the batch together, so that a row of each matrix is
read from the cache for all of them but the first.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit

_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, nogil=True, fastmath=_FAST)
def joint_sums(base, columns, first, second, out):
    """Sums over the pairs of rows i, j of a_ij = sqrt(base_ij + (x_i - x_j)^2).

    Parameters
    ----------
    base : float32 array (n, n)
        Squared distances that are there already.
    columns : float32 array (c, n)
        The candidates x.
    first, second : float32 arrays (n, n)
        Matrices to multiply by; the second may be (0, 0).
    out : float64 array (c, 4)
        sum a_ij first_ij, sum a_ij second_ij, sum over i of (sum over j of a_ij)^2,
        sum a_ij.
    """
    n = base.shape[0]
    both = second.shape[0] > 0
    zero = np.float32(0.0)
    out[:] = 0.0
    for i in range(n):
        d2 = base[i]
        f = first[i]
        g = second[i] if both else first[i]
        for c in range(columns.shape[0]):
            x = columns[c]
            at = x[i]
            total = zero
            s1 = zero
            s2 = zero
            if both:
                for j in range(n):
                    apart = at - x[j]
                    a = np.sqrt(d2[j] + apart * apart)
                    total += a
                    s1 += f[j] * a
                    s2 += g[j] * a
            else:
                for j in range(n):
                    apart = at - x[j]
                    a = np.sqrt(d2[j] + apart * apart)
                    total += a
                    s1 += f[j] * a
            row = np.float64(total)
            out[c, 0] += s1
            out[c, 1] += s2
            out[c, 2] += row * row
            out[c, 3] += row
