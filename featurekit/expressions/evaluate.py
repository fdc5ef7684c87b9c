"""Computing features: fitted on rows, applied row by row, out-of-fold for training.

`fit` learns what an expression needs (category maps, group tables) and returns a
`Fitted`, whose ``values(table)`` depend on the row and that state alone. `cross_fit`
gives training rows the values they would get if each fold were new: state learnt
without them. The two differ on purpose; a statistic that contains the very row it is
applied to means something else on a new row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import CategoricalColumn, DatetimeColumn, Table
from featurekit.expressions.keyed import Key, Learning
from featurekit.expressions.operators import (
    Binning,
    Elementwise,
    KeyTable,
    Operator,
    Pairing,
    operator,
)
from featurekit.expressions.tree import Call, Column, Expression, Literal
from featurekit.kernels.registry import kernel
from featurekit.statistics.folds import Folds

Floats = NDArray[np.float64]
Values = Any

_SPARSE = 4
"""Whole numbers up to so many times the number of rows are numbered by a table; of a
million rows sorting is faster beyond, and takes less memory."""


def check_arguments(call: Call) -> Operator:
    """The call's operator, after a check that the number of arguments fits."""
    op = operator(call.op)
    if not op.takes(len(call.args)):
        most = len(op.inputs)
        least = sum(not kind.endswith("?") for kind in op.inputs)
        number = f"{least}" if least == most else f"{least} or {most}"
        raise ValueError(
            f"{op.name} takes {number} argument{'s' * (most > 1)} "
            f"({', '.join(op.inputs)}), got {len(call.args)} in {call.name!r}"
        )
    return op


@dataclass(frozen=True, eq=False)
class Distinct:
    """Sorted distinct values seen in fit; turns values to the codes of a `Key`."""

    seen: NDArray[Any]

    @classmethod
    def learn(
        cls, values: NDArray[Any], gone: NDArray[np.bool_]
    ) -> tuple[Distinct, Key]:
        """Learn from the values that are not missing, and the key they are."""
        codes = np.empty(len(values), np.int64)
        whole = values.dtype == np.int64 and values.min(initial=0) >= 0
        most = int(values.max(initial=0)) if whole else 0
        if not whole or most > _SPARSE * len(values):
            seen = np.empty(len(values))
            numbers = np.where(gone, np.nan, values.astype(np.float64) + 0.0)
            k = kernel("distinct")(numbers, codes, seen)
        else:
            seen = np.empty(most + 1, np.int64)
            k = kernel("renumber")(values, gone, codes, seen)
        return cls(seen[:k].astype(values.dtype)), Key(codes, k + 2)

    def encode(self, values: NDArray[Any], gone: NDArray[np.bool_]) -> Key:
        """Codes; what is missing or was not seen gets its own."""
        k = len(self.seen)
        if k == 0:
            return Key(np.where(gone, 0, 1), 2)
        at = np.minimum(np.searchsorted(self.seen, values), k - 1)
        codes = np.where(self.seen[at] == values, at, k + 1)
        codes[gone] = k
        return Key(codes, k + 2)


@dataclass(frozen=True, eq=False)
class Fitted:
    """An expression with what it learnt: ``values(table)`` computes it.

    Attributes
    ----------
    expression : Expression
    children : tuple of Fitted
    state : array, dict of arrays, Distinct or None
    as_key : Distinct or None
        Turns a numeric value to a key, where a parent uses it as one.
    """

    expression: Expression
    children: tuple[Fitted, ...] = ()
    state: Any = None
    as_key: Distinct | None = None

    def values(self, table: Table) -> Values:
        """Values on the rows of ``table``: float64 (n,), or a `Key`."""
        node = self.expression
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Column):
            out = _column(table, node.name_)
        else:
            assert isinstance(node, Call)
            op = operator(node.op)
            args = tuple(
                _argument(child, op.input_kind(i), table)
                for i, child in enumerate(self.children)
            )
            out = _apply(op, args, self.state)
        if self.as_key is not None:
            return self.as_key.encode(out, np.isnan(out))
        return out


def _column(table: Table, name: str) -> Values:
    column = table[name]
    if isinstance(column, CategoricalColumn):
        return Key(column.codes.astype(np.int64), column.n_categories + 2)
    if isinstance(column, DatetimeColumn):
        return column.values
    # a copy: columns may be read-only views, and one kind of array is one compilation
    values = np.array(column.values)
    # infinities count as missing in every derived feature
    values[~np.isfinite(values)] = np.nan
    return values


def _argument(child: Fitted, kind: str, table: Table) -> Values:
    out = child.values(table)
    return _gone(out) if kind == "any" else checked(out, kind, child.expression)


def checked(out: Values, kind: str, node: Expression) -> Values:
    """``out``, after a check that it is what an argument of this kind may be."""
    if isinstance(out, Key):
        found = "key"
    elif isinstance(out, np.ndarray):
        found = "datetime" if out.dtype == np.int64 else "numeric"
    else:
        found = "literal"
    if found != kind:
        raise ValueError(
            f"{node.name!r} is used where a {kind} input is needed, but it is {found}"
        )
    return out


def _gone(values: Values) -> NDArray[np.bool_]:
    if isinstance(values, Key):
        return np.asarray(values.codes == values.missing)
    if values.dtype == np.int64:
        return np.asarray(values == np.iinfo(np.int64).min)
    return np.isnan(values)


def _apply(op: Operator, args: tuple[Values, ...], state: Any) -> Values:
    if isinstance(op, Pairing):
        ids, gone = op.apply(args)
        return state.encode(ids, gone)
    if isinstance(op, KeyTable | Binning):
        return op.apply(args, state)
    assert isinstance(op, Elementwise)
    return op.apply(args)


def sees_target(node: Expression) -> bool:
    """Whether the tree holds a statistic of the target."""
    return any(isinstance(n, Call) and operator(n.op).needs_target for n in node.walk())


def has_learning(node: Expression) -> bool:
    """Whether any operator in the tree learns a table (category maps do not count)."""
    return any(isinstance(n, Call) and operator(n.op).learns for n in node.walk())


Target = tuple[Floats | None, tuple[Any, ...] | None]


def fit(
    node: Expression,
    table: Table,
    target: Target = (None, None),
    folds: Folds | None = None,
) -> Fitted:
    """Learn ``node`` on all rows of ``table``.

    Parameters
    ----------
    target : (y, classes)
        For operators that look at the target.
    folds : Folds, optional
        Used where a learnt table is built upon another: the outer one is then learnt
        on out-of-fold values of the inner one.
    """
    if isinstance(node, Call):
        return _fit_call(node, table, target, folds, values=False)[0]
    return Fitted(node)


def _fit(
    node: Expression, kind: str, table: Table, target: Target, folds: Folds | None
) -> tuple[Fitted, Values]:
    """Fitted node, and its values for whatever its parent learns from them."""
    if isinstance(node, Call):
        fitted, out = _fit_call(node, table, target, folds)
    else:
        fitted = Fitted(node)
        out = fitted.values(table)
    if kind == "key" and isinstance(out, np.ndarray) and out.dtype == np.float64:
        if folds is not None and has_learning(node) and not sees_target(node):
            out = fitted.values(table)  # new rows are to meet the same keys
        distinct, out = Distinct.learn(out, np.isnan(out))
        fitted = Fitted(node, fitted.children, fitted.state, distinct)
    return fitted, _gone(out) if kind == "any" else checked(out, kind, node)


def _fit_call(
    node: Call,
    table: Table,
    target: Target,
    folds: Folds | None,
    values: bool = True,
) -> tuple[Fitted, Values]:
    op = check_arguments(node)
    parts = [
        _fit(arg, op.input_kind(i), table, target, folds)
        for i, arg in enumerate(node.args)
    ]
    children = tuple(p[0] for p in parts)
    args = tuple(p[1] for p in parts)
    state: Any = None
    if isinstance(op, Pairing):
        ids, gone = op.apply(args)
        state, key = Distinct.learn(ids, gone)
        return Fitted(node, children, state), key
    if isinstance(op, Binning):
        state = op.learn(*args)
    if isinstance(op, KeyTable):
        state = op.learn(args, Learning.whole(len(table), *target))
        if values and folds is not None:
            # a parent that learns from this node must see what new rows would get
            out = cross_fit(node, table, target, folds)
            return Fitted(node, children, state), out
    fitted = Fitted(node, children, state)
    return fitted, _apply(op, args, state) if values else None


def cross_fit(node: Expression, table: Table, target: Target, folds: Folds) -> Values:
    """Out-of-fold values of ``node`` on the rows of ``table``, float64 (n,) or `Key`.

    Each row gets what a state learnt on its fold's training rows says of it; rows that
    no fold tests get what a state learnt from nothing says.
    """
    if not isinstance(node, Call) or not has_learning(node):
        return fit(node, table, target).values(table)
    op = check_arguments(node)
    if op.output == "key":
        return _cross_fit_key(node, table, target, folds)
    if any(has_learning(arg) for arg in node.args):
        return _cross_fit_nested(node, table, target, folds)
    assert isinstance(op, KeyTable)
    args = tuple(
        _fit(arg, op.input_kind(i), table, target, None)[1]
        for i, arg in enumerate(node.args)
    )
    learning = Learning(folds.atom, folds.n_atoms, *target)
    return op.cross(args, learning, folds.train, folds.fold)


def _cross_fit_key(node: Call, table: Table, target: Target, folds: Folds) -> Key:
    """A key made of learnt numbers, in the codes that new rows have.

    Folds differ in the numbers they learn, so a number that serves as a key is that
    of all rows; one of a target statistic is out of fold, and mostly unseen.
    """
    fitted = fit(node, table, target, folds)
    args = []
    for child in fitted.children:
        if child.as_key is None:
            args.append(cross_fit(child.expression, table, target, folds))
        elif sees_target(child.expression):
            values = cross_fit(child.expression, table, target, folds)
            args.append(child.as_key.encode(values, np.isnan(values)))
        else:
            args.append(child.values(table))
    key: Key = _apply(operator(node.op), tuple(args), fitted.state)
    return Key(np.where(folds.fold < 0, key.missing, key.codes), key.size)


def cross_fit_as_key(
    node: Expression, table: Table, target: Target, folds: Folds
) -> Key:
    """``node`` as the key of training rows; of a number, its distinct values."""
    if has_learning(node) and not sees_target(node):
        values = fit(node, table, target).values(table)
    else:
        values = cross_fit(node, table, target, folds)
    if isinstance(values, Key):
        return values
    return Distinct.learn(values, np.isnan(values))[1]


def _cross_fit_nested(node: Call, table: Table, target: Target, folds: Folds) -> Floats:
    """One fold at a time: fitted on its training rows, which nests by itself."""
    out = np.full(len(table), np.nan)
    y, classes = target
    for f in range(folds.n_folds):
        inner, train = folds.within(f)
        if len(train) == 0:
            continue
        test = folds.test_rows(f)
        part = (y[train] if y is not None else None, classes)
        usable = inner if inner.n_folds > 1 else None
        fitted = fit(node, table.take(train), part, usable)
        out[test] = fitted.values(table.take(test))
    return out
