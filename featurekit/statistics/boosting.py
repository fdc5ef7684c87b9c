"""The boosting statistic: what one feature takes off the loss, cross-fitted.

Per candidate, atom of the folds and cell of the candidate's values the sums of
counts, gradients and hessians are kept (`BoostingSums`); they add up over blocks of
rows, and one-feature boosting is run on them alone
(arXiv 2211.12507 calls the outcome the FeatureBoost gain). See
`featurekit.kernels.cpu.boosting` for the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featurekit.execution.local import run_threads
from featurekit.kernels.registry import kernel
from featurekit.statistics.elementwise import IDENTITY, evaluate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SAMPLE = 128
_BLOCK_ROWS = 1 << 15
_CHUNK_BYTES = 8 << 20
_FIXED_POINT_BITS = 61
_NUMERATORS = np.array([0, 1, 1, 1, 3, 49, 1])
_DENOMINATORS = np.array([1, 50, 4, 2, 4, 50, 1])
"""Quantiles that the grid of a candidate is fixed from."""


@dataclass(frozen=True)
class Rounds:
    """How a feature is boosted while screening (the names are LightGBM's)."""

    n_bins: int = 32
    rounds: int = 20
    leaves: int = 8
    rate: float = 0.3
    patience: int = 2
    min_rows: float = 20.0
    ridge: float = 1e-6


@dataclass(frozen=True)
class RowSums:
    """What every row adds to a candidate's histogram, in fixed point.

    Integers make the sums independent of the order and the blocking of the rows.

    Attributes
    ----------
    values : int64 array (n, s)
        Count, K gradients and, unless ``squared``, K hessians.
    scale : float64 array (s,)
        Multiplies the sums back to their own units.
    n_outputs : int
        K.
    squared : bool
        The hessian is one: the count stands for it.
    """

    values: Ints
    scale: Floats
    n_outputs: int
    squared: bool

    @classmethod
    def of(cls, g: Floats, h: Floats, weight: Floats | None = None) -> RowSums:
        """From gradients and hessians of shape (n, K) and weights (n,)."""
        squared = weight is None and bool((h == 1.0).all())
        channels = g if squared else np.hstack([g, h])
        if weight is not None:
            channels = channels * weight[:, None]
        largest = np.abs(channels).max(axis=0)
        bits = _FIXED_POINT_BITS - np.ceil(
            np.log2(len(g) * np.maximum(largest, 1e-300))
        )
        factor = np.exp2(np.clip(np.floor(bits), -1000, 1000))
        values = np.empty((len(g), 1 + channels.shape[1]), np.int64)
        values[:, 0] = 1
        np.rint(channels * factor, out=values[:, 1:], casting="unsafe")
        return cls(values, np.r_[1.0, 1.0 / factor], g.shape[1], squared)

    def take(self, rows: Ints | slice) -> RowSums:
        """The same for some of the rows."""
        return RowSums(self.values[rows], self.scale, self.n_outputs, self.squared)

    def by_key(self, atom: Ints, n_atoms: int, codes: Ints, size: int) -> RowSums:
        """Sums per (atom, key) in place of rows, atoms outermost, (n_atoms * size, s).

        A candidate whose value depends on the key alone has the same histogram over
        these pairs as over the rows, at O(keys) instead of O(rows).
        """
        out = np.zeros((n_atoms * size, self.values.shape[1]), np.int64)
        kernel("sum_by_key")(self.values, atom, codes, size, out)
        return RowSums(out, self.scale, self.n_outputs, self.squared)


@dataclass(frozen=True)
class Program:
    """Candidates that are one elementwise operation on columns: codes and indices."""

    op: Ints
    left: Ints
    right: Ints

    def __len__(self) -> int:
        return len(self.op)

    def __getitem__(self, part: slice) -> Program:
        return Program(self.op[part], self.left[part], self.right[part])

    @classmethod
    def identity(cls, n: int) -> Program:
        """``n`` columns as they are."""
        return cls(np.zeros(n, np.int64), np.arange(n), np.arange(n))


class BoostingSums:
    """Mergeable sums of a batch of candidates (summarise, merge, finalise)."""

    def __init__(self, program: Program, centre: Floats, inverse: Floats, n_atoms: int):
        self.program = program
        self.centre = centre
        self.inverse = inverse
        self.n_atoms = n_atoms
        self.table: Ints | None = None

    @classmethod
    def start(cls, program: Program, columns: Floats, n_atoms: int) -> BoostingSums:
        """Empty sums, with the grid of each candidate fixed from a sample of rows."""
        rows = _sample(columns.shape[1])
        if not program.op.any():
            return cls(program, *grids(columns[program.left[:, None], rows]), n_atoms)
        values = np.empty((len(program), len(rows)))
        for op in set(program.op.tolist()):
            of_op = np.flatnonzero(program.op == op)
            left = columns[program.left[of_op, None], rows]
            right = columns[program.right[of_op, None], rows]
            evaluated = np.empty(left.shape)
            evaluate(op, left, right, evaluated)
            values[of_op] = evaluated
        return cls(program, *grids(values), n_atoms)

    def summarise(self, columns: Floats, sums: RowSums, starts: Ints) -> BoostingSums:
        """Sums of one block of rows, ordered by atom as ``starts`` says."""
        out = BoostingSums(self.program, self.centre, self.inverse, self.n_atoms)
        shape = (len(self.program), self.n_atoms, 513, sums.values.shape[1])
        out.table = np.zeros(shape, np.int64)
        accumulate = kernel("accumulate")
        to = np.arange(self.n_atoms)
        buffer = np.empty(min(columns.shape[1], _BLOCK_ROWS))
        for lo in range(0, columns.shape[1], _BLOCK_ROWS):
            # a block of all candidates before the next: its sums stay in the cache
            part = slice(lo, lo + _BLOCK_ROWS)
            rows = sums.values[part]
            bounds = np.clip(starts - lo, 0, len(rows))
            for c, op in enumerate(self.program.op):
                values = left = columns[self.program.left[c], part]
                if op != IDENTITY:
                    values = buffer[: len(rows)]
                    evaluate(op, left, columns[self.program.right[c], part], values)
                accumulate(
                    values, rows, bounds, to, self.centre[c], self.inverse[c],
                    out.table[c],
                )  # fmt: skip
        return out

    def merge(self, other: BoostingSums) -> BoostingSums:
        """Sums of both blocks."""
        if self.table is None or other.table is None:
            return other if self.table is None else self
        out = BoostingSums(self.program, self.centre, self.inverse, self.n_atoms)
        out.table = self.table + other.table
        return out

    def finalise(
        self,
        sums: RowSums,
        train: NDArray[np.bool_],
        test: NDArray[np.bool_],
        how: Rounds = Rounds(),  # noqa: B008
    ) -> Floats:
        """Total loss taken off each fold's test rows, (candidates, F)."""
        assert self.table is not None
        out = np.empty((len(self.program), train.shape[0]))
        kernel("boost")(
            self.table, sums.scale, train, test, sums.n_outputs, sums.squared,
            how.n_bins, how.rounds, how.leaves, how.rate, how.patience, how.min_rows,
            how.ridge, out,
        )  # fmt: skip
        return out


def boosting_drops(
    program: Program,
    columns: Floats,
    sums: RowSums,
    starts: Ints,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    how: Rounds = Rounds(),  # noqa: B008
    n_threads: int = 1,
) -> Floats:
    """Loss that each candidate takes off each fold, (candidates, F).

    Candidates are worked through in chunks whose tables fit the cache; nothing of
    the size candidates x rows is ever made.
    """
    n_atoms = len(starts) - 1
    per_candidate = n_atoms * 513 * sums.values.shape[1] * 8
    size = max(1, min(_CHUNK_BYTES // per_candidate, -(-len(program) // n_threads)))
    out = np.empty((len(program), train.shape[0]))

    def chunk(lo: int) -> None:
        part = program[lo : lo + size]
        start = BoostingSums.start(part, columns, n_atoms)
        table = start.summarise(columns, sums, starts)
        out[lo : lo + size] = table.finalise(sums, train, test, how)

    run_threads(chunk, range(0, len(program), size), n_threads)
    return out


def boosting_drops_per_fold(
    values: Floats,
    sums: RowSums,
    starts: Ints,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    how: Rounds = Rounds(),  # noqa: B008
) -> Floats:
    """Loss that candidates take off each fold, with values of their own for each.

    Parameters
    ----------
    values : float64 array (candidates, F, n)
        What a candidate is while a fold is left out.

    Returns
    -------
    float64 array (candidates, F)
    """
    n_folds = values.shape[1]
    rows = _sample(values.shape[2])
    # per fold a table of the rows it learns from and one of those it is measured on
    to = np.where(test, 1, np.where(train, 0, -1))
    first, second = np.array([[True, False]]), np.array([[False, True]])
    accumulate, boost = kernel("accumulate"), kernel("boost")
    table = np.empty((n_folds, 2, 513, sums.values.shape[1]), np.int64)
    drops = np.empty((n_folds, 1))
    out = np.empty(values.shape[:2])
    sample = values[:, :, rows].reshape(-1, len(rows))
    centre, inverse = (part.reshape(out.shape) for part in grids(sample))
    for c in range(len(values)):
        table[:] = 0
        for f in range(n_folds):
            accumulate(
                values[c, f], sums.values, starts, to[f], centre[c, f], inverse[c, f],
                table[f],
            )  # fmt: skip
        boost(
            table, sums.scale, first, second, sums.n_outputs, sums.squared, how.n_bins,
            how.rounds, how.leaves, how.rate, how.patience, how.min_rows, how.ridge,
            drops,
        )  # fmt: skip
        out[c] = drops[:, 0]
    return out


def grids(values: Floats) -> tuple[Floats, Floats]:
    """Centre and inverse scale of the cells, from a sample of each candidate's values.

    The scale is half the interquartile range, or a sixteenth of the central 96 % where
    that is larger; point masses fall back to the range of the sample.

    Parameters
    ----------
    values : float64 array (m, r)
        Values that are not finite are left out.

    Returns
    -------
    centre, inverse : float64 arrays (m,)
        0 and 1 for a candidate without values.
    """
    finite = np.isfinite(values)
    ascending = np.sort(np.where(finite, values, np.nan), axis=1)
    n = finite.sum(axis=1)
    at = _NUMERATORS * np.maximum(n - 1, 0)[:, None] // _DENOMINATORS
    quantiles = ascending[np.arange(len(n))[:, None], at]
    least, low, first, centre, third, high, most = quantiles.T
    with np.errstate(all="ignore"):
        scale = np.maximum(0.5 * (third - first), (high - low) / 16)
        scale = np.where(scale > 0.0, scale, (most - least) / 16)
        floor = np.maximum(np.abs(centre) * 1e-3, 1e-30)
        inverse = 1.0 / np.where(scale > 0.0, scale, floor)
    return np.where(n > 0, centre, 0.0), np.where(n > 0, inverse, 1.0)


@lru_cache(maxsize=256)
def _sample(n: int) -> Ints:
    """Rows that the grid of a candidate is fixed from; not to be written to."""
    return np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)


def score(drops: Floats, n_test: Iterable[int] | Ints) -> tuple[Floats, Floats]:
    """Mean loss taken off a test row, and its standard error over the folds.

    Parameters
    ----------
    drops : float64 array (m, F)
    n_test : int array (F,)

    Returns
    -------
    score, standard_error : float64 arrays (m,)
    """
    n = np.asarray(n_test, np.float64)
    per_row = drops / n
    mean = drops.sum(axis=1) / n.sum()
    if len(n) < 2:
        return mean, np.full(len(mean), np.nan)
    return mean, per_row.std(axis=1, ddof=1) / np.sqrt(len(n))
