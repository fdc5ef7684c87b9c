"""Variables of which distance covariances are taken: lines, classes and points.

A variable is put in order once; `covariance` of two then costs what the pair alone
needs. All sums are of k, the kernel of `featurekit.kernels.cpu.distance`, instead of
distances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel, read_only

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

EIGENVALUE_CUT = 1e-10
_SAMPLE = 255
_CELLS = 1 << 22
# beyond these a column is scaled before anything is subtracted
_HUGE, _TINY = 2.0**1000, 2.0**-960
# parts of a sum that lie below it are rounding
_NOISE = 1e-15
# classes of less than this share of the rows are as far from others as those of it
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows that variables have in common.

    Attributes
    ----------
    n_rows : int
    times : float64 array (n,) or (0,)
        How often each row counts; none: once.
    n_total : float
        Rows, counted as often as they count.
    correction : float
        1 for bias-corrected statistics, else 0.
    """

    n_rows: int
    times: Floats
    n_total: float
    correction: float

    @property
    def every_time(self) -> Floats:
        """``times``, ones where there are none."""
        return self.times if len(self.times) else np.ones(self.n_rows)

    def centred(self, squares: float, x_total: float, y_total: float, spread: float):
        """A sum of products of centred k, times 4 / n^2 a distance covariance."""
        n, c = self.n_total, self.correction
        return squares - x_total * (y_total / n) / (n - c) - 2 * spread / (n - 2 * c)


@dataclass(frozen=True, eq=False)
class Line:
    """Numbers, ordered on both sides of a middle; `sum_line` says what is in it."""

    order: Ints
    size: Floats
    sums: Floats
    n_low: int
    total: float
    variance: float
    sample: Sample

    @cached_property
    def rank(self) -> Codes:
        """Of each row its place in ``order``, -1 without one; int32 (n,)."""
        rank = np.full(self.sample.n_rows, -1, np.int32)
        rank[self.order] = np.arange(len(self.order), dtype=np.int32)
        return rank

    @cached_property
    def row_sums(self) -> Floats:
        """Of each row its sum of k less their mean, float64 (n,)."""
        mean = self.total / self.sample.n_total
        sums = np.full(self.sample.n_rows, -mean)
        sums[self.order] = self.sums - mean
        return sums

    def permuted(self, rows: Ints) -> Line:
        """A line whose row i is this one's row ``rows[i]``."""
        place = np.empty_like(rows)
        place[rows] = np.arange(len(rows))
        out = replace(self, order=place[self.order])
        out.__dict__["rank"] = self.rank[rows]
        out.__dict__["row_sums"] = self.row_sums[rows]
        return out


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes, two of which are as far apart as the sum of their ``apart``.

    Attributes
    ----------
    codes : int32 array (n,)
        The last code is the reference.
    apart, counts, sums : float64 array (K,)
        Of each class its part of the distance from others, its rows, and the sum of k
        over one of them.
    total, variance : float
    sample : Sample
    """

    codes: Codes
    apart: Floats
    counts: Floats
    sums: Floats
    total: float
    variance: float
    sample: Sample

    @property
    def centred_sums(self) -> Floats:
        return self.sums - self.total / self.sample.n_total

    def permuted(self, rows: Ints) -> Classes:
        """Classes whose row i is of this one's class of row ``rows[i]``."""
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True, eq=False)
class Points:
    """Points of p coordinates around 0, or classes once more.

    Attributes
    ----------
    coordinates : float64 array (p, n)
    norms : float64 array (n,)
    codes : int32 array (n,) or (0,)
        Classes, which need no coordinates.
    n_classes : int
    sample : Sample
    """

    coordinates: Floats
    norms: Floats
    codes: Codes
    n_classes: int
    sample: Sample

    def permuted(self, rows: Ints) -> Points:
        """Points whose row i is this one's row ``rows[i]``."""
        codes = self.codes[rows] if len(self.codes) else self.codes
        coordinates = np.ascontiguousarray(self.coordinates[:, rows])
        norms = self.norms[rows]
        return replace(self, coordinates=coordinates, norms=norms, codes=codes)


Variable = Line | Classes | Points


def make_line(values: Floats, sample: Sample, room: Floats | None = None) -> Line:
    """Numbers in order.

    Parameters
    ----------
    values : float64 array (n,)
        Finite.
    sample : Sample
    room : float64 array (3, n), optional
        Memory to use.
    """
    values = within_range(np.ascontiguousarray(values))
    if room is None:
        # in one piece, which the allocator keeps for the next call
        room = np.empty((3, len(values)))
    order, size, sums = room[0].view(np.int64), room[1], room[2]
    n_low, m = kernel("order_line")(read_only(values), _middle(values), order, size)
    order, size, sums = order[:m], size[:m], sums[:m]
    times = sample.times[order] if len(sample.times) else sample.times
    total, variance = kernel("sum_line")(
        size, times, n_low, sample.n_total, sample.correction, sums
    )
    return Line(order, size, sums, n_low, total, variance, sample)


def make_lines(x: Floats, y: Floats, sample: Sample) -> tuple[Line, Line]:
    """Two columns as lines, both in numbers of rows by the order of the first.

    Rows are looked up less often than by `make_line` of each.
    """
    n = len(x)
    # in one piece, so that the system gives large pages
    room = np.empty((8, n))
    first = make_line(x, sample, room[:3])
    m = len(first.size)
    order = room[0].view(np.int64)
    if m < n:
        left = np.ones(n, bool)
        left[first.order] = False
        order[m:] = np.flatnonzero(left)
    if len(sample.times):
        sample = replace(sample, times=sample.times[order])
    second = make_line(np.take(y, order), sample, room[3:6])
    order[:] = np.arange(n)
    rank, row_sums = room[7].view(np.int32)[:n], room[6]
    rank[:] = order
    rank[m:] = -1
    mean = first.total / sample.n_total
    np.subtract(first.sums, mean, out=row_sums[:m])
    row_sums[m:] = -mean
    first = replace(first, sample=sample)
    first.__dict__["rank"] = rank
    first.__dict__["row_sums"] = row_sums
    return first, second


def two_values(values: Floats) -> Codes | None:
    """Codes of numbers of which just two differ; None if there are fewer or more."""
    start = values[:64]
    other = start[start != start[:1]]
    if len(other) == 0:
        apart = values != values[:1]
        if not apart.any():
            return None
        other = values[apart.argmax() :]
    elif not ((start == start[0]) | (start == other[0])).all():
        return None
    codes = values == other[0]
    if not (codes | (values == values[0])).all():
        return None
    return codes.astype(np.int32)


def make_classes(codes: NDArray[Any], sample: Sample, rare: bool = False) -> Classes:
    """Classes, of which the largest becomes the reference.

    Parameters
    ----------
    codes : integer array (n,)
        From 0.
    sample : Sample
    rare : bool, default=False
        Classes are the farther from others the rarer they are: two of p and q of the
        rows are 1/p + 1/q apart, times a constant. Else all are 1 apart.
    """
    weights = sample.times if len(sample.times) else None
    counts = np.bincount(codes, weights).astype(np.float64)
    reference, last = int(counts.argmax()), len(counts) - 1
    to = np.arange(len(counts), dtype=np.int32)
    to[reference], to[last] = last, reference
    counts = counts[to]
    n, c = sample.n_total, sample.correction
    apart = np.full(len(counts), 0.5)
    if rare:
        # with fractional weights a class may be less than a row, and then is one
        apart = n / len(counts) / 2 / np.maximum(counts, max(c, _LEAST * n))
    others, own, last_one = counts[:-1], apart[:-1], apart[-1]
    there = others.sum()
    sums = np.append(last_one * (there - c) + own * (others - c), 0.0)
    total = float(counts @ sums)
    spread = float(counts @ (sums - total / n) ** 2)
    products = float(
        last_one**2 * there * there
        + (others * others) @ (own * (2 * last_one + own))
        - c * (others @ (last_one + own) ** 2)
    )
    variance = sample.centred(products, total, total, spread)
    if variance <= _NOISE * products:
        variance = 0.0
    if reference != last:
        codes = to[codes] if last > 1 else 1 - codes
    return Classes(codes, apart, counts, sums, total, variance, sample)


def make_points(values: Floats, sample: Sample) -> Points:
    """Points of several coordinates, float64 (n, p)."""
    rows = np.ascontiguousarray(values.T, dtype=np.float64)
    top = float(np.abs(rows).max(initial=0.0))
    if top > 0:
        rows = np.ldexp(rows, -math.frexp(top)[1])
    rows = rows - np.sort(rows, axis=1)[:, rows.shape[1] // 2, None]
    norms = np.sqrt((rows * rows).sum(axis=0))
    return Points(rows, norms, np.zeros(0, np.int32), 0, sample)


def points_of_classes(classes: Classes) -> Points:
    """Classes in the company of points, all 1 apart."""
    empty = np.zeros((0, len(classes.codes)))
    n_classes = len(classes.counts)
    norms = np.zeros(len(classes.codes))
    return Points(empty, norms, classes.codes, n_classes, classes.sample)


def whiten(values: Floats, sample: Sample) -> Floats:
    """Centred, times the pseudo-inverse square root of the covariance; (n, p).

    Directions of less than `EIGENVALUE_CUT` of the largest variance are left out.
    """
    values = values / np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    times = sample.every_time / sample.n_total
    values = values - times @ values
    covariance = (values * times[:, None]).T @ values
    variances, axes = np.linalg.eigh(covariance)
    kept = variances > EIGENVALUE_CUT * max(variances.max(initial=0.0), 0.0)
    root = axes[:, kept] / np.sqrt(variances[kept]) @ axes[:, kept].T
    return values @ root


def covariance(x: Variable, y: Variable) -> tuple[float, float, float]:
    """Sums of products of centred k: of both, of ``x`` and of ``y``.

    With 4 / n^2 they are the distance covariance and variances, with 4 / (n (n - 3))
    if the sample is bias-corrected.
    """
    sample = x.sample
    if isinstance(x, Points) or isinstance(y, Points):
        return _of_points(x, y)
    if isinstance(x, Line) and isinstance(y, Line):
        products, spread = kernel("cross_lines")(
            x.order, x.size, x.sums, x.n_low, y.rank, y.size, y.row_sums, y.n_low,
            sample.times if len(sample.times) else None, sample.correction,
        )  # fmt: skip
    elif isinstance(x, Line) and isinstance(y, Classes):
        products, spread = _line_and_classes(x, y)
    elif isinstance(x, Classes) and isinstance(y, Line):
        products, spread = _line_and_classes(y, x)
    else:
        products, spread = _of_classes(x, y)
    both = sample.centred(products, x.total, y.total, spread)
    if abs(both) <= _NOISE * products:
        both = 0.0
    return both, x.variance, y.variance


def _line_and_classes(line: Line, classes: Classes) -> tuple[float, float]:
    sample = line.sample
    return kernel("cross_line_classes")(
        line.order, line.size, line.sums, line.n_low, classes.codes, classes.apart,
        classes.centred_sums, sample.times, sample.correction,
    )  # fmt: skip


def _of_classes(x: Any, y: Any) -> tuple[float, float]:
    """Products and products of sums of two variables of classes."""
    sample, n_y = x.sample, len(y.counts)
    cells = x.codes.astype(np.int64) * n_y + y.codes
    weights = sample.times if len(sample.times) else None
    if len(x.counts) * n_y <= max(_CELLS, len(cells)):
        counts = np.bincount(cells, weights).astype(np.float64)
        cells = np.flatnonzero(counts)
        counts = counts[cells]
    else:
        cells, at = np.unique(cells, return_inverse=True)
        counts = np.bincount(at, weights).astype(np.float64)
    a, b = np.divmod(cells, n_y)
    spread = float(counts @ (x.sums[a] * y.centred_sums[b]))
    inside = (a < len(x.counts) - 1) & (b < n_y - 1)
    a, b, counts = a[inside], b[inside], counts[inside]
    there = counts.sum()
    of_a, of_b = (
        np.bincount(codes, counts, minlength=len(v.counts))
        for codes, v in ((a, x), (b, y))
    )
    x_last, y_last, own_x, own_y = x.apart[-1], y.apart[-1], x.apart[a], y.apart[b]
    products = (
        x_last * y_last * there * there
        + y_last * (of_a * of_a @ x.apart)
        + x_last * (of_b * of_b @ y.apart)
        + (counts * counts) @ (own_x * own_y)
        - sample.correction * (counts @ ((x_last + own_x) * (y_last + own_y)))
    )
    return float(products), spread


def _of_points(x: Any, y: Any) -> tuple[float, float, float]:
    """Two variables of which one at least has several coordinates."""
    sample = x.sample
    x_sums, y_sums = np.empty((2, sample.n_rows))
    parts = [(v.coordinates, v.norms, v.codes, v.n_classes) for v in (x, y)]
    times = sample.every_time
    xy, xx, yy = kernel("cross_points")(
        *parts[0], *parts[1], times, sample.correction, x_sums, y_sums
    )
    x_total, y_total = float(times @ x_sums), float(times @ y_sums)
    u, v = x_sums - x_total / sample.n_total, y_sums - y_total / sample.n_total
    out = [
        sample.centred(xy, x_total, y_total, float(times @ (u * v))),
        sample.centred(xx, x_total, x_total, float(times @ (u * u))),
        sample.centred(yy, y_total, y_total, float(times @ (v * v))),
    ]
    kept = [abs(s) > _NOISE * p for s, p in zip(out, (xy, xx, yy), strict=True)]
    both, of_x, of_y = (s if keep else 0.0 for s, keep in zip(out, kept, strict=True))
    return both, max(of_x, 0.0), max(of_y, 0.0)


def correlation(x: Variable, y: Variable) -> float:
    """Of two variables of one sample: bias-corrected as it is, else the root."""
    both, of_x, of_y = covariance(x, y)
    if of_x <= 0 or of_y <= 0:
        return 0.0
    r = both / math.sqrt(of_x) / math.sqrt(of_y)
    if x.sample.correction:
        return min(max(r, -1.0), 1.0)
    return min(math.sqrt(max(r, 0.0)), 1.0)


def within_range(values: Floats) -> Floats:
    """``values``, times a power of two if differences would over- or underflow."""
    top = max(float(values.max()), -float(values.min()))
    if _TINY < top < _HUGE or top == 0:
        return values
    return np.ldexp(values, -math.frexp(top)[1])


def _middle(values: Floats) -> float:
    """A value near the median, from a fixed sample of places."""
    n = len(values)
    if n > _SAMPLE:
        # a multiplier without a pattern: rows may come in periods
        places = np.arange(_SAMPLE, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        values = values[((places >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)]
    return float(np.sort(values)[len(values) // 2])
