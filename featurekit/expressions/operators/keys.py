"""Keys made of columns: pairs, crosses, bins."""

from __future__ import annotations

import math
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
    register_all,
)

N_BINS = 64
MAX_KEY = 1 << 62


def _check_size(keys: tuple[Key, ...]) -> None:
    size = math.prod(key.size for key in keys)
    if size >= MAX_KEY:
        raise ValueError(
            f"too many combinations: {len(keys)} keys of {max(k.size for k in keys):,} "
            "values and fewer cannot be numbered in 64 bits. Cross fewer columns, or "
            "bins of them."
        )


@dataclass(frozen=True)
class Pairing(Operator):
    """One key of two; where either is missing the pair is missing."""

    output: str = "key"

    def apply(self, args: tuple[Any, ...]) -> tuple[Ints, Bools]:
        """A number per pair, and where it is missing."""
        a, b = args
        _check_size(args)
        ids = a.codes.astype(np.int64) * b.size + b.codes
        return ids, (a.codes == a.missing) | (b.codes == b.missing)


@dataclass(frozen=True)
class Crossing(Pairing):
    """One key of several, missing values being values; missing where all are."""

    def apply(self, args: tuple[Any, ...]) -> tuple[Ints, Bools]:
        """A number per combination, and where it is missing."""
        _check_size(args)
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
