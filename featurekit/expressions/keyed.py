"""Keys, and the numbers that are learnt per key for several sets of rows at once.

Each function from `moments` on takes the arguments of an operator and gives a table
(F, size): a number for each set of rows and each key. `operators.py` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.kernels.registry import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SMOOTHING = 10.0


@dataclass(frozen=True, eq=False)
class Key:
    """Keys as codes 0..size-3; size-2 is *missing*, size-1 *unseen*."""

    codes: NDArray[Any]
    size: int

    @property
    def missing(self) -> int:
        """Code of missing values."""
        return self.size - 2

    @property
    def unseen(self) -> int:
        """Code of values not seen in fit."""
        return self.size - 1


def key_labels(n: int) -> tuple[str, ...]:
    """Names of ``n`` keys that have none of their own, in order: k00, k01, ...

    No library and no model takes them for numbers.
    """
    width = len(str(n))
    return tuple(f"k{i:0{width}d}" for i in range(n))


@dataclass(frozen=True, eq=False)
class Learning:
    """What a `KeyTable` may learn from.

    Attributes
    ----------
    atom : int64 array (n,)
        Atom of each row (`featurekit.statistics.folds.Folds`).
    n_atoms : int
    y : float64 array (n,) or None
        Target: numbers, 0/1, or class codes.
    classes : tuple or None
        Labels of the class codes.
    memo : dict
        Results shared by operators on the same columns.
    """

    atom: Ints
    n_atoms: int
    y: Floats | None = None
    classes: tuple[Any, ...] | None = None
    memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def whole(
        cls, n: int, y: Floats | None = None, classes: tuple[Any, ...] | None = None
    ) -> Learning:
        """All rows in one atom."""
        return cls(np.zeros(n, np.int64), 1, y, classes)

    def with_nothing(self, train: Bools) -> Bools:
        """The sets of atoms and, last, the empty one, (F + 1, A)."""
        nothing = np.zeros((1, train.shape[1]), bool)
        return self.remember(("sets", train), lambda: np.vstack([train, nothing]))

    def remember(self, what: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """``make()``, once per ``what``; the arrays in it are told apart by identity.

        What is kept holds on to those arrays, so an identity is never used again.
        """
        key = tuple(p if isinstance(p, str) else id(p) for p in what)
        if key not in self.memo:
            self.memo[key] = (make(), what)
        return self.memo[key][0]


def order_of(x: Floats, learning: Learning) -> Ints:
    def make() -> Ints:
        order = np.argsort(x, kind="stable")
        return order[: len(x) - int(np.isnan(x).sum())]

    return learning.remember(("order", x), make)


def _moments(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    """Mean, sample variance, minimum and maximum per set and key, (4, F, size)."""
    x, key = args
    return learning.remember(
        ("moments", x, key.codes, train),
        lambda: _fresh_moments(x, key, learning, train),
    )


def _fresh_moments(x: Floats, key: Key, learning: Learning, train: Bools) -> Floats:
    # squares are summed about each key's own mean, or far keys cost the digits
    shift = np.empty(key.size)
    kernel("group_means")(x, key.codes, key.size, shift)
    parts = kernel("group_moments")(
        x, key.codes, learning.atom, learning.n_atoms, key.size, shift
    )
    out = np.empty((4, len(train), key.size))
    kernel("combine_moments")(parts, shift, train, key.missing, out)
    return out


def minimum(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    return _moments(args, learning, train)[2].copy()


def maximum(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    return _moments(args, learning, train)[3].copy()


def mean(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    return _moments(args, learning, train)[0].copy()


def std(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    return np.sqrt(_moments(args, learning, train)[1])


def mean_std(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    mean, variance, _, _ = _moments(args, learning, train)
    return np.stack([mean, np.sqrt(variance)], axis=-1)


def mean_only(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    return mean(args, learning, train)[..., None]


def median(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    x, key = args
    order = order_of(x, learning)
    out = kernel("group_medians")(order, x, key.codes, learning.atom, train, key.size)
    out[:, key.missing :] = np.nan
    return out


def _per_atom(key: Key, learning: Learning, values: Floats | None = None) -> Floats:
    """Rows, or the sum of ``values``, per atom and key, (A, size)."""
    flat = learning.remember(
        ("atom and key", key.codes), lambda: learning.atom * key.size + key.codes
    )
    total = np.bincount(flat, values, learning.n_atoms * key.size)
    return total.reshape(learning.n_atoms, key.size).astype(np.float64, copy=False)


def _counts_per_atom(key: Key, learning: Learning) -> Floats:
    return learning.remember(("counts", key.codes), lambda: _per_atom(key, learning))


def _counts(key: Key, learning: Learning, train: Bools) -> Floats:
    product: Floats = train.astype(np.float64) @ _counts_per_atom(key, learning)
    return product


def count(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    n = _counts(args[0], learning, train)
    n[:, args[0].missing] = np.nan
    return n


def share(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    n = _counts(args[0], learning, train)
    share = n / np.maximum(n.sum(axis=1, keepdims=True), 1.0)
    share[:, args[0].missing] = np.nan
    return share


def nunique(args: tuple[Any, ...], learning: Learning, train: Bools) -> Floats:
    what, key = args
    n_pairs = what.size * key.size
    pair = what.codes.astype(np.int64) * key.size + key.codes
    if n_pairs > 4 * len(pair):  # only those that occur
        pairs, pair = np.unique(pair, return_inverse=True)
    else:
        pairs = np.arange(n_pairs)
    counted = pairs // key.size < what.missing
    out = np.empty((len(train), key.size))
    kernel("group_distinct")(
        pair, learning.atom, learning.n_atoms, pairs % key.size, counted, train,
        key.size, out,
    )  # fmt: skip
    out[:, key.missing :] = np.nan
    return out


def _class_code(label: Any, classes: tuple[Any, ...] | None) -> int:
    if classes is None:
        raise ValueError(
            f"the rate of class {label!r} is asked for, but the target has no classes "
            "(more than two); leave the class out for the mean of the target"
        )
    if label not in classes:
        raise ValueError(f"the target has no class {label!r}; it has {list(classes)}")
    return classes.index(label)


def target_parts(args: tuple[Any, ...], learning: Learning) -> tuple[Floats, Floats]:
    """Rows and sum of the target per atom and key, each (A, size)."""
    key = args[0]
    y = learning.y
    if y is None:
        raise ValueError("a statistic of the target needs a target; pass y")
    if len(args) > 1:  # one class of several
        code = _class_code(args[1], learning.classes)
        y = learning.remember(
            ("class", learning.y, str(code)), lambda: (learning.y == code) * 1.0
        )
    totals = learning.remember(
        ("target", y, key.codes), lambda: _per_atom(key, learning, y)
    )
    return _counts_per_atom(key, learning), totals


def prior_of(counts: Floats, totals: Floats, weights: Floats) -> Floats:
    """Mean of the target over each set of atoms, NaN over none."""
    with np.errstate(all="ignore"):
        prior: Floats = (weights @ totals.sum(axis=1)) / (weights @ counts.sum(axis=1))
    return prior


def target_mean(n: Floats, s: Floats, prior: Floats) -> Floats:
    return (s + SMOOTHING * prior) / (n + SMOOTHING)


def target_woe(n: Floats, s: Floats, prior: Floats) -> Floats:
    rate = target_mean(n, s, prior)
    with np.errstate(all="ignore"):
        woe = np.log(rate / (1 - rate)) - np.log(prior / (1 - prior))
    woe[~np.isfinite(woe)] = np.nan
    return woe
