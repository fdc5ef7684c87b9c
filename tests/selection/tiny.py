"""A selector of a few lines, for what all of them share."""

from __future__ import annotations

import numpy as np

from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Selector


class Tiny(Selector):
    """The absolute correlation with the target; "auto" keeps one unit."""

    _parameter_constraints: dict = {}

    def __init__(
        self,
        n_features_to_select=None,
        groups=None,
        categorical_features="auto",
        task="auto",
        output_format="codes",
    ):
        self.n_features_to_select = n_features_to_select
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.output_format = output_format

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, groups=None):
        self.rows_ = rows = self._read(X, y, sample_weight, groups)
        n_keep = self._n_to_select(rows.units.n_units) or 1
        design = rows.design()
        weight = np.ones(len(rows)) if rows.weight is None else rows.weight
        target = rows.target.y - np.average(rows.target.y, weights=weight)
        values = design.values - np.average(design.values, 0, weight)
        spread = np.sqrt(weight @ values**2 * (weight @ target**2))
        score = np.abs((weight * target) @ values) / np.where(spread > 0, spread, 1)
        self._keep(rows, design.best(score), n_keep)
        return self


class Blind(Tiny):
    """Unsupervised: the spread of each column."""

    _supervised = False

    def fit(self, X, y=None):
        rows = self._read(X, y)
        n_keep = self._n_to_select(rows.units.n_units) or 1
        design = rows.design()
        self._keep(rows, design.best(design.values.std(axis=0)), n_keep)
        return self
