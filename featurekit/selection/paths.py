"""Energy of the paths of a feature graph: what infinite feature selection ranks by.

A graph of d features has weights A (d, d). A path's weight is the product of its
edges', so (A^l) 1 sums the paths of length l from each feature. With the factor r per
step the energy is the sum over l >= 1 of r^l A^l 1, the solution of (I - rA) s = rA 1.

Several graphs over the same features (one per mixing weight) are solved side by side:
a product of the matrix of correlations with a few vectors costs little more than with
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Product = Callable[[Floats], Floats]

TOLERANCE = 1e-13
BLOCK = 512


class Correlations:
    """The matrix of absolute rank correlations, as products with vectors.

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
            for start in range(0, d, BLOCK):
                self._fill(slice(start, min(start + BLOCK, d)), matrix[:, start:])
            self._matrix = matrix

    def _fill(self, columns: slice, out: Floats) -> Floats:
        """Absolute correlations of all features with some, into ``out``."""
        width = columns.stop - columns.start
        block = out[:, :width]
        # the transpose of a column-major block is what BLAS writes to directly
        np.matmul(self.R[:, columns].T, self.R, out=block.T)
        np.abs(block, out=block)
        at = np.arange(width)
        block[columns.start + at, at] = 1.0
        return block

    def __matmul__(self, V: Floats) -> Floats:
        """The product with the columns of V (d, m)."""
        if self._matrix is not None:
            return self._matrix @ V
        d = self.R.shape[1]
        out = np.empty((d, V.shape[1]))
        scratch = np.empty((d, BLOCK), order="F")
        for start in range(0, d, BLOCK):
            columns = slice(start, min(start + BLOCK, d))
            out[columns] = self._fill(columns, scratch).T @ V
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


def spectral_radius(A: Product, d: int, m: int, max_iter: int = 1000) -> Floats:
    """Largest eigenvalues of m symmetric matrices of weights >= 0, by power iteration.

    Parameters
    ----------
    A : callable
        (d, m) to (d, m): the product of each matrix with its column.
    d, m : int

    Returns
    -------
    float64 array (m,)
        The error is of the order of the square of the last residual.
    """
    v = np.full((d, m), 1 / np.sqrt(d))
    for _ in range(max_iter):
        w = A(v)
        rho = np.einsum("ij,ij->j", v, w)
        residual = np.sqrt(((w - v * rho) ** 2).sum(axis=0))
        if (residual <= 1e-8 * rho).all():
            break
        # half of the old vector: a graph of two halves has an eigenvalue -rho
        v = w + v * rho
        length = np.sqrt((v**2).sum(axis=0))
        v /= np.where(length > 0, length, 1)
    return rho


def energies(A: Product, d: int, m: int, rho: float = 0.9) -> Floats:
    """Energies in m symmetric graphs, with r = ``rho`` over the spectral radius.

    Parameters
    ----------
    A : callable
        As for `spectral_radius`.
    d, m : int
    rho : float
        Below 1. The condition of the system is (1 + rho) / (1 - rho) at most.

    Returns
    -------
    float64 array (d, m)

    Notes
    -----
    Solved by conjugate gradients, started from the share along the leading vector.
    """
    radius = spectral_radius(A, d, m)
    r = np.where(radius > 0, rho / np.where(radius > 0, radius, 1), 0.0)
    b = r * A(np.ones((d, m)))
    s = np.zeros((d, m))
    residual = b.copy()
    direction = residual.copy()
    norm = np.einsum("ij,ij->j", residual, residual)
    goal = TOLERANCE**2 * norm
    for _ in range(10 * d + 100):
        active = norm > goal
        if not active.any():
            break
        moved = direction - r * A(direction)
        curvature = np.einsum("ij,ij->j", direction, moved)
        step = np.where(active, norm / np.where(curvature > 0, curvature, 1), 0.0)
        s += step * direction
        residual -= step * moved
        after = np.einsum("ij,ij->j", residual, residual)
        ratio = np.where(active, after / np.where(norm > 0, norm, 1), 0.0)
        direction = residual + ratio * direction
        norm = after
    return s


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
        At least 1; all of them where all are equal.
    """
    x = np.sort(scores)[::-1]
    d = len(x)
    if d < 2 or x[0] == x[-1]:
        return d
    x = (x - x[-1]) / (x[0] - x[-1])
    upper = np.arange(1, d)
    sums = np.cumsum(x)[:-1]
    total = x.sum()
    between = sums**2 / upper + (total - sums) ** 2 / (d - upper)
    return int(upper[np.argmax(between)])
