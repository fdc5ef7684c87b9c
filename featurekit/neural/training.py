"""The training loop: phases of steps, at whose ends a gate's best units are chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.neural import require_torch
from featurekit.neural.attention import Gate
from featurekit.neural.network import Network

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Data:
    """Rows as tensors, on the device they are used on.

    Attributes
    ----------
    numbers : float32 tensor (n, p)
    codes : int64 tensor (n, c)
        Columns that are embedded.
    target : int64 tensor (n,) or float32 tensor (n,)
        Classes, or a standardised number.
    weight : float32 tensor (n,)
        Their mean is 1.
    """

    numbers: Any
    codes: Any
    target: Any
    weight: Any

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Any) -> Data:
        """Some rows, of an int64 tensor or array."""
        torch = require_torch()
        at = torch.as_tensor(rows, device=self.target.device)
        parts = (self.numbers, self.codes, self.target, self.weight)
        return Data(*(part[at] for part in parts))

    def losses(self, outputs: Any) -> Any:
        """Of each row, its weight left out: cross-entropy or squared error."""
        torch = require_torch()
        if self.target.is_floating_point():
            return (outputs[:, 0] - self.target).square()
        return torch.nn.functional.cross_entropy(outputs, self.target, reduction="none")


@dataclass(frozen=True)
class Plan:
    """When the gate is on, and when units are chosen.

    Attributes
    ----------
    n_steps : int
        T of the paper.
    warm : int
        Steps before the gate is on.
    ends : tuple of int
        The steps after which units are chosen, from 0.
    sizes : tuple of int
        How many, each time.
    """

    n_steps: int
    warm: int
    ends: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, n_steps: int, n_units: int, per_phase: int, warmup: float) -> Plan:
        """Equal phases after the warm-up; the last may choose fewer.

        Parameters
        ----------
        n_steps : int
            Raised to what gives each phase a step.
        n_units : int
            To choose in all.
        per_phase : int
        warmup : float
            Share of the steps.
        """
        n_phases = math.ceil(n_units / per_phase)
        n_steps = max(n_steps, math.ceil(n_phases / (1 - warmup)))
        warm = min(round(warmup * n_steps), n_steps - n_phases)
        ends = commit_steps(n_steps, n_phases, warm)
        sizes = [per_phase] * n_phases
        sizes[-1] = n_units - per_phase * (n_phases - 1)
        return cls(n_steps, warm, tuple(ends), tuple(sizes))

    def judged(self) -> Plan:
        """With one more phase, for the judge to learn the last choice."""
        before = self.ends[-2] if len(self.ends) > 1 else self.warm - 1
        end = 2 * self.ends[-1] - before
        return Plan(end + 1, self.warm, (*self.ends, end), (*self.sizes, 0))


def commit_steps(n_steps: int, n_phases: int, warm: int) -> list[int]:
    """The last step of each of equal phases after ``warm`` steps, counted from 0.

    Examples
    --------
    >>> commit_steps(1000, 5, 100)
    [279, 459, 639, 819, 999]
    """
    return [warm + (i + 1) * (n_steps - warm) // n_phases - 1 for i in range(n_phases)]


@dataclass(eq=False)
class Trained:
    """What came of it.

    Attributes
    ----------
    order : list of int
        Units as they were chosen.
    at_choice : list of float
        The gate's score of each at that moment.
    left : float64 array (n_units,)
        Scores at the end.
    losses : list of float
        Mean training loss of each phase.
    valid_losses : list of float64 arrays
        Of each row held out, by the judge, at the end of the phase after each choice.
    n_steps : int
        Steps made.
    why : str
        Why it ended early, "" if it did not.
    """

    order: list[int] = field(default_factory=list)
    at_choice: list[float] = field(default_factory=list)
    left: Floats = field(default_factory=lambda: np.empty(0))
    losses: list[float] = field(default_factory=list)
    valid_losses: list[Floats] = field(default_factory=list)
    n_steps: int = 0
    why: str = ""


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order whatever the machine; as many threads as before, afterwards."""
    torch = require_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    network: Network,
    gate: Gate,
    data: Data,
    plan: Plan,
    *,
    learning_rate: float,
    batch_size: int,
    generator: Any,
    valid: Data | None = None,
    judge: Network | None = None,
    enough: Callable[[list[Floats]], bool] = lambda losses: False,
    stopped: Callable[[], bool] = lambda: False,
    done: Callable[[], None] = lambda: None,
) -> Trained:
    """Train, and choose units on the way.

    Parameters
    ----------
    network : Network
    gate : Gate
    data : Data
    plan : Plan
    learning_rate : float
        Of Adam, for the network.
    batch_size : int
        Rows of a step, at most; all of them if there are no more.
    generator : torch.Generator
        On the CPU; draws the batches.
    valid : Data, optional
        Rows held out.
    judge : Network, optional
        With ``valid``, a second network, trained beside the first on the chosen units
        alone; the rows held out are judged by it.
    enough : callable
        Given the losses of the rows held out after each phase so far, whether to end.
    stopped : callable
        Asked before each step. One step with the gate on is made in any case.
    done : callable
        Called after each phase.

    Returns
    -------
    Trained
        Of as many units as the plan says: those not reached are filled by the scores of
        the moment.
    """
    torch = require_torch()
    found = Trained()
    moved = [*network.parameters(), *gate.parameters()]
    if judge is not None:
        moved += judge.parameters()
    adam = torch.optim.Adam(moved, learning_rate)
    batches = _batches(data, batch_size, generator)
    network.body.train()
    total, since = 0.0, 0
    phase = step = 0
    gated = False
    while step < plan.n_steps:
        if stopped():
            found.why = "stopped"
            if gated:
                break
            step = max(step, plan.warm)  # the gate has seen nothing yet
        gated = step >= plan.warm
        loss = _step(network, judge, gate, next(batches), adam, gated)
        total, since = total + loss, since + 1
        found.n_steps += 1
        if step == plan.ends[phase]:
            if valid is not None and judge is not None and phase:
                found.valid_losses.append(_held_out(judge, gate, valid))
                if enough(found.valid_losses):
                    found.why = "enough"
                    break
            _choose(found, gate, plan.sizes[phase])
            found.losses.append(float(total) / since)
            total, since = 0.0, 0
            phase += 1
            done()
            if phase == len(plan.ends):
                break
        step += 1
    if phase < len(plan.sizes):
        _choose(found, gate, sum(plan.sizes[phase:]), commit=False)
    found.left = gate.scores()
    return found


def _step(
    network: Network,
    judge: Network | None,
    gate: Gate,
    batch: Data,
    adam: Any,
    gated: bool,
) -> Any:
    x = network.inputs(batch.numbers, batch.codes)
    outputs = network.body(gate.apply(x) if gated else x)
    loss = (batch.losses(outputs) * batch.weight).mean()
    aim = loss + gate.penalty()
    if judge is not None:
        outputs = _of_chosen(judge, gate, batch)
        aim = aim + (batch.losses(outputs) * batch.weight).mean()
    adam.zero_grad(set_to_none=True)
    aim.backward()
    adam.step()
    gate.step()
    return loss.detach()


def _of_chosen(judge: Network, gate: Gate, data: Data) -> Any:
    x = judge.inputs(data.numbers, data.codes)
    return judge.body(x * gate.selected[gate.unit])


def _choose(found: Trained, gate: Gate, n: int, commit: bool = True) -> None:
    """The units of the largest scores among those not chosen; of equal ones the first.

    A unit without inputs, or a network that diverged, still leaves ``n`` units.
    """
    scores = np.nan_to_num(gate.scores(), nan=0.0, posinf=0.0)
    scores[found.order] = -np.inf
    units = np.argsort(-scores, kind="stable")[:n].tolist()
    found.order += units
    found.at_choice += scores[units].tolist()
    if commit:
        gate.commit(units)


def _batches(data: Data, batch_size: int, generator: Any) -> Iterator[Data]:
    """All rows in a new order again and again, in batches of nearly equal size."""
    torch = require_torch()
    n = len(data)
    n_batches = math.ceil(n / batch_size)
    if n_batches == 1:
        while True:
            yield data
    while True:
        order = torch.randperm(n, generator=generator)
        for rows in order.tensor_split(n_batches):
            yield data.take(rows)


def _held_out(judge: Network, gate: Gate, valid: Data) -> Floats:
    torch = require_torch()
    judge.body.eval()
    with torch.no_grad():
        losses = valid.losses(_of_chosen(judge, gate, valid)) * valid.weight
    judge.body.train()
    return losses.double().cpu().numpy()
