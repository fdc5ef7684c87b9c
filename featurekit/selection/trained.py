"""What selectors that train a network share: rows as tensors, repeats, what is kept."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from featurekit.data import CategoricalColumn, Table
from featurekit.data.dense import MAX_CATEGORIES
from featurekit.execution.budget import Budget
from featurekit.execution.progress import Progress
from featurekit.neural import device_of, require_torch
from featurekit.selection.base import Rows, Selector
from featurekit.selection.design import MIN_ROWS, Design, Units

if TYPE_CHECKING:
    from featurekit.neural.attention import Gate
    from featurekit.neural.network import Network
    from featurekit.neural.training import Data, Plan, Trained

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_STEPS = 1000
"""Steps of a fit whose number is left open, at least."""

STEPS_PER_PHASE = 50
"""Of those, for each choice."""

LOGITS_LEARNING_RATE = 0.05
"""Of the logits of sequential attention."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Rows as a network takes them.

    Attributes
    ----------
    data : Data
    unit : int64 array (n_inputs,)
        Of each input of the body, embeddings last; a position in ``units``.
    sizes : list of int
        Categories of each embedded column.
    units : int64 array
        Those that vary; the others are not laid out.
    n_outputs : int
    """

    data: Data
    unit: Ints
    sizes: list[int]
    units: Ints
    n_outputs: int

    @classmethod
    def of(cls, rows: Rows, weight: Floats | None, device: Any) -> Layout:
        """Lay out rows.

        Columns are standardised, with weighted moments, and divided by the root of the
        number of columns that their unit takes: each unit comes in with a variance of
        1. Categoricals with more than `MAX_CATEGORIES` categories of `MIN_ROWS` rows
        are codes, to be embedded.

        Parameters
        ----------
        rows : Rows
        weight : float64 array (n,) or None
            Class weights included.
        device : torch.device
        """
        from featurekit.neural.network import embedding_width
        from featurekit.neural.training import Data

        torch = require_torch()
        assert rows.target is not None
        coded: list[Ints] = []
        coded_unit: list[int] = []
        plain = []
        for j, (_, column) in enumerate(rows.table):
            codes = None
            if isinstance(column, CategoricalColumn):
                codes = _frequent(column, rows.weight)
            if codes is None:
                plain.append(j)
            else:
                coded.append(codes)
                coded_unit.append(int(rows.units.of_column[j]))
        numbers, unit = np.empty((len(rows), 0)), np.empty(0, np.int64)
        if plain:
            table = Table(
                tuple(rows.table.names[j] for j in plain),
                tuple(rows.table.columns[j] for j in plain),
                len(rows),
            )
            of_column = Units(rows.units.of_column[plain], rows.units.n_units)
            design = Design.of(table, of_column, rows.weight)
            numbers, unit = design.values, design.unit
        numbers = standardised(numbers, rows.weight)
        varies = (numbers != 0).any(axis=0)
        numbers, unit = numbers[:, varies], unit[varies]
        sizes = [int(codes.max()) + 1 for codes in coded]
        widths = [embedding_width(size) for size in sizes]
        unit = np.concatenate([unit, np.repeat(coded_unit, widths).astype(np.int64)])
        units, unit, count = np.unique(unit, return_inverse=True, return_counts=True)
        numbers /= np.sqrt(count[unit[: numbers.shape[1]]])
        target, n_outputs = _target(rows)
        w = np.ones(len(rows)) if weight is None else weight / weight.mean()
        data = Data(
            torch.as_tensor(np.ascontiguousarray(numbers, np.float32), device=device),
            torch.as_tensor(
                np.stack(coded, 1) if coded else np.empty((len(rows), 0), np.int64),
                device=device,
            ),
            torch.as_tensor(target, device=device),
            torch.as_tensor(w.astype(np.float32), device=device),
        )
        return cls(data, unit, sizes, units, n_outputs)


def standardised(values: Floats, weight: Floats | None) -> Floats:
    """Columns of weighted mean 0 and deviation 1; constant ones are 0. A new array."""
    share = np.full(len(values), 1 / len(values)) if weight is None else weight
    share = share / share.sum()
    out = values - share @ values
    deviation = np.sqrt(share @ out**2)
    size = np.abs(values).max(axis=0, initial=0.0)
    varies = deviation > 1e-12 * size
    out[:, ~varies] = 0.0
    out /= np.where(varies, deviation, 1.0)
    return out


def class_weighted(rows: Rows, class_weight: Any) -> Floats | None:
    """Weights of the rows times those of their classes, float64 (n,) or None.

    Raises
    ------
    ValueError
        For weights of classes that are not there, negative ones, or a numeric target.
    """
    if class_weight is None:
        return rows.weight
    target = rows.target
    assert target is not None
    if target.task == "regression":
        raise ValueError("class_weight goes with classes, and y is numbers")
    codes = target.y.astype(np.int64)
    per_class = np.ones(len(target.labels))
    if isinstance(class_weight, str):
        sums = np.bincount(codes, rows.weight, len(target.labels))
        per_class = sums.sum() / (len(sums) * np.maximum(sums, 1e-300))
    else:
        for label, value in class_weight.items():
            if label not in target.labels:
                raise ValueError(
                    f"class_weight has the class {label!r}, which y has not; its "
                    f"classes are {list(target.labels)}"
                )
            if not value >= 0:
                raise ValueError(f"class_weight of {label!r} is {value}, below 0")
            per_class[target.labels.index(label)] = value
    weight = per_class[codes] if rows.weight is None else per_class[codes] * rows.weight
    if not weight.any():
        raise ValueError("class_weight leaves no row a weight")
    return weight


def _target(rows: Rows) -> tuple[Any, int]:
    assert rows.target is not None
    y = rows.target.standard
    if rows.target.task != "regression":
        return y.astype(np.int64), len(rows.target.labels)
    return standardised(y[:, None], rows.weight)[:, 0].astype(np.float32), 1


def _frequent(column: CategoricalColumn, weight: Floats | None) -> Ints | None:
    """Codes from 0 of the categories of enough rows, one for all others; or None.

    None means that they are few enough to have an indicator each.
    """
    size = column.n_categories + 1  # missing is one of them
    count = np.bincount(column.codes, weight, size)[:size]
    own = np.flatnonzero(count >= MIN_ROWS)
    if len(own) <= MAX_CATEGORIES:
        return None
    number = np.full(size, len(own))
    number[own] = np.arange(len(own))
    return number[column.codes].astype(np.int64)


class TrainedSelector(Selector):
    """Base of the selectors that train a network; a subclass makes the gate and plan.

    Attributes
    ----------
    n_steps_ : int
        Steps of the optimiser, of the first repeat.
    loss_curve_ : list of float
        Mean training loss of each phase, of the first repeat.
    stopped_ : str
        Why the fit ended early, "" if it did not.
    """

    _trained_constraints: dict[str, Any] = {
        "hidden_layer_sizes": ["array-like"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "time_budget": [
            Interval(RealNotInt, 0, None, closed="left"),
            Interval(Integral, 0, None, closed="left"),
            None,
        ],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
    }

    n_epochs: int | str
    batch_size: int
    learning_rate: float
    hidden_layer_sizes: Any
    class_weight: Any
    time_budget: float | None
    device: str
    random_state: Any
    verbose: int

    @abstractmethod
    def _plan(self, layout: Layout, n_keep: int) -> Plan:
        """When how many units are chosen."""

    @abstractmethod
    def _most_units(self, n_units: int) -> int:
        """To choose where the rows held out say how many."""

    @abstractmethod
    def _gate(
        self, layout: Layout, network: Network, unit: Any, generator: Any
    ) -> Gate:
        """A fresh gate."""

    def _body(self, layout: Layout, generator: Any) -> Any:
        from featurekit.neural.network import dense

        sizes = [int(size) for size in self.hidden_layer_sizes]
        if any(size < 1 for size in sizes):
            raise ValueError(f"hidden_layer_sizes={sizes}: each has to be at least 1")
        return dense(len(layout.unit), sizes, layout.n_outputs, generator)

    def _n_steps(self, n_rows: int, n_phases: int, warmup: float) -> int:
        if isinstance(self.n_epochs, str):
            return max(
                MIN_STEPS, int(np.ceil(n_phases * STEPS_PER_PHASE / (1 - warmup)))
            )
        return int(self.n_epochs) * int(np.ceil(n_rows / self.batch_size))

    # -- fit -----------------------------------------------------------------------

    def _fit_network(
        self, rows: Rows, n_keep: int | None, split: tuple[Ints, Ints] | None = None
    ) -> None:
        """Train, repeatedly if that is asked for, and write the attributes.

        Parameters
        ----------
        rows : Rows
        n_keep : int or None
            None where the rows held out say how many.
        split : (int64 array, int64 array), optional
            Rows to train on, and rows held out.
        """
        from featurekit.neural.training import Trained, one_thread

        device = device_of(self.device)
        weight = class_weighted(rows, self.class_weight)
        layout = Layout.of(rows, weight, device)
        if not len(layout.units):
            # ids and the like: no value has rows enough to be learnt from
            self.stopped_, self.n_steps_, self.loss_curve_ = "", 0, []
            self._write(rows, layout.units, [Trained()], n_keep or 1)
            return
        n_repeats = int(getattr(self, "n_repeats", 1))
        most = len(layout.units)
        if n_keep is None:
            most = self._most_units(most)
        else:
            most = min(most, n_keep)
        draw = check_random_state(self.random_state)
        seeds = draw.randint(np.iinfo(np.int32).max, size=n_repeats)
        plan = self._plan(layout, most)
        if n_keep is None:
            plan = plan.judged()
        lock = threading.Lock()
        with (
            Budget(self.time_budget) as budget,
            Progress(self, 1, budget, self.verbose) as progress,
            progress.phase("training", n_repeats * len(plan.ends)) as advance,
            one_thread(),
        ):

            def step() -> None:
                with lock:
                    advance()

            def repeat(i: int) -> Trained | None:
                if i and budget.stopped():
                    return None
                return self._train(layout, int(seeds[i]), plan, split, budget, step)

            n_jobs = self._n_threads() if device.type == "cpu" else 1
            n_jobs = min(n_jobs, n_repeats) if self._own_networks() else 1
            made = Parallel(n_jobs=n_jobs, backend="threading")(
                delayed(repeat)(i) for i in range(n_repeats)
            )
        found = [t for t in made if t is not None]
        self.stopped_ = self._why(found, budget)
        # those cut short are no repeats, unless there is nothing else
        found = [t for t in found if t.why != "stopped"] or found[:1]
        self.n_steps_ = found[0].n_steps
        self.loss_curve_ = found[0].losses
        if split is not None:
            self.validation_scores_ = [
                -float(losses.mean()) for losses in found[0].valid_losses
            ]
        if n_keep is None:
            sizes = np.cumsum(plan.sizes)
            numbers = [int(sizes[best_phase(t.valid_losses)]) for t in found]
            n_keep = int(np.median(numbers))
        self._write(rows, layout.units, found, n_keep)

    def _write(
        self, rows: Rows, units: Ints, found: list[Trained], n_keep: int
    ) -> None:
        """Attributes of one repeat or several; ``units`` says what they number."""
        n_units = rows.units.n_units
        chosen = np.zeros((len(found), n_units), bool)
        position = np.full((len(found), n_units), n_keep, np.float64)
        for i, trained in enumerate(found):
            order = units[trained.order[:n_keep]]
            chosen[i, order] = True
            position[i, order] = np.arange(len(order))
        frequency = chosen.mean(axis=0)
        if len(found) == 1:
            first = found[0]
            scores = np.zeros(n_units)
            scores[units] = falling(first.order, first.at_choice, first.left)
            ranked = units[first.order]
        else:
            scores = frequency
            ranked = np.lexsort((position.mean(axis=0), -frequency))
            ranked = ranked[frequency[ranked] > 0]
        self._keep(rows, scores, n_keep, order=ranked.tolist())
        self.selection_frequencies_ = frequency[rows.units.of_column]

    def _why(self, found: list[Trained], budget: Budget) -> str:
        if budget.why:
            return budget.why
        if any(t.why == "enough" for t in found):
            return "the loss on the rows held out improved no more"
        return ""

    def _train(
        self,
        layout: Layout,
        seed: int,
        plan: Plan,
        split: tuple[Ints, Ints] | None,
        budget: Budget,
        step: Callable[[], None],
    ) -> Trained:
        """One repeat."""
        from featurekit.neural.network import Embeddings, Network
        from featurekit.neural.training import train

        torch = require_torch()
        generator = torch.Generator().manual_seed(seed)
        device = layout.data.target.device
        patience = int(getattr(self, "n_iter_no_change", 1))
        with self._seeded(seed, device):

            def network_of() -> Network:
                body = self._body(layout, generator).to(device)
                return Network(Embeddings(layout.sizes, generator, device), body)

            network = network_of()
            unit = torch.as_tensor(layout.unit, device=device)
            gate = self._gate(layout, network, unit, generator)
            data, valid, judge = layout.data, None, None
            if split is not None:
                data, valid = data.take(split[0]), data.take(split[1])
                judge = network_of()
            return train(
                network, gate, data, plan,
                learning_rate=float(self.learning_rate),
                batch_size=int(self.batch_size), generator=generator, valid=valid,
                judge=judge,
                enough=lambda losses: improves_no_more(losses, patience),
                stopped=budget.stopped, done=step,
            )  # fmt: skip

    # -- what a subclass may change ------------------------------------------------

    def _own_networks(self) -> bool:
        """Whether networks draw from nothing but their generator."""
        return True

    def _seeded(self, seed: int, device: Any) -> Any:
        """What a repeat runs within."""
        return nullcontext()


def best_phase(losses: list[Floats]) -> int:
    """The last phase whose loss is below the best one's before it, beyond noise.

    Parameters
    ----------
    losses : list of float64 arrays (rows held out,)
        Of each phase. Noise is the standard error of the mean difference, row by row.
    """
    best = 0
    for i in range(1, len(losses)):
        gain = losses[best] - losses[i]
        if gain.mean() > gain.std() / np.sqrt(len(gain)):
            best = i
    return best


def improves_no_more(losses: list[Floats], patience: int) -> bool:
    """Whether the best phase is so many phases ago."""
    return len(losses) - 1 - best_phase(losses) >= patience


def falling(order: list[int], at_choice: list[float], left: Floats) -> Floats:
    """Scores that fall along the order, and are lowest for units not chosen.

    Parameters
    ----------
    order : list of int
    at_choice : list of float
        What each scored when it was chosen; a later one may have scored more.
    left : float64 array (n_units,)
        What units not chosen score at the end.
    """
    lowest = np.minimum.accumulate(at_choice) if order else np.array([np.inf])
    scores = np.minimum(np.nan_to_num(left), lowest[-1])
    scores[order] = lowest[: len(order)]
    return scores
