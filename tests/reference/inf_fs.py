"""Infinite feature selection as its formulas read: dense, by loops, and slow.

Tables here have no missing values; a constant column is no node and has score 0.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import spearmanr

from tests.reference.contingency import expected_mi


def scores(X, y=None, *, alpha, scale="minmax", rho=0.9, classes=True, how="series"):
    """Energies of the columns; unsupervised where ``y`` is None."""
    X = np.asarray(X, float)
    nodes = [j for j in range(X.shape[1]) if len(set(X[:, j])) > 1]
    out = np.zeros(X.shape[1])
    if how == "released":
        A = adjacency(X[:, nodes], y, alpha, scale, classes, released=True)
        out[nodes] = released(A)
    else:
        A = adjacency(X[:, nodes], y, alpha, scale, classes)
        out[nodes] = {"series": series, "solved": solved}[how](A, rho)
    return out


def adjacency(X, y, alpha, scale="minmax", classes=True, released=False):
    """Weights of all edges; symmetric unless it is the released supervised graph."""
    d = X.shape[1]
    sigma = zmax([deviation(X[:, j], scale) for j in range(d)])
    A = np.zeros((d, d))
    if y is None:
        for i in range(d):
            for j in range(d):
                unlike = 1 - abs(spearman(X[:, i], X[:, j])) if i != j else 0.0
                both = max(sigma[i], sigma[j])
                A[i, j] = alpha * both + (1 - alpha) * unlike
        return A
    a1, a2, a3 = alpha
    criterion = fisher if released else explained
    h = zmax([criterion(X[:, j], y, classes) for j in range(d)])
    m = zmax([information(X[:, j], y, classes) for j in range(d)])
    for i in range(d):
        for j in range(d):
            both = max(sigma[i], sigma[j])
            A[i, j] = (
                a1 * (m[j] + h[i]) / 2 + a2 * (m[j] + both) / 2 + a3 * (both + h[i]) / 2
            )
    return A if released else (A + A.T) / 2


def zmax(values):
    """From 0 to 1; all 0 where all are equal."""
    values = np.asarray(values, float)
    low, high = min(values), max(values)
    if math.isclose(low, high, rel_tol=1e-13):
        return np.zeros(len(values))
    return np.array([(v - low) / (high - low) for v in values])


def deviation(x, scale):
    """Standard deviation of a column once it is scaled."""
    sd = float(np.std(x))
    if scale == "standard":
        return 1.0 if sd > 0 else 0.0
    if scale == "minmax":
        return sd / (max(x) - min(x))
    return sd


def spearman(a, b):
    """Average ranks for ties."""
    return float(spearmanr(a, b).statistic)


def fisher(x, y, classes=True):
    """Squares between the classes over squares within them; 10,000 for a zero."""
    between, within = squares(x, y, classes)
    if within == 0:
        return 10_000.0 if between > 0 else 0.0
    return between / within


def explained(x, y, classes=True):
    """Share of the variance."""
    between, within = squares(x, y, classes)
    return between / (between + within)


def squares(x, y, classes):
    """What the target explains of a column, and what it does not."""
    mean = math.fsum(x) / len(x)
    if not classes:
        total = math.fsum((v - mean) ** 2 for v in x)
        r = float(np.corrcoef(x, y)[0, 1])
        return total * r * r, total * (1 - r * r)
    between = within = 0.0
    for c in sorted(set(y)):
        part = [v for v, k in zip(x, y, strict=True) if k == c]
        middle = math.fsum(part) / len(part) if min(part) < max(part) else part[0]
        between += len(part) * (middle - mean) ** 2
        within += math.fsum((v - middle) ** 2 for v in part)
    return between, within


def bins_of(x):
    """Bins of equal width, left-closed."""
    n = len(x)
    k = 20 if n > 200 else max(n // 10, 10)
    low, high = min(x), max(x)
    return [min(int((v - low) / (high - low) * k), k - 1) for v in x]


def information(x, y, classes=True):
    """Mutual information above chance, over the mean entropy; not below 0."""
    a = bins_of(x)
    b = list(y) if classes else bins_of(y)
    pairs = list(zip(a, b, strict=True))
    plug_in = entropy(a) + entropy(b) - entropy(pairs)
    above = plug_in - expected_mi(counts(a), counts(b))
    return max(2 * above / (entropy(a) + entropy(b)), 0.0)


def counts(labels):
    """How often each label occurs."""
    known = sorted(set(labels))
    return [sum(label == k for label in labels) for k in known]


def entropy(labels):
    """In nats."""
    n = len(labels)
    return -math.fsum(c / n * math.log(c / n) for c in counts(labels))


def radius(A):
    """Largest modulus of the eigenvalues."""
    return float(np.abs(np.linalg.eigvalsh(A)).max())


def series(A, rho=0.9):
    """r A 1 + r^2 A^2 1 + ... until it stops changing."""
    largest = radius(A)
    total = np.zeros(len(A))
    if largest == 0:
        return total
    term = np.ones(len(A))
    while True:
        term = rho / largest * (A @ term)
        after = total + term
        if (after == total).all():
            return total
        total = after


def solved(A, rho=0.9):
    """The same by a dense solve."""
    largest = radius(A)
    if largest == 0:
        return np.zeros(len(A))
    one = np.ones(len(A))
    return np.linalg.solve(np.eye(len(A)) - rho / largest * A, one) - one


def released(A):
    """The energies of the code of 2020, line by line; A of any form."""
    d = len(A)
    eps = 5e-6 * d
    R = max(sum(A[i, j] for j in range(d)) for i in range(d))
    A = A / (R + eps)
    r = (1 - eps) / R
    return np.linalg.inv(np.eye(d) - r * A) @ np.ones(d)


def two_means(x):
    """How many are in the upper of two clusters, by trying every split."""
    x = sorted(map(float, x), reverse=True)
    best, least = len(x), None
    for k in range(1, len(x)):
        left = sum(
            math.fsum((v - math.fsum(p) / len(p)) ** 2 for v in p)
            for p in (x[:k], x[k:])
        )
        if least is None or left < least:
            best, least = k, left
    return best
