"""The boosting kernels once more, in numpy and plain loops.

Signatures are those of `featurekit.kernels.cpu.boosting`, which says what the arguments
are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

N_CELLS = 512
HALF = N_CELLS // 2
CELLS_PER_DOUBLING = 32


def cell(value, centre, inverse):
    """Cell of one value: 32 equal steps for each doubling of 1 + |x - c| / s."""
    if math.isnan(value):
        return N_CELLS
    w = np.float32(1 + min(abs((value - centre) * inverse), 1e9))
    fraction, exponent = math.frexp(float(w))  # w = fraction * 2**exponent, [0.5, 1)
    step = (exponent - 1) * CELLS_PER_DOUBLING
    step += math.floor((2 * fraction - 1) * CELLS_PER_DOUBLING)
    step = min(step, HALF - 1)
    return HALF + step if value >= centre else HALF - 1 - step


def accumulate(values, sums, starts, to, centre, inverse, out):
    """Add the rows of a candidate to its sums per cell, for several sets of atoms."""
    for atom in np.flatnonzero(to >= 0):
        for i in range(starts[atom], starts[atom + 1]):
            out[to[atom], cell(values[i], centre, inverse)] += sums[i]


def merge_cells(table, scale, n_bins, out):
    """Merge cells to bins of about equal count; returns how many.

    A bin is closed when it has reached its share of the rows not yet in closed bins,
    or when the next cell would take it past one and a half times that.
    """
    counts = table[:, :N_CELLS, 0].sum(axis=0)
    bins = []
    for j in np.flatnonzero(counts):
        if bins:
            closed = counts[[i for b in bins[:-1] for i in b]].sum()
            share = (counts.sum() - closed) / (n_bins - len(bins) + 1)
            held = counts[bins[-1]].sum()
            full = held >= share or held + counts[j] > 1.5 * share
            if not full or len(bins) == n_bins:
                bins[-1].append(j)
                continue
        bins.append([j])
    out[:] = 0
    for b, cells in enumerate(bins):
        out[:, b] = table[:, cells].sum(axis=1) * scale
    out[:, len(bins)] = table[:, N_CELLS] * scale
    return len(bins)


@dataclass
class _Leaf:
    """Adjoining bins ``lo:hi``, and whether missing values (the last bin) belong."""

    lo: int
    hi: int
    missing: bool

    def bins(self, last):
        return [*range(self.lo, self.hi), *([last] if self.missing else [])]


def _total(part, leaf):
    return math.fsum(part[leaf.bins(len(part) - 1)])


def _cuts(leaf, any_missing):
    """All ways to cut a leaf in two; missing values go right where there are none."""
    sides = (False, True) if leaf.missing and any_missing else (False,)
    for missing_left in sides:
        for cut in range(leaf.lo + 1, leaf.hi + 1):
            left = _Leaf(leaf.lo, cut, leaf.missing and missing_left)
            right = _Leaf(cut, leaf.hi, leaf.missing and not missing_left)
            yield left, right


def _best_cut(leaf, n, g, h, min_rows, ridge):
    """Gain and halves of the cut that takes most off the loss, (0, None) if none."""

    def strength(part):
        return _total(g, part) ** 2 / (_total(h, part) + ridge)

    best = 0.0, None
    for halves in _cuts(leaf, n[-1] > 0):
        if any(_total(n, half) < min_rows for half in halves):
            continue
        gain = sum(strength(half) for half in halves) - strength(leaf)
        if gain > best[0]:
            best = gain, halves
    return best


def _tree(n, g, h, leaves, min_rows, ridge, least):
    """Leaves of a tree grown best-first; a single one where no cut helps."""
    root = _Leaf(0, len(n) - 1, True)
    grown = [(root, *_best_cut(root, n, g, h, min_rows, ridge))]
    while len(grown) < leaves:
        at = max(range(len(grown)), key=lambda i: grown[i][1])
        _, gain, halves = grown[at]
        if gain <= least:
            break
        left, right = ((p, *_best_cut(p, n, g, h, min_rows, ridge)) for p in halves)
        grown[at] = left
        grown.append(right)
    return [leaf for leaf, _, _ in grown]


def _boost_fold(fit, held, K, squared, rounds, leaves, rate, patience, min_rows, ridge):
    """Loss taken off the sums ``held`` by boosting on the sums ``fit``, (bins, s)."""
    n = fit[:, 0]
    f = np.zeros((K, len(fit)))
    # all bins apart gain most; less than this share of it is rounding
    hessians = fit[:, :1] if squared else fit[:, 1 + K :]
    some = n > 0
    apart = fit[some, 1 : 1 + K] ** 2 / (hessians[some] + ridge)
    least = 1e-12 * math.fsum(apart.ravel())
    drops = [0.0]
    for _ in range(rounds):
        grown = False
        for k in range(K):
            h = n if squared else fit[:, 1 + K + k]
            g = fit[:, 1 + k] + h * f[k]
            tree = _tree(n, g, h, leaves, min_rows, ridge, least)
            if len(tree) == 1:
                continue
            grown = True
            for leaf in tree:
                below = _total(h, leaf) + ridge
                if below > 0:
                    f[k, leaf.bins(len(fit) - 1)] -= rate * _total(g, leaf) / below
        hessian = held[:, :1] if squared else held[:, 1 + K :]
        change = held[:, 1 : 1 + K].T * f + hessian.T * f**2 / 2
        drops.append(-math.fsum(change.ravel()))
        waited = len(drops) - 1 - int(np.argmax(drops))
        if waited >= patience or not grown:
            break
    best = max(drops)
    return best if best > 0 else drops[-1]


def boost(
    table, scale, train, test, K, squared, n_bins,
    rounds, leaves, rate, patience, min_rows, ridge, out,
):  # fmt: skip
    """Cross-fitted loss drop of each candidate on each fold."""
    for c in range(len(table)):
        merged = np.empty((table.shape[1], n_bins + 1, table.shape[3]))
        n = merge_cells(table[c], scale, n_bins, merged)
        for fold in range(len(train)):
            fit = merged[train[fold], : n + 1].sum(axis=0)
            held = merged[test[fold], : n + 1].sum(axis=0)
            out[c, fold] = _boost_fold(
                fit, held, K, squared, rounds, leaves, rate, patience, min_rows, ridge
            )
