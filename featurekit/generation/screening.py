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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.columns import Table
from featurekit.execution.local import run_threads
from featurekit.expressions.evaluate import (
    Distinct,
    Target,
    checked,
    cross_fit,
    cross_fit_as_key,
    has_learning,
    sees_target,
)
from featurekit.expressions.keyed import Key, Learning
from featurekit.expressions.operators import (
    Elementwise,
    GroupRank,
    KeyTable,
    Operator,
    TargetTable,
    operator,
)
from featurekit.expressions.tree import Call, Expression, Literal
from featurekit.statistics.boosting import (
    Program,
    Rounds,
    RowSums,
    boosting_drops,
    boosting_drops_per_fold,
)
from featurekit.statistics.folds import Folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BATCH_BYTES = 32 << 20
_CATEGORY_RIDGE = 10.0


def key_of(node: Expression) -> Expression | None:
    """What candidates must share to be scored together; None for elementwise ones."""
    assert isinstance(node, Call)
    op = operator(node.op)
    if isinstance(op, Elementwise) and op.code is not None:
        return None
    if node.op == "combine":
        return node
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

        if self.n_threads > 1:
            self._prepare([candidates[i] for part in by_key.values() for i in part])
        run_threads(group, list(by_key), self.n_threads)
        return out

    def _prepare(self, candidates: Sequence[Expression]) -> None:
        """Make shared arguments before threads ask for them."""
        for node in candidates:
            assert isinstance(node, Call)
            op = operator(node.op)
            for i, arg in enumerate(node.args):
                if isinstance(arg, Call) and arg.op == "combine":
                    for part in arg.args:
                        self._argument(part, "key")
                else:
                    self._argument(arg, op.input_kind(i))

    def _learning(self) -> Learning:
        y, classes = self.target
        memo = dict(self._orders)
        return Learning(self.folds.atom, self.folds.n_atoms, y, classes, memo)

    def _argument(self, node: Expression, kind: str) -> Any:
        if isinstance(node, Literal):
            return node.value
        found: Any = self._arguments.get((node, kind))
        if found is None:
            make = cross_fit_as_key if kind == "key" else cross_fit
            found = make(node, self.table, self.target, self.folds)
            if kind == "any":
                return None
            found = checked(found, kind, node)
            self._arguments[node, kind] = found
            if kind == "numeric":
                order = np.argsort(found, kind="stable")
                order = order[: len(found) - int(np.isnan(found).sum())]
                self._orders["order", id(found)] = (order, ("order", found))
        return found

    def _pair(self, node: Call, learning: Learning) -> Key:
        """A pair of keys as one; kept no longer than its candidates are scored."""

        def make() -> Key:
            parts = tuple(self._argument(arg, "key") for arg in node.args)
            pairing = operator("combine")
            return Distinct.learn(*pairing.apply(parts))[1]  # type: ignore[attr-defined]

        return learning.remember(("pair", node.name), make)

    def _args(self, node: Call, learning: Learning) -> tuple[Any, ...]:
        op = operator(node.op)
        return tuple(
            self._pair(arg, learning)
            if isinstance(arg, Call) and arg.op == "combine"
            else self._argument(arg, op.input_kind(i))
            for i, arg in enumerate(node.args)
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
        # most tables are of one key; some each of a pair of their own
        tables: dict[Key, list[tuple[int, KeyTable, Any]]] = defaultdict(list)
        nested: dict[Key, list[tuple[int, KeyTable, Any]]] = defaultdict(list)
        rows: list[int] = []
        for i, node in enumerate(nodes):
            assert isinstance(node, Call)
            op = operator(node.op)
            if node.op == "combine":
                out[i] = self._category(self._pair(node, learning), learning)
            elif not _is_table(op) or _sees_target(node):
                rows.append(i)
            else:
                assert isinstance(op, KeyTable)
                args = self._args(node, learning)
                key = op.key_of(args)
                if op.needs_target:
                    nested[key].append((i, op, args))
                elif key.size * self.folds.n_atoms > len(self.table):
                    rows.append(i)
                else:
                    tables[key].append((i, op, args))
        n_atoms, n_folds, n = self.folds.n_atoms, self.folds.n_folds, len(self.table)
        for of_key, values_of, drops_of in (
            (tables, self._of_atoms, self._pairs),
            (nested, self._nested, self._per_fold),
        ):
            for key, jobs in of_key.items():
                n_values = n_atoms * key.size
                if of_key is nested:
                    n_values = n_folds * min(n_values, n)
                size = max(1, _BATCH_BYTES // (8 * n_values))
                for lo in range(0, len(jobs), size):
                    some = jobs[lo : lo + size]
                    made = [values_of(op, args, key, learning) for _, op, args in some]
                    where = [i for i, _, _ in some]
                    out[where] = drops_of(key, np.stack(made), learning)
        size = max(1, _BATCH_BYTES // (8 * len(self.table)))
        for lo in range(0, len(rows), size):
            part = rows[lo : lo + size]
            values = np.stack([self._values(nodes[i], learning) for i in part])
            out[part] = boosting_drops(
                Program.identity(len(part)), values, self.sums, self.starts,
                self.folds.train, self.folds.test, self.how,
            )  # fmt: skip
        return out

    def _of_atoms(
        self, op: KeyTable, args: Any, key: Key, learning: Learning
    ) -> Floats:
        """A table's values per atom and key, (A, size)."""
        assert op.tables is not None
        tables = op.tables(args, learning, learning.with_nothing(self.folds.train))
        return tables[self.folds.fold_of_atom]

    def _pairs(self, key: Key, values: Floats, learning: Learning) -> Floats:
        """Drops of features whose value in atom a and key c is ``values[i, a, c]``."""
        sums = self._key_sums(key, learning)
        starts = np.arange(self.folds.n_atoms + 1) * key.size
        return boosting_drops(
            Program.identity(len(values)), values.reshape(len(values), -1), sums,
            starts, self.folds.train, self.folds.test, self.how,
        )  # fmt: skip

    def _per_fold(self, key: Key, values: Floats, learning: Learning) -> Floats:
        """Drops of features whose value while fold f is left out is ``values[i, f]``.

        Values are those of `_present`.
        """
        sums = self._key_sums(key, learning)
        present, starts = self._present(key, learning)
        return boosting_drops_per_fold(
            values, sums.take(present), starts, self.folds.train, self.folds.test,
            self.how,
        )  # fmt: skip

    def _key_sums(self, key: Key, learning: Learning) -> RowSums:
        folds = self.folds
        return learning.remember(
            ("gradients", key.codes),
            lambda: self.sums.by_key(folds.atom, folds.n_atoms, key.codes, key.size),
        )

    def _present(self, key: Key, learning: Learning) -> tuple[Ints, Ints]:
        """Pairs of atom and key that have rows, atoms outermost; where atoms begin."""

        def make() -> tuple[Ints, Ints]:
            present = np.flatnonzero(self._key_sums(key, learning).values[:, 0])
            bounds = np.arange(self.folds.n_atoms + 1) * key.size
            return present, np.searchsorted(present, bounds)

        return learning.remember(("present", key.codes), make)

    def _nested(self, op: KeyTable, args: Any, key: Key, learning: Learning) -> Floats:
        """A target statistic's values of `_present` while each fold is left out."""
        folds = self.folds
        sets, of_atom = learning.remember(
            ("nested", folds.train), lambda: _nested_sets(folds)
        )
        present, starts = self._present(key, learning)
        of, codes = learning.remember(
            ("entries of sets", key.codes),
            lambda: (np.repeat(of_atom, np.diff(starts), axis=1), present % key.size),
        )
        if isinstance(op, TargetTable):
            return op.at(args, learning, sets, of, codes)
        assert op.tables is not None
        return op.tables(args, learning, sets)[of, codes]

    def _category(self, key: Key, learning: Learning) -> Floats:
        """A key as an unordered category: sorted by gradient over hessian, per fold.

        The order is learnt on the fold's training rows, as LightGBM does for
        categorical splits, with its ridge of 10.
        """
        sums = self._key_sums(key, learning)
        shape = (self.folds.n_atoms, key.size, -1)
        channels = sums.values.reshape(shape) * sums.scale
        present, _ = self._present(key, learning)
        values = np.empty((1, self.folds.n_folds, len(present)))
        k = self.sums.n_outputs
        for f in range(self.folds.n_folds):
            total = channels[self.folds.train[f]].sum(axis=0)
            g = total[:, 1 : 1 + k]
            h = total[:, :1] if sums.squared else total[:, 1 + k :]
            strength = (g**2 / (h + _CATEGORY_RIDGE)).sum(axis=0)
            best = int(strength.argmax())
            step = -g[:, best] / (h[:, min(best, h.shape[1] - 1)] + _CATEGORY_RIDGE)
            values[0, f] = step[present % key.size]
        return self._per_fold(key, values, learning)[0]

    def _values(self, node: Expression, learning: Learning) -> Floats:
        """Out-of-fold values on the rows."""
        assert isinstance(node, Call)
        op = operator(node.op)
        simple = not any(has_learning(arg) for arg in node.args)
        if isinstance(op, KeyTable) and simple:
            args = self._args(node, learning)
            return op.cross(args, learning, self.folds.train, self.folds.fold)
        return cross_fit(node, self.table, self.target, self.folds)


def _nested_sets(folds: Folds) -> tuple[NDArray[np.bool_], Ints]:
    """Sets of atoms that target statistics are learnt from, and which is whose.

    While fold f is left out, a row of fold g gets what the atoms say that both learn
    from, a row of f what f learns from, a row of no fold what nothing says.

    Returns
    -------
    sets : bool array (F * (F + 2), A)
    of_atom : int64 array (F, A)
        The set of each atom while fold f is left out.
    """
    nothing = np.zeros_like(folds.train[0])
    sets = [np.vstack([folds.train & own, own, nothing]) for own in folds.train]
    n = folds.n_folds
    of_fold = np.where(folds.fold_of_atom < 0, n + 1, folds.fold_of_atom)
    of_atom = np.where(folds.test, n, of_fold) + np.arange(n)[:, None] * (n + 2)
    return np.vstack(sets), of_atom


def _sees_target(node: Call) -> bool:
    """Whether an argument is a target statistic: then only nesting hides the fold."""
    return any(sees_target(arg) for arg in node.args)


def _is_table(op: Operator) -> bool:
    """Whether the value is what is looked up, and nothing of the row itself."""
    return (
        isinstance(op, KeyTable)
        and not isinstance(op, GroupRank)
        and op.function is None
    )
