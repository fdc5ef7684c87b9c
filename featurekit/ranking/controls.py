"""Columns of pure noise, made as the tables that such columns would have.

A random column shows where noise ranks. Its table can be drawn without its rows: values
of equal chance get rows by a multinomial law, and rows of each class by the
hypergeometric law of a shuffle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featurekit.statistics.contingency import CountTable

Ints = NDArray[np.int64]

CARDINALITIES = (2, 100, 2_000, 10_000, 50_000)


def noise_tables(b: Ints, rng: np.random.Generator) -> dict[str, CountTable]:
    """Tables of control columns against classes of ``b`` rows, by name."""
    n = int(b.sum())
    out = {"CONTROL-constant": _table(b[None, :])}
    for k in CARDINALITIES:
        if k <= n:
            sizes = rng.multinomial(n, np.full(k, 1 / k))
            out[f"CONTROL-random-{k}"] = _table(_shuffled(sizes, b, rng))
    out["CONTROL-target"] = _table(np.diag(b))
    return out


def _shuffled(sizes: Ints, b: Ints, rng: np.random.Generator) -> Ints:
    """Rows of each value and class when labels are dealt out at random."""
    left = sizes.copy()
    out = np.zeros((len(sizes), len(b)), np.int64)
    for c in range(len(b) - 1):
        # the rows of one class among those that no class has yet
        out[:, c] = _dealt(left, int(b[c]), rng)
        left -= out[:, c]
    out[:, -1] = left
    return out


def _dealt(left: Ints, n: int, rng: np.random.Generator) -> Ints:
    """``n`` of the rows left, without putting back: how many fall on each value."""
    total = int(left.sum())
    if total < 1_000_000_000:
        return rng.multivariate_hypergeometric(left, n, method="marginals")
    # beyond numpy's reach the rows are so many that putting back changes little
    return np.minimum(rng.multinomial(n, left / total), left)


def _table(wide: Ints) -> CountTable:
    cells = np.flatnonzero(wide)
    return CountTable.of_cells(cells, wide.ravel()[cells], wide.shape[1])
