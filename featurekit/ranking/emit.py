"""Crosses as expressions with what they learnt, ready for ``transform`` and JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn
from featurekit.data.vocabulary import Raw
from featurekit.expressions.evaluate import Distinct, Fitted
from featurekit.expressions.keyed import Key, key_labels
from featurekit.expressions.tree import Call, Column
from featurekit.ranking.counting import Counted

Ints = NDArray[np.int64]


def may_cross(column: Counted) -> bool:
    """Whether a cross of the column can be given.

    Not of times, of buckets, nor of numbers beyond 63 bits, which are texts here.
    """
    vocabulary = column.vocabulary
    large = vocabulary.family == "text" and vocabulary.dtype == "integer"
    return not (vocabulary.family in (None, "time") or vocabulary.folded or large)


def expression(columns: Sequence[Counted], missing: str) -> Call:
    """The cross of some columns."""
    parts = [_part(column).expression for column in columns]
    if missing == "category":
        return Call("cross", tuple(parts))
    call = Call("combine", (parts[0], parts[1]))
    for part in parts[2:]:
        call = Call("combine", (call, part))
    return call


def _part(column: Counted) -> Fitted:
    base = Column(column.name)
    if column.edges is None:
        return Fitted(base)
    return Fitted(Call("bin", (base,)), (Fitted(base),), column.edges[1:])


def fitted(columns: Sequence[Counted], missing: str, cross: Counted) -> Fitted:
    """The cross of some columns with the combinations that were seen.

    Parameters
    ----------
    columns : sequence of Counted
    missing : {"category", "drop"}
    cross : Counted
        Counted by `cross_keys`.
    """
    parts = tuple(_part(column) for column in columns)
    ids = cross.combinations()
    node = expression(columns, missing)
    if missing == "category" or len(columns) == 2:
        return Fitted(node, parts, Distinct(ids))
    # pairs within pairs: what is seen of the inner ones follows from the outer ones
    size = columns[-1].n_places + 2
    inner = np.unique(ids // size)
    head = Fitted(node.args[0], parts[:-1], Distinct(inner))
    outer = np.searchsorted(inner, ids // size) * size + ids % size
    return Fitted(node, (head, parts[-1]), Distinct(np.sort(outer)))


def cross_keys(
    columns: Sequence[Counted], codes: Sequence[NDArray[np.uint32]], missing: str
) -> Raw | None:
    """A number per combination of values, as `Vocabulary` takes them.

    The numbers are those that the operator gives: code by code, in each column the
    places less one, and one more than the last for missing values.
    """
    ids = np.zeros(len(codes[0]), np.int64)
    every = np.ones(len(ids), bool)
    some = np.zeros(len(ids), bool)
    for column, c in zip(columns, codes, strict=True):
        place = column.place[c]
        gone = place == 0
        ids = ids * (column.n_places + 2)
        ids += np.where(gone, column.n_places, place - 1)
        every &= gone
        some |= gone
    gone = every if missing == "category" else some
    if gone.all():
        return None
    if gone.any():
        ids[gone] = ids[int(np.argmin(gone))]
        return Raw("whole", "integer", ids, gone)
    return Raw("whole", "integer", ids, None)


def as_column(values: Key) -> CategoricalColumn:
    """Keys as a column of categories."""
    return CategoricalColumn(values.codes, key_labels(values.size - 2))
