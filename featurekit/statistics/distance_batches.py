"""Distance correlation with a target on a batch of rows, of columns beside others.

Rows of a batch are few enough (some hundreds to 2,048) for a matrix of their distances.
Columns K that are chosen already are whitened, so that the distance of two rows is that
of Mahalanobis. With one more column f it is

    d^2([K, f]) = d^2(K) + (r_i - r_j)^2 / var(r),

where r is what K does not explain of f by least squares: the inverse of a covariance
in block form. The same holds of correlations shrunk towards the identity, as ridge
regression does, with the Schur complement in place of var(r). A candidate therefore
costs one pass over the pairs, and no matrix of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.execution.local import run_threads
from featurekit.kernels.registry import kernel

Floats = NDArray[np.float64]

EXPLAINED = 1e-10
"""A column of which less than this share is left adds nothing to those beside it."""

ROUNDING = 1e-12
"""A sum of squares that is less than this share of its terms is 0."""

_BLOCK = 32
_NONE: Floats = np.zeros((0, 0))


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a target, ready for candidates.

    Attributes
    ----------
    distances : float64 array (n, n)
        Of the target, between each two rows; the largest is 1.
    """

    distances: Floats

    @classmethod
    def of(cls, y: Floats, discrete: bool, apart: Floats | None = None) -> Batch:
        """Take a target.

        Parameters
        ----------
        y : float64 array (n,)
            Numbers, or codes of classes.
        discrete : bool
            Classes, of which two rows are as far apart as the sum of their ``apart``.
        apart : float64 array (n,), optional
            1 of each row if not given.
        """
        if discrete:
            v = np.ones(len(y)) if apart is None else apart
            distances = (v[:, None] + v) * (y[:, None] != y)
        else:
            distances = np.abs(y[:, None] - y)
        # single precision ends at 1e38
        return cls(distances / (distances.max(initial=0.0) or 1.0))

    def joint(
        self, K: Floats, F: Floats, *, shrinkage: float = 0.0, n_threads: int = 1
    ) -> Floats:
        """Distance correlation of [K, f] with the target, K and f whitened.

        Parameters
        ----------
        K : float64 array (n, k)
            Columns beside which each candidate is looked at; k may be 0.
        F : float64 array (n, c)
            Candidates.
        shrinkage : float
            The share lambda of the identity in their correlations. 0 is the
            affine-invariant form.
        n_threads : int

        Returns
        -------
        float64 array (c,)
            The V-statistic, not squared; 0 where nothing varies.
        """
        n = len(F)
        y = _centred(self.distances, n, n)
        space = Space.of(K, shrinkage)
        x, length = space.residuals(F)
        sums = _sums(space.squared, x, y, _NONE, n_threads)
        squares = 2.0 * n * n * (space.length + length)
        variance = squares - 2 / n * sums[:, 2] + (sums[:, 3] / n) ** 2
        return np.sqrt(np.clip(_ratio(sums[:, 0], variance, (y**2).sum(), 0.0), 0, 1))

    def partial(self, K: Floats, F: Floats, *, n_threads: int = 1) -> Floats:
        """Partial distance correlation of f and the target, K taken out of both.

        Parameters
        ----------
        K : float64 array (n, k)
            Whitened first; k may be 0.
        F : float64 array (n, c)

        Returns
        -------
        float64 array (c,)
            Of Székely and Rizzo (2014), in [-1, 1]; 0 where nothing is left.
        """
        n = len(F)
        x = _unit(F)
        y = _u_centred(self.distances)
        whole = (self.distances**2).sum()
        z, z_square = _NONE, 0.0
        if K.shape[1]:
            apart = Space.of(K).squared
            z = _u_centred(np.sqrt(apart))
            z_square = (z**2).sum()
            if z_square <= ROUNDING * apart.sum():
                z_square = 0.0
        if z_square > 0:
            y = y - (y * z).sum() / z_square * z
        sums = _sums(np.zeros_like(y), x, y, z if z_square > 0 else _NONE, n_threads)
        squares = 2.0 * n * n * x.any(axis=0)
        variance = squares - 2 / (n - 2) * sums[:, 2]
        variance += sums[:, 3] ** 2 / ((n - 1) * (n - 2))
        if z_square > 0:
            variance -= sums[:, 1] ** 2 / z_square
        y_left = (y**2).sum()
        if y_left <= ROUNDING * whole:
            return np.zeros(F.shape[1])
        return np.clip(_ratio(sums[:, 0], variance, y_left, 1e-6 * squares), -1, 1)


def _ratio(product: Floats, x: Floats, y: float, least: Any) -> Floats:
    """product / sqrt(x y), 0 where x is rounding alone."""
    below = np.sqrt(np.maximum(x, 0) * y)
    enough = (x > least) & (below > 0)
    return np.divide(product, below, out=np.zeros_like(below), where=enough)


def _centred(distances: Floats, n_row: float, n_all: float) -> Floats:
    rows = distances.sum(axis=1)
    return distances - rows[:, None] / n_row - rows / n_row + rows.sum() / n_all / n_row


def _u_centred(distances: Floats) -> Floats:
    """Centred so that the mean over independent columns is 0; the diagonal is 0."""
    n = len(distances)
    centred = _centred(distances, n - 2, n - 1)
    np.fill_diagonal(centred, 0.0)
    return centred


def _unit(columns: Floats) -> Floats:
    """Columns of mean 0 and variance 1; those that do not vary are 0."""
    centred = columns - columns[:1]
    largest = np.abs(centred).max(axis=0, initial=0.0)
    # of length 1 at most, so that no square overflows or vanishes
    centred = np.divide(centred, largest, out=np.zeros_like(centred), where=largest > 0)
    centred = centred - centred.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    return np.divide(
        centred, deviation, out=np.zeros_like(centred), where=deviation > 1e-12
    )


@dataclass(frozen=True, eq=False)
class Space:
    """Columns K with Mahalanobis distances, of a covariance that may be shrunk.

    Attributes
    ----------
    unit : float64 array (n, k)
        Of mean 0 and variance 1.
    inverse : float64 array (k, k)
        Of (1 - lambda) R + lambda I, with R their correlations.
    length : float
        Mean square length of a row.
    squared : float64 array (n, n)
        Squared distances.
    shrinkage : float
        lambda.
    """

    unit: Floats
    inverse: Floats
    length: float
    squared: Floats
    shrinkage: float

    @classmethod
    def of(cls, K: Floats, shrinkage: float = 0.0) -> Space:
        """Take the columns; directions in which they do not vary are left out."""
        n = len(K)
        unit = _unit(K)
        if not K.shape[1]:
            return cls(unit, np.zeros((0, 0)), 0.0, np.zeros((n, n)), shrinkage)
        R = unit.T @ unit / n
        values, vectors = np.linalg.eigh(R)
        kept = values > EXPLAINED * values.max(initial=0.0)
        values, vectors = values[kept], vectors[:, kept]
        shrunk = (1 - shrinkage) * values + shrinkage
        Q = unit @ (vectors / np.sqrt(shrunk))
        inverse = vectors / shrunk @ vectors.T
        length = float((values / shrunk).sum())
        return cls(unit, inverse, length, _squared_distances(Q), shrinkage)

    def residuals(self, F: Floats) -> tuple[Floats, Floats]:
        """What one more column adds to the distances, of each candidate.

        Returns
        -------
        x : float64 array (n, c)
            (x_i - x_j)^2 is added to the square of each distance; 0 where K explains
            the candidate.
        length : float64 array (c,)
            Mean of x^2.
        """
        f = _unit(F)
        if not self.unit.shape[1]:
            return f, np.einsum("ij,ij->j", f, f) / len(f)
        n = len(f)
        x, keep = f, 1 - self.shrinkage
        # without shrinkage a second time takes away what rounding left
        for _ in range(1 if self.shrinkage else 2):
            x = x - self.unit @ (keep * self.inverse @ (self.unit.T @ x / n))
        # the block's Schur complement, 1 - (1 - lambda)^2 r' inverse r
        r = self.unit.T @ f / n
        left = f.any(axis=0) - keep**2 * (r * (self.inverse @ r)).sum(axis=0)
        if not self.shrinkage:
            left = np.einsum("ij,ij->j", x, x) / n
        adds = left > EXPLAINED
        root = np.sqrt(np.maximum(left, 0))
        x = np.divide(x, root, out=np.zeros_like(x), where=adds)
        return x, np.einsum("ij,ij->j", x, x) / n


def _squared_distances(Q: Floats) -> Floats:
    gram = Q @ Q.T
    size = np.diagonal(gram)
    squared = np.maximum(size[:, None] + size - 2 * gram, 0.0)
    np.fill_diagonal(squared, 0.0)
    return squared


def _sums(
    base: Floats, x: Floats, first: Floats, second: Floats, n_threads: int
) -> Floats:
    """`joint_sums` of all candidates, blocks of them on several threads.

    Single precision suffices: the mean over a batch has far more noise than that.
    """
    work = kernel("joint_sums")
    matrices = [np.ascontiguousarray(m, np.float32) for m in (first, second)]
    base = np.ascontiguousarray(base, np.float32)
    columns = np.ascontiguousarray(x.T, np.float32)
    out = np.empty((len(columns), 4))

    def some(start: int) -> None:
        part = slice(start, start + _BLOCK)
        work(base, columns[part], *matrices, out[part])

    run_threads(some, range(0, len(columns), _BLOCK), n_threads)
    return out
