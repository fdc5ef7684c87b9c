"""Sequential attention: units chosen one by one while a network is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.fitting.transformer import fit_context
from featurekit.selection.base import Rows, Selector, hold_out
from featurekit.selection.design import Design
from featurekit.selection.pursuit import held_out_losses, pursue
from featurekit.selection.trained import (
    LOGITS_LEARNING_RATE,
    Layout,
    TrainedSelector,
    best_phase,
    class_weighted,
    falling,
    improves_no_more,
)

if TYPE_CHECKING:
    from featurekit.neural.attention import Gate
    from featurekit.neural.network import Network
    from featurekit.neural.training import Data, Plan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RIDGE = 0.01
"""Penalty of the squares of first-layer weights of columns that are not chosen, for
numbers and for two classes of equal size; of more classes see `_ridge`."""

MAX_PHASES = 100
"""Choices, where the rows held out say how many columns to keep."""


class SequentialAttention(TrainedSelector):
    """Choose columns one by one, by the attention a network pays them in training.

    While a network is trained, the columns not chosen yet share attention: each is
    multiplied by its part of a softmax over trained logits. At the end of each phase of
    the training the column with the most attention is chosen; it passes in full from
    then on, and the others compete anew for what they add to it.

    Parameters
    ----------
    n_features_to_select : int, float, "auto" or None, default=None
        Columns to keep (or groups); a share of them; None: a half. "auto": as many as
        improve the loss on rows held out, at most 100 ``features_per_step``.
    features_per_step : int, default=1
        Columns that are chosen at the end of a phase (s); fewer in the last one if they
        do not divide.
    model : {"mlp", "linear"}, torch.nn.Module or callable, default="mlp"
        "mlp": dense layers with ReLU. "linear": least squares in place of a network,
        which is orthogonal matching pursuit, exact and without torch. A module takes
        (batch, inputs) and gives (batch, classes), or (batch, 1) for numbers; it is
        copied. A callable ``(n_inputs, n_outputs)`` makes one.
    hidden_layer_sizes : sequence of int, default=(67,)
        Of "mlp".
    learning_rate : float, default=0.005
        Of Adam, for the network. Logits have their own, 0.05.
    batch_size : int, default=128
    n_epochs : int or "auto", default="auto"
        Passes over the rows, raised to what gives each phase a step. "auto": 1000
        steps, or what gives each phase 50 if that is more.
    warmup : float, default=0.1
        Share of the steps before attention begins; the network sees all columns.
    class_weight : dict, "balanced" or None, default=None
        By what the weights of the rows of a class are multiplied.
    early_stopping : bool, default=False
        End when the loss on rows held out improves no more; columns not chosen by then
        are taken by their attention at that moment. "linear" has no use for it.
    validation_fraction : float, default=0.2
        Of the rows, held out with ``early_stopping`` and with "auto".
    n_iter_no_change : int, default=5
        Phases without an improvement after which training ends.
    n_repeats : int, default=1
        Trainings from different starts. Of several, the columns chosen most often are
        kept; of those chosen equally often, the ones that were chosen early. Worth it
        for few rows: on four tables of 43 to 140 rows and thousands of columns, five
        found columns that classified 2 % more of the test rows.
    groups : sequence or None, default=None
        Columns that stay together: a label per column, or lists of columns. They have
        one logit.
    categorical_features : "auto" or list of str or int, default="auto"
        Columns whose numbers are categories.
    task : {"auto", "classification", "regression", "binary", "multiclass"}
        "auto" reads it off y.
    time_budget : float or None, default=None
        Seconds for ``fit``. After them, and after Ctrl-C, columns not chosen yet are
        taken by their attention at that moment, and ``stopped_`` says so.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the network is trained.
    n_jobs : int or None, default=None
        Repeats that are made at once, for "mlp" on the CPU; each has one thread. The
        result does not depend on it.
    random_state : int, RandomState or None, default=None
    verbose : int, default=0
        1 shows progress.
    output_format : {"codes", "category", "onehot", "input"}, default="codes"
        Form of the columns that ``transform`` returns; see `OpenFE`.

    Attributes
    ----------
    support_ : bool array (d,)
        The columns that are kept.
    order_ : int64 array
        Columns kept, in the order they were chosen in.
    ranking_ : int64 array (d,)
        1 is the first chosen; columns left out follow by score.
    scores_ : float64 array (d,)
        The attention a column had when it was chosen, times the number of those that
        competed (1 is the average); or that of one before it in the order, if that had
        less. Columns left out have their attention at the end, with the same limit. Of
        several repeats: ``selection_frequencies_``. "linear": the share of y's sum of
        squares that the column explained of what was left of it.
    n_features_to_select_ : int
        Columns kept, or groups.
    selection_frequencies_ : float64 array (d,)
        Share of the repeats that chose each column.
    n_steps_ : int
        Steps of the optimiser that the first repeat made; "linear": choices.
    loss_curve_ : list of float
        Mean training loss of each phase of the first repeat; "linear": the share of y's
        sum of squares left after each choice.
    validation_scores_ : list of float
        With rows held out: minus their mean loss, with the columns of the first choice,
        the first two, and so on; of the first repeat. Squared errors are of a target in
        standard units.
    stopped_ : str
        Why the fit ended early, "" if it did not.
    classes_ : ndarray
        Class labels, for classification.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Notes
    -----
    Deliberate differences from the paper's code:

    - A choice is made at the end of its phase. There it is made at the start of the
      next, so that the first column is chosen by logits that were never trained and
      the last phase chooses nothing. Any ``features_per_step`` gives exactly as many
      columns as asked for.
    - The weights of columns that compete are scaled to a sum of squares of 1, so that
      together they have the variance of one column. A softmax alone makes the inputs of
      a table of many columns as small as 1 / d.
    - Logits are moved by Adam with one second moment for all, at 0.05, from new moments
      after each choice: their order is that of their gradients, where one second moment
      for each would make all steps equally long.
    - The first layer's weights of columns that compete have a squared penalty, as in
      the linear form below, and are halved at each choice: a network at rest, which
      fits all there is to fit, gives no gradients. A caller's network is left as it is.
    - That penalty is larger for more classes, by the entropy of the target to the power
      of 1.5. With a small one the columns that compete tell the class together, and the
      first chosen are those that add to all others; with a large one those that add to
      the ones chosen, but columns that tell something only together are not found.
    - Columns are standardised by their weighted moments before they are weighted; a
      column that stands for several (categories, gaps, a group) is divided by the root
      of their number. Gaps are filled with the median, and have a flag that shares the
      column's logit. Categoricals of more than 32 categories are embedded.
    - Numbers as a target are standardised, the loss is the squared error, not the
      absolute one.
    - Rows held out are judged by a second network of the same form, trained beside the
      first on the chosen columns alone. A phase is an improvement if it lowers the loss
      by more than a standard error of the difference. With "linear" least squares
      judges.

    The starting weights of the network are drawn input by input. Another order of the
    columns, or a further column that is not constant, changes them, and so may change
    which of two columns of similar use is kept.
    With "linear" it does not matter in which order columns come.

    Whole numbers as ``sample_weight`` are numbers of rows. Other weights, and whole
    ones with a sum above 10^9, are scaled to a mean of 1, so that only their ratios
    matter.

    Duplicates share attention until one of them is chosen; after that the other adds
    nothing. With "linear" a combination of columns chosen is never taken while anything
    else is left, and weights equal repetition of rows; with a network they do where
    there are no more rows than ``batch_size``.

    "linear": with the softmax dropped and a squared penalty on the logits and the
    weights they multiply, the first column to leave 0 as the penalty falls is the one
    most correlated with the residual. Columns are centred and of unit norm. Classes are
    a target each, of zeros and ones. A group counts by the projection on all of its
    columns, so that larger ones explain more by chance.

    References
    ----------
    Yasuda, Bateni, Chen, Fahrbach, Fu and Mirrokni, "Sequential Attention for Feature
    Selection", ICLR 2023, arXiv 2209.14881.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.selection import SequentialAttention
    >>> X = np.random.default_rng(0).normal(size=(300, 20))
    >>> y = np.abs(X[:, 3]) + X[:, 7] > 1
    >>> selector = SequentialAttention(2, random_state=0).fit(X, y)
    >>> sorted(selector.order_.tolist())
    [3, 7]
    """

    _parameter_constraints: dict[str, Any] = {
        **Selector._shared_constraints,
        **TrainedSelector._trained_constraints,
        "features_per_step": [Interval(Integral, 1, None, closed="left")],
        "model": [StrOptions({"mlp", "linear"}), callable],
        "warmup": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_features_to_select: float | str | None = None,
        *,
        features_per_step: int = 1,
        model: Any = "mlp",
        hidden_layer_sizes: Any = (67,),
        learning_rate: float = 0.005,
        batch_size: int = 128,
        n_epochs: int | str = "auto",
        warmup: float = 0.1,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        n_iter_no_change: int = 5,
        n_repeats: int = 1,
        groups: Any = None,
        categorical_features: Any = "auto",
        task: str = "auto",
        time_budget: float | None = None,
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        output_format: str = "codes",
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.features_per_step = features_per_step
        self.model = model
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.warmup = warmup
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_repeats = n_repeats
        self.groups = groups
        self.categorical_features = categorical_features
        self.task = task
        self.time_budget = time_budget
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.output_format = output_format

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> SequentialAttention:
        """Choose columns.

        Parameters
        ----------
        X : frame or array of shape (n, d)
            pandas, polars, Arrow or numpy. Missing values are allowed.
        y : array-like of shape (n,)
            Classes or numbers.
        sample_weight : array-like of shape (n,), optional
            How often each row counts.
        groups : array-like of shape (n,), optional
            Rows of one group are held out together, where rows are held out.

        Returns
        -------
        SequentialAttention

        Raises
        ------
        ValueError
            For a target with gaps or of one value, columns that are all constant, more
            columns wanted than there are, negative weights; or a ``model`` that does
            not fit the columns.
        BackendUnavailableError
            If torch is needed and not installed, or CUDA asked for and not there.
        """
        rows = self._read(X, y, sample_weight, groups)
        n_keep = self._n_to_select(rows.units.n_units)
        split = None
        if n_keep is None or (self.early_stopping and self.model != "linear"):
            draw = check_random_state(self.random_state)
            seed = draw.randint(np.iinfo(np.int32).max)
            split = hold_out(rows, float(self.validation_fraction), seed)
        if isinstance(self.model, str) and self.model == "linear":
            self._fit_linear(rows, n_keep, split)
        else:
            self._fit_network(rows, n_keep, split)
        return self

    # -- the network ---------------------------------------------------------------

    def _plan(self, layout: Layout, n_keep: int) -> Plan:
        from featurekit.neural.training import Plan

        per_phase = int(self.features_per_step)
        n_phases = -(-n_keep // per_phase)
        warmup = float(self.warmup)
        n_steps = self._n_steps(len(layout.data), n_phases, warmup)
        return Plan.of(n_steps, n_keep, per_phase, warmup)

    def _most_units(self, n_units: int) -> int:
        return min(n_units, MAX_PHASES * int(self.features_per_step))

    def _gate(
        self, layout: Layout, network: Network, unit: Any, generator: Any
    ) -> Gate:
        from featurekit.neural.attention import SequentialGate

        first = network.body[0].weight if self._own_networks() else None
        return SequentialGate(
            unit,
            len(layout.units),
            LOGITS_LEARNING_RATE,
            first,
            _ridge(layout.data),
            generator,
        )

    def _body(self, layout: Layout, generator: Any) -> Any:
        if isinstance(self.model, str):
            return super()._body(layout, generator)
        from featurekit.neural.network import check_shapes, of_user

        n_inputs, device = len(layout.unit), layout.data.target.device
        body = of_user(self.model, n_inputs, layout.n_outputs).to(device)
        check_shapes(body, n_inputs, layout.n_outputs, device)
        return body

    def _own_networks(self) -> bool:
        return isinstance(self.model, str)

    @contextmanager
    def _seeded(self, seed: int, device: Any) -> Iterator[None]:
        if self._own_networks():
            yield
            return
        import torch

        # a network of the caller's draws from torch's own generator, which is left as
        # it was found
        with torch.random.fork_rng([] if device.type == "cpu" else [device]):
            torch.manual_seed(seed)
            yield

    # -- its linear form -----------------------------------------------------------

    def _fit_linear(
        self, rows: Rows, n_keep: int | None, split: tuple[Ints, Ints] | None
    ) -> None:
        weight = class_weighted(rows, self.class_weight)
        if weight is not None and not weight.all():
            present = np.flatnonzero(weight)
            rows, weight = rows.take(present), weight[present]
        assert rows.target is not None
        design = rows.design()
        y = rows.target.standard[:, None]
        if rows.target.task != "regression":
            y = (y == np.arange(len(rows.target.labels))).astype(np.float64)
        with (
            Budget(self.time_budget) as budget,
            Progress(self, 2, budget, self.verbose) as progress,
        ):
            if n_keep is None:
                assert split is not None
                n_keep = self._number(design, y, weight, split, budget)
            n_steps = -(-n_keep // int(self.features_per_step))
            with progress.phase("choosing", n_steps) as step:
                found = pursue(
                    design, y, weight, n_keep, int(self.features_per_step),
                    budget.stopped, step,
                )  # fmt: skip
        self.stopped_ = budget.why
        self.n_steps_ = len(found.losses)
        self.loss_curve_ = found.losses
        scores = falling(found.order, found.at_choice, found.left)
        self._keep(rows, scores, n_keep, order=found.order)
        self.selection_frequencies_ = self.support_.astype(np.float64)

    def _number(
        self,
        design: Design,
        y: Floats,
        weight: Floats | None,
        split: tuple[Ints, Ints],
        budget: Budget,
    ) -> int:
        """How many units to keep, by rows held out of a first pursuit."""
        train, valid = split
        per_step = int(self.features_per_step)
        part = Design(design.values[train], design.column, design.unit, design.n_units)
        found = pursue(
            part, y[train], None if weight is None else weight[train],
            self._most_units(design.n_units), per_step, budget.stopped,
        )  # fmt: skip
        losses: list[Floats] = []
        ends: list[int] = []
        path = held_out_losses(design, y, weight, found.order, train, valid)
        for i, errors in enumerate(path, start=1):
            if i % per_step and i < len(found.order):
                continue
            losses.append(errors)
            ends.append(i)
            if improves_no_more(losses, int(self.n_iter_no_change)) or budget.stopped():
                break
        self.validation_scores_ = [-float(errors.mean()) for errors in losses]
        return ends[best_phase(losses)]


def _ridge(data: Data) -> float:
    """`RIDGE` times the entropy of the classes, in bits, to the power of 1.5."""
    import torch

    if data.target.is_floating_point():
        return RIDGE
    share = torch.bincount(data.target, data.weight.double())
    share = share[share > 0] / share.sum()
    bits = -(share * share.log2()).sum()
    return RIDGE * float(bits) ** 1.5
