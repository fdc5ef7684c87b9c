"""What chance alone does to a contingency table whose margins stay as they are.

Shuffle the labels. A cell of margins a and b of n rows then counts k of a
hypergeometric law, and adds

    phi(k) = k ln(k / mu) - (k - mu),        mu = a b / n

to n times the mutual information: over all cells the linear part is nothing. No phi is
negative, so sums of them keep their digits. The mean of phi gives the expected mutual
information; its parts along the first two orthogonal polynomials of k (Hahn's) give the
variance, for cells of other rows and columns are correlated through those by products
of known factors.
"""

from __future__ import annotations

import math

import numpy as np

from featurekit.kernels.compiler import njit

N_LOGS = 1 << 14
WIDE = 48.0
STRIDE = 0.6
N_SD = 8.7
NEGLIGIBLE = 1e-18


@njit(cache=True, nogil=True)
def bregman(t):
    """(1 + t) ln(1 + t) - t, without the loss of digits near 0."""
    if abs(t) < 0.02:
        return (
            t
            * t
            * (
                1 / 2
                - t
                * (
                    1 / 6
                    - t
                    * (
                        1 / 12
                        - t
                        * (
                            1 / 20
                            - t
                            * (
                                1 / 30
                                - t
                                * (1 / 42 - t * (1 / 56 - t * (1 / 72 - t * (1 / 90))))
                            )
                        )
                    )
                )
            )
        )
    if t <= -1.0:
        return 1.0
    return (1.0 + t) * math.log1p(t) - t


@njit(cache=True, nogil=True)
def ln_factorial_change(x, d):
    """ln((x + d)! / x!) - d ln x, for x + d above 30."""
    t = d / x
    y = x + d
    series = (1 / y - 1 / x) / 12 - (1 / (y * y * y) - 1 / (x * x * x)) / 360
    return x * bregman(t) + 0.5 * math.log1p(t) + series


@njit(cache=True, nogil=True)
def add_point(p, x, phi, sums):
    """Add a point of probability p, at x = k - mu, to the sums."""
    px = p * x
    px2 = px * x
    pf = p * phi
    sums[0] += p
    sums[1] += px
    sums[2] += px2
    sums[3] += px2 * x
    sums[4] += px2 * x * x
    sums[5] += pf
    sums[6] += pf * x
    sums[7] += pf * x * x
    sums[8] += pf * phi


@njit(cache=True, nogil=True)
def phi_of(k, mu, ln_mu, logs):
    """Phi at the count k."""
    if k == 0:
        return mu
    if k < logs.size and mu < 2000.0:
        return k * (logs[k] - ln_mu) - (k - mu)
    return mu * bregman((k - mu) / mu)


@njit(cache=True, nogil=True)
def sum_by_steps(a, b, n, mode, lo, hi, mu, logs, sums):
    """Sums over counts from the mode outwards, by the ratio of neighbours."""
    ln_mu = math.log(mu)
    rest = n - a - b
    add_point(1.0, mode - mu, phi_of(mode, mu, ln_mu, logs), sums)
    p = 1.0
    k = mode
    while k < hi:
        p *= ((a - k) * 1.0) * (b - k) / ((k + 1.0) * (rest + k + 1.0))
        k += 1
        if p < NEGLIGIBLE:
            break
        add_point(p, k - mu, phi_of(k, mu, ln_mu, logs), sums)
    p = 1.0
    k = mode
    while k > lo:
        p *= (k * 1.0) * (rest + k) / ((a - k + 1.0) * (b - k + 1.0))
        k -= 1
        if p < NEGLIGIBLE:
            break
        add_point(p, k - mu, phi_of(k, mu, ln_mu, logs), sums)


@njit(cache=True, nogil=True)
def sum_by_strides(a, b, n, mode, lo, hi, mu, sd, sums):
    """Sums over every h-th count of a wide law.

    The law is smooth, so that gives the same averages: the error of the trapezoidal
    rule falls like exp(-2 (pi sd / h)^2). All four counts of the two by two table are
    above sd^2, far above what the series for their factorials need.
    """
    h = int(sd * STRIDE)
    n_steps = int(N_SD * sd / h) + 1
    c0 = mode * 1.0
    c1 = a - mode * 1.0
    c2 = b - mode * 1.0
    c3 = n - a - b + mode * 1.0
    slope = math.log((c1 / c0) * (c2 / c3))
    for j in range(-n_steps, n_steps + 1):
        d = j * h
        k = mode + d
        if k < lo or k > hi:
            continue
        ln_p = slope * d
        ln_p -= ln_factorial_change(c0, d)
        ln_p -= ln_factorial_change(c1, -d)
        ln_p -= ln_factorial_change(c2, -d)
        ln_p -= ln_factorial_change(c3, d)
        add_point(math.exp(ln_p), k - mu, mu * bregman((k - mu) / mu), sums)


@njit(cache=True, nogil=True)
def cell_null(a, b, n, logs, sums, out):
    """Mean, two coefficients and remaining variance of phi, in one cell.

    Parameters
    ----------
    a, b, n : int
        Margins, and rows in all; 1 <= a, b <= n.
    logs : float64 array
        ln k; of k = 0 whatever.
    sums : float64 array (9,)
        Room to work in.
    out : float64 array (4,)
        E[phi]; E[phi h1] and E[phi h2] for the orthonormal polynomials of degree 1 and
        2; the variance that these two leave.
    """
    out[:] = 0.0
    if a == n or b == n:
        return
    sums[:] = 0.0
    mu = (a * 1.0) * b / n
    sd = math.sqrt(mu * ((n - a) / n) * ((n - b) / (n - 1.0)))
    lo = max(0, a + b - n)
    hi = min(a, b)
    mode = min(max(int((a + 1.0) * (b + 1.0) / (n + 2.0)), lo), hi)
    if sd < WIDE:
        sum_by_steps(a, b, n, mode, lo, hi, mu, logs, sums)
    else:
        sum_by_strides(a, b, n, mode, lo, hi, mu, sd, sums)
    total = sums[0]
    mean = sums[5] / total
    m1 = sums[1] / total
    m2 = sums[2] / total - m1 * m1
    m3 = sums[3] / total
    m4 = sums[4] / total
    out[0] = mean
    variance = sums[8] / total - mean * mean
    if m2 <= 0.0 or variance <= 0.0:
        return
    first = sums[6] / total
    out[1] = first / math.sqrt(m2)
    # h2 is x^2 - (m3 / m2) x - m2 over its norm, which is 0 for a law of two points
    norm = m4 - m3 * m3 / m2 - m2 * m2
    if norm > 1e-9 * m4:
        second = sums[7] / total - (m3 / m2) * first - m2 * mean
        out[2] = second / math.sqrt(norm)
    out[3] = max(0.0, variance - out[1] * out[1] - out[2] * out[2])


@njit(cache=True, nogil=True)
def overlap(a, n, out):
    """How the polynomials of two disjoint sets of rows go together.

    ``out[r - 1]`` is sqrt of a (a - 1) ... over (n - a) (n - a - 1) ..., r factors; the
    correlation of the degree r parts of two sets is (-1)^r times the product of theirs.
    """
    out[0] = math.sqrt(a / (n - a)) if a < n else 0.0
    out[1] = 0.0
    if a < n - 1:
        out[1] = math.sqrt((a / (n - a)) * ((a - 1.0) / (n - a - 1.0)))


@njit(cache=True, nogil=True)
def null_of_counts(a, b, same, n, logs, out):
    """What each count of a value adds to the null's mean and variance.

    Parameters
    ----------
    a : int64 array (M,)
        Distinct counts of values, each at least 1.
    b : int64 array (C,)
        Rows of each class, each at least 1.
    same : int64 array (C,)
        The first class with as many rows.
    n : int
        Rows in all.
    logs : float64 array
    out : float64 array (M, 2 + 2 C)
        Mean of n MI; its variance but for what values have in common; per class the
        first, then per class the second of what they have in common.
    """
    n_classes = b.size
    sums = np.empty(9)
    cells = np.empty((n_classes, 4))
    s = np.empty(2)
    t = np.empty((n_classes, 2))
    for c in range(n_classes):
        overlap(b[c], n, t[c])
    for i in range(a.size):
        mean = 0.0
        own = 0.0
        for c in range(n_classes):
            if same[c] == c:
                cell_null(a[i], b[c], n, logs, sums, cells[c])
            else:
                for j in range(4):
                    cells[c, j] = cells[same[c], j]
            mean += cells[c, 0]
            own += cells[c, 3]
        overlap(a[i], n, s)
        sign = -1.0
        for r in range(2):
            own += (1.0 - sign * s[r] * s[r]) * quadratic(cells, 1 + r, t, r, sign)
            for c in range(n_classes):
                out[i, 2 + r * n_classes + c] = s[r] * cells[c, 1 + r]
            sign = -sign
        out[i, 0] = mean
        out[i, 1] = own


@njit(cache=True, nogil=True)
def quadratic(parts, column, t, r, sign):
    """The variance of parts of one degree, a column of (C, *), over the classes."""
    own = 0.0
    common = 0.0
    for c in range(parts.shape[0]):
        g = parts[c, column]
        own += (1.0 - sign * t[c, r] * t[c, r]) * g * g
        common += t[c, r] * g
    return own + sign * common * common


@njit(cache=True, nogil=True)
def null_of_table(rows, times, parts, b, n, out):
    """Mean and variance of n MI for one table.

    Parameters
    ----------
    rows : int64 array (m,)
        Which rows of ``parts`` the counts of its values are.
    times : float64 array (m,)
        How many values have each.
    parts : float64 array (M, 2 + 2 C)
        From `null_of_counts`.
    b : int64 array (C,)
    n : int
    out : float64 array (2,)
    """
    n_classes = b.size
    t = np.empty((n_classes, 2))
    common = np.empty((n_classes, 2))
    for c in range(n_classes):
        overlap(b[c], n, t[c])
        common[c, 0] = common[c, 1] = 0.0
    mean = 0.0
    variance = 0.0
    for i in range(rows.size):
        row = parts[rows[i]]
        w = times[i]
        mean += w * row[0]
        variance += w * row[1]
        for r in range(2):
            for c in range(n_classes):
                common[c, r] += w * row[2 + r * n_classes + c]
    sign = -1.0
    for r in range(2):
        variance += sign * quadratic(common, r, t, r, sign)
        sign = -sign
    out[0] = mean
    out[1] = max(0.0, variance)


@njit(cache=True, nogil=True)
def null_within(bounds, sizes, table, logs, out):
    """Mean and variance of n MI when labels are shuffled within each of some strata.

    Parameters
    ----------
    bounds : int64 array (S + 1,)
        Where the values of each stratum begin.
    sizes : int64 array (values,)
        Rows of each value within its stratum.
    table : int64 array (S, C)
        Rows of each class in each stratum.
    logs : float64 array
    out : float64 array (2,)
    """
    n_classes = table.shape[1]
    out[:] = 0.0
    moments = np.empty(2)
    for v in range(bounds.size - 1):
        k = bounds[v + 1] - bounds[v]
        n = np.int64(0)  # typed: a literal would compile what is called twice
        n_there = 0
        for c in range(n_classes):
            n += table[v, c]
            n_there += table[v, c] > 0
        if k < 2 or n_there < 2:
            continue
        if k == n:
            # as many values as rows: all there is to know of the labels, always
            for c in range(n_classes):
                if table[v, c] > 0:
                    out[0] -= table[v, c] * math.log(table[v, c] / n)
            continue
        b = np.empty(n_there, np.int64)
        same = np.empty(n_there, np.int64)
        at = 0
        for c in range(n_classes):
            if table[v, c] > 0:
                b[at] = table[v, c]
                same[at] = at
                for j in range(at):
                    if b[j] == b[at]:
                        same[at] = j
                        break
                at += 1
        rows = np.sort(sizes[bounds[v] : bounds[v + 1]])
        counts = np.empty(k, np.int64)
        times = np.zeros(k)
        m = 0
        for i in range(k):
            if i > 0 and rows[i] == counts[m - 1]:
                times[m - 1] += 1.0
            else:
                counts[m] = rows[i]
                times[m] = 1.0
                m += 1
        parts = np.empty((m, 2 + 2 * n_there))
        null_of_counts(counts[:m], b, same, n, logs, parts)
        null_of_table(np.arange(m), times[:m], parts, b, n, moments)
        out[0] += moments[0]
        out[1] += moments[1]


@njit(cache=True, nogil=True)
def null_of_pairs(a, weight_a, b, weight_b, nodes, n, logs, memo):
    """The expected n MI of two columns, of grouped counts.

    Parameters
    ----------
    a, b : int64 array (m,), (l,)
        Positions in ``nodes`` of counts of values of each column.
    weight_a, weight_b : float64 array (m,), (l,)
        How many values have each.
    nodes : int64 array (D,)
    n : int
    logs : float64 array
    memo : float64 array (D, D)
        The mean of phi of each two counts, the lesser first; NaN where it is not yet
        known, filled in on the way.

    Returns
    -------
    float
    """
    sums = np.empty(9)
    cell = np.empty(4)
    total = 0.0
    for i in range(a.size):
        for j in range(b.size):
            x = min(a[i], b[j])
            y = max(a[i], b[j])
            mean = memo[x, y]
            if mean != mean:
                cell_null(nodes[x], nodes[y], n, logs, sums, cell)
                mean = cell[0]
                memo[x, y] = mean
            total += weight_a[i] * weight_b[j] * mean
    return total
