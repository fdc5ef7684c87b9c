"""Which columns, and which pairs of columns, are worth making candidates of.

A screen for wide tables, where not all candidates can be scored. Columns are scored by
how the gradient of the loss differs between their bins, pairs by the product, the sum
and the difference of their ranks. All pairs take a few matrix products together.

Ranks and gradients are rounded to integers small enough that every sum is exact in
float64, so the scores depend neither on the order of the rows nor on the threads of
the linear algebra library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featurekit.expressions.keyed import Key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 16
MAX_RANK = 31
"""Ranks run from -31 to 31: fine enough, and products of two stay below 2**10."""
_GRADIENT = 2.0**20
_COARSE = 2.0**7
MAX_ROWS = 20_000
MIN_ROWS = 2_000
_VALUES = 2_000_000
"""Rows are sampled so that rows times columns stay near this."""
_SQUARE = 600
"""Columns that are paired with each other for their own sake."""
_PRODUCTS = 6e9
"""Limit on rows * columns**2 * outputs: about a second on one core."""


@dataclass(frozen=True)
class Promise:
    """Columns and pairs of columns, the most promising first.

    Attributes
    ----------
    columns : int64 array (d,)
    pairs : int64 array (p, 2)
        Each pair in ascending order, none twice.
    """

    columns: Ints
    pairs: Ints


def n_rows(n_columns: int) -> int:
    """Number of rows to screen so many columns on."""
    return int(np.clip(_VALUES // max(1, n_columns), MIN_ROWS, MAX_ROWS))


def promise(
    columns: Sequence[Floats | Key],
    gradients: Sequence[Floats],
    n_pairs: int,
    first: int = 0,
) -> Promise:
    """Rank columns and pairs of columns.

    Parameters
    ----------
    columns : sequence of float64 array (n,) or Key
    gradients : sequence of float64 array (n, K)
        Gradients of the loss at one or more initial scores; the last is that which
        candidates are scored against. A column ranks as in the best of its rankings.
    n_pairs : int
        Number of pairs wanted; all if there are fewer.
    first : int
        Pairs have a column from this place on (of the last order's features).
    """
    rounded = [_rounded(g, _GRADIENT) for g in gradients]
    last = rounded[-1]
    ranks = np.empty((len(last), len(columns)))
    scores = np.empty((len(rounded), len(columns)))
    for j, column in enumerate(columns):
        codes, numbers = _binned(column, last)
        ranks[:, j] = numbers
        scores[:, j] = [_between(codes, g) for g in rounded]
    places = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    order = np.argsort(places.min(axis=0), kind="stable")
    n_paired = int(np.sqrt(_PRODUCTS / (len(last) * last.shape[1])))
    paired = np.sort(order[: max(2, n_paired)])
    screened = _pair_lists(ranks[:, paired], gradients[-1], paired >= first)
    lists = [paired[some[:n_pairs]] for some in screened]
    lists.append(_square(order, first)[:n_pairs])
    return Promise(order, _interleaved(lists, n_pairs))


def _rounded(g: Floats, scale: float) -> Floats:
    """Centred gradients as whole numbers, the largest about ``scale``."""
    g = g - g.mean(axis=0)
    return np.rint(g * (scale / max(np.abs(g).max(initial=0.0), 1e-300)))


def _binned(column: Floats | Key, g: Floats) -> tuple[Ints, Floats]:
    """Codes of at most `BINS` quantile bins or of the categories; and centred ranks.

    Categories are ranked by their mean gradient, shrunk for those of few rows.
    """
    if isinstance(column, Key):
        counts = np.bincount(column.codes, minlength=column.size)
        sums = np.stack([np.bincount(column.codes, r, column.size) for r in g.T])
        strength = (sums**2 / (counts + 1.0)).sum(axis=1)
        means = sums[strength.argmax()] / (counts + 10.0)
        return column.codes, _centred(means[column.codes], np.zeros(len(g), bool))
    missing = np.isnan(column)
    numbers = _centred(column, missing)
    step = (2 * MAX_RANK + 1) / BINS
    codes = ((numbers + MAX_RANK) // step).astype(np.int64)
    codes[missing] = BINS
    return codes, numbers


def _centred(values: Floats, missing: NDArray[np.bool_]) -> Floats:
    """Mean ranks as whole numbers from -`MAX_RANK` to `MAX_RANK`; 0 where missing."""
    out = np.zeros(len(values))
    seen = values[~missing]
    _, codes, counts = np.unique(seen, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    share = middle / max(1, len(seen)) - 0.5
    out[~missing] = np.rint(2 * MAX_RANK * share)[codes]
    return out


def _between(codes: Ints, g: Floats) -> float:
    """Variance of the gradient between bins, above its expectation under chance."""
    counts = np.bincount(codes)
    used = counts > 0
    total = 0.0
    for r in g.T:
        variance = (r @ r) / max(1, len(r))
        if variance > 0:
            sums = np.bincount(codes, r)[used]
            total += float((sums**2 / counts[used]).sum() / variance - used.sum() + 1)
    return total


def _pair_lists(
    z: Floats, gradient: Floats, wanted: NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """Pairs by the association of their products, and of their sums or differences.

    At least one of the two columns is ``wanted``.
    """
    fine, coarse = _rounded(gradient, _GRADIENT), _rounded(gradient, _COARSE)
    i, j = np.triu_indices(z.shape[1], 1)
    i, j = i[wanted[i] | wanted[j]], j[wanted[i] | wanted[j]]
    product, line = np.zeros(len(i)), np.zeros(len(i))
    squares = z**2
    alike = (z.T @ z)[i, j]
    length = squares.sum(axis=0)
    for r, c in zip(fine.T, coarse.T, strict=True):
        if not c.any():
            continue
        unit = (r @ r) / (c @ c)
        v = ((squares * (c**2)[:, None]).T @ squares)[i, j] * unit
        of_product = ((z * r[:, None]).T @ z)[i, j]
        product += of_product**2 / np.maximum(v, 1e-300)
        of_one = r @ z
        variance = (r @ r) / len(r)
        best = np.zeros(len(i))
        for sign in (1.0, -1.0):
            spread = length[i] + length[j] + 2 * sign * alike
            both = (of_one[i] + sign * of_one[j]) ** 2
            best = np.maximum(best, both / np.maximum(spread, 1.0))
        single = of_one**2 / np.maximum(length, 1.0)
        line += np.maximum(best - np.maximum(single[i], single[j]), 0.0) / variance
    by_product, by_line = _descending(product), _descending(line)
    return (
        np.column_stack([i[by_product], j[by_product]]),
        np.column_stack([i[by_line], j[by_line]]),
    )


def _descending(scores: Floats) -> Ints:
    """Places of the scores above zero, the highest first."""
    return np.argsort(-scores, kind="stable")[: int((scores > 0).sum())]


def _square(order: Ints, first: int) -> Ints:
    """Pairs of columns by the place of the later of the two, then of the other."""
    k = min(len(order), _SQUARE)
    later, other = np.tril_indices(k, -1)
    a, b = order[later], order[other]
    wanted = (a >= first) | (b >= first)
    return np.column_stack([a[wanted], b[wanted]])


def _interleaved(lists: Sequence[Ints], n_pairs: int) -> Ints:
    """The first of each list, the second of each, ...; every pair once."""
    pairs = np.sort(np.concatenate(lists), axis=1)
    turn = np.concatenate([np.arange(len(some)) for some in lists])
    pairs = pairs[np.argsort(turn, kind="stable")]
    _, first = np.unique(pairs, axis=0, return_index=True)
    return pairs[np.sort(first)][:n_pairs]
