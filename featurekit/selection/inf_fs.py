"""Infinite feature selection: features ranked by all paths through their graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.fitting import Target, make_folds
from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Rows, Selector, rounded
from featurekit.selection.design import Design
from featurekit.selection.judge import (
    check_estimator,
    fit_target,
    mean_loss,
    predictions,
)
from featurekit.selection.paths import (
    Spread,
    Unlikeness,
    energies,
    released_energies,
    two_means,
)
from featurekit.selection.relevance import (
    correlation_ratio,
    fisher,
    mutual_information,
)
from featurekit.statistics.moments import Moments, unit_ranks_of

Floats = NDArray[np.float64]
Alpha = tuple[float, ...]

MEMORY = 4 * 2**30
STEPS_UNSUPERVISED = 10
STEPS_SUPERVISED = 4


class InfFS(Selector):
    """Infinite feature selection: rank features by the energy of all paths.

    Features are the nodes of a complete graph, an edge's weight says how good its two
    features are together, and a path's the product of its edges. A feature's energy is
    the sum over the paths of all lengths that start from it,
    s = (sum over l >= 1 of r^l A^l) 1, which a linear system gives.

    Parameters
    ----------
    method : {"unsupervised", "supervised"}, default="supervised"
        What edges are made of. "unsupervised": how much the two vary, sigma, and how
        little they have in common, A = alpha sigma + (1 - alpha)(1 - |C|) with
        Spearman's C. "supervised": Fisher's criterion h, mutual information m with the
        target and sigma, A = a1 h m + a2 m sigma + a3 sigma h, where each product
        stands for the mean of the two.
    alpha : "cv", float or tuple of 3 floats, default="cv"
        The mixture: a number in [0, 1] for "unsupervised", three shares of sum 1 for
        "supervised". "cv" chooses it from a grid by cross-validating ``estimator`` on
        the columns kept; without a target it is 0.5.
    n_features_to_select : None, int, float or "auto", default=None
        Columns to keep: half of them, so many, a share, or "auto": the upper of two
        clusters of the scores of columns that vary (exact 2-means). With ``groups`` it
        counts groups.
    graph : {"symmetric", "tpami2020"}, default="symmetric"
        "tpami2020" is what the released code computes (see Notes).
    rho : float, default=0.9
        r times the spectral radius of A; the nearer to 1, the more long paths count.
    scale : {"minmax", "standard"} or None, default="minmax"
        Columns are scaled so before sigma is taken of them. With "standard" all sigma
        are alike; with None a column in large units outweighs the others.
    estimator : estimator or None, default=None
        What "cv" judges by, by its log-loss or, of numbers, squared error. None is
        logistic regression, of numbers ridge regression.
    cv : int or splitter, default=3
    groups : None, list of labels or list of lists, default=None
        Columns to keep or drop together: a label per column, or lists of columns. A
        group scores as its best column.
    categorical_features : "auto" or list of str or int, default="auto"
        Columns whose numbers are categories; text always is. A category is a node, 0 or
        1; a column scores as its best one.
    task : {"auto", "classification", "regression", "binary", "multiclass"}
    memory_limit : int or None, default=None
        Bytes for the matrix of correlations; 4 GiB by default. Where it does not fit,
        its products are computed block by block, and it is never formed.
    n_jobs : int or None, default=None
        Threads for the mutual information. The result does not depend on it.
    random_state : int, RandomState or None, default=None
        Seeds the folds of "cv".
    verbose : int, default=0
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    scores_ : float64 array (d,)
        Energies; constant columns have 0.
    alpha_ : tuple of float
        The mixture used.
    cv_results_ : dict
        With "cv": ``alpha``, ``mean_test_score`` and ``std_test_score`` of the grid.
    support_, ranking_, order_, n_features_to_select_, n_features_in_, \
feature_names_in_
        As of every selector.

    Notes
    -----
    Deliberate differences from the released code (versions 1.0 supervised and 5.1
    unsupervised):

    - It divides A by the largest row sum and then takes r as nearly 1 over that sum
      again, so that paths longer than one step count for next to nothing: its ranking
      is that of the row sums. Here r = rho / spectral radius.
    - Its supervised A is not symmetric: row sums contain the sum of all m, so that
      mutual information hardly moves the ranking. Here A is (A + A') / 2.
      ``graph="tpami2020"`` has both properties of the code, but not its way to
      estimate mutual information.
    - Fisher's criterion is taken as a share of the variance, F / (1 + F), for any
      number of classes; of a numeric target it is the squared correlation.
    - Mutual information is taken above what chance gives columns of the same values.
    - Constant columns are no nodes: with |C| undefined they came first.
    - Equal scores are those that agree to 12 digits; the first column goes first.
    - A missing number is the median, and that it was missing is a node of its own.

    Every feature is a node of one graph, so that a further column that is not constant
    changes all scores.

    Whole numbers as ``sample_weight`` are numbers of rows. Other weights, and whole
    ones with a sum above 10^9, are scaled to a mean of 1, so that only their ratios
    matter. The mutual information expected by chance, which is subtracted, depends on
    the number of rows, so that the scale of whole weights may change the result.

    The method of Lanczos gives energies and spectral radius from some ten products with
    the matrix, which is never inverted. Ranks need all rows at once.

    References
    ----------
    Roffo, Melzi, Castellani, Vinciarelli and Cristani, "Infinite Feature Selection: A
    Graph-based Feature Filtering Approach", TPAMI 2020, arXiv 2006.08184.

    Roffo, Melzi and Cristani, "Infinite Feature Selection", ICCV 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from featurekit.selection import InfFS
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> selector = InfFS(n_features_to_select=5, random_state=0).fit(X, y)
    >>> selector.transform(X).shape
    (569, 5)
    """

    _parameter_constraints: dict[str, Any] = {
        **Selector._shared_constraints,
        "method": [StrOptions({"unsupervised", "supervised"})],
        "alpha": [
            StrOptions({"cv"}), Interval(Real, 0, 1, closed="both"), "array-like",
        ],
        "graph": [StrOptions({"symmetric", "tpami2020"})],
        "rho": [Interval(Real, 0, 1, closed="neither")],
        "scale": [StrOptions({"minmax", "standard"}), None],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "cv": ["cv_object"],
        "memory_limit": [Interval(Integral, 0, None, closed="left"), None],
    }  # fmt: skip

    def __init__(
        self,
        method: str = "supervised",
        *,
        alpha: Any = "cv",
        n_features_to_select: Any = None,
        graph: str = "symmetric",
        rho: float = 0.9,
        scale: str | None = "minmax",
        estimator: Any = None,
        cv: Any = 3,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        memory_limit: int | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        self.method = method
        self.alpha = alpha
        self.n_features_to_select = n_features_to_select
        self.graph = graph
        self.rho = rho
        self.scale = scale
        self.estimator = estimator
        self.cv = cv
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.memory_limit = memory_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.output_format = output_format

    @property
    def _supervised(self) -> bool:  # type: ignore[override]
        return self.method == "supervised"

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> InfFS:
        """Score the columns by the energy of their paths.

        Parameters
        ----------
        X : frame or array of shape (n, d)
        y : array-like of shape (n,), optional
            Not needed by ``method="unsupervised"``, where it serves to choose alpha.
        sample_weight : array-like of shape (n,), optional
            A row of weight 2 is two rows. Weights with fractions, or with a sum above
            10^9, are scaled to a mean of 1: only their ratios matter.
        groups : array-like of shape (n,), optional
            Rows that cross-validation keeps together.

        Returns
        -------
        InfFS
        """
        rows = self._read(X, y, sample_weight, groups)
        if len(rows) < 2:
            raise ValueError(
                "Found array with 1 sample(s); correlations need 2 rows at least"
            )
        n_keep = self._n_to_select(rows.units.n_units)
        grid = self._grid(rows.target)
        if self.estimator is not None and rows.target is not None:
            check_estimator(self.estimator, rows)
        budget = Budget()
        with budget, Progress(self, 2, budget, self.verbose) as progress:
            best = 0
            if len(grid) > 1:
                best = self._cross_validate(rows, grid, n_keep, progress)
            self.alpha_ = grid[best]
            with progress.phase("energies", 1) as step:
                scores = self._scores(rows, [self.alpha_])[:, 0]
                step()
        found = n_keep
        if found is None:
            found = two_means(scores[rows.units_that_vary()])
        self._keep(rows, scores, found)
        return self

    def _grid(self, target: Target | None) -> list[Alpha]:
        """The mixtures to choose from; one if it is given."""
        alpha = self.alpha
        self.__dict__.pop("cv_results_", None)
        if not isinstance(alpha, str):
            try:
                given = np.atleast_1d(np.asarray(alpha, np.float64))
            except (TypeError, ValueError):
                given = np.zeros(0)
            wanted = 3 if self._supervised else 1
            valid = given.shape == (wanted,) and bool(
                ((given >= 0) & (given <= 1)).all()
            )
            if wanted == 3:
                valid = valid and abs(given.sum() - 1) <= 1e-9
            if not valid:
                form = "three shares of sum 1" if wanted == 3 else "a number in [0, 1]"
                raise ValueError(
                    f"alpha={alpha!r}: method={self.method!r} takes {form}, or 'cv'"
                )
            return [tuple(given.tolist())]
        if not self._supervised:
            if target is None:
                return [(0.5,)]
            k = STEPS_UNSUPERVISED
            return [(i / k,) for i in range(k + 1)]
        k = STEPS_SUPERVISED
        return [
            (i / k, j / k, (k - i - j) / k)
            for i, j in product(range(k + 1), repeat=2)
            if i + j <= k
        ]

    def _cross_validate(
        self,
        rows: Rows,
        grid: Sequence[Alpha],
        n_keep: int | None,
        progress: Progress,
    ) -> int:
        """The position in the grid of the best mixture."""
        assert rows.target is not None
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        folds = make_folds(self.cv, rows.target, rows.groups, seed, rows.place)
        design = rows.design()
        results = np.full((folds.n_folds, len(grid)), np.nan)
        with progress.phase("alpha", folds.n_folds) as step:
            for fold in range(folds.n_folds):
                train, test = folds.train_rows(fold), folds.test_rows(fold)
                part = rows.take(train)
                if len(np.unique(part.target.y)) < 2 or not part.varies.any():  # type: ignore[union-attr]
                    continue
                scores = self._scores(part, grid)
                sizes = [
                    two_means(s[part.units_that_vary()]) if n_keep is None else n_keep
                    for s in scores.T
                ]
                results[fold] = self._judge(rows, design, train, test, scores, sizes)
                step()
        results = results[np.isfinite(results).all(axis=1)]
        if len(results) == 0:
            return len(grid) // 2
        mean = results.mean(axis=0)
        self.cv_results_ = {
            "alpha": list(grid),
            "mean_test_score": mean * rows.target.loss.unit,
            "std_test_score": results.std(axis=0) * rows.target.loss.unit,
        }
        return int(np.argmax(np.round(mean, 12)))

    def _judge(
        self,
        rows: Rows,
        design: Design,
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        scores: Floats,
        sizes: Sequence[int],
    ) -> list[float]:
        """How well a model does on what each mixture keeps."""
        from sklearn.preprocessing import StandardScaler

        assert rows.target is not None
        y, known = rows.target.standard, {}
        fit_y = fit_target(rows.target, self.estimator)
        weight = rows.weight
        out = []
        for s, k in zip(scores.T, sizes, strict=True):
            units = np.sort(np.argsort(-rounded(s), kind="stable")[:k])
            key = units.tobytes()
            if key not in known:
                columns = np.flatnonzero(np.isin(design.unit, units))
                model = self._model(rows.target)
                weights = {} if weight is None else {"sample_weight": weight[train]}
                # not as a pipeline, which with metadata routing asks for requests
                scaler = StandardScaler()
                scaled = scaler.fit_transform(
                    design.values[train][:, columns], **weights
                )
                model.fit(scaled, fit_y[train], **weights)
                scaled = scaler.transform(design.values[test][:, columns])
                guess = predictions(model, scaled, rows.target, self.estimator)
                part = None if weight is None else weight[test]
                known[key] = -mean_loss(y[test], guess, rows.target, part)
            out.append(known[key])
        return out

    def _model(self, target: Target) -> Any:
        from sklearn.linear_model import LogisticRegression, Ridge

        model = self.estimator
        if model is None:
            numbers = target.task == "regression"
            # least squares would mask classes that lie between others
            model = Ridge() if numbers else LogisticRegression(max_iter=300)
        return clone(model)

    def _scores(self, rows: Rows, grid: Sequence[Alpha]) -> Floats:
        """Energies of the units, for each mixture; float64 (units, mixtures)."""
        design = rows.design()
        spread = _deviations(design.values, rows.weight, self.scale)
        moves = spread > 0
        out = np.zeros((design.n_units, len(grid)))
        if moves.any():
            values = np.asfortranarray(design.values[:, moves])
            make = self._supervised_graph if self._supervised else self._plain_graph
            energy = make(values, spread[moves], rows, grid)
            full = np.zeros((len(spread), len(grid)))
            full[moves] = energy
            for a in range(len(grid)):
                out[:, a] = np.maximum(design.best(full[:, a]), 0.0)
        return out

    def _plain_graph(
        self, values: Floats, spread: Floats, rows: Rows, grid: Sequence[Alpha]
    ) -> Floats:
        limit = MEMORY if self.memory_limit is None else self.memory_limit
        unlike = Unlikeness(unit_ranks_of(values, rows.weight), limit)
        sigma = Spread.of(_unit_interval(spread))
        alpha = np.array([a for (a,) in grid])

        def make(alpha: Floats) -> Callable[[Floats], Floats]:
            def A(V: Floats) -> Floats:
                return alpha * (sigma @ V) + (1 - alpha) * (unlike @ V)

            return A

        return self._energies(make, alpha, values.shape[1])

    def _supervised_graph(
        self, values: Floats, spread: Floats, rows: Rows, grid: Sequence[Alpha]
    ) -> Floats:
        assert rows.target is not None
        target, weight = rows.target, rows.weight
        released = self.graph == "tpami2020"
        criterion = fisher if released else correlation_ratio
        h = _unit_interval(criterion(values, target, weight))
        m = _unit_interval(
            mutual_information(values, target, weight, self._n_threads())
        )
        sigma = Spread.of(_unit_interval(spread))

        def make(alpha: Floats) -> Callable[[Floats], Floats]:
            a1, a2, a3 = alpha.T
            # the parts of A that are constant along rows and along columns
            of_row = h[:, None] * (a1 + a3) / 2
            of_column = m[:, None] * (a1 + a2) / 2
            if not released:
                of_row = of_column = (of_row + of_column) / 2

            def A(V: Floats) -> Floats:
                outer = of_row * V.sum(axis=0) + (of_column * V).sum(axis=0)
                return outer + (a2 + a3) / 2 * (sigma @ V)

            return A

        return self._energies(make, np.array(grid), values.shape[1])

    def _energies(
        self, make: Callable[[Floats], Callable[[Floats], Floats]], grid: Floats, d: int
    ) -> Floats:
        if self.graph == "symmetric":
            return energies(make(grid), d, len(grid), self.rho)[0]
        each = [released_energies(make(grid[i : i + 1]), d) for i in range(len(grid))]
        return np.hstack(each)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._supervised
        return tags


def _deviations(values: Floats, weight: Floats | None, scale: str | None) -> Floats:
    """Standard deviations of the scaled columns; exactly 0 of a constant."""
    moments = Moments.summarise(values, weight)
    deviation = np.sqrt(moments.variance())
    low, high = values.min(axis=0), values.max(axis=0)
    deviation[low == high] = 0.0
    if scale == "standard":
        return (deviation > 0).astype(np.float64)
    if scale == "minmax":
        width = high - low
        return np.divide(deviation, width, out=np.zeros_like(width), where=width > 0)
    return deviation


def _unit_interval(values: Floats) -> Floats:
    """From 0 to 1, as the paper's zmax; 0 where all are equal."""
    low = values - values.min()
    high = low.max()
    # equal but for rounding is equal
    if high <= 1e-14 * np.abs(values).max():
        return np.zeros_like(low)
    return low / high
