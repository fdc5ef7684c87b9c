"""How columns change between shards of the rows, and what is odd about a column.

Shards are counted as classes are: with S shards and C classes a table has S C of them,
shard * C + class, and every comparison here is read off that one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from featurekit.ranking.counting import Counted
from featurekit.statistics.contingency import (
    CountTable,
    count_of_counts,
    finish,
    null_moments,
)

Ints = NDArray[np.int64]

DRIFT_COLUMNS = (
    "feature", "shard", "n_rows", "psi", "js", "js_z", "js_p", "new_share",
    "gone_share", "coverage", "coverage_change", "mi", "mi_change", "mi_z",
)  # fmt: skip
QUALITY_COLUMNS = (
    "feature", "dtype", "kind", "cardinality", "coverage", "rare_share", "top", "note",
)  # fmt: skip
N_TOP = 5
HALF = 0.5


def reference_shard(shards: Sequence[Any], wanted: Any) -> int:
    """The position of the shard that others are compared with; of None the first.

    Raises
    ------
    ValueError
        If there is no such shard.
    """
    if wanted is None:
        return 0
    for matches in (lambda label: label == wanted, lambda label: str(label) == wanted):
        found = [i for i, label in enumerate(shards) if matches(label)]
        if found:
            return found[0]
    shown = ", ".join(repr(label) for label in shards[:10])
    raise ValueError(
        f"drift_reference={wanted!r} is no shard; the shards are {shown}"
        f"{', ...' if len(shards) > 10 else ''}"
    )


def drift_table(
    columns: Sequence[Counted],
    shards: Sequence[Any],
    n_classes: int,
    missing: str,
    reference: int = 0,
) -> list[tuple[Any, ...]]:
    """Lines of `DRIFT_COLUMNS`: each column in each shard, against one shard.

    Parameters
    ----------
    columns : sequence of Counted
        With tables of shard * n_classes + class.
    shards : sequence
        Labels, in order.
    n_classes : int
    missing : {"category", "drop"}
    reference : int
        The shard that all are compared with.
    """
    lines = []
    for column in columns:
        totals = column.class_rows.reshape(len(shards), n_classes).sum(axis=1)
        skipped = int(missing == "category" and column.coverage < 1)
        tables = [_shard(column.table, s, n_classes) for s in range(len(shards))]
        mi = [_mi_with_error(table) for table in tables]
        sizes = [table.sum(axis=1) for table in tables]
        coverage = [
            float(size[skipped:].sum() / max(total, 1))
            for size, total in zip(sizes, totals.tolist(), strict=True)
        ]
        for s, label in enumerate(shards):
            lines.append(
                (
                    column.name, label, int(totals[s]),
                    *_between(sizes[reference], sizes[s], s == reference),
                    coverage[s], coverage[s] - coverage[reference],
                    mi[s][0], *_change(mi[reference], mi[s]),
                )
            )  # fmt: skip
    return lines


def _shard(table: CountTable, shard: int, n_classes: int) -> Ints:
    """The counts of one shard, int64 (values, classes)."""
    here = np.flatnonzero(table.classes // n_classes == shard)
    rows = np.searchsorted(table.start, here, side="right") - 1
    out = np.zeros((len(table.sizes), n_classes), np.int64)
    out[rows, table.classes[here] % n_classes] = table.counts[here]
    return out


def _between(p: Ints, q: Ints, same: bool) -> tuple[float, ...]:
    """PSI, JS with its z and p, shares of rows with new and with vanished values."""
    if same or p.sum() == 0 or q.sum() == 0:
        return 0.0, 0.0, 0.0, 1.0, 0.0, 0.0
    there = (p + q) > 0
    p, q = p[there], q[there]
    k = len(p)
    # half a row more for each value: of one that vanished PSI would be infinite
    share_p = (p + HALF) / (p.sum() + HALF * k)
    share_q = (q + HALF) / (q.sum() + HALF * k)
    psi = float(((share_q - share_p) * np.log(share_q / share_p)).sum())
    psi -= expected_psi(p + q, int(q.sum()))
    # rows of two shards: Jensen and Shannon's divergence is what the value tells of
    # the shard, and chance gives that as it gives any mutual information
    wide = np.stack([p, q], axis=1)
    cells = np.flatnonzero(wide)
    (js,) = finish([CountTable.of_cells(cells, wide.ravel()[cells], 2)])
    new = float(q[p == 0].sum() / q.sum())
    gone = float(p[q == 0].sum() / p.sum())
    return psi, js["mi"], js["z"], js["p"], new, gone


def expected_psi(sizes: Ints, n_shard: int) -> float:
    """PSI on average when rows are dealt out to the two shards at random.

    Parameters
    ----------
    sizes : int64 array (K,)
        Rows of each value in both shards, each at least 1.
    n_shard : int
        Rows of one of them.
    """
    n, half = int(sizes.sum()), HALF * len(sizes)
    a, times = count_of_counts(sizes)
    # each value's rows in the shard, as far as they have any probability
    mean = a * (n_shard / n)
    reach = 9 * np.sqrt(mean * (1 - n_shard / n)) + 3
    low = np.maximum(np.maximum(0, a - (n - n_shard)), np.floor(mean - reach))
    high = np.minimum(np.minimum(a, n_shard), np.ceil(mean + reach))
    lengths = (high - low + 1).astype(np.int64)
    of = np.repeat(np.arange(len(a)), lengths)
    first = np.cumsum(lengths) - lengths
    k = low[of] + (np.arange(len(of)) - first[of])
    rest = a[of] - k
    ln_p = -sum(
        gammaln(cell + 1) for cell in (k, rest, n_shard - k, n - n_shard - rest)
    )
    p = np.exp(ln_p - np.maximum.reduceat(ln_p, first)[of])
    share = (k + HALF) / (n_shard + half)
    other = (rest + HALF) / (n - n_shard + half)
    psi = p * (share - other) * np.log(share / other)
    return float(times @ (np.add.reduceat(psi, first) / np.add.reduceat(p, first)))


def _mi_with_error(table: Ints) -> tuple[float, float]:
    """Excess of one shard, and the variance of its estimate."""
    a, b = table.sum(axis=1), table.sum(axis=0)
    n = int(a.sum())
    if n == 0 or (b > 0).sum() < 2:
        return 0.0, 0.0
    mean, sd = null_moments([a[a > 0]], b[b > 0])[0]
    full = table[a > 0][:, b > 0]
    expected = np.outer(a[a > 0], b[b > 0]) / n
    there = full > 0
    logs = np.log(full[there] / expected[there])
    p = full[there] / n
    mi = float((p * logs).sum())
    # by the delta method, beside what chance alone moves
    spread = max(0.0, float((p * logs**2).sum()) - mi**2) / n
    return mi - mean, sd**2 + spread


def _change(
    first: tuple[float, float], then: tuple[float, float]
) -> tuple[float, float]:
    change = then[0] - first[0]
    error = np.sqrt(first[1] + then[1])
    return change, float(change / error) if change and error > 0 else 0.0


def quality_table(columns: Sequence[Counted], missing: str) -> list[tuple[Any, ...]]:
    """Lines of `QUALITY_COLUMNS`."""
    lines = []
    for column in columns:
        v = column.vocabulary
        kind = "none" if v.family is None else "scale" if v.scale else "categories"
        lines.append(
            (
                column.name, v.dtype, kind, column.cardinality, column.coverage,
                column.rare_share, column.top, _note(column, missing),
            )
        )  # fmt: skip
    return lines


def _note(column: Counted, missing: str) -> str:
    notes = []
    if column.coverage == 0:
        return "all values are missing"
    if column.cardinality <= 1 and (column.coverage == 1 or missing == "drop"):
        notes.append("constant")
    scale = column.vocabulary.scale
    if column.cardinality > 1 and column.rare_share == 1 and not scale:
        notes.append("all values are distinct: an id?")
    if column.vocabulary.folded:
        notes.append(
            f"more values than the limit: counted in {column.vocabulary.max_values:,} "
            "buckets by a hash"
        )
    return "; ".join(notes)
