"""MRMR: columns that tell much of the target and little of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Floats, Ints, Rows, Selector, rounded
from featurekit.selection.design import Design, Standard

FLOOR = 1e-3
"""Least redundancy: by less, chance correlations of a few rows would be divided."""

COPY = 1 - 1e-9
"""A correlation from which on two columns are one but for scale."""

EXACT = 1e-12
"""Least share of the target's variance that is taken to be left unexplained."""


class MRMR(Selector):
    """Greedy selection by minimum redundancy and maximum relevance.

    The first unit (a column, or a group of them) is the one that tells most of the
    target. Each next one is the best by its relevance against its mean correlation with
    those chosen before: divided by it, or less it.

    Parameters
    ----------
    n_features_to_select : int, float, "auto" or None, default=None
        How many columns to keep; a share of them; half of them for None. "auto", with
        ``scheme="difference"``: as long as the relevance is above the redundancy. With
        ``groups`` it counts groups.
    relevance : {"f", "correlation"}, default="f"
        "f" is the F statistic: of the analysis of variance for classes, of the
        correlation for numbers. "correlation" is on the scale of the redundancy, from
        0 to 1: the correlation ratio for classes (root of the share of a column's
        variance that lies between them), the absolute correlation for numbers.
    scheme : {"quotient", "difference"}, default="quotient"
        How relevance and redundancy meet. An F statistic has no scale, so that its
        difference from a correlation is next to its own order: use
        ``relevance="correlation"`` with "difference".
    groups : None, list of labels, or list of lists, default=None
        Columns that are kept or dropped together: a label per column, or lists of
        names or positions.
    categorical_features : "auto" or list of str or int, default="auto"
        Columns whose numbers are categories. Text and categories always are.
    task : {"auto", "classification", "regression", "binary", "multiclass"}, \
default="auto"
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    order_ : int64 array
        The columns kept, in the order they were chosen in.
    relevance_ : float64 array (d,)
        Of each column; columns of a group share their best.
    redundancy_ : float64 array (d,)
        Mean absolute correlation with the units that were chosen before, 0 for the
        first; of columns left out as it stood when the last one was chosen.
    scores_ : float64 array (d,)
        The two combined. The scores of columns kept are of different steps, and so not
        in order.
    ranking_ : int64 array (d,)
        1 is the best; columns left out follow by their scores.
    support_ : bool array (d,)
    n_features_to_select_ : int
    classes_ : ndarray
        For classification.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    See Also
    --------
    featurekit.OutRank : With ``redundancy="mrmr"`` the same by mutual information.

    Notes
    -----
    With the F statistic, the schemes are FCQ and FCD of Ding and Peng; Zhao et al.
    compare them.

    Deliberate differences:

    - Missing values count: they are the median and an indicator, and a unit is as
      relevant as the better of them. Of two units, the redundancy is the largest
      correlation between a column of one and a column of the other. A category is 0
      and 1 in a column each (`featurekit.selection.design.Design`).
    - A unit whose columns equal chosen ones but for scale comes last: it tells nothing
      more, though a large F may survive a division by 1.
    - A correlation below 0.001 counts as 0.001, as in the package ``mrmr-selection``.
    - At least 1e-12 of the variance counts as unexplained, so that two columns that
      give the target away can still be told apart.
    - Whole weights give what repeating the rows gives, so that their scale changes the
      F statistic. Weights with fractions, or with a sum above 10^9, are scaled to a
      mean of 1: only their ratios matter.

    A column of noise may be chosen before others and change their mean redundancy, so
    that with "auto" a further column may change which others are kept.

    Each step takes one product of the columns with those of the unit just chosen: k
    columns out of d take time in proportion to n d k.

    References
    ----------
    Ding and Peng, "Minimum Redundancy Feature Selection from Microarray Gene Expression
    Data", Journal of Bioinformatics and Computational Biology 3(2), 2005.

    Zhao, Anand and Wang, "Maximum Relevance and Minimum Redundancy Feature Selection
    Methods for a Marketing Machine Learning Platform", DSAA 2019, arXiv 1908.05376.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from featurekit.selection import MRMR
    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 1000))
    >>> X = pd.DataFrame({"a": a, "nearly a": a + 0.1 * rng.normal(size=1000), "b": b})
    >>> y = 2 * a + b
    >>> MRMR(n_features_to_select=2).fit(X, y).get_feature_names_out().tolist()
    ['a', 'b']
    """

    _parameter_constraints: dict[str, Any] = {
        name: Selector._shared_constraints[name]
        for name in (
            "n_features_to_select",
            "groups",
            "categorical_features",
            "task",
            "output_format",
        )
    } | {
        "relevance": [StrOptions({"f", "correlation"})],
        "scheme": [StrOptions({"quotient", "difference"})],
    }

    def __init__(
        self,
        n_features_to_select: int | float | str | None = None,
        *,
        relevance: str = "f",
        scheme: str = "quotient",
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        output_format: str = "codes",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.relevance = relevance
        self.scheme = scheme
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.output_format = output_format

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MRMR:
        """Choose one unit after the other.

        Parameters
        ----------
        X : frame or array of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional
            How often each row counts.

        Returns
        -------
        MRMR
        """
        if self.n_features_to_select == "auto" and self.scheme == "quotient":
            raise ValueError(
                "n_features_to_select='auto' needs scheme='difference': a quotient of "
                "relevance and redundancy is never below 0, and so never says when to "
                "stop"
            )
        rows = self._read(X, y, sample_weight)
        wanted = self._n_to_select(rows.units.n_units)
        design = rows.design()
        Z = standardised(design.values, rows.weight)
        relevance = np.maximum(design.best(self._relevance(Z, rows)), 0.0)
        order, n_keep, scores, redundancy = self._choose(
            Z, design, relevance, rows, wanted
        )
        self._keep(rows, scores, n_keep, order)
        self.relevance_ = relevance[rows.units.of_column]
        self.redundancy_ = redundancy[rows.units.of_column]
        return self

    def _relevance(self, Z: Floats, rows: Rows) -> Floats:
        share, free = explained(Z, rows)
        if self.relevance == "correlation":
            return np.sqrt(share)
        # with no rows to spare the statistic is not defined; its order is
        total = len(rows) if rows.weight is None else float(rows.weight.sum())
        left = max(total - free - 1, 1.0)
        return share / np.maximum(1 - share, EXACT) * left / free

    def _choose(
        self,
        Z: Floats,
        design: Design,
        relevance: Floats,
        rows: Rows,
        wanted: int | None,
    ) -> tuple[list[int], int, Floats, Floats]:
        """Units best first, how many are chosen, their scores and redundancies."""
        n_units = design.n_units
        varies = rows.units_that_vary()
        chosen = np.zeros(n_units, bool)
        copied = np.zeros(n_units, bool)
        order: list[int] = []
        scores = relevance.copy()
        redundancy = np.zeros(n_units)
        total = np.zeros(n_units)
        told = ~Z.any(
            axis=0
        )  # columns that one chosen equals; a constant tells nothing
        for _ in range(n_units if wanted is None else wanted):
            if order:
                correlation = np.abs(Z.T @ Z[:, design.unit == order[-1]]).max(axis=1)
                told |= correlation >= COPY
                copied = design.best((~told).astype(np.float64)) <= 0
                total += np.maximum(design.best(correlation), FLOOR)
                redundancy[~chosen] = total[~chosen] / len(order)
                scores[~chosen] = self._combined(relevance, redundancy)[~chosen]
            best = np.lexsort((-rounded(scores), copied, ~varies, chosen))[0]
            if wanted is None and order and (copied[best] or scores[best] <= 0):
                break
            chosen[best] = True
            order.append(int(best))
        rest = np.lexsort((-rounded(scores), copied, ~varies, chosen))
        order += rest[: n_units - len(order)].tolist()
        return order, int(chosen.sum()), scores, redundancy

    def _combined(self, relevance: Floats, redundancy: Floats) -> Floats:
        if self.scheme == "difference":
            return relevance - redundancy
        return relevance / np.maximum(redundancy, FLOOR)


def standardised(values: Floats, weight: Floats | None) -> Floats:
    """Columns of mean 0 and length 1, so that products are correlations.

    Parameters
    ----------
    values : float64 array (n, p)
    weight : float64 array (n,), optional

    Returns
    -------
    float64 array (n, p), column-major
        Rows are scaled by the root of their weight. A constant column is zero.
    """
    Z = np.empty(values.shape, order="F")
    root = None if weight is None else np.sqrt(weight)
    for j in range(values.shape[1]):
        Z[:, j] = Standard.of(values[:, j], weight).apply(values[:, j])
        if root is not None:
            Z[:, j] *= root
    return Z


def explained(Z: Floats, rows: Rows) -> tuple[Floats, int]:
    """How much of each column and the target is one; the degrees of freedom it takes.

    For classes the share of a column's variance that lies between them, for numbers the
    squared correlation.
    """
    assert rows.target is not None
    y, weight = rows.target.standard, rows.weight
    if rows.target.task == "regression":
        target = standardised(y[:, None], weight)
        return np.minimum((Z.T @ target[:, 0]) ** 2, 1.0), 1
    k = len(rows.target.labels)
    codes: Ints = y.astype(np.int64)
    size = np.bincount(codes, weight, k)
    # a class's mean is its sum over its weight, and Z holds roots of weights
    side = np.zeros((len(y), k))
    side[np.arange(len(y)), codes] = 1.0 if weight is None else np.sqrt(weight)
    sums = side.T @ Z
    return np.minimum((sums**2 / size[:, None]).sum(axis=0), 1.0), k - 1
