"""Numbers learnt per key: of the key alone, or of a number's values in each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurekit.expressions.keyed import (
    Key,
    Learning,
    count,
    maximum,
    mean,
    mean_only,
    mean_std,
    median,
    minimum,
    nunique,
    order_of,
    share,
    std,
)
from featurekit.expressions.operators.base import (
    Bools,
    Floats,
    Ints,
    Operator,
    Shape,
    register_all,
)
from featurekit.kernels.registry import kernel

N_QUANTILES = 1000
"""Values of a key that a rank is taken among, at most."""

Tables = Callable[[tuple[Any, ...], Learning, Bools], Floats]


@dataclass(frozen=True)
class KeyTable(Operator):
    """A table per key, learnt in fit; the last key argument is looked up.

    ``tables(args, learning, train)`` learns from each set of atoms in ``train``
    (F, A) and returns (F, size) or (F, size, w); ``function(x, w...)``, where given,
    relates the row's own value to what was looked up.
    """

    tables: Tables | None = None
    function: Callable[..., Floats] | None = None
    target: bool = False

    @property
    def learns(self) -> bool:
        """Always."""
        return True

    @property
    def needs_target(self) -> bool:
        """Whether the table is one of target statistics."""
        return self.target

    def key_of(self, args: tuple[Any, ...]) -> Key:
        """The key that is looked up."""
        return next(a for a in reversed(args) if isinstance(a, Key))

    def learn(self, args: tuple[Any, ...], learning: Learning) -> Floats:
        """The table of all rows, (size,) or (size, w)."""
        assert self.tables is not None
        table = self.tables(args, learning, np.ones((1, learning.n_atoms), bool))[0]
        return _without_infinities(table)

    def check_state(self, state: Any, arguments: tuple[Shape, ...]) -> Shape:
        """A number, or a few, for each code of the key that is looked up."""
        size = next(a.size for a in reversed(arguments) if a.kind == "key")
        shape = state.shape if isinstance(state, np.ndarray) else ()
        n_dims = 1 if self.function is None else 2
        if shape[:1] != (size,) or len(shape) != n_dims or state.dtype != np.float64:
            raise ValueError(f"it has not learnt numbers for {size} codes of its key")
        return Shape(self.output)

    def apply(self, args: tuple[Any, ...], state: Floats) -> Floats:
        """Values per row from one table."""
        return self._relate(args, state[self.key_of(args).codes])

    def cross(
        self, args: tuple[Any, ...], learning: Learning, train: Bools, fold: Ints
    ) -> Floats:
        """Out-of-fold values: each row from the table of its own fold.

        Rows of no fold (-1) are looked up in a table learnt from nothing.
        """
        assert self.tables is not None
        stack = self.tables(args, learning, learning.with_nothing(train))
        stack = _without_infinities(stack)
        key = self.key_of(args)
        assert stack.shape[1] == key.size, f"{self.name}: a table has an entry per key"
        place = learning.remember(
            ("places", fold, key.codes),
            lambda: np.where(fold < 0, len(train), fold) * key.size + key.codes,
        )
        return self._relate(args, stack.reshape(-1, *stack.shape[2:])[place])

    def _relate(self, args: tuple[Any, ...], found: Floats) -> Floats:
        if self.function is None:
            return found
        with np.errstate(all="ignore"):
            out = self.function(args[0], *np.moveaxis(found, -1, 0))
        out[~np.isfinite(out)] = np.nan
        return out


@dataclass(frozen=True)
class GroupRank(KeyTable):
    """Percentile rank among the fitted rows of the same key.

    The state is each key's sorted values end to end, and where each key begins. Of a
    key of more than `N_QUANTILES` rows so many quantiles stand for the values: ranks
    of new rows are within 0.002 of those among all.
    """

    def learn(self, args: tuple[Any, ...], learning: Learning) -> Any:
        """Sorted values and starts."""
        x, key = args
        order = np.lexsort((x, key.codes))
        order = order[~np.isnan(x[order])]
        starts = np.searchsorted(key.codes[order], np.arange(key.size + 1))
        at, starts = _quantiles(starts.astype(np.int64))
        return {"values": x[order][at], "starts": starts}

    def check_state(self, state: Any, arguments: tuple[Shape, ...]) -> Shape:
        """Sorted values of each key, and starts that stay inside them."""
        if not isinstance(state, dict) or state.keys() != {"values", "starts"}:
            raise ValueError("it has not learnt values and starts")
        values, starts = state["values"], state["starts"]
        if values.dtype != np.float64 or values.ndim != 1 or np.isnan(values).any():
            raise ValueError("it has not learnt the values of its keys")
        size = arguments[1].size
        if (
            starts.dtype != np.int64
            or starts.shape != (size + 1,)
            or starts[0] != 0
            or starts[-1] != len(values)
            or (np.diff(starts) < 0).any()
        ):
            raise ValueError(f"its starts are not those of {size} codes of its key")
        falls = np.flatnonzero(np.diff(values) < 0) + 1
        if not np.isin(falls, starts).all():
            raise ValueError("its values are not sorted in each key")
        return Shape(self.output)

    def apply(self, args: tuple[Any, ...], state: Any) -> Floats:
        """Rank of each row put among its key's fitted rows."""
        x, key = args
        out = np.empty(len(x))
        kernel("ranks_in_groups")(x, key.codes, state["values"], state["starts"], out)
        out[key.codes >= key.missing] = np.nan
        return out

    def cross(
        self, args: tuple[Any, ...], learning: Learning, train: Bools, fold: Ints
    ) -> Floats:
        """Rank of each row among the training rows of its fold."""
        x, key = args
        out = np.empty(len(x))
        kernel("group_ranks")(
            order_of(x, learning),
            x,
            key.codes,
            learning.atom,
            train,
            fold,
            key.size,
            out,
        )
        out[key.codes >= key.missing] = np.nan
        return out


def _quantiles(starts: Ints) -> tuple[Ints, Ints]:
    """Which of sorted values to keep of each key, and where each key then begins."""
    sizes = np.diff(starts)
    kept = np.minimum(sizes, N_QUANTILES)
    begins = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    local = np.arange(begins[-1]) - np.repeat(begins[:-1], kept)
    step = np.repeat(sizes, kept) * (2 * local + 1) // np.repeat(2 * kept, kept)
    return np.repeat(starts[:-1], kept) + step, begins


def _without_infinities(table: Floats) -> Floats:
    """Sums beyond float64 are missing, as any value out of an operator's domain."""
    return np.where(np.isinf(table), np.nan, table) if np.isinf(table).any() else table


def _difference(x: Floats, mean: Floats) -> Floats:
    return x - mean


def _ratio(x: Floats, mean: Floats) -> Floats:
    return x / np.where(mean == 0, np.nan, mean)


def _z_score(x: Floats, mean: Floats, std: Floats) -> Floats:
    return (x - mean) / np.where(std == 0, np.nan, std)


def _of_group(
    name: str, about: str, former: str, tables: Tables, **more: Any
) -> KeyTable:
    inputs = ("numeric", "key")
    return KeyTable(
        name, inputs, about, separator="|", former=(former,), tables=tables, **more
    )


register_all(
    KeyTable("freq", ("key",), "the share of rows with this {0}", tables=share),
    KeyTable("count", ("key",), "the number of rows with this {0}", tables=count),
    _of_group(
        "group_min", "the least {0} of this {1}", "GroupByThenMin", minimum, label="min"
    ),
    _of_group(
        "group_max",
        "the greatest {0} of this {1}",
        "GroupByThenMax",
        maximum,
        label="max",
    ),
    _of_group("mean", "the mean {0} of this {1}", "GroupByThenMean", mean),
    _of_group("median", "the median {0} of this {1}", "GroupByThenMedian", median),
    _of_group(
        "std", "the standard deviation of {0} in this {1}", "GroupByThenStd", std
    ),
    GroupRank(
        "rank",
        ("numeric", "key"),
        "the percentile rank of {0} in this {1}",
        separator="|",
        former=("GroupByThenRank",),
    ),
    KeyTable(
        "nunique",
        ("key", "key"),
        "how many distinct values of {0} this {1} has",
        separator="|",
        former=("GroupByThenNUnique",),
        tables=nunique,
    ),
    _of_group(
        "diff",
        "{0} minus its mean in this {1}",
        "GroupByThenDiff",
        mean_only,
        function=_difference,
    ),
    _of_group(
        "ratio",
        "{0} divided by its mean in this {1}",
        "GroupByThenRatio",
        mean_only,
        function=_ratio,
    ),
    _of_group(
        "zscore",
        "how many standard deviations {0} is above its mean in this {1}",
        "GroupByThenZScore",
        mean_std,
        function=_z_score,
    ),
)
