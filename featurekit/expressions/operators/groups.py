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
    register_all,
)
from featurekit.kernels.registry import kernel

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
        return self.tables(args, learning, np.ones((1, learning.n_atoms), bool))[0]

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

    The state is each key's sorted values end to end, and where each key begins.
    """

    def learn(self, args: tuple[Any, ...], learning: Learning) -> Any:
        """Sorted values and starts."""
        x, key = args
        order = np.lexsort((x, key.codes))
        order = order[~np.isnan(x[order])]
        starts = np.searchsorted(key.codes[order], np.arange(key.size + 1))
        return {"values": x[order], "starts": starts.astype(np.int64)}

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
