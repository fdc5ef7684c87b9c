"""What every selector shares: input, target, weights, what is chosen, output."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
)

from featurekit.data import (
    FORMATS,
    CategoricalColumn,
    NumericColumn,
    Output,
    Schema,
    Table,
    frame_type,
    select_columns,
)
from featurekit.data.assemble import Own, assemble
from featurekit.data.frames import as_matrix, open_frame
from featurekit.fitting import (
    TASKS,
    Target,
    check_groups,
    check_weights,
    counting_weights,
    make_folds,
)
from featurekit.fitting.reading import open_target, take_rows
from featurekit.fitting.transformer import check_columns, refuse_too_many
from featurekit.selection.design import Design, Units

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """What ``fit`` was given, checked; rows of weight 0 are left out.

    Attributes
    ----------
    schema : Schema
    table : Table
        n rows, d columns.
    units : Units
        What is selected: the columns, or groups of them.
    target : Target or None
    weight : float64 array (n,) or None
        How often each row counts (None is once): whole weights are numbers of rows,
        others have a mean of 1.
    groups : array (n,) or None
        Rows that cross-validation keeps together.
    varies : bool array (d,)
        Whether a column has two values at least.
    place : int64 array (rows of X,) or None
        The number of each row of X among these, or -1, where some are left out.
    """

    schema: Schema
    table: Table
    units: Units
    target: Target | None
    weight: Floats | None
    groups: NDArray[Any] | None
    varies: NDArray[np.bool_]
    place: Ints | None = None

    def __len__(self) -> int:
        return len(self.table)

    def units_that_vary(self) -> NDArray[np.bool_]:
        """Whether a unit has a column that varies, bool (n_units,)."""
        out = np.zeros(self.units.n_units, bool)
        out[self.units.of_column[self.varies]] = True
        return out

    def design(self) -> Design:
        """The table as a matrix without gaps."""
        return Design.of(self.table, self.units, self.weight)

    def take(self, rows: Ints) -> Rows:
        """Some of the rows, as if these were all; the target keeps its classes."""
        table = self.table.take(rows)
        target = self.target
        if target is not None:
            y = target.y[rows]
            target = Target(y, target.task, target.labels, target.metric, target.loss)
        return Rows(
            self.schema,
            table,
            self.units,
            target,
            None if self.weight is None else self.weight[rows],
            None if self.groups is None else self.groups[rows],
            _varies(table),
        )


class Selector(
    SelectorMixin,
    CallbackSupportMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of the selectors: a subclass ranks units, this does the rest.

    A subclass has the parameters ``n_features_to_select``, ``groups``,
    ``categorical_features`` and ``output_format``; supervised ones also ``task``. Its
    ``fit`` is three lines: `_read` the rows, compute, `_keep` what was found.

    Attributes
    ----------
    support_ : bool array (d,)
        The columns that are kept.
    scores_ : float64 array (d,)
        Larger is better; columns of a group share the group's.
    ranking_ : int64 array (d,)
        1 is the best; columns of a group share the group's rank.
    order_ : int64 array
        The columns kept, in the order they were chosen in.
    n_features_to_select_ : int
        How many columns are kept, or with ``groups`` how many groups.
    """

    _supervised = True
    output_format: str

    _shared_constraints: dict[str, Any] = {
        "n_features_to_select": [
            Interval(RealNotInt, 0, 1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "groups": ["array-like", None],
        "categorical_features": [StrOptions({"auto"}), "array-like"],
        "output_format": [StrOptions(set(FORMATS))],
        "task": [StrOptions(set(TASKS))],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose", Interval(Integral, 0, None, closed="left")],
    }

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Selector:
        """Learn which columns to keep."""

    # -- input ---------------------------------------------------------------------

    def _read(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> Rows:
        """Check what ``fit`` was given.

        Raises
        ------
        ValueError
            For a target with gaps or one value, infinities, negative weights, columns
            that are all constant.
        """
        frame_type(X)
        if y is None and self._supervised:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: it selects by what columns tell of it"
            )
        check_columns(self, X, reset=True)
        # the target first: it may be refused before anything is done with X
        n_rows = open_frame(X).n_rows
        weight = check_weights(sample_weight, n_rows)
        groups = check_groups(groups, n_rows)
        present = place = None
        if weight is not None and not weight.all():
            # as if those rows were not there, the target's classes included
            present = np.flatnonzero(weight)
            place = np.where(weight > 0, np.cumsum(weight > 0) - 1, -1)
            weight = weight[present]
            groups = None if groups is None else groups[present]
        target = None
        if y is not None:
            y = open_target(y, n_rows)
            y = y if present is None else take_rows(y, present)
            target = Target.of(y, getattr(self, "task", "auto"))
        schema, table = Schema.learn(X, getattr(self, "categorical_features", "auto"))
        units = Units.of(schema.names, getattr(self, "groups", None))
        self.n_features_in_ = len(schema)
        if present is not None:
            table = _relearn(table.take(present))
            schema = schema.with_categories(table)
        _refuse_infinity(table)
        if target is not None:
            self.task_ = target.task
            if target.task != "regression":
                self.classes_ = np.array(target.labels)
        varies = _varies(table)
        if len(table) > 1 and not varies.any():
            raise ValueError(
                f"all {len(schema)} columns of X are constant: there is nothing to "
                "select by. Check how X was made."
            )
        counts = counting_weights(weight)
        return Rows(schema, table, units, target, counts, groups, varies, place)

    def _n_threads(self) -> int:
        return int(effective_n_jobs(getattr(self, "n_jobs", None)))

    def _n_to_select(self, n_units: int) -> int | None:
        """How many units to keep; None where the selector itself is to say.

        Raises
        ------
        ValueError
            If there are not so many.
        """
        wanted = self.n_features_to_select  # type: ignore[attr-defined]
        if wanted is None:
            return max(1, n_units // 2)
        if wanted == "auto":
            return None
        if isinstance(wanted, Integral):
            what = "columns" if getattr(self, "groups", None) is None else "groups"
            refuse_too_many(int(wanted), n_units, what)
            return int(wanted)
        # 0.29 of 100 is 28.999999999999996
        return max(1, int(wanted * n_units + 1e-9))

    # -- what is chosen ------------------------------------------------------------

    def _keep(
        self,
        rows: Rows,
        scores: Floats,
        n_keep: int,
        order: Sequence[int] | None = None,
    ) -> None:
        """Write the attributes.

        Parameters
        ----------
        rows : Rows
        scores : float64 array (n_units,)
            Larger is better.
        n_keep : int
            Units to keep.
        order : sequence of int, optional
            Units in the order they were chosen in, where that is not the order of their
            scores; those left out follow by score. Units without a column that varies
            come last in any case.
        """
        units = rows.units
        varies = rows.units_that_vary()
        place = np.full(units.n_units, units.n_units)
        if order is not None:
            place[list(order)] = np.arange(len(order))
        # equal but for rounding is equal: the first column goes first
        near = rounded(scores)
        ranked = np.lexsort((np.arange(len(scores)), -near, place, ~varies))
        rank = np.empty(units.n_units, np.int64)
        rank[ranked] = np.arange(1, units.n_units + 1)
        self.scores_ = scores[units.of_column]
        self.ranking_ = rank[units.of_column]
        self.support_ = self.ranking_ <= n_keep
        kept = [units.columns(u) for u in ranked[:n_keep]]
        self.order_ = np.concatenate([np.empty(0, np.int64), *kept])
        self.n_features_to_select_ = int(n_keep)
        chosen = np.flatnonzero(self.support_)
        schema = rows.schema.select([rows.schema.names[i] for i in chosen])
        self._output = Output.learn(self.output_format, schema, rows.table)

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        return self.support_.copy()

    # -- output --------------------------------------------------------------------

    def transform(self, X: Any) -> Any:
        """The columns that are kept, in the form that ``output_format`` names.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            The columns of fit, in the same order. Columns that fit did not see are an
            error.

        Returns
        -------
        frame or array of shape (n, columns kept)
            Of the type that came in, or that ``set_output`` asks for; in the order of
            X. Numbers keep their type.

        Raises
        ------
        ValueError
            For other columns than in fit, or for another order of the columns.
        """
        check_is_fitted(self, "support_")
        frame_type(X)
        check_columns(self, X, reset=False)
        chosen = select_columns(X, np.flatnonzero(self.support_).tolist())
        container = _get_output_config("transform", self)["dense"]
        return self._output.write(chosen, container=container)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns that ``transform`` returns, ndarray of str."""
        check_is_fitted(self, "support_")
        names = _check_feature_names_in(self, input_features)[self.support_]
        return np.array(self._output.names(inputs=list(names)), dtype=object)

    def inverse_transform(self, X: Any) -> NDArray[Any]:
        """An array of all columns, those that were left out filled with 0.

        Parameters
        ----------
        X : frame or array of shape (n, columns kept)

        Returns
        -------
        array of shape (n, d)
        """
        check_is_fitted(self, "support_")
        if self.output_format == "onehot":
            raise ValueError(
                "inverse_transform does not apply to output_format='onehot', where a "
                "category is several columns. Use output_format='codes' or 'input'."
            )
        # scikit-learn's own refuses missing values, which these columns may have
        if isinstance(X, Mapping):
            names = {name: Own(i) for i, name in enumerate(X)}
            X = assemble(X, names, "pandas")
        kept = as_matrix(X)
        if kept.shape[1] != self.support_.sum():
            raise ValueError(
                f"X has {kept.shape[1]} columns, but {int(self.support_.sum())} were "
                "kept: X has a different shape than during fitting."
            )
        out = np.zeros((len(kept), len(self.support_)), kept.dtype)
        out[:, self.support_] = kept
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._supervised
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def rounded(scores: Floats) -> Floats:
    """To twelve digits of the largest finite one."""
    finite = np.abs(scores[np.isfinite(scores)])
    largest = finite.max(initial=0.0)
    if largest == 0:
        return scores
    return np.round(scores / largest, 12)


def _varies(table: Table) -> NDArray[np.bool_]:
    out = np.empty(len(table.columns), bool)
    for j, column in enumerate(table.columns):
        if isinstance(column, NumericColumn):
            values = column.values
            first = values[0]
            same = np.isnan(values) if first != first else values == first
            out[j] = not same.all()
        else:
            data = column.codes if hasattr(column, "codes") else column.values
            out[j] = bool((data != data[0]).any())
    return out


def _refuse_infinity(table: Table) -> None:
    for name, column in table:
        if isinstance(column, NumericColumn) and np.isinf(column.values).any():
            raise ValueError(
                f"Input X contains infinity, in column {name!r}: replace it by a "
                "missing value, or clip the column"
            )


def _relearn(table: Table) -> Table:
    """Without the categories that only rows left out had."""
    columns = []
    for column in table.columns:
        if isinstance(column, CategoricalColumn):
            used = np.unique(column.codes[~column.missing])
            kept = tuple(column.categories[code] for code in used.tolist())
            column = column.recode(kept)
        columns.append(column)
    return Table(table.names, tuple(columns), len(table))


def hold_out(rows: Rows, fraction: float, seed: int) -> tuple[Ints, Ints]:
    """Rows to learn from, and rows to judge on.

    Classes are spread over both, and rows of a group of ``rows.groups`` stay together.

    Parameters
    ----------
    rows : Rows
        With a target.
    fraction : float
        Of the rows to judge on, at most a half; one part in a whole number of parts.
    seed : int

    Returns
    -------
    train, valid : int64 arrays, ascending
    """
    assert rows.target is not None
    k = max(2, round(1 / fraction))
    folds = make_folds(k, rows.target, rows.groups, seed)
    return folds.train_rows(0), folds.test_rows(0)
