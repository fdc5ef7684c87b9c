"""The p-value of the mutual information in a contingency table of any margins.

Labels are shuffled, so margins stay as they are. Where many cells share in it, the law
of the mutual information is close to the gamma law of its mean and variance. Where few
rows ever meet, as with a rare class, it is a law of a few values with a long tail: two
by two tables are then enumerated, others drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

from featurekit.execution.local import run_threads
from featurekit.kernels.registry import kernel

if TYPE_CHECKING:
    from featurekit.statistics.contingency import CountTable

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

N_LOGS = 1 << 14
LOGS = np.log(np.maximum(np.arange(N_LOGS), 1.0))

FULL_CELL = 5.0
"""Expected rows from which on a cell is full."""

MANY_MEETINGS = 200.0
"""Expected pairs of rows of one value and one class, from which on they are many."""

SMALL_SHARE = 0.25
"""Share of the variance that may come from other cells than full ones."""

MOST_ENUMERATED = 10_000
"""Rows of the smaller class, up to which tables of two by two are enumerated."""

FEW_ROWS = 256
"""Rows to deal out that are so few that tables are drawn in any case."""

ENOUGH_REACHED = 100
"""Tables drawn that reach the observed one: then p is known within a tenth."""

FIRST_DRAWS = 256
MOST_DRAWS = 100_000
MOST_DEALT = 5_000_000
"""Rows dealt out for one table, at most."""

FEW_REACHED = 10
TAIL = 200
"""Draws that the law beyond all draws is fitted to."""

NEGLIGIBLE = 1e-6
"""A p below this is not worth more draws."""


def gamma_tail(mi: float, emi: float, sd: float) -> float:
    """Probability of at least ``mi`` in the gamma law of this mean and deviation."""
    from scipy.special import gammaincc

    if sd <= 0 or emi <= 0:
        return 1.0
    shape = (emi / sd) ** 2
    return float(gammaincc(shape, shape * mi / emi))


def p_values(
    tables: Sequence[CountTable],
    moments: Sequence[tuple[float, float, float]],
    n_threads: int = 1,
) -> Floats:
    """Probability under shuffled labels of as much mutual information as observed.

    Parameters
    ----------
    tables : sequence of CountTable
    moments : sequence of (mi, emi, sd)
        Mutual information of each table, and its mean and standard deviation when
        labels are shuffled. Nats.
    n_threads : int

    Returns
    -------
    float64 array (tables,)

    Notes
    -----
    Tables are drawn until `ENOUGH_REACHED` of them reach the observed one (Besag and
    Clifford, 1991), `MOST_DRAWS` at most, with a seed made of the margins: p depends on
    the table alone. Below the reach of draws p is the largest of three: the gamma law;
    an exponential law fitted to the largest draws, which falls by a factor of e for
    each nat at most; and e to the power of minus the nats above the mean.

    References
    ----------
    Besag and Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991.
    """
    p = np.ones(len(tables))
    drawn: dict[bytes, tuple[Deal, list[int], list[float]]] = {}
    for i, (table, (mi, emi, sd)) in enumerate(zip(tables, moments, strict=True)):
        if sd <= 0 or emi <= 0:
            continue
        b = table.class_sizes()
        b = b[b > 0]
        if len(table.sizes) == 2 == len(b) and b.min() <= MOST_ENUMERATED:
            p[i] = two_by_two(table)
        elif many_cells(table.sizes, b, (b.sum() * sd) ** 2):
            p[i] = gamma_tail(mi, emi, sd)
        else:
            deal = Deal.of(table.sizes, b)
            _, members, observed = drawn.setdefault(deal.key, (deal, [], []))
            members.append(i)
            observed.append(deal.statistic(table))

    def draw(key: bytes) -> None:
        deal, members, observed = drawn[key]
        draws = Draws(deal)
        for i, value in zip(members, observed, strict=True):
            mi, emi, sd = moments[i]
            nats = deal.n * (mi - emi)
            p[i] = draws.p_value(value, max(gamma_tail(mi, emi, sd), math.exp(-nats)))

    run_threads(draw, drawn, n_threads)
    return p


def many_cells(a: Ints, b: Ints, variance: float) -> bool:
    """Whether so many cells share in the mutual information that the gamma law holds.

    It does for cells that are full. The others may go by it if many of their rows meet
    in value and class, or if they make up little of the variance.

    Parameters
    ----------
    a, b : int64 array
        Rows of each value and of each class.
    variance : float
        Of n times the mutual information; half a unit for each degree of freedom of
        full cells.
    """
    n = int(b.sum())
    full_a = a >= FULL_CELL * n / float(b.min())
    if full_a.all():
        return True
    if min(*_rows_to_deal(a), *_rows_to_deal(b)) <= FEW_ROWS:
        return False
    full_b = b >= FULL_CELL * n / float(a.min())
    of_full = 0.5 * max(int(full_a.sum()) - 1, 0) * (len(b) - 1)
    if variance - of_full <= SMALL_SHARE * variance:
        return True
    meetings = 0.5 * _pairs(a[~full_a]) * _pairs(b[~full_b]) / (float(n) * (n - 1))
    return meetings >= MANY_MEETINGS


def _rows_to_deal(sizes: Ints) -> tuple[int, int]:
    """Rows of all sizes but those of one row, and of all but the largest."""
    n = int(sizes.sum())
    return n - int((sizes == 1).sum()), n - int(sizes.max())


def _pairs(sizes: Ints) -> float:
    """Twice the number of pairs of rows within each size but the largest."""
    s = sizes.astype(np.float64)
    pairs = s * (s - 1)
    return float(pairs.sum() - pairs.max(initial=0.0))


def two_by_two(table: CountTable) -> float:
    """The p of a table of two values and two classes, over all of its margins."""
    wide = np.zeros((2, table.n_classes), np.int64)
    value = np.repeat(np.arange(2), np.diff(table.start))
    wide[value, table.classes] = table.counts
    wide = wide[:, wide.sum(axis=0) > 0]
    a, b = wide.sum(axis=1), wide.sum(axis=0)
    n = int(a.sum())
    low, high = max(0, a[0] - b[1]), min(a[0], b[0])
    k = np.arange(low, high + 1, dtype=np.float64)
    # of neighbouring counts, how much likelier the second is
    ratio = (a[0] - k) * (b[0] - k) / ((k + 1) * (b[1] - a[0] + k + 1))
    ln_p = np.append(0.0, np.cumsum(np.log(ratio[:-1])))
    p = np.exp(ln_p - ln_p.max())
    nats = np.zeros(len(k))
    for i, j in np.ndindex(2, 2):
        mu = float(a[i]) * float(b[j]) / n
        x = (k - float(a[0]) * float(b[0]) / n) * (1 if i == j else -1)
        nats += xlog1py(np.round(mu + x), x / mu) - x
    observed = nats[wide[0, 0] - low]
    return float(p[nats >= observed - _slack(observed)].sum() / p.sum())


def _slack(value: float) -> float:
    """What rounding may take off sums that are equal."""
    return 1e-9 * (1.0 + abs(value))


@dataclass(frozen=True, eq=False)
class Deal:
    """A way to draw tables of given margins: groups that take rows from urns.

    Values may be groups and classes urns, or the other way; a group of one row adds
    nothing to a sum of k ln k and the largest group is known from the others. Of the
    four ways it is the one that deals out the fewest rows.

    Attributes
    ----------
    groups, urns : int64 array
        Sizes, falling.
    by_class : bool
        Groups are classes.
    with_rest : bool
        The largest group is left, and counted as the rest; else groups of one row are.
    n : int
        Rows.
    """

    groups: Ints
    urns: Ints
    by_class: bool
    with_rest: bool
    n: int

    @classmethod
    def of(cls, a: Ints, b: Ints) -> Deal:
        """The cheapest way for values of ``a`` rows and classes of ``b``."""
        n = int(b.sum())
        ways = []
        for by_class, (groups, urns) in enumerate(((a, b), (b, a))):
            groups, urns = -np.sort(-groups), -np.sort(-urns)
            for with_rest, some in enumerate((groups[groups > 1], groups[1:])):
                ways.append(cls(some, urns, bool(by_class), bool(with_rest), n))
        return min(ways, key=lambda way: way.n_dealt)

    @property
    def n_dealt(self) -> int:
        """Rows that one table takes."""
        return int(self.groups.sum())

    @property
    def key(self) -> bytes:
        """Of the margins: the same for the same."""
        sizes = np.concatenate([[len(self.groups), self.with_rest], self.groups])
        return blake2b(np.concatenate([sizes, self.urns]).tobytes()).digest()[:8]

    def statistic(self, table: CountTable) -> float:
        """The sum that `draw_tables` gives, of an observed table."""
        group = np.repeat(np.arange(len(table.sizes)), np.diff(table.start))
        urn, sizes, urns = table.classes, table.sizes, table.class_sizes()
        if self.by_class:
            group, urn, sizes, urns = urn, group, urns, sizes
        if self.with_rest:
            dealt = group != sizes.argmax()
        else:
            dealt = sizes[group] > 1
        k = table.counts[dealt]
        total = float(xlogy(k, k).sum())
        if self.with_rest:
            taken = np.zeros(len(urns))
            np.add.at(taken, urn[dealt], k)
            u, s = urns[taken > 0], taken[taken > 0]
            total -= float((s * np.log(u) - xlog1py(u - s, -s / u)).sum())
        return total


class Draws:
    """Tables drawn one after the other, as many as are asked for."""

    def __init__(self, deal: Deal) -> None:
        self._deal = deal
        self._state = np.frombuffer(deal.key, np.uint64).copy()
        self._values = np.zeros(0)
        affordable = MOST_DEALT // max(deal.n_dealt, 1)
        self._most = max(min(affordable, MOST_DRAWS), FIRST_DRAWS)

    def _upto(self, n: int) -> Floats:
        """The first ``n``."""
        n_more = n - len(self._values)
        if n_more > 0:
            more = np.empty(n_more)
            deal = self._deal
            kernel("draw_tables")(
                deal.groups, deal.urns, deal.with_rest, LOGS, self._state, more
            )
            self._values = np.concatenate([self._values, more])
        return self._values[:n]

    def p_value(self, observed: float, least: float) -> float:
        """Share of tables that reach ``observed``.

        Parameters
        ----------
        observed : float
        least : float
            Beyond the reach of draws p is not below this.
        """
        observed -= _slack(observed)
        n = FIRST_DRAWS
        while True:
            values = self._upto(n)
            reached = np.flatnonzero(values >= observed)
            if len(reached) >= ENOUGH_REACHED:
                return ENOUGH_REACHED / float(reached[ENOUGH_REACHED - 1] + 1)
            if n == self._most:
                break
            if len(reached) == 0 and max(least, _beyond(values, observed)) < NEGLIGIBLE:
                break
            n = min(2 * n, self._most)
        p = (1 + len(reached)) / (1 + n)
        if len(reached) >= FEW_REACHED:
            return p
        return min(p, max(least, _beyond(values, observed)))


def _beyond(values: Floats, observed: float) -> float:
    """Probability of ``observed`` in an exponential law of the largest values."""
    n_tail = min(TAIL, len(values) // 2)
    tail = np.partition(values, -n_tail)[-n_tail:]
    start = float(tail.min())
    # the mean with two standard errors; a nat more is a factor e less likely, no more
    mean = float((tail - start).mean()) * (1 + 2 / math.sqrt(n_tail))
    return n_tail / len(values) * math.exp(-(observed - start) / max(mean, 1.0))
