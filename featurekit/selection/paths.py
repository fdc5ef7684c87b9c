"""Energy of the paths of a feature graph: what infinite feature selection ranks by.

A graph of d features has weights A (d, d). A path's weight is the product of its
edges', so (A^l) 1 sums the paths of length l from each feature. With the factor r per
step the energy is the sum over l >= 1 of r^l A^l 1, the solution of (I - rA) s = rA 1.

Several graphs over the same features (one per mixing weight) are solved side by side:
a product of the matrix of correlations with a few vectors costs little more than with
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featurekit.selection.base import rounded

Floats = NDArray[np.float64]
Product = Callable[[Floats], Floats]

TOLERANCE = 1e-13
MAX_STEPS = 1000
BLOCK = 512
EQUAL = 1e-14


class Unlikeness:
    """The matrix of 1 - |C| for rank correlations C, as products with vectors.

    Parameters
    ----------
    R : float64 array (n, d)
        Columns of length 1 (`statistics.moments.unit_ranks_of`).
    memory_limit : int
        Bytes that the matrix may take; beyond them it is computed again, block by
        block, in each product.
    """

    def __init__(self, R: Floats, memory_limit: int) -> None:
        self.R = R
        self._matrix: Floats | None = None
        d = R.shape[1]
        if 8 * d * d <= memory_limit:
            matrix = np.empty((d, d), order="F")
            for start, stop, block in self._blocks():
                matrix[start:, start:stop] = block
                matrix[start:stop, stop:] = block[stop - start :].T
            self._matrix = matrix

    def _blocks(self) -> Iterator[tuple[int, int, Floats]]:
        """Columns from the diagonal downwards; the rest follows by symmetry."""
        d = self.R.shape[1]
        scratch = np.empty(BLOCK * d)
        for start in range(0, d, BLOCK):
            stop = min(start + BLOCK, d)
            part = scratch[: (stop - start) * (d - start)]
            block = part.reshape(stop - start, d - start)
            np.matmul(self.R[:, start:stop].T, self.R[:, start:], out=block)
            np.abs(block, out=block)
            np.subtract(1.0, block, out=block)
            # columns of the same ranks have nothing that the other lacks
            block[block < EQUAL] = 0.0
            yield start, stop, block.T

    def __matmul__(self, V: Floats) -> Floats:
        """The product with the columns of V (d, m)."""
        if self._matrix is not None:
            return self._matrix @ V
        out = np.zeros((self.R.shape[1], V.shape[1]))
        for start, stop, block in self._blocks():
            out[start:] += block @ V[start:stop]
            out[start:stop] += block[stop - start :].T @ V[stop:]
        return out


@dataclass(frozen=True, eq=False)
class Spread:
    """The matrix of max(s_i, s_j), as products with vectors, in O(d) each.

    Attributes
    ----------
    s : float64 array (d,)
    order : int64 array (d,)
        Ascending order of s.
    """

    s: Floats
    order: NDArray[np.int64]

    @classmethod
    def of(cls, s: Floats) -> Spread:
        """Sort once."""
        return cls(s, np.argsort(s, kind="stable"))

    def __matmul__(self, V: Floats) -> Floats:
        """The product with the columns of V (d, m)."""
        s, v = self.s[self.order, None], V[self.order]
        weighted = s * v
        below = np.cumsum(v, axis=0)
        above = weighted.sum(axis=0) - np.cumsum(weighted, axis=0)
        out = np.empty_like(V)
        out[self.order] = s * below + above
        return out


def energies(A: Product, d: int, m: int, rho: float = 0.9) -> tuple[Floats, Floats]:
    """Energies in m symmetric graphs, with r = ``rho`` over the spectral radius.

    Parameters
    ----------
    A : callable
        (d, m) to (d, m): the product of each matrix, of weights >= 0, with its column.
    d, m : int
    rho : float
        Below 1. The condition of the system is (1 + rho) / (1 - rho) at most.

    Returns
    -------
    energies : float64 array (d, m)
    radius : float64 array (m,)
        The spectral radii.

    Notes
    -----
    By the method of Lanczos, started from 1, where the system and the leading vector
    share their products: within the span Q of 1, A1, A^2 1, ... the matrix is
    tridiagonal, T = Q'AQ. Its largest eigenvalue is the radius, for weights >= 0 have a
    leading vector without negative entries, which 1 is not orthogonal to; and with
    f(t) = rt / (1 - rt) the energies are Q f(T) Q'1. Every new vector is made
    orthogonal to all before it.
    """
    basis = [np.full((d, m), 1 / np.sqrt(d))]
    largest = min(d, MAX_STEPS)
    T = np.zeros((m, largest + 1, largest + 1))
    for k in range(largest):
        w = A(basis[k])
        T[:, k, k] = np.einsum("ij,ij->j", basis[k], w)
        size = np.sqrt(np.einsum("ij,ij->j", w, w))
        for _ in range(2):  # once leaves rounding errors of the first time
            for q in basis:
                w -= q * np.einsum("ij,ij->j", q, w)
        after = np.sqrt(np.einsum("ij,ij->j", w, w))
        after[after <= 1e-14 * size] = 0.0  # the span is closed
        T[:, k, k + 1] = T[:, k + 1, k] = after
        values, vectors = np.linalg.eigh(T[:, : k + 1, : k + 1])
        radius = np.maximum(values[:, -1], 0.0)
        r = np.divide(rho, radius, out=np.zeros(m), where=radius > 0)
        t = r[:, None] * values
        share = np.einsum("mij,mj,mj->mi", vectors, t / (1 - t), vectors[:, 0])
        left = after * np.abs(vectors[:, -1, -1])
        open_ = r * after * np.abs(share[:, -1])
        size = np.sqrt((share**2).sum(axis=1))
        if ((left <= 1e-8 * radius) & (open_ <= TOLERANCE * size)).all():
            break
        basis.append(np.divide(w, after, out=np.zeros_like(w), where=after > 0))
    s = sum(q * share[:, i] for i, q in enumerate(basis[: share.shape[1]]))
    return np.sqrt(d) * np.asarray(s), radius


def released_energies(A: Product, d: int) -> Floats:
    """What the released code of 2020 computes, for one graph of any form.

    It divides by the largest row sum twice, so that the series is little more than its
    first term.

    Returns
    -------
    float64 array (d, 1)
        (I - r A')^-1 1, the identity's share included.

    Raises
    ------
    ValueError
        From 200,000 features on, where its factor of convergence is below zero.
    """
    eps = 5e-6 * d
    if eps >= 1:
        raise ValueError(
            f"graph='tpami2020' is not defined for {d} features (200,000 or more): use "
            "graph='symmetric'"
        )
    one = np.ones((d, 1))
    largest = float(A(one).max())
    if largest <= 0:
        return one
    factor = (1 - eps) / largest / (largest + eps)
    if factor * largest < 0.95:
        s = one
        for _ in range(1000):
            after = one + factor * A(s)
            if np.abs(after - s).max() <= 1e-15 * np.abs(after).max():
                return after
            s = after
        return s
    matrix = np.hstack([A(np.eye(d)[:, [j]]) for j in range(d)])
    return np.asarray(np.linalg.solve(np.eye(d) - factor * matrix, one), np.float64)


def two_means(scores: Floats) -> int:
    """How many of the scores form the upper of two clusters.

    The split of the sorted scores that leaves the least sum of squares within both
    parts, found among all of them.

    Parameters
    ----------
    scores : float64 array (d,)

    Returns
    -------
    int
        At least 1; all of them where all are equal, to twelve digits.
    """
    x = np.sort(rounded(scores))[::-1]
    d = len(x)
    if d < 2 or x[0] == x[-1]:
        return d
    x = (x - x[-1]) / (x[0] - x[-1])
    upper = np.arange(1, d)
    sums = np.cumsum(x)[:-1]
    total = x.sum()
    between = sums**2 / upper + (total - sums) ** 2 / (d - upper)
    return int(upper[np.argmax(between)])
