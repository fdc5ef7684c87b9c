"""What sequential attention is compared with, under the same interface."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Interval, RealNotInt

from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Selector
from featurekit.selection.sequential_attention import SequentialAttention
from featurekit.selection.trained import Layout, TrainedSelector

if TYPE_CHECKING:
    from featurekit.neural.attention import Gate
    from featurekit.neural.network import Network
    from featurekit.neural.training import Plan

SMALL = 0.01
"""First layers whose rows are penalised start so small, as a share of the usual."""

_SHARED: dict[str, Any] = {
    **Selector._shared_constraints,
    # how many is for the caller to say: these choose once, or by a fixed penalty
    "n_features_to_select": [
        Interval(RealNotInt, 0, 1, closed="right"),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
}


class OMP(SequentialAttention):
    """Orthogonal matching pursuit: greedy least squares, a column at a time.

    The next column is that of the largest correlation with what the columns before it
    leave unexplained. It is ``SequentialAttention(model="linear")`` with the parameters
    that concern it, and needs no torch.

    Parameters
    ----------
    n_features_to_select : int, float, "auto" or None, default=None
        Columns to keep (or groups); a share of them; "auto": as many as lower the
        squared error on rows held out; None: a half.
    features_per_step : int, default=1
        Columns that are chosen before the residual is taken anew.
    class_weight : dict, "balanced" or None, default=None
    validation_fraction : float, default=0.2
        Of the rows, held out with "auto".
    n_iter_no_change : int, default=5
        With "auto", choices without an improvement before the search ends.
    groups : sequence or None, default=None
        Columns that stay together: a label per column, or lists of columns.
    categorical_features : "auto" or list of str or int, default="auto"
    task : {"auto", "classification", "regression", "binary", "multiclass"}
    time_budget : float or None, default=None
    random_state : int, RandomState or None, default=None
        Draws the rows held out.
    verbose : int, default=0
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    support_, scores_, ranking_, order_, n_features_to_select_
        See `SequentialAttention`, as for all others.

    Notes
    -----
    Whole numbers as ``sample_weight`` are numbers of rows. Other weights, and whole
    ones with a sum above 10^9, are scaled to a mean of 1, so that only their ratios
    matter.

    References
    ----------
    Pati, Rezaiifar and Krishnaprasad, "Orthogonal Matching Pursuit", Asilomar 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.selection import OMP
    >>> X = np.random.default_rng(0).normal(size=(200, 30))
    >>> OMP(2).fit(X, X[:, 3] - 2 * X[:, 7] + 0.5).order_.tolist()
    [7, 3]
    """

    model = "linear"
    early_stopping = False

    _parameter_constraints: dict[str, Any] = {
        name: SequentialAttention._parameter_constraints[name]
        for name in (
            "n_features_to_select", "features_per_step", "class_weight",
            "validation_fraction", "n_iter_no_change", "groups",
            "categorical_features", "task", "time_budget", "random_state", "verbose",
            "output_format",
        )
    }  # fmt: skip

    def __init__(
        self,
        n_features_to_select: float | str | None = None,
        *,
        features_per_step: int = 1,
        class_weight: Any = None,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 5,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        time_budget: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.features_per_step = features_per_step
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.time_budget = time_budget
        self.random_state = random_state
        self.verbose = verbose
        self.output_format = output_format


class _AtOnce(TrainedSelector):
    """Selectors that train once and keep the best units of the end."""

    warmup: float = 0.0

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> _AtOnce:
        """Choose columns.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            pandas, polars, Arrow or numpy. Missing values are allowed.
        y : array-like of shape (n,)
            Classes or numbers.
        sample_weight : array-like of shape (n,), optional
            How often each row counts.

        Returns
        -------
        self
        """
        rows = self._read(X, y, sample_weight)
        self._fit_network(rows, self._n_to_select(rows.units.n_units))
        return self

    def _plan(self, layout: Layout, n_keep: int) -> Plan:
        from featurekit.neural.training import Plan

        # one phase, unless there is such a parameter
        per_phase = int(getattr(self, "features_per_step", n_keep))
        n_phases = -(-n_keep // per_phase)
        warmup = float(self.warmup)
        n_steps = self._n_steps(len(layout.data), n_phases, warmup)
        return Plan.of(n_steps, n_keep, per_phase, warmup)

    def _most_units(self, n_units: int) -> int:
        return n_units


class GroupLasso(_AtOnce):
    """The columns whose weights survive a penalty on the first layer of a network.

    Each column (or group) has a row of the first layer's weights, whose norm is added
    to the loss. The columns of the largest norms after training are kept.

    Parameters
    ----------
    n_features_to_select : int, float or None, default=None
        Columns to keep (or groups); a share of them; None: a half.
    penalty : float, default=0.01
        For a norm of 1.
    hidden_layer_sizes : sequence of int, default=(67,)
    learning_rate : float, default=0.005
        Of Adam.
    batch_size : int, default=128
    n_epochs : int or "auto", default="auto"
        "auto": 1000 steps.
    class_weight : dict, "balanced" or None, default=None
    groups : sequence or None, default=None
        Columns that stay together: a label per column, or lists of columns.
    categorical_features : "auto" or list of str or int, default="auto"
    task : {"auto", "classification", "regression", "binary", "multiclass"}
    time_budget : float or None, default=None
        Seconds.
    device : {"auto", "cpu", "cuda"}, default="auto"
    random_state : int, RandomState or None, default=None
    verbose : int, default=0
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    support_, scores_, ranking_, order_, n_features_to_select_
        ``scores_`` are norms at the end.
    n_steps_, loss_curve_, stopped_
        See `SequentialAttention`.

    Notes
    -----
    The starting weights of the network are drawn input by input. Another order of the
    columns, or a further column that is not constant, changes them, and so may change
    which of two columns of similar use is kept.

    Whole numbers as ``sample_weight`` are numbers of rows. Other weights, and whole
    ones with a sum above 10^9, are scaled to a mean of 1, so that only their ratios
    matter.

    References
    ----------
    Yasuda et al., "Sequential Attention for Feature Selection", ICLR 2023, arXiv
    2209.14881, whose comparisons these are.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.selection import GroupLasso
    >>> X = np.random.default_rng(0).normal(size=(200, 10))
    >>> selector = GroupLasso(2, random_state=0).fit(X, abs(X[:, 3]) + X[:, 7])
    >>> sorted(selector.order_.tolist())
    [3, 7]
    """

    _parameter_constraints: dict[str, Any] = {
        **{name: rule for name, rule in _SHARED.items() if name != "n_jobs"},
        **TrainedSelector._trained_constraints,
        "penalty": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_features_to_select: float | None = None,
        *,
        penalty: float = 0.01,
        hidden_layer_sizes: Any = (67,),
        learning_rate: float = 0.005,
        batch_size: int = 128,
        n_epochs: int | str = "auto",
        class_weight: Any = None,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        time_budget: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.penalty = penalty
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.class_weight = class_weight
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.time_budget = time_budget
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.output_format = output_format

    def _gate(
        self, layout: Layout, network: Network, unit: Any, generator: Any
    ) -> Gate:
        from featurekit.neural.attention import NormGate

        first = network.body[0].weight
        # by chance some rows start longer than others: as good as none do
        first.data.mul_(SMALL)
        return NormGate(unit, len(layout.units), first, float(self.penalty))


class SequentialLasso(GroupLasso):
    """`GroupLasso`, a column at a time: those chosen are penalised no more.

    Training has equal phases. At the end of each the column of the largest norm among
    those not chosen is chosen.

    Parameters
    ----------
    n_features_to_select : int, float or None, default=None
        Columns to keep (or groups); a share of them; None: a half.
    features_per_step : int, default=1
        Columns that are chosen at the end of a phase.
    warmup : float, default=0.1
        Share of the steps before the first phase.
    penalty, hidden_layer_sizes, learning_rate, batch_size, n_epochs, class_weight
        As for `GroupLasso`; with "auto" 1000 steps, or 50 for each phase if these are
        more.
    groups, categorical_features, task, time_budget, device, random_state, verbose
        As for `GroupLasso`.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    support_, scores_, ranking_, order_, n_features_to_select_
        ``scores_`` are norms when a column was chosen, or of one before it, if that had
        less.
    n_steps_, loss_curve_, stopped_
        See `SequentialAttention`.

    Notes
    -----
    The starting weights of the network are drawn input by input. Another order of the
    columns, or a further column that is not constant, changes them, and so may change
    which of two columns of similar use is kept.

    Whole numbers as ``sample_weight`` are numbers of rows. Other weights, and whole
    ones with a sum above 10^9, are scaled to a mean of 1, so that only their ratios
    matter.

    References
    ----------
    Luo and Chen, "Sequential Lasso cum EBIC for feature selection with
    ultra-high dimensional feature space", JASA 109, 2014, for linear models.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.selection import SequentialLasso
    >>> X = np.random.default_rng(0).normal(size=(200, 10))
    >>> selector = SequentialLasso(2, random_state=0).fit(X, abs(X[:, 3]) + X[:, 7])
    >>> sorted(selector.order_.tolist())
    [3, 7]
    """

    _parameter_constraints: dict[str, Any] = {
        **GroupLasso._parameter_constraints,
        "features_per_step": [Interval(Integral, 1, None, closed="left")],
        "warmup": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        n_features_to_select: float | None = None,
        *,
        features_per_step: int = 1,
        warmup: float = 0.1,
        penalty: float = 0.01,
        hidden_layer_sizes: Any = (67,),
        learning_rate: float = 0.005,
        batch_size: int = 128,
        n_epochs: int | str = "auto",
        class_weight: Any = None,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        time_budget: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        super().__init__(
            n_features_to_select, penalty=penalty,
            hidden_layer_sizes=hidden_layer_sizes, learning_rate=learning_rate,
            batch_size=batch_size, n_epochs=n_epochs, class_weight=class_weight,
            groups=groups, categorical_features=categorical_features, task=task,
            time_budget=time_budget, device=device, random_state=random_state,
            verbose=verbose, output_format=output_format,
        )  # fmt: skip
        self.features_per_step = features_per_step
        self.warmup = warmup


class OneShotAttention(_AtOnce):
    """The columns that get most attention, all chosen at once after training.

    A small network turns the inputs into logits, which are averaged over the batch; the
    inputs are multiplied by their softmax before the network that predicts sees them.

    Parameters
    ----------
    n_features_to_select : int, float or None, default=None
        Columns to keep (or groups); a share of them; None: a half.
    mask_layer_sizes : sequence of int, default=(128, 64)
        Of the network that gives the logits.
    hidden_layer_sizes, learning_rate, batch_size, n_epochs, class_weight
        As for `GroupLasso`.
    groups, categorical_features, task, time_budget, device, random_state, verbose
        As for `GroupLasso`.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    support_, scores_, ranking_, order_, n_features_to_select_
        ``scores_`` are weights times the number of columns (or groups), averaged over
        the last batches.
    n_steps_, loss_curve_, stopped_
        See `SequentialAttention`.

    Notes
    -----
    Deliberate difference: weights are scaled to a sum of squares of 1, as those of
    `SequentialAttention` are.

    The starting weights of the network are drawn input by input. Another order of the
    columns, or a further column that is not constant, changes them, and so may change
    which of two columns of similar use is kept.

    Whole numbers as ``sample_weight`` are numbers of rows. Other weights, and whole
    ones with a sum above 10^9, are scaled to a mean of 1, so that only their ratios
    matter.

    References
    ----------
    Liao, Latty and Yang, "Feature Selection Using Batch-Wise Attenuation and Feature
    Mask Normalization", IJCNN 2021, arXiv 2010.13631.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.selection import OneShotAttention
    >>> X = np.random.default_rng(0).normal(size=(200, 10))
    >>> selector = OneShotAttention(2, random_state=0).fit(X, abs(X[:, 3]) + X[:, 7])
    >>> sorted(selector.order_.tolist())
    [3, 7]
    """

    _parameter_constraints: dict[str, Any] = {
        **{
            name: rule
            for name, rule in GroupLasso._parameter_constraints.items()
            if name != "penalty"
        },
        "mask_layer_sizes": ["array-like"],
    }

    def __init__(
        self,
        n_features_to_select: float | None = None,
        *,
        mask_layer_sizes: Any = (128, 64),
        hidden_layer_sizes: Any = (67,),
        learning_rate: float = 0.005,
        batch_size: int = 128,
        n_epochs: int | str = "auto",
        class_weight: Any = None,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        time_budget: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.mask_layer_sizes = mask_layer_sizes
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.class_weight = class_weight
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.time_budget = time_budget
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.output_format = output_format

    def _gate(
        self, layout: Layout, network: Network, unit: Any, generator: Any
    ) -> Gate:
        from featurekit.neural.attention import OneShotGate

        sizes = tuple(int(size) for size in self.mask_layer_sizes)
        return OneShotGate(unit, len(layout.units), sizes, generator)
