"""LightGBM's trees, read from its text: loss reduction of splits, leaves of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def leaves(
    booster: Any, X: Floats, rounds: int = -1, n_threads: int = 1
) -> NDArray[np.int32]:
    """Leaf of each row in each tree, of the first ``rounds`` or all; (n, trees)."""
    found = booster.predict(
        X, pred_leaf=True, num_iteration=rounds, num_threads=n_threads
    )
    return np.asfortranarray(np.reshape(found, (len(X), -1)))


@dataclass(frozen=True)
class Tree:
    """A tree of LightGBM's: children of a split are splits ``j`` or leaves ``~j``.

    Attributes
    ----------
    feature, left, right : int array (splits,)
    value : float64 array (splits,)
        Score of the rows of each split, if it were a leaf.
    leaf_value : float64 array (splits + 1,)
    """

    feature: Ints
    left: Ints
    right: Ints
    value: Floats
    leaf_value: Floats

    @classmethod
    def all_of(cls, booster: Any) -> list[Tree]:
        """From the text of the model, which is several times faster than its JSON."""
        out = []
        for text in booster.model_to_string(num_iteration=-1).split("\nTree=")[1:]:
            pairs = (line.split("=", 1) for line in text.split("\n") if "=" in line)
            lines = dict(pairs)
            feature, left, right = (
                np.fromstring(lines.get(name, ""), np.int64, sep=" ")
                for name in ("split_feature", "left_child", "right_child")
            )
            value, leaf_value = (
                np.fromstring(lines.get(name, ""), np.float64, sep=" ")
                for name in ("internal_value", "leaf_value")
            )
            out.append(cls(feature, left, right, value, leaf_value))
        return out

    def less(self, sum_g: Floats, sum_h: Floats) -> Floats:
        """Loss reduction by each split, from sums of each leaf, (parts, splits).

        Parameters
        ----------
        sum_g, sum_h : float64 array (parts, leaves)
            Sums of gradients and of second derivatives.
        """
        n_splits = len(self.feature)
        # splits, then leaves from the last to the first: ~j is counted from behind
        value = np.concatenate([self.value, self.leaf_value[::-1]])
        g, h = (
            np.hstack([np.zeros((len(s), n_splits)), s[:, ::-1]])
            for s in (sum_g, sum_h)
        )
        for i in range(n_splits - 1, -1, -1):  # a child is younger than its parent
            for s in (g, h):
                s[:, i] = s[:, self.left[i]] + s[:, self.right[i]]
        out = np.zeros((len(g), n_splits))
        for child in (self.left, self.right):
            old, new = self.value, value[child]
            out += g[:, child] * (old - new) + 0.5 * h[:, child] * (old**2 - new**2)
        return out
