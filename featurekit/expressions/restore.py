"""Stored features, rebuilt and checked: nothing in a file is taken on trust.

Each array must be what its operator learns from the columns of the schema: kinds,
shapes, types and order. Names are not read; they follow from the trees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from featurekit.data.columns import (
    CategoricalColumn,
    DatetimeColumn,
    NumericColumn,
    Table,
)
from featurekit.data.ingest import Schema
from featurekit.expressions.arrays import array_from_json, array_to_json
from featurekit.expressions.evaluate import Distinct, Fitted, check_arguments
from featurekit.expressions.operators import Operator, Pairing
from featurekit.expressions.operators.base import Shape, check_increasing
from featurekit.expressions.tree import Call, Column, Expression, Literal


def fitted_to_dict(fitted: Fitted) -> dict[str, Any]:
    """A fitted feature as plain JSON values."""
    out: dict[str, Any] = {"expression": fitted.expression.to_dict()}
    if fitted.children:
        out["children"] = [fitted_to_dict(child) for child in fitted.children]
    if fitted.state is not None:
        out["state"] = _state_to_json(fitted.state)
    if fitted.as_key is not None:
        out["as_key"] = array_to_json(fitted.as_key.seen)
    return out


def _state_to_json(state: Any) -> dict[str, Any]:
    if isinstance(state, Distinct):
        return {"distinct": array_to_json(state.seen)}
    if isinstance(state, dict):
        return {"arrays": {k: array_to_json(v) for k, v in state.items()}}
    return {"array": array_to_json(state)}


def fitted_from_dict(data: Any, schema: Schema, rows: Table | None = None) -> Fitted:
    """The fitted feature that `fitted_to_dict` wrote, of columns of ``schema``.

    Parameters
    ----------
    rows : Table, optional
        Such columns without rows, from `empty_table`, where many features are read.

    Raises
    ------
    ValueError
        If it is not what fitting its expression to such columns gives.
    """
    if not isinstance(data, dict) or "expression" not in data:
        raise ValueError("a feature has no expression")
    node = Expression.from_dict(data["expression"])
    fitted, _ = _rebuilt(data, node, "", schema)
    # a user's operator may have rules of its own
    fitted.values(empty_table(schema) if rows is None else rows)
    return fitted


def _rebuilt(
    data: Any, node: Expression, need: str, schema: Schema
) -> tuple[Fitted, Shape]:
    """The node with what it learnt, and what its values are; ``need`` is their use."""
    try:
        return _checked(data, node, need, schema)
    except _Damaged:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise _Damaged(f"in {node.name}: {error}") from None


class _Damaged(ValueError):
    """An error that says already in which part of which feature it is."""


def _checked(
    data: Any, node: Expression, need: str, schema: Schema
) -> tuple[Fitted, Shape]:
    if not isinstance(data, dict) or not data.keys() <= _ENTRIES:
        raise ValueError("it has entries that a feature does not have")
    if Expression.from_dict(data["expression"]) != node:
        raise ValueError("its part is another expression")
    children: tuple[Fitted, ...] = ()
    state: Any = None
    if isinstance(node, Call):
        op = check_arguments(node)
        children, shapes = _children(data, node, op, schema)
        state = _state_from_json(data.get("state"))
        shape = op.check_state(state, shapes)
        state = Distinct(state) if isinstance(op, Pairing) else state
    elif "children" in data or "state" in data:
        raise ValueError("it is no operator, but has learnt something")
    else:
        shape = Shape("literal") if isinstance(node, Literal) else _column(node, schema)
    as_key = None
    if "as_key" in data:
        if need != "key" or shape.kind != "numeric":
            raise ValueError("it is no number that serves as a key")
        as_key = Distinct(array_from_json(data["as_key"]))
        check_increasing(as_key.seen, np.float64)
        shape = Shape("key", len(as_key.seen) + 2)
    _check_use(shape, need)
    return Fitted(node, children, state, as_key), shape


_ENTRIES = {"expression", "children", "state", "as_key"}


def _children(
    data: dict[str, Any], node: Call, op: Operator, schema: Schema
) -> tuple[tuple[Fitted, ...], tuple[Shape, ...]]:
    stored = data.get("children", [])
    if not isinstance(stored, list) or len(stored) != len(node.args):
        raise ValueError(f"it has not the parts of {len(node.args)} arguments")
    parts = [
        _rebuilt(child, arg, op.input_kind(i), schema)
        for i, (child, arg) in enumerate(zip(stored, node.args, strict=True))
    ]
    return tuple(p[0] for p in parts), tuple(p[1] for p in parts)


def _state_from_json(data: Any) -> Any:
    if data is None:
        return None
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError("what it learnt is no array")
    ((kind, content),) = data.items()
    if kind == "arrays" and isinstance(content, dict):
        return {str(name): array_from_json(array) for name, array in content.items()}
    if kind not in ("array", "distinct"):
        raise ValueError("what it learnt is no array")
    return array_from_json(content)


def _column(node: Expression, schema: Schema) -> Shape:
    assert isinstance(node, Column)
    if node.name_ not in schema.names:
        raise ValueError("the schema has no such column")
    spec = schema[node.name_]
    if spec.kind == "categorical":
        return Shape("key", len(spec.categories) + 2)
    return Shape(spec.kind)


def _check_use(shape: Shape, need: str) -> None:
    if need not in ("", "any") and shape.kind != need:
        raise ValueError(f"a {need} is needed, but it is {shape.kind}")
    if need in ("", "any") and shape.kind == "literal":
        raise ValueError("a constant is no feature")


def empty_table(schema: Schema) -> Table:
    """A table of the columns of ``schema``, of no rows."""
    columns: dict[str, Any] = {}
    for spec in schema:
        if spec.kind == "categorical":
            codes = np.zeros(0, np.uint32)
            columns[spec.name] = CategoricalColumn(codes, spec.categories)
        elif spec.kind == "datetime":
            columns[spec.name] = DatetimeColumn(np.zeros(0, np.int64))
        else:
            columns[spec.name] = NumericColumn(np.zeros(0))
    return Table(tuple(columns), tuple(columns.values()), 0)
