"""LightGBM's trees, read from its text: loss reduction of splits, leaves of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_INTEGERS = ("split_feature", "left_child", "right_child")
_NUMBERS = ("internal_value", "leaf_value", "split_gain")


def leaves(
    booster: Any, X: Floats, rounds: int = -1, n_threads: int = 1
) -> NDArray[np.int32]:
    """Leaf of each row in each tree, of the first ``rounds`` or all; (n, trees)."""
    found = booster.predict(
        X, pred_leaf=True, num_iteration=rounds, num_threads=n_threads
    )
    return np.asfortranarray(np.reshape(found, (len(X), -1)))


def leaf_values(booster: Any, leaf: NDArray[np.int32]) -> Floats:
    """Score of each leaf of each tree, up to the last of ``leaf``; (trees, leaves)."""
    last = leaf.max(axis=0)
    out = np.zeros((leaf.shape[1], int(last.max(initial=0)) + 1))
    for t, most in enumerate(last.tolist()):
        out[t, : most + 1] = [booster.get_leaf_output(t, j) for j in range(most + 1)]
    return out


@dataclass(frozen=True)
class Trees:
    """All trees of a booster, as arrays with a row for each, padded to the largest.

    Attributes
    ----------
    feature : int array (T, S)
        Of each split; -1 where a tree has no such split.
    children : int array (2, T, S)
        Left and right: splits come first, then leaves, then a place for nothing.
    value : float64 array (T, S + L + 1)
        Score of the rows of each split, if it were a leaf, and of each leaf.
    gain : float64 array (T, S)
        What LightGBM states as the gain of each split on its training rows.
    """

    feature: Ints
    children: Ints
    value: Floats
    gain: Floats

    @property
    def leaf_value(self) -> Floats:
        """Score of each leaf, (T, L)."""
        return self.value[:, self.feature.shape[1] : -1]

    @classmethod
    def of(cls, booster: Any) -> Trees:
        """From the text of the model, which is several times faster than its JSON."""
        texts = booster.model_to_string(num_iteration=-1).split("\nTree=")[1:]
        trees = []
        for text in texts:
            pairs = (line.split("=", 1) for line in text.split("\n") if "=" in line)
            lines = dict(pairs)
            trees.append(
                [_read(lines, name, np.int64) for name in _INTEGERS]
                + [_read(lines, name, np.float64) for name in _NUMBERS]
            )
        n_splits = max((len(tree[0]) for tree in trees), default=0)
        nothing = 2 * n_splits + 1
        feature = np.full((len(trees), n_splits), -1)
        children = np.full((2, len(trees), n_splits), nothing)
        value = np.zeros((len(trees), nothing + 1))
        gain = np.zeros((len(trees), n_splits))
        for t, (of, left, right, inner, leaf, gains) in enumerate(trees):
            s = slice(len(of))
            feature[t, s], gain[t, s], value[t, s] = of, gains, inner
            value[t, n_splits : n_splits + len(leaf)] = leaf
            for into, child in zip(children[:, t], (left, right), strict=True):
                into[s] = np.where(child < 0, n_splits + ~child, child)
        return cls(feature, children, value, gain)

    def less(self, sum_g: Floats, sum_h: Floats) -> Floats:
        """Loss reduction by each split, to second order, (T, S).

        Parameters
        ----------
        sum_g, sum_h : float64 array (T, L)
            Sums of gradients and of second derivatives of each leaf.
        """
        n_splits = self.feature.shape[1]
        g, h = np.zeros_like(self.value), np.zeros_like(self.value)
        g[:, n_splits:-1], h[:, n_splits:-1] = sum_g, sum_h
        tree = np.arange(len(g))
        for i in range(n_splits - 1, -1, -1):  # a child is younger than its parent
            left, right = self.children[:, :, i]
            for s in (g, h):
                s[:, i] = s[tree, left] + s[tree, right]
        out = np.zeros_like(self.gain)
        old = self.value[:, :n_splits]
        for child in self.children:
            new, of = self.value[tree[:, None], child], (tree[:, None], child)
            out += g[of] * (old - new) + 0.5 * h[of] * (old**2 - new**2)
        return out

    def by_round(self, of_split: Floats, n_outputs: int, n_features: int) -> Floats:
        """Sums of what is said of splits, (rounds, features)."""
        tree, split = np.nonzero(self.feature >= 0)
        n_rounds = len(self.feature) // n_outputs
        place = tree // n_outputs * n_features + self.feature[tree, split]
        found = np.bincount(place, of_split[tree, split], n_rounds * n_features)
        return found.astype(np.float64).reshape(n_rounds, n_features)


def _read(lines: dict[str, str], name: str, dtype: type) -> NDArray[Any]:
    return np.fromstring(lines.get(name, ""), dtype, sep=" ")
