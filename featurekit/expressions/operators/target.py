"""Statistics of the target per key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurekit.expressions.keyed import (
    Learning,
    prior_of,
    target_mean,
    target_parts,
    target_woe,
)
from featurekit.expressions.operators.base import Bools, Floats, Ints, register_all
from featurekit.expressions.operators.groups import KeyTable
from featurekit.kernels.registry import kernel


@dataclass(frozen=True)
class TargetTable(KeyTable):
    """A table of target statistics: ``formula(n, s, prior)`` per key.

    The arguments are the key's rows, the sum of its target, and the target's mean over
    all rows that are learnt from.
    """

    formula: Callable[[Floats, Floats, Floats], Floats] | None = None
    target: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", self._tables)

    def _tables(
        self, args: tuple[Any, ...], learning: Learning, train: Bools
    ) -> Floats:
        assert self.formula is not None
        counts, totals = target_parts(args, learning)
        weights = train.astype(np.float64)
        n = learning.remember(("rows", args[0].codes, train), lambda: weights @ counts)
        s = weights @ totals
        return self.formula(n, s, prior_of(counts, totals, weights)[:, None])

    def at(
        self,
        args: tuple[Any, ...],
        learning: Learning,
        sets: Bools,
        of: Ints,
        key: Ints,
    ) -> Floats:
        """The entries ``[of[f, i], key[i]]`` of the tables of ``sets``, and no others.

        Parameters
        ----------
        of : int64 array (F, m)
        key : int64 array (m,)

        Returns
        -------
        float64 array (F, m)
        """
        assert self.formula is not None
        counts, totals = target_parts(args, learning)

        def pick(parts: Floats) -> Floats:
            out = np.empty(of.shape)
            kernel("sum_over_sets")(parts, sets, of, key, out)
            return out

        n = learning.remember(("entries", counts, of), lambda: pick(counts))
        prior = prior_of(counts, totals, sets.astype(np.float64))
        return self.formula(n, pick(totals), prior[of])


register_all(
    TargetTable(
        "target_mean",
        ("key", "literal?"),
        "the smoothed mean of the target, or rate of its class, for this {0}",
        label_of_option="target_rate",
        former=("TargetMean",),
        formula=target_mean,
    ),
    TargetTable(
        "target_woe",
        ("key",),
        "the smoothed weight of evidence of a 0/1 target for this {0}",
        former=("TargetWoE",),
        formula=target_woe,
    ),
)
