"""Orthogonal matching pursuit over units, which linear sequential attention equals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featurekit.selection.design import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SPENT = 1e-9
"""What is left of a unit beside those chosen, as a share of its squared norm, below
which it is one of their combinations: rounding leaves 1e-14."""

TIE = 1e-10
"""Scores this close to the largest, as a share of it, are equal but for rounding."""


@dataclass(frozen=True, eq=False)
class Pursuit:
    """What the pursuit found.

    Attributes
    ----------
    order : list of int
        Units as they were chosen.
    at_choice : list of float
        Of each, the share of the target's squared norm that it explained of what was
        left of the target.
    left : float64 array (n_units,)
        The same of every unit, after the last choice.
    losses : list of float
        After each step, the share of the target's squared norm that is left.
    """

    order: list[int]
    at_choice: list[float]
    left: Floats
    losses: list[float]


def pursue(
    design: Design,
    y: Floats,
    weight: Floats | None,
    n_keep: int,
    per_step: int = 1,
    stopped: Callable[[], bool] = lambda: False,
    done: Callable[[], None] = lambda: None,
) -> Pursuit:
    """Choose units greedily by what they explain of the residual.

    With r the target less its projection on the columns chosen, the next unit is that
    whose projection of r is longest; for a single column x of unit norm, the largest
    |x'r|. Several targets: r has a column of each, and squares are added.

    Parameters
    ----------
    design : Design
        n rows, p columns; they are centred and scaled here, in a copy.
    y : float64 array (n, m)
        Targets; centred here.
    weight : float64 array (n,) or None
        How often each row counts.
    n_keep : int
        Units to choose, at most ``design.n_units``.
    per_step : int
        Units that are chosen before the residual is taken anew.
    stopped : callable
        Asked before every step but the first; where it says so the rest is filled by
        what units explain of the residual of that moment.
    done : callable
        Called after every step.

    Returns
    -------
    Pursuit
        Of ``n_keep`` units. Combinations of those chosen, duplicates among them, come
        after all others, by what they alone tell of the target; units without a column
        that varies are last.

    Notes
    -----
    O(n p) for each column chosen, in one product of matrices.
    """
    base, unit = _orthonormal_blocks(design, weight)
    residual = _centred(y, weight)
    total = float((residual**2).sum()) or 1.0
    correlation = base.T @ residual
    left = np.ones(len(unit))  # squared norm beside the columns chosen
    chosen = np.zeros(design.n_units, bool)
    spanned = np.empty((len(base), 0))
    alone = _per_unit(correlation**2, unit, design.n_units) / total
    explained = alone
    order: list[int] = []
    at_choice: list[float] = []
    losses: list[float] = []
    while len(order) < n_keep and not (order and stopped()):
        together = []
        for _ in range(min(per_step, n_keep - len(order))):
            # a duplicate of one just chosen is no candidate, its score still as large
            picked = _largest(explained, ~chosen & _open(left, unit, chosen), 1)
            if not picked:
                break
            order += picked
            at_choice += [float(explained[picked[0]])]
            chosen[picked] = True
            inside = unit == picked[0]
            fresh = _beside(base[:, inside & (left > SPENT)], spanned)
            spanned = np.hstack([spanned, fresh])
            along = base.T @ fresh
            left -= (along**2).sum(axis=1)
            left[inside] = 0.0
            together.append((fresh, along))
        if not together:
            break
        for fresh, along in together:
            part = fresh.T @ residual
            correlation -= along @ part
            residual -= fresh @ part
        explained = _per_unit(correlation**2, unit, design.n_units) / total
        losses.append(float((residual**2).sum()) / total)
        done()
    open_ = _open(left, unit, chosen)
    explained = np.where(open_, explained, 0.0)
    has_column = np.bincount(unit, minlength=design.n_units) > 0
    for score, allowed in ((explained, open_), (alone, has_column)):
        more = _largest(score, allowed & ~chosen, n_keep - len(order))
        order += more
        at_choice += [float(explained[u]) for u in more]
        chosen[more] = True
    more = np.flatnonzero(~chosen)[: n_keep - len(order)].tolist()
    at_choice += [0.0] * len(more)
    return Pursuit(order + more, at_choice, explained, losses)


def held_out_losses(
    design: Design,
    y: Floats,
    weight: Floats | None,
    order: list[int],
    train: Ints,
    valid: Ints,
) -> Iterator[Floats]:
    """Squared errors of least squares on the first unit, the first two, and so on.

    Parameters
    ----------
    design, y, weight
        As for `pursue`.
    order : list of int
        Units.
    train, valid : int64 arrays
        Rows to fit on, and rows held out.

    Yields
    ------
    float64 array (rows held out,)
        Weighted.
    """
    root = np.sqrt(np.ones(len(y)) if weight is None else weight)
    columns = np.ones((len(y), 1))
    for unit in order:
        columns = np.hstack([columns, design.values[:, design.unit == unit]])
        A, b = columns[train] * root[train, None], y[train] * root[train, None]
        # columns of one size: the cut for dependent ones is relative to the largest
        size = np.maximum(np.linalg.norm(A, axis=0), 1e-300)
        found = np.linalg.lstsq(A / size, b, rcond=1e-10)[0] / size[:, None]
        errors = (y[valid] - columns[valid] @ found) * root[valid, None]
        yield (errors**2).sum(axis=1)


def _open(left: Floats, unit: Ints, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Units that are no combination of those chosen, bool (n_units,)."""
    out = np.zeros(len(chosen), bool)
    out[unit[left > SPENT]] = True
    return out


def _largest(score: Floats, allowed: NDArray[np.bool_], n: int) -> list[int]:
    """Those of the largest scores; of equal ones, the first."""
    found: list[int] = []
    score = np.where(allowed, score, -1.0)
    for _ in range(min(n, int(allowed.sum()))):
        top = score.max()
        first = int(np.argmax(score >= top - TIE * abs(top)))
        found.append(first)
        score[first] = -1.0
    return found


def _per_unit(squares: Floats, unit: Ints, n_units: int) -> Floats:
    sums: Floats = np.bincount(unit, squares.sum(axis=1), n_units).astype(np.float64)
    return sums


def _centred(values: Floats, weight: Floats | None) -> Floats:
    """Less the mean; rows times the roots of their weights. A new array."""
    if weight is None:
        return values - values.mean(axis=0)
    out = values - weight @ values / weight.sum()
    out *= np.sqrt(weight)[:, None]
    return out


def _orthonormal_blocks(
    design: Design, weight: Floats | None
) -> tuple[Floats, NDArray[np.int64]]:
    """An orthonormal basis of each unit's centred columns, and the unit of each part.

    A column that varies by no more than rounding is left out.
    """
    size = np.abs(design.values).max(axis=0, initial=0.0)
    base = _centred(design.values, weight)
    norm = np.linalg.norm(base, axis=0)
    varies = norm > 1e-12 * size * np.sqrt(len(base))
    base, unit = base[:, varies], design.unit[varies]
    base /= norm[varies]
    sizes = np.bincount(unit, minlength=design.n_units)
    if (sizes <= 1).all():
        return base, unit
    single = sizes[unit] == 1
    parts, units = [base[:, single]], [unit[single]]
    for u in np.flatnonzero(sizes > 1).tolist():
        block = _beside(base[:, unit == u], base[:, :0])
        parts.append(block)
        units.append(np.full(block.shape[1], u))
    return np.hstack(parts), np.concatenate(units)


def _beside(columns: Floats, spanned: Floats) -> Floats:
    """An orthonormal basis of what columns of unit norm add to an orthonormal one."""
    for _ in range(2):  # once leaves rounding where little is left
        columns = columns - spanned @ (spanned.T @ columns)
    if columns.shape[1] == 1:
        return columns / np.linalg.norm(columns)
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, size**2 > SPENT]
