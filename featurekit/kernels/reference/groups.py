"""The kernels of groups once more, in numpy and plain loops.

Signatures are those of `featurekit.kernels.cpu.groups`, which says what the arguments
are.
"""

from __future__ import annotations

import numpy as np


def sum_by_key(values, atom, codes, size, out):
    """Add row ``values[i]`` (s,) to ``out[atom[i] * size + codes[i]]``, in place."""
    for row, a, c in zip(values, atom, codes, strict=True):
        out[a * size + c] += row


def sum_over_sets(parts, sets, of, key, out):
    """Sums over sets of atoms, of some sets and keys."""
    for f, i in np.ndindex(out.shape):
        out[f, i] = parts[sets[of[f, i]], key[i]].sum()


def group_moments(x, codes, atom, n_atoms, size, shift):
    """Count, sum and sum of squares of x - shift, extremes of x, per (atom, key)."""
    out = np.zeros((5, n_atoms, size))
    for a in range(n_atoms):
        for c in range(size):
            part = x[(atom == a) & (codes == c) & ~np.isnan(x)]
            moved = part - shift[c]
            out[:3, a, c] = len(part), moved.sum(), (moved**2).sum()
            out[3, a, c] = part.min(initial=np.inf)
            out[4, a, c] = part.max(initial=-np.inf)
    return out


def combine_moments(parts, shift, train, missing, out):
    """Mean, sample variance, minimum and maximum per set of atoms and key."""
    out[:] = np.nan
    for f, atoms in enumerate(train):
        for c in range(missing):
            n, total, squares = parts[:3, atoms, c].sum(axis=1)
            if n == 0:
                continue
            low, high = parts[3, atoms, c].min(), parts[4, atoms, c].max()
            mean = low if low == high else total / n + shift[c]
            out[0, f, c] = 0.0 if abs(mean) <= 1e-12 * max(-low, high) else mean
            if n > 1:
                spread = 0.0 if low == high else squares - total * total / n
                out[1, f, c] = max(spread, 0.0) / (n - 1)
            out[2:, f, c] = low, high


def group_means(x, codes, size, out):
    """Mean of x per key over all rows, 0 where there are none."""
    for c in range(size):
        part = x[(codes == c) & ~np.isnan(x)]
        out[c] = part.mean() if len(part) else 0.0


def distinct(values, codes, seen):
    """Number the values that are not NaN in ascending order; returns how many."""
    found = sorted({v for v in values if v == v})
    seen[: len(found)] = found
    codes[:] = [found.index(v) if v == v else len(found) for v in values]
    return len(found)


def renumber(ids, gone, codes, seen):
    """The same for whole numbers, of which some are ``gone``."""
    found = sorted(set(ids[~gone]))
    seen[: len(found)] = found
    codes[:] = [
        len(found) if g else found.index(v) for v, g in zip(ids, gone, strict=True)
    ]
    return len(found)


def group_distinct(pair, atom, n_atoms, of_key, counted, train, size, out):
    """Distinct values per key over each set of atoms."""
    out[:] = np.nan
    for f, atoms in enumerate(train):
        present = np.unique(pair[atoms[atom]])
        for c in set(of_key[present]):
            out[f, c] = counted[present][of_key[present] == c].sum()


def group_medians(order, x, codes, atom, train, size):
    """Median of x per key over each set of atoms, (F, size)."""
    out = np.full((len(train), size), np.nan)
    for f, atoms in enumerate(train):
        for c in range(size):
            part = [x[i] for i in order if codes[i] == c and atoms[atom[i]]]
            if part:
                out[f, c] = np.median(part)
    return out


def _rank_among(value, peers):
    """Average rank of ``value`` put among ``peers``, as a share of them all."""
    if len(peers) == 0:
        return np.nan
    less, equal = np.sum(peers < value), np.sum(peers == value)
    return (less + equal / 2 + 1) / (len(peers) + 1)


def group_ranks(order, x, codes, atom, train, fold, size, out):
    """Percentile rank of each row among its key's rows of the fold's training atoms."""
    out[:] = np.nan
    for i in order:
        if fold[i] >= 0:
            seen = order[(codes[order] == codes[i]) & train[fold[i]][atom[order]]]
            out[i] = _rank_among(x[i], x[seen])


def ranks_in_groups(x, codes, values, starts, out):
    """Percentile rank of each row put among the sorted ``values`` of its key."""
    for i, (value, c) in enumerate(zip(x, codes, strict=True)):
        peers = values[starts[c] : starts[c + 1]]
        out[i] = np.nan if np.isnan(value) else _rank_among(value, peers)
