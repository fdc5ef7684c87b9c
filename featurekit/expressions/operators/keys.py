"""Keys made of columns: pairs, crosses, bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurekit.expressions.keyed import Key
from featurekit.expressions.operators.base import (
    Alias,
    Bools,
    Floats,
    Ints,
    Operator,
    Shape,
    check_increasing,
    register_all,
)

N_BINS = 64
MAX_KEY = 1 << 62


def _check_size(sizes: Sequence[int]) -> int:
    """How many combinations keys of these sizes have, if they can be numbered."""
    size = math.prod(sizes)
    if size >= MAX_KEY:
        raise ValueError(
            f"too many combinations: {len(sizes)} keys of up to {max(sizes):,} values "
            "cannot be numbered in 64 bits. Cross fewer columns, or bins of them."
        )
    return size


@dataclass(frozen=True)
class Pairing(Operator):
    """One key of two; where either is missing the pair is missing."""

    output: str = "key"

    def check_state(self, state: Any, arguments: tuple[Shape, ...]) -> Shape:
        """The numbers of the pairs that were seen, sorted."""
        check_increasing(state, np.int64)
        size = _check_size([argument.size for argument in arguments])
        if len(state) and not (state[0] >= 0 and state[-1] < size):
            raise ValueError("it has learnt combinations that there cannot be")
        return Shape("key", len(state) + 2)

    def apply(self, args: tuple[Any, ...]) -> tuple[Ints, Bools]:
        """A number per pair, and where it is missing."""
        a, b = args
        _check_size([a.size, b.size])
        ids = a.codes.astype(np.int64) * b.size + b.codes
        return ids, (a.codes == a.missing) | (b.codes == b.missing)


@dataclass(frozen=True)
class Crossing(Pairing):
    """One key of several, missing values being values; missing where all are."""

    def apply(self, args: tuple[Any, ...]) -> tuple[Ints, Bools]:
        """A number per combination, and where it is missing."""
        _check_size([key.size for key in args])
        ids = np.zeros(len(args[0].codes), np.int64)
        gone = np.ones(len(ids), bool)
        for key in args:
            ids = ids * key.size + key.codes
            gone &= key.codes == key.missing
        return ids, gone


@dataclass(frozen=True)
class Binning(Operator):
    """A number as the key of its bin; the bins hold as alike many rows of fit."""

    output: str = "key"

    def learn(self, x: Floats) -> Floats:
        """The least value of each bin but the first."""
        x = x[~np.isnan(x)]
        if len(x) == 0:
            return np.zeros(0)
        shares = np.arange(1, N_BINS) / N_BINS
        edges = np.unique(np.quantile(x, shares, method="higher"))
        return edges[edges > x.min()]

    def check_state(self, state: Any, arguments: tuple[Shape, ...]) -> Shape:
        """The edges, sorted."""
        check_increasing(state, np.float64)
        return Shape("key", len(state) + 3)

    def apply(self, args: tuple[Any, ...], edges: Floats) -> Key:
        """Bins from 0; missing values are missing, and none is unseen."""
        (x,) = args
        codes = np.searchsorted(edges, x, side="right")
        codes[np.isnan(x)] = len(edges) + 1
        return Key(codes, len(edges) + 3)


register_all(
    Pairing(
        "combine",
        ("key", "key"),
        "the pair of {0} and {1}",
        commutative=True,
        label="&",
        former=("Combine",),
    ),
    Crossing(
        "cross",
        ("key...",),
        "the combination of {0}, missing being a value like others",
        separator="&",
        former=("Cross",),
    ),
    Binning("bin", ("numeric",), "the quantile bin of {0}", former=("Bin",)),
    Alias(
        "pair_freq",
        ("key", "key"),
        "the share of rows with this pair of {0} and {1}",
        commutative=True,
        former=("CombineThenFreq",),
        outer="freq",
        inner="combine",
    ),
)
