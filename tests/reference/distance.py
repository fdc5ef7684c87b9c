"""Distance correlation from its definition, in fractions and in numpy.

Distances of rationals on a line are rational, and so are their squares' sums: nothing
is rounded but the last step. Rows that count w times are written w times.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np


def line(values):
    """Distances of numbers, exactly."""
    numbers = [Fraction(v) for v in np.asarray(values).tolist()]
    return [[abs(a - b) for b in numbers] for a in numbers]


def labels(values):
    """Distances of labels, any two of which are 1 apart."""
    values = list(values)
    return [[Fraction(int(a != b)) for b in values] for a in values]


def labels_by_share(values):
    """Distances of labels: of p and q of the rows, 1/p + 1/q."""
    values = list(values)
    inverse = [Fraction(len(values), values.count(a)) for a in values]
    return [
        [p + q if a != b else Fraction(0) for b, q in zip(values, inverse, strict=True)]
        for a, p in zip(values, inverse, strict=True)
    ]


def centred(a, bias_corrected):
    """A matrix of distances with the means of its rows and columns taken off."""
    n = len(a)
    rows = [sum(row) for row in a]
    total = sum(rows)
    if bias_corrected:
        p, q = Fraction(1, n - 2), Fraction(1, (n - 1) * (n - 2))
    else:
        p, q = Fraction(1, n), Fraction(1, n * n)
    return [
        [
            Fraction(0)
            if bias_corrected and i == j
            else a[i][j] - p * (rows[i] + rows[j]) + q * total
            for j in range(n)
        ]
        for i in range(n)
    ]


def product(a, b):
    """Sum of the products of two matrices' entries."""
    return sum(
        x * y for r, s in zip(a, b, strict=True) for x, y in zip(r, s, strict=True)
    )


def exact(a, b, bias_corrected=False):
    """The ratio of covariance and variances of two matrices of distances.

    The square of the distance correlation, or the bias-corrected one as it is.
    """
    a, b = centred(a, bias_corrected), centred(b, bias_corrected)
    both, of_a, of_b = product(a, b), product(a, a), product(b, b)
    if of_a == 0 or of_b == 0:
        return 0.0
    with localcontext() as context:
        context.prec = 60
        context.Emin, context.Emax = -(10**6), 10**6
        square = both * both / (of_a * of_b)
        root = (Decimal(square.numerator) / Decimal(square.denominator)).sqrt()
        return float(root) if both > 0 else -float(root)


def matrix(values):
    """Distances of numbers (n,), points (n, p) or labels, in float64."""
    values = np.asarray(values)
    if values.dtype.kind in "USOb":
        return (values[:, None] != values).astype(float)
    points = values.reshape(len(values), -1).astype(float)
    return np.sqrt(((points[:, None] - points) ** 2).sum(axis=-1))


def plain(x, y, bias_corrected=False):
    """`exact` in float64, of whatever `matrix` takes."""

    def centre(a):
        n = len(a)
        if not bias_corrected:
            return a - a.mean(axis=0) - a.mean(axis=1)[:, None] + a.mean()
        rows = a.sum(axis=0) / (n - 2)
        a = a - rows - rows[:, None] + a.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(a, 0)
        return a

    a, b = centre(matrix(x)), centre(matrix(y))
    spread = math.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / spread) if spread > 0 else 0.0


def partial(x, y, z):
    """Bias-corrected partial distance correlation of three matrices of distances."""
    a, b, c = (centred(d, True) for d in (x, y, z))
    square = product(c, c)
    if square:
        a, b = (
            [
                [v - f * w for v, w in zip(r, s, strict=True)]
                for r, s in zip(d, c, strict=True)
            ]
            for d, f in ((a, product(a, c) / square), (b, product(b, c) / square))
        )
    both, of_a, of_b = product(a, b), product(a, a), product(b, b)
    if of_a == 0 or of_b == 0:
        return 0.0
    square = both * both / (of_a * of_b)
    return math.sqrt(square) if both > 0 else -math.sqrt(square)
