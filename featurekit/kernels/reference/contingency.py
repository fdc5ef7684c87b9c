"""The kernels of numbering, counting and chance once more, plain.

Signatures are those of `featurekit.kernels.cpu.keys`, ``contingency``, ``null`` and
``walk``, which say what the arguments are. The law of a cell is summed over every count
it can take, with scipy's probabilities and polynomials made by Gram and Schmidt.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
from scipy.special import xlog1py, xlogy
from scipy.stats import hypergeom

BITS = (1 << 64) - 1


def mixed(key):
    """64 mixed bits of a 64-bit key, in Python's whole numbers."""
    z = int(key) & BITS
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & BITS
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & BITS
    return z ^ (z >> 31)


def mix_keys(keys, seed, out):
    """64 mixed bits of every key."""
    out[:] = [mixed((int(key) & BITS) ^ int(seed)) for key in keys]


def _place(key, code, slots):
    at = mixed(key) % len(slots)
    while slots[at] != 0:
        at = (at + 1) % len(slots)
    slots[at] = code


def number_keys(keys, shift, start, slots, distinct, used, codes):
    """Codes of keys in the order of first sight; stops where there is no more room."""
    known = {int(key): code for code, key in enumerate(distinct[:used], 1)}
    most = min(len(slots) // 2, len(distinct))
    for i in range(start, len(keys)):
        key = int(keys[i]) >> shift
        if key not in known:
            if used == most:
                return i, used
            distinct[used] = key
            used += 1
            known[key] = used
            _place(key, used, slots)
        codes[i] = known[key]
    return len(keys), used


def place_keys(distinct, used, slots):
    """Put ``used`` distinct keys, numbered already, into an empty table."""
    for code, key in enumerate(distinct[:used], 1):
        _place(key, code, slots)


def look_up(keys, low, table, codes):
    """Codes ``table[key - low]``, 0 outside the table; returns how many are 0."""
    known = dict(enumerate(table.tolist(), low))
    codes[:] = [known.get(key, 0) for key in keys.tolist()]
    return int((codes == 0).sum())


def count_codes(codes, y, n_classes, table):
    """Add one to ``table[codes[i] * n_classes + y[i]]`` for every row."""
    for code, c in zip(codes.tolist(), y.tolist(), strict=True):
        table[code * n_classes + c] += 1


def count_repeated(codes, y, times, n_classes, table):
    """As `count_codes`, each row ``times[i]`` times."""
    for code, c, t in zip(codes.tolist(), y.tolist(), times.tolist(), strict=True):
        table[code * n_classes + c] += t


def compress(table, order, n_classes, start, classes, counts, sizes):
    """The cells that are not empty, value by value; returns how many of each."""
    wide = table[: len(table) // n_classes * n_classes].reshape(-1, n_classes)[order]
    wide = wide[wide.sum(axis=1) > 0]
    value, c = np.nonzero(wide)
    k, filled = len(wide), len(c)
    start[: k + 1] = np.searchsorted(value, np.arange(k + 1))
    classes[:filled] = c
    counts[:filled] = wide[value, c]
    sizes[:k] = wide.sum(axis=1)
    return k, filled


def _wide(start, classes, counts, n_classes):
    out = np.zeros((len(start) - 1, n_classes))
    for v in range(len(start) - 1):
        cells = slice(start[v], start[v + 1])
        out[v, classes[cells]] = counts[cells]
    return out


def table_statistics(start, classes, counts, b, logs, smoothing, out):
    """The sums behind every statistic of one table."""
    wide = _wide(start, classes, counts, len(b))
    a = wide.sum(axis=1)
    out[0] = xlogy(wide, wide).sum()
    out[1] = xlogy(a, a).sum()
    seen = b > 0
    out[2] = (wide[:, seen] ** 2 / a[:, None] / b[seen]).sum()
    out[3] = (wide**2 / a[:, None]).sum()
    out[4] = (a == 1).sum()
    out[5] = 0.0
    for v, c in zip(*np.nonzero(wide), strict=True):
        others = wide[v].copy()
        others[c] -= 1  # the row that is judged
        rest = b.copy()
        rest[c] -= 1
        prior = (rest + 1) / (rest + 1)[seen].sum()
        share = (others + smoothing * prior) / (others.sum() + smoothing)
        out[5] += wide[v, c] * math.log(share[c])


def information_value(start, classes, counts, b, prior, out):
    """Per class, sum over values of (p - q) ln(p / q), smoothed."""
    wide = _wide(start, classes, counts, len(b))
    smooth = wide + prior * b / b.sum()
    for c in range(len(b)):
        rest = np.delete(smooth, c, axis=1).sum(axis=1)
        if 0 < b[c] < b.sum():
            p, q = smooth[:, c] / smooth[:, c].sum(), rest / rest.sum()
            out[c] = ((p - q) * np.log(p / q)).sum()
        else:
            out[c] = 0.0


def shift_counts(codes, y, n_values, n_classes):
    """The released OutRank's statistic, of rows in their order."""
    n, total = len(codes), 0.0
    for v in range(n_values):
        rows = np.flatnonzero(codes == v)
        k = len(rows)
        if k < 2:
            continue
        here = np.bincount(y[rows], minlength=n_classes)
        there = np.bincount(y[(rows + k) % n], minlength=n_classes)
        total += xlogy(here, here / k).sum() - xlogy(there, there / k).sum()
    return total / n


def cell_null(a, b, n):
    """Mean, coefficients of degree 1 and 2, and remaining variance of phi, a cell's."""
    k = np.arange(max(0, a + b - n), min(a, b) + 1)
    k = k[hypergeom.logpmf(k, n, a, b) > -100]  # the rest costs time and adds nothing
    p = hypergeom.pmf(k, n, a, b)
    p /= p.sum()
    excess = k * n - a * b  # n times k - mu, in whole numbers
    x = excess / n
    phi = xlog1py(k, excess / (a * b)) - x
    x = x / max(1.0, math.sqrt(p @ x**2))
    polynomials = [np.ones(len(k))]
    coefficients = []
    left = phi
    for degree in range(3):
        if degree > 0:
            h = x**degree
            for other in 2 * polynomials:  # twice, against rounding
                h = h - (p @ (h * other)) * other
            # as many counts as the degree: nothing is left but rounding
            h = h / math.sqrt(p @ h**2) if len(k) > degree else np.zeros(len(k))
            polynomials.append(h)
        coefficients.append(p @ (left * polynomials[-1]))
        left = left - coefficients[-1] * polynomials[-1]
    return (*coefficients, p @ left**2)


def _overlap(a, n, degree):
    """sqrt of a (a - 1) ... over (n - a) (n - a - 1) ..., ``degree`` factors."""
    above = math.prod(range(a - degree + 1, a + 1))
    below = math.prod(range(n - a - degree + 1, n - a + 1))
    return math.sqrt(above / below) if n - a >= degree else 0.0


def correlations(sizes, n, degree):
    """Of the parts of one degree of disjoint sets of ``n`` rows, (m, m)."""
    t = np.array([_overlap(int(a), n, degree) for a in sizes])
    out = (-1) ** degree * np.outer(t, t)
    np.fill_diagonal(out, 1.0)
    return out


def null_of_counts(a, b, same, n, logs, out):
    """What each count of a value adds to the null's mean and variance."""
    n_classes = len(b)
    for i, size in enumerate(a):
        cells = np.array([cell_null(int(size), int(c), n) for c in b])
        out[i, 0] = cells[:, 0].sum()
        out[i, 1] = cells[:, 3].sum()
        for degree in (1, 2):
            g = cells[:, degree]
            s = _overlap(int(size), n, degree)
            alone = g @ correlations(b, n, degree) @ g
            # null_of_table adds the parts of all values squared: the value's own square
            # is to count once in all
            out[i, 1] += (1 - (-1) ** degree * s**2) * alone
            out[i, 2 + (degree - 1) * n_classes :][:n_classes] = s * g


def null_of_table(rows, times, parts, b, n, out):
    """Mean and variance of n MI for one table."""
    mean, own, *common = times @ parts[rows]
    first, second = np.reshape(common, (2, len(b)))
    out[0] = mean
    out[1] = own
    out[1] -= first @ correlations(b, n, 1) @ first
    out[1] += second @ correlations(b, n, 2) @ second
    out[1] = max(0.0, out[1])


def null_within(bounds, sizes, table, logs, out):
    """Mean and variance of n MI when labels are shuffled within each of some strata."""
    out[:] = 0.0
    for v, labels in enumerate(table):
        a, times = np.unique(sizes[bounds[v] : bounds[v + 1]], return_counts=True)
        b = labels[labels > 0]
        if len(a) > 0:
            parts, moments = np.empty((len(a), 2 + 2 * len(b))), np.empty(2)
            null_of_counts(a, b, None, b.sum(), logs, parts)
            null_of_table(np.arange(len(a)), times, parts, b, b.sum(), moments)
            out += moments


def null_of_pairs(a, weight_a, b, weight_b, nodes, n, logs, memo):
    """The expected n MI of two columns, of grouped counts; notes what it finds."""
    total = 0.0
    for i, w in zip(a, weight_a, strict=True):
        for j, v in zip(b, weight_b, strict=True):
            at = min(i, j), max(i, j)
            if np.isnan(memo[at]):
                memo[at] = cell_null(int(nodes[i]), int(nodes[j]), n)[0]
            total += w * v * memo[at]
    return total


def group_rows(codes, n_values, start, rows):
    """Rows by value: those of value v are ``rows[start[v]:start[v + 1]]``, in order."""
    of_value = [np.flatnonzero(codes == v) for v in range(n_values)]
    start[:] = np.cumsum([0, *map(len, of_value)])
    rows[:] = np.concatenate([np.zeros(0, int), *of_value])


def gather(codes, rows, out):
    """``out[i] = codes[rows[i]]``."""
    out[:] = [codes[row] for row in rows]


def hash_rows(codes, place, salt, out):
    """Add a hash of each row's value to ``out``, modulo 2**64."""
    for i, code in enumerate(codes):
        value = mixed(mixed(place[code]) ^ int(salt))
        out[i] = (int(out[i]) + value) & BITS


def _note(counts, small, large):
    """Count those below ``len(small)``, list the others; returns how many these are."""
    listed = [k for k in counts if k >= len(small)]
    large[: len(listed)] = listed
    np.add.at(small, [k for k in counts if k < len(small)], 1)
    return len(listed)


def pair_counts(start, right, times, seen, small, large):
    """How often each count occurs among the cells of the grouped column and another."""
    cells = Counter()
    for v in range(len(start) - 1):
        for i in range(start[v], start[v + 1]):
            cells[v, int(right[i])] += int(times[i])
    return _note(cells.values(), small, large)


def cross_counts(start, right, y, times, n_classes, seen, small, large, sizes, bounds):
    """Rows of each pair of values, and how often each count occurs with a class."""
    pairs = [defaultdict(Counter) for _ in start[:-1]]
    for v, of_value in enumerate(pairs):
        for i in range(start[v], start[v + 1]):
            of_value[int(right[i])][int(y[i])] += int(times[i])
    bounds[:] = np.cumsum([0, *map(len, pairs)])
    counts = [classes for of_value in pairs for classes in of_value.values()]
    sizes[: len(counts)] = [classes.total() for classes in counts]
    cells = [classes[c] for classes in counts for c in sorted(classes)]
    return _note(cells, small, large)


def draw_tables(groups, urns, with_rest, logs, state, out):
    """Sum of k ln k of tables whose groups take rows from urns without putting back."""
    rows = np.repeat(np.arange(len(urns)), urns)
    first = np.cumsum(urns) - urns
    bits = int(state[0])
    for i in range(len(out)):
        table = np.zeros((len(groups) + 1, len(urns)), np.int64)
        for g, size in enumerate(groups):
            for _ in range(size):
                while True:
                    bits = (bits + 0x9E3779B97F4A7C15) & BITS
                    row = int((mixed(bits) >> 11) * 2.0**-53 * len(rows))
                    urn = rows[row]
                    if row - first[urn] >= table[:, urn].sum():
                        break
                table[g, urn] += 1
        out[i] = xlogy(table, table).sum()
        if with_rest:
            table[-1] = urns - table.sum(axis=0)
            out[i] = xlogy(table, table).sum() - xlogy(urns, urns).sum()
    state[0] = bits
