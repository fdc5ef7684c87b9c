"""Greedy choice of columns by distance correlation on batches of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.fitting import Target
from featurekit.selection.base import rounded
from featurekit.selection.design import MIN_ROWS, Design
from featurekit.statistics.distance_batches import Batch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AUTO = 30
"""Rows that a column weighs in the share of the identity. Chosen on real tables: less
was worse for those of few rows, the identity alone for those of many classes."""


@dataclass(eq=False)
class Search:
    """Units chosen so far, and those that may be.

    Attributes
    ----------
    order : list of int
    left : list of int
        Candidates, best by the filter first.
    refused : list of int
        Near-duplicates of those chosen.
    scores : float64 array (n_units,)
    share : float64 array (n,)
        Of each row that of its class of all rows. Classes are as far from others as
        its inverse, so that a rare one counts by its share and not by the square of
        it. Not by that of a batch: those that the model confuses are to count more.
    """

    order: list[int]
    left: list[int]
    refused: list[int]
    scores: Floats
    share: Floats

    @classmethod
    def begin(
        cls,
        design: Design,
        found: Floats,
        most: int | None,
        target: Target,
        weight: Floats | None,
    ) -> Search:
        ranked = np.argsort(-rounded(found), kind="stable").tolist()
        # beside others one without variance scores as they do, more than noise does
        varies = (design.values != design.values[:1]).any(axis=0)
        present = set(design.unit[varies].tolist())
        left = [u for u in ranked if u in present][:most]
        share = np.ones(len(target.y))
        if target.task != "regression":
            code = target.y.astype(np.int64)
            counts = np.bincount(code, weight)
            share = counts[code] / counts.sum()
        return cls([], left, [], np.full(design.n_units, -np.inf), share)

    def rest(self, found: Floats) -> list[int]:
        """Units not chosen: those seen by the filter's order, duplicates last."""
        taken = {*self.order, *self.refused}
        ranked = np.argsort(-rounded(found), kind="stable").tolist()
        return [u for u in ranked if u not in taken] + self.refused

    def choose(
        self,
        batches: list[Ints],
        design: Design,
        target: Target,
        forward: bool,
        shrinkage: Any,
        n_threads: int,
    ) -> None:
        """Add the best candidate, by the mean over the batches."""
        K = np.flatnonzero(np.isin(design.unit, self.order))
        total = np.zeros(len(self.left))
        widths = list(_by_width(design, self.left))
        y = target.standard
        for rows in batches:
            # a row or two of a batch are not to rule it
            share = np.maximum(self.share[rows], MIN_ROWS / len(rows))
            batch = Batch.of(y[rows], target.task != "regression", 1 / share)
            values = design.values[rows]
            if forward:
                k = len(K) + 1
                lam = shrinkage
                if lam == "auto":
                    lam = AUTO * k / (len(rows) + AUTO * k)
                score = partial(batch.joint, shrinkage=lam, n_threads=n_threads)
            else:
                score = partial(batch.partial, n_threads=n_threads)
            for at, extra, last in widths:
                if extra.shape[1] == 0:
                    total[at] += score(values[:, K], values[:, last])
                    continue
                for i, columns, one in zip(at, extra, last, strict=True):
                    beside = np.concatenate([K, columns])
                    if forward:
                        total[i] += score(values[:, beside], values[:, [one]])[0]
                    else:
                        # of a group, its best column beside those chosen
                        whole = np.append(columns, one)
                        total[i] += score(values[:, K], values[:, whole]).max()
        total /= len(batches)
        self.scores[self.left] = total
        # single precision: what is equal to six digits is equal
        best = int(np.argmax(np.round(total, 6)))
        self.order.append(self.left.pop(best))

    def refuse_duplicates(
        self, design: Design, weight: Floats | None, tolerance: float
    ) -> None:
        """Drop candidates that are straight lines of the one chosen last."""
        n = len(design.values)
        root = np.ones(n) if weight is None else np.sqrt(weight)
        own = _unit_length(design.values[:, design.unit == self.order[-1]], root)
        left, size, _ = np.linalg.svd(own, full_matrices=False)
        Q = left[:, size > 1e-6 * size[0]]
        at = np.flatnonzero(np.isin(design.unit, self.left))
        spanned = np.ones(design.n_units, bool)
        block = max(1, 2**17 // n)
        for start in range(0, len(at), block):
            part = at[start : start + block]
            F = _unit_length(design.values[:, part], root)
            F -= Q @ (Q.T @ F)
            share = np.einsum("ij,ij->j", F, F)
            np.logical_and.at(spanned, design.unit[part], share <= tolerance)
        self.refused += [u for u in self.left if spanned[u]]
        self.left = [u for u in self.left if not spanned[u]]


def _unit_length(columns: Floats, root: Floats) -> Floats:
    """Columns centred, times the roots of the weights, of length 1 or 0."""
    out = columns - columns[:1]
    largest = np.maximum(out.max(axis=0), -out.min(axis=0))
    out /= np.where(largest > 0, largest, 1.0)
    out -= root**2 @ out / (root @ root)
    out *= root[:, None]
    length = np.sqrt(np.einsum("ij,ij->j", out, out))
    out /= np.where(length > 0, length, 1.0)
    return out


def _by_width(design: Design, units: list[int]) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Units by their number of columns: positions in ``units``, all but the last
    column, the last column."""
    columns: dict[int, list[int]] = {u: [] for u in units}
    for j, unit in enumerate(design.unit.tolist()):
        if unit in columns:
            columns[unit].append(j)
    widths: dict[int, list[int]] = {}
    for i, unit in enumerate(units):
        widths.setdefault(len(columns[unit]), []).append(i)
    for width, at in sorted(widths.items()):
        table = np.array([columns[units[i]] for i in at], np.int64)
        yield np.array(at), table[:, : width - 1], table[:, width - 1]
