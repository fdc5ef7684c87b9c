"""Statistics of a table of counts, and the law of chance, as their definitions read.

Tables are wide here: an array (values, classes) of numbers of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import numpy as np
from scipy.special import xlog1py, xlogy
from scipy.stats import hypergeom


def margin(rng, n, k, evenness=1.0):
    """Sizes of ``k`` values or classes of ``n`` rows, each at least 1."""
    shares = rng.dirichlet(np.full(k, evenness))
    return 1 + rng.multinomial(n - k, shares).astype(np.int64)


def mutual_information(wide):
    """In nats; of the last two axes."""
    n = wide.sum(axis=(-2, -1), keepdims=True)
    p = wide / n
    independent = p.sum(axis=-1, keepdims=True) * p.sum(axis=-2, keepdims=True)
    return xlogy(p, p / np.where(p > 0, independent, 1.0)).sum(axis=(-2, -1))


def expected_mi(a, b):
    """Mean over all orders of the labels; probabilities are fractions of integers."""
    n = int(sum(a))
    terms = []
    for x in map(int, a):
        for y in map(int, b):
            for k in range(max(1, x + y - n), min(x, y) + 1):
                ways = math.comb(x, k) * math.comb(n - x, y - k)
                p = float(Fraction(ways, math.comb(n, y)))
                terms.append(p * (k / n) * math.log(Fraction(k * n, x * y)))
    return math.fsum(terms)


def expected_mi_of_wide_cells(a, b):
    """The same in 30 digits, from the mode of each cell outwards; needs mpmath."""
    from mpmath import mp, mpf

    def cell(x, y):
        mean = mpf(x) * y / n
        reach = int(14 * math.sqrt(mean * (n - x) * (n - y) / n / n)) + 20
        mode = (x + 1) * (y + 1) // (n + 2)
        total = weighted = mpf(0)
        for step in (1, -1):
            k, p = mode, mpf(1)
            while max(0, x + y - n) <= k <= min(x, y) and abs(k - mode) <= reach:
                if step == 1 or k < mode:
                    total += p
                    weighted += p * ((k * mp.log(k / mean) if k else 0) - (k - mean))
                if step == 1:
                    p *= mpf(x - k) * (y - k) / ((k + 1) * (n - x - y + k + 1))
                else:
                    p *= mpf(k) * (n - x - y + k) / ((x - k + 1) * (y - k + 1))
                k += step
        return weighted / total

    with mp.workdps(30):
        n = int(sum(a))
        known = {}
        for x in map(int, a):
            for y in map(int, b):
                pair = min(x, y), max(x, y)
                if pair not in known:
                    known[pair] = cell(*pair)
                known[x, y] = known[pair]
        return float(sum(known[int(x), int(y)] for x in a for y in b) / n)


@cache
def arrangements(b):
    """Every order of the labels of classes of ``b`` rows, (orders, n)."""
    n = int(sum(b))

    def orders(left) -> Iterator[list[int]]:
        if not any(left):
            yield []
        for c, k in enumerate(left):
            if k:
                rest = [m - (d == c) for d, m in enumerate(left)]
                yield from ([c, *order] for order in orders(rest))

    return np.array(list(orders(list(b)))).reshape(-1, n)


def mi_of_arrangements(a, b):
    """Mutual information of values of ``a`` rows with every order of the labels."""
    orders = arrangements(b)
    starts = np.cumsum([0, *a[:-1]])
    wide = [
        np.add.reduceat(orders == c, starts, axis=1, dtype=np.int64)
        for c in range(len(b))
    ]
    return mutual_information(np.stack(wide, axis=2))


def partitions(n, most=None):
    """Sizes that add up to ``n``, none above the one before."""
    if n == 0:
        yield ()
    for first in range(min(n, most or n), 0, -1):
        yield from ((first, *rest) for rest in partitions(n - first, first))


def null_variance(a, b, degrees=14):
    """Variance of the mutual information over all orders of the labels.

    What a cell adds is parted along the orthogonal polynomials of its count. Parts of
    different degrees have nothing in common; those of degree r of two cells correlate
    by a product of two factors, one for their values and one for their classes. With
    as many degrees as a cell has counts this is exact.
    """
    n = int(sum(a))
    sizes, times = np.unique(a, return_counts=True)

    def parts(x, y):
        k = np.arange(max(0, x + y - n), min(x, y) + 1)
        k = k[hypergeom.logpmf(k, n, x, y) > -100]
        root = np.sqrt(hypergeom.pmf(k, n, x, y))
        excess = (k * n - x * y) / n
        phi = xlog1py(k, excess * n / (x * y)) - excess
        powers = np.vander(excess, min(degrees + 1, len(k)), increasing=True)
        scale = np.abs(powers).max(axis=0)
        q, r = np.linalg.qr(root[:, None] * powers / np.where(scale > 0, scale, 1))
        out = np.zeros(degrees + 2)
        out[: q.shape[1]] = (q * np.sign(np.diag(r))).T @ (root * phi)
        out[-1] = max(0.0, (root * phi) @ (root * phi) - (out**2).sum())
        return out

    def factor(size, degree):
        steps = range(degree)
        if n - size < degree:
            return 0.0
        return math.sqrt(math.prod((size - i) / (n - size - i) for i in steps))

    cells = np.array([[parts(int(x), int(y)) for y in b] for x in sizes])
    total = times @ cells[:, :, -1].sum(axis=1)  # of still higher degrees: independent
    for degree in range(1, degrees + 1):
        sign = (-1) ** degree
        s = np.array([factor(int(x), degree) for x in sizes])
        t = np.array([factor(int(y), degree) for y in b])
        of_classes = sign * np.outer(t, t)
        np.fill_diagonal(of_classes, 1.0)
        g = cells[:, :, degree]
        alone = ((g @ of_classes) * g).sum(axis=1)
        together = (times * s) @ g
        total += times @ ((1 - sign * s**2) * alone)
        total += sign * together @ of_classes @ together
    return total / n**2


def entropy(counts):
    """In nats."""
    p = np.asarray(counts) / np.sum(counts)
    return float(-xlogy(p, p).sum())


def gini(wide):
    """What knowing the value takes off the Gini impurity."""
    n = wide.sum()
    within = sum(r.sum() / n * (1 - ((r / r.sum()) ** 2).sum()) for r in wide)
    return (1 - ((wide.sum(axis=0) / n) ** 2).sum()) - within


def information_value(wide, prior=1.0):
    """Of two classes; ``prior`` rows in proportion of the classes to each value."""
    smooth = wide + prior * wide.sum(axis=0) / wide.sum()
    p, q = (smooth / smooth.sum(axis=0)).T
    return float(((p - q) * np.log(p / q)).sum())


def information_value_of_classes(wide):
    """Each class against the rest, weighted by size."""
    b = wide.sum(axis=0)
    total = 0.0
    for c in np.flatnonzero((b > 0) & (b < b.sum())):
        other = wide.sum(axis=1) - wide[:, c]
        one = information_value(np.stack([wide[:, c], other], axis=1))
        total += b[c] / b.sum() * one
    return total


def encoding_gain(wide, smoothing=10.0):
    """Log-loss of the classes' shares less that of the values' shares, row by row.

    Both shares are learnt without the row that they are judged on.
    """
    x, y = (
        np.repeat(i.ravel(), wide.ravel())
        for i in np.meshgrid(*map(np.arange, wide.shape), indexing="ij")
    )
    n_classes = wide.shape[1]
    total = 0.0
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        prior = np.bincount(y[others], minlength=n_classes) + 1.0
        prior *= wide.sum(axis=0) > 0
        prior /= prior.sum()
        same = y[others & (x == x[i])]
        share = np.bincount(same, minlength=n_classes) + smoothing * prior
        share /= share.sum()
        total += math.log(share[y[i]]) - math.log(prior[y[i]])
    return total / len(x)


def cramers_v(wide):
    """With the correction of Bergsma (2013)."""
    wide = wide[:, wide.sum(axis=0) > 0]
    n, (r, c) = wide.sum(), wide.shape
    if min(r, c) < 2 or n < 3:
        return 0.0
    expected = np.outer(wide.sum(axis=1), wide.sum(axis=0)) / n
    phi2 = ((wide - expected) ** 2 / expected).sum() / n
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    r, c = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    return math.sqrt(phi2 / (min(r, c) - 1)) if min(r, c) > 1 + 1e-9 else 0.0
