"""Crosses as expressions with what they learnt, ready for ``transform`` and JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import (
    MISSING_DATETIME,
    CategoricalColumn,
    Column,
    DatetimeColumn,
    Kind,
    NumericColumn,
    code_dtype,
)
from featurekit.data.dense import Dense, learn_dense
from featurekit.data.ingest import ColumnSpec
from featurekit.data.output import days
from featurekit.data.vocabulary import Raw
from featurekit.expressions.evaluate import Distinct, Fitted
from featurekit.expressions.keyed import Key, key_labels
from featurekit.expressions.tree import Call
from featurekit.expressions.tree import Column as Input
from featurekit.ranking.counting import Counted
from featurekit.ranking.crosses import Combinations

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
    base = Input(column.name)
    if column.edges is None:
        return Fitted(base)
    return Fitted(Call("bin", (base,)), (Fitted(base),), column.edges[1:])


def fitted(
    columns: Sequence[Counted], missing: str, combinations: Combinations
) -> Fitted:
    """The cross of some columns with the combinations that were seen.

    Parameters
    ----------
    columns : sequence of Counted
    missing : {"category", "drop"}
    combinations : Combinations
    """
    parts = tuple(_part(column) for column in columns)
    ids = combinations.numbers
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


def output_spec(column: Counted) -> ColumnSpec:
    """What ``transform`` has to know of a column to give it in a model's form.

    Whole numbers are categories here, but numbers to a model.
    """
    vocabulary = column.vocabulary
    if vocabulary.dtype == "string":
        return column.spec()
    kind: Kind = "datetime" if vocabulary.family == "time" else "numeric"
    word = "null" if vocabulary.family is None else vocabulary.dtype
    return ColumnSpec(column.name, kind, (), word)


def dense_of(column: Counted, sizes: Ints) -> Dense:
    """How a counted column becomes numbers without missing values.

    Parameters
    ----------
    column : Counted
    sizes : int64 array (codes,)
        Rows of each of the vocabulary's codes; code 0 is missing.
    """
    weight = np.append(sizes[1:], sizes[:1]).astype(np.float64)
    spec, values = output_spec(column), column.vocabulary.distinct()
    typed: Column
    if spec.kind == "categorical":
        place = {value: i for i, value in enumerate(spec.categories)}
        n = len(place)
        codes = [place.get(value, n + 1) for value in values]
        typed = CategoricalColumn(np.array([*codes, n]), spec.categories)
    elif spec.kind == "datetime":
        times = np.append(values.view(np.int64), MISSING_DATETIME)
        typed = days(DatetimeColumn(times))
    else:
        numbers = np.asarray(values if spec.dtype != "null" else [], np.float64)
        typed = NumericColumn(np.append(numbers, np.nan))
    seen = weight > 0
    return learn_dense(typed.take(seen), weight[seen])


def dense_of_cross(combinations: Combinations) -> Dense:
    """How a counted cross becomes indicators of its combinations."""
    n = len(combinations.numbers)
    weight = np.append(combinations.sizes, combinations.n_missing).astype(np.float64)
    codes = np.arange(n + 1, dtype=code_dtype(n))
    column = CategoricalColumn(codes, key_labels(n))
    seen = weight > 0
    return learn_dense(column.take(seen), weight[seen])


def as_column(values: Key) -> CategoricalColumn:
    """Keys as a column of categories."""
    return CategoricalColumn(values.codes, key_labels(values.size - 2))
