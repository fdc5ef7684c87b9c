"""Scoring many candidates by what each takes off the loss, without making them.

A candidate is scored in the cheapest of four ways that gives its out-of-fold values'
histogram:

* elementwise on columns: computed on the fly, tile by tile, inside the kernel;
* a table per key: from the sums of the gradients per key, O(keys);
* a target statistic: likewise, and nested, so that a row's own fold's targets and the
  validated fold's targets are both absent from what it is encoded with;
* anything else: its out-of-fold values, a few candidates at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import Table
from featurekit.execution.local import run_threads
from featurekit.expressions.evaluate import (
    Distinct,
    Target,
    cross_fit,
    expand,
    has_learning,
    input_kind,
    operator,
)
from featurekit.expressions.operators import (
    Elementwise,
    GroupRank,
    Key,
    KeyTable,
    Learning,
    Operator,
)
from featurekit.expressions.tree import Call, Expression, Literal
from featurekit.statistics.boosting import (
    Program,
    Rounds,
    RowSums,
    boosting_drops,
)
from featurekit.statistics.folds import Folds

Floats = NDArray[np.float64]

_BATCH_BYTES = 32 << 20
_CATEGORY_RIDGE = 10.0


def key_of(node: Expression) -> Expression | None:
    """What candidates must share to be scored together; None for elementwise ones."""
    assert isinstance(node, Call)
    op = operator(node.op)
    if isinstance(op, Elementwise) and op.code is not None:
        return None
    return node.args[0 if op.needs_target else -1]


def by_key(candidates: Sequence[Expression]) -> list[Expression]:
    """The candidates in an order in which those that share a key are neighbours."""
    place: dict[Expression | None, int] = {None: -1}
    return sorted(candidates, key=lambda n: place.setdefault(key_of(n), len(place)))


class Screener:
    """Scores candidates on one set of rows.

    Parameters
    ----------
    table : Table
        Rows must be ordered by atom.
    folds : Folds
    sums : RowSums
        Gradients of each row at its out-of-fold initial score.
    target : (y, classes)
    how : Rounds
    n_threads : int
    """

    def __init__(
        self,
        table: Table,
        folds: Folds,
        sums: RowSums,
        target: Target,
        how: Rounds,
        n_threads: int = 1,
    ) -> None:
        self.table = table
        self.folds = folds
        self.sums = sums
        self.target = target
        self.how = how
        self.n_threads = n_threads
        self.starts = np.searchsorted(folds.atom, np.arange(folds.n_atoms + 1))
        self.n_test = np.array(
            [len(folds.test_rows(f)) for f in range(folds.n_folds)], np.int64
        )
        self._arguments: dict[tuple[Expression, str], Any] = {}
        self._orders: dict[Any, Any] = {}

    def drops(
        self,
        candidates: Sequence[Expression],
        done: Callable[[int], None] = lambda n: None,
    ) -> Floats:
        """Loss that each candidate takes off each fold, (m, F)."""
        out = np.zeros((len(candidates), self.folds.n_folds))
        by_key: dict[Expression | None, list[int]] = defaultdict(list)
        for i, node in enumerate(candidates):
            by_key[key_of(node)].append(i)
        if programs := by_key.pop(None, []):
            out[programs] = self._programs([candidates[i] for i in programs])
            done(len(programs))

        def group(key: Expression | None) -> None:
            part = by_key[key]
            out[part] = self._of_one_key([candidates[i] for i in part])
            done(len(part))

        self._prepare([candidates[i] for part in by_key.values() for i in part])
        run_threads(group, list(by_key), self.n_threads)
        return out

    def _prepare(self, candidates: Sequence[Expression]) -> None:
        """Make shared arguments before threads ask for them."""
        for node in candidates:
            assert isinstance(node, Call)
            op = operator(node.op)
            for i, arg in enumerate(node.args):
                if isinstance(arg, Call) and arg.op == "Combine":
                    for part in arg.args:
                        self._argument(part, "key")
                else:
                    self._argument(arg, input_kind(op, i))

    def _learning(self) -> Learning:
        y, classes = self.target
        memo = dict(self._orders)
        return Learning(self.folds.atom, self.folds.n_atoms, y, classes, memo)

    def _argument(self, node: Expression, kind: str) -> Any:
        if isinstance(node, Literal):
            return node.value
        found: Any = self._arguments.get((node, kind))
        if found is None and isinstance(node, Call) and node.op == "Combine":
            return self._pair(node)
        if found is None:
            found = cross_fit(node, self.table, self.target, self.folds)
            if kind == "key" and not isinstance(found, Key):
                numbers = found.astype(np.float64)
                gone = np.isnan(numbers)
                found = Distinct.of(numbers, gone).encode(numbers, gone)
            if kind == "any":
                return None
            self._arguments[node, kind] = found
            if kind == "numeric":
                order = np.argsort(found, kind="stable")
                order = order[: len(found) - int(np.isnan(found).sum())]
                self._orders["order", id(found)] = (order, ("order", found))
        return found

    def _pair(self, node: Call) -> Key:
        """A pair of keys as one; not kept, since it serves few candidates.

        Where the keys have few values, all pairs are numbered, else those that occur:
        what number a pair has makes no difference to its candidates.
        """
        a, b = (self._argument(arg, "key") for arg in node.args)
        ids, gone = operator("Combine").apply((a, b))  # type: ignore[attr-defined]
        if a.size * b.size > len(ids):
            return Distinct.of(ids, gone).encode(ids, gone)
        ids[gone] = a.size * b.size
        return Key(ids, a.size * b.size + 2)

    def _args(self, node: Call) -> tuple[Any, ...]:
        op = operator(node.op)
        return tuple(
            self._argument(arg, input_kind(op, i)) for i, arg in enumerate(node.args)
        )

    def _programs(self, nodes: Sequence[Expression]) -> Floats:
        place: dict[Expression, int] = {}
        ops, left, right = [], [], []
        for node in nodes:
            assert isinstance(node, Call)
            ops.append(operator(node.op).code)  # type: ignore[attr-defined]
            at = [place.setdefault(arg, len(place)) for arg in node.args]
            left.append(at[0])
            right.append(at[-1])
        columns = np.stack([self._argument(arg, "numeric") for arg in place])
        program = Program(np.array(ops), np.array(left), np.array(right))
        return boosting_drops(
            program, columns, self.sums, self.starts, self.folds.train,
            self.folds.test, self.how, self.n_threads,
        )  # fmt: skip

    def _of_one_key(self, nodes: Sequence[Expression]) -> Floats:
        """Drops of candidates that share a key, and so their sums over the rows."""
        learning = self._learning()
        out = np.zeros((len(nodes), self.folds.n_folds))
        tables: list[tuple[int, Key, Floats]] = []
        rows: list[int] = []
        for i, node in enumerate(nodes):
            assert isinstance(node, Call)
            node = expand(node)
            op = operator(node.op)
            if node.op == "Combine":
                out[i] = self._category(self._argument(node, "key"))
            elif not _is_table(op) or _sees_target(node):
                rows.append(i)
            else:
                assert isinstance(op, KeyTable)
                args = self._args(node)
                key = op.key_of(args)
                if op.needs_target:
                    out[i] = self._nested(op, args, key, learning)
                elif key.size * self.folds.n_atoms > len(self.table):
                    rows.append(i)
                else:
                    found = self._tables(op, args, learning)
                    tables.append((i, key, found[self.folds.fold_of_atom]))
        by_table: dict[int, list[tuple[int, Key, Floats]]] = defaultdict(list)
        for entry in tables:  # most are of one key; some each of a pair of their own
            by_table[id(entry[1])].append(entry)
        for entries in by_table.values():
            values = np.stack([v for _, _, v in entries])
            out[[i for i, _, _ in entries]] = self._pairs(
                entries[0][1], values, learning
            )
        size = max(1, _BATCH_BYTES // (8 * len(self.table)))
        for lo in range(0, len(rows), size):
            part = rows[lo : lo + size]
            values = np.stack([self._values(nodes[i], learning) for i in part])
            out[part] = boosting_drops(
                Program.identity(len(part)), values, self.sums, self.starts,
                self.folds.train, self.folds.test, self.how,
            )  # fmt: skip
        return out

    def _tables(
        self,
        op: KeyTable,
        args: Any,
        learning: Learning,
        train: NDArray[np.bool_] | None = None,
    ) -> Floats:
        """Table of each set of atoms and, last, of none (rows of no fold)."""
        assert op.tables is not None
        if train is None:
            train = learning.with_nothing(self.folds.train)
        return op.tables(args, learning, train)

    def _pairs(
        self, key: Key, values: Floats, learning: Learning, fold: int | None = None
    ) -> Floats:
        """Drops of features whose value in atom a and key c is ``values[i, a, c]``."""
        train, test = self.folds.train, self.folds.test
        if fold is not None:
            train, test = train[fold : fold + 1], test[fold : fold + 1]
        sums = self._key_sums(key, learning)
        starts = np.arange(self.folds.n_atoms + 1) * key.size
        return boosting_drops(
            Program.identity(len(values)), values.reshape(len(values), -1), sums,
            starts, train, test, self.how,
        )  # fmt: skip

    def _key_sums(self, key: Key, learning: Learning) -> RowSums:
        folds = self.folds
        return learning.remember(
            ("gradients", key.codes),
            lambda: self.sums.by_key(folds.atom, folds.n_atoms, key.codes, key.size),
        )

    def _nested(self, op: KeyTable, args: Any, key: Key, learning: Learning) -> Floats:
        folds = self.folds
        out = np.empty(folds.n_folds)
        of_atom = folds.fold_of_atom
        for f in range(folds.n_folds):
            # training rows: learnt without their own fold and without fold f
            others = learning.remember(
                ("nested", folds.train, str(f)),
                partial(_without_fold, folds, f),
            )
            tables = self._tables(op, args, learning, others)
            values = tables[np.where(folds.test[f], folds.n_folds, of_atom)]
            out[f] = self._pairs(key, values[None], learning, f)[0, 0]
        return out

    def _category(self, key: Key) -> Floats:
        """A key as an unordered category: sorted by gradient over hessian, per fold.

        The order is learnt on the fold's training rows, as LightGBM does for
        categorical splits, with its ridge of 10.
        """
        learning = self._learning()
        sums = self._key_sums(key, learning)
        shape = (self.folds.n_atoms, key.size, -1)
        channels = sums.values.reshape(shape) * sums.scale
        out = np.empty(self.folds.n_folds)
        k = self.sums.n_outputs
        for f in range(self.folds.n_folds):
            total = channels[self.folds.train[f]].sum(axis=0)
            g = total[:, 1 : 1 + k]
            h = total[:, :1] if sums.squared else total[:, 1 + k :]
            strength = (g**2 / (h + _CATEGORY_RIDGE)).sum(axis=0)
            best = int(strength.argmax())
            step = -g[:, best] / (h[:, min(best, h.shape[1] - 1)] + _CATEGORY_RIDGE)
            values = np.tile(step, (1, self.folds.n_atoms, 1))
            out[f] = self._pairs(key, values, learning, f)[0, 0]
        return out

    def _values(self, node: Expression, learning: Learning) -> Floats:
        """Out-of-fold values on the rows."""
        assert isinstance(node, Call)
        node = expand(node)
        op = operator(node.op)
        simple = not any(has_learning(arg) for arg in node.args)
        if isinstance(op, KeyTable) and simple:
            args = self._args(node)
            return op.cross(args, learning, self.folds.train, self.folds.fold)
        return cross_fit(node, self.table, self.target, self.folds)


def _without_fold(folds: Folds, f: int) -> NDArray[np.bool_]:
    """What each fold learns from without fold ``f``, what ``f`` does, and nothing."""
    nothing = np.zeros_like(folds.train[f])
    return np.vstack([folds.train & folds.train[f], folds.train[f], nothing])


def _sees_target(node: Call) -> bool:
    """Whether an argument is a target statistic: then only nesting hides the fold."""
    parts = (part for arg in node.args for part in arg.walk())
    return any(isinstance(p, Call) and operator(p.op).needs_target for p in parts)


def _is_table(op: Operator) -> bool:
    """Whether the value is what is looked up, and nothing of the row itself."""
    return (
        isinstance(op, KeyTable)
        and not isinstance(op, GroupRank)
        and op.function is None
    )
