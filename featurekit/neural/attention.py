"""Gates on the inputs of a network: what each unit's columns are multiplied by.

A gate scores units while the network is trained, and is told which are chosen. Units
are numbered from 0; ``unit`` says to which unit each input of the network belongs.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featurekit.neural import require_torch
from featurekit.neural.network import dense

Floats = NDArray[np.float64]

START = 1e-5
"""Standard deviation of fresh logits: ties are broken, nothing is preferred."""


class Gate(Protocol):
    """What the training loop asks of a gate."""

    unit: Any
    """Int64 tensor (n_inputs,)."""

    selected: Any
    """Bool tensor (n_units,), the units chosen so far."""

    def parameters(self) -> list[Any]:
        """Tensors that the network's optimiser moves along."""

    def apply(self, x: Any) -> Any:
        """Inputs (b, n_inputs) as the network sees them."""

    def penalty(self) -> Any:
        """What is added to the loss."""

    def step(self) -> None:
        """Move what the gate moves itself, after the gradients are known."""

    def scores(self) -> Floats:
        """Of each unit, float64 (n_units,); of units chosen before, anything."""

    def commit(self, units: list[int]) -> None:
        """These are chosen."""


def attention_weights(logits: Any, selected: Any) -> Any:
    """Softmax over the units that are not selected; those selected have weight 1.

    Parameters
    ----------
    logits : float tensor (n_units,)
        w of the paper.
    selected : bool tensor (n_units,)
        S of the paper.

    Returns
    -------
    float tensor (n_units,)
        m of the paper. The weights of units that are not selected sum to 1; logits of
        selected units have no influence and no gradient, however large they are.
    """
    torch = require_torch()
    if bool(selected.all()):
        return torch.ones_like(logits)
    # softmax shifts by the largest of those that compete, not by a selected one far
    # above them, which would leave 0 / 0
    competing = logits.masked_fill(selected, -torch.inf)
    return torch.softmax(competing, 0).masked_fill(selected, 1.0)


def unit_norm(weights: Any, selected: Any) -> Any:
    """Weights of the units not selected, scaled to a sum of squares of 1.

    Taken together they then come in with the variance of one standardised column,
    however many they are and whether attention is spread or on one of them.

    Parameters
    ----------
    weights, selected : tensors (n_units,)
        Of `attention_weights`.
    """
    torch = require_torch()
    size = weights.masked_fill(selected, 0.0).norm().clamp_min(1e-30)
    return torch.where(selected, weights, weights / size)


class SequentialGate:
    """Sequential attention: logits of the units, drawn anew whenever some are chosen.

    Logits are moved by Adam with one second moment for all of them, so that their steps
    keep the proportions of their gradients.

    A network at rest has no use for attention: what a weight of the mask could do, the
    first layer has done. A penalty on that layer keeps the gradients alive; with a mask
    of unit norm the least it can be, for given products of the two, is the squared sum
    of the products' norms: the penalty of a lasso over units.

    Parameters
    ----------
    unit : int64 tensor (n_inputs,)
    n_units : int
    learning_rate : float
        Of the logits.
    first : float tensor (hidden, n_inputs) or None
        Weights of the network's first layer; None for a network that has no such layer.
    ridge : float
        Half of it times their squares, of units that are not chosen, is the penalty.
    generator : torch.Generator
        On the CPU.
    """

    MOMENTUM = 0.9
    MEMORY = 0.999
    KEPT = 0.5
    """Of the first layer's weights of units not chosen, after each choice. Attention is
    spread anew, so most are multiplied by more than before: without this the network
    first asks for less of those it used most."""

    def __init__(
        self,
        unit: Any,
        n_units: int,
        learning_rate: float,
        first: Any,
        ridge: float,
        generator: Any,
    ) -> None:
        torch = require_torch()
        self.unit = unit
        self.selected = torch.zeros(n_units, dtype=torch.bool, device=unit.device)
        self.logits = torch.zeros(n_units, device=unit.device, requires_grad=True)
        self._learning_rate = learning_rate
        self._first = first
        self._ridge = ridge
        self._generator = generator
        self._redraw()

    def _redraw(self) -> None:
        torch = require_torch()
        with torch.no_grad():
            fresh = torch.randn(len(self.logits), generator=self._generator)
            self.logits.copy_(START * fresh)
        self.logits.grad = None
        self._mean = torch.zeros_like(self.logits)
        self._square = torch.zeros((), device=self.logits.device)
        self._n_steps = 0

    def parameters(self) -> list[Any]:
        """None: see `step`."""
        return []

    def weights(self) -> Any:
        """What each unit is multiplied by, tensor (n_units,)."""
        return unit_norm(attention_weights(self.logits, self.selected), self.selected)

    def apply(self, x: Any) -> Any:
        """Inputs times the weights of their units."""
        return x * self.weights()[self.unit]

    def penalty(self) -> Any:
        """Squares of the first layer's rows of units that are not chosen."""
        if self._first is None:
            return 0.0
        squares = self._first.square().sum(0)
        return self._ridge / 2 * (squares * ~self.selected[self.unit]).sum()

    def step(self) -> None:
        """Move the logits against their gradient."""
        torch = require_torch()
        if self.logits.grad is None:  # still warming up
            return
        with torch.no_grad():
            gradient, self.logits.grad = self.logits.grad, None
            self._n_steps += 1
            self._mean.lerp_(gradient, 1 - self.MOMENTUM)
            self._square.lerp_(gradient.square().mean(), 1 - self.MEMORY)
            mean = self._mean / (1 - self.MOMENTUM**self._n_steps)
            size = (self._square / (1 - self.MEMORY**self._n_steps)).sqrt()
            self.logits -= self._learning_rate * mean / size.clamp_min(1e-30)

    def scores(self) -> Floats:
        """The attention of each unit times the number of units that compete."""
        torch = require_torch()
        with torch.no_grad():
            m = attention_weights(self.logits.double(), self.selected)
            return (m * (~self.selected).sum()).cpu().numpy()

    def commit(self, units: list[int]) -> None:
        """Weight 1 from now on; the others start anew, with less in the network."""
        torch = require_torch()
        self.selected[units] = True
        self._redraw()
        if self._first is not None:
            kept = torch.where(self.selected[self.unit], 1.0, self.KEPT)
            with torch.no_grad():
                self._first *= kept


class OneShotGate:
    """Attention by a small network, averaged over the rows of a batch; no commits.

    Parameters
    ----------
    unit : int64 tensor (n_inputs,)
    n_units : int
    hidden_layer_sizes : tuple of int
        Of the network that gives the logits.
    generator : torch.Generator
        On the CPU.
    """

    MEMORY = 0.95
    """Of the average of the weights over batches, by which units are scored."""

    def __init__(
        self,
        unit: Any,
        n_units: int,
        hidden_layer_sizes: tuple[int, ...],
        generator: Any,
    ) -> None:
        torch = require_torch()
        self.unit = unit
        self.selected = torch.zeros(n_units, dtype=torch.bool, device=unit.device)
        net = dense(len(unit), hidden_layer_sizes, n_units, generator)
        self._net = net.to(unit.device)
        self._mean = torch.full((n_units,), 1.0 / n_units, device=unit.device)

    def parameters(self) -> list[Any]:
        """Those of the network that gives the logits."""
        return list(self._net.parameters())

    def apply(self, x: Any) -> Any:
        """Inputs times the weights of their units."""
        torch = require_torch()
        weights = torch.softmax(self._net(x).mean(0), 0)
        with torch.no_grad():
            self._mean.lerp_(weights, 1 - self.MEMORY)
        return x * unit_norm(weights, self.selected)[self.unit]

    def penalty(self) -> Any:
        """None."""
        return 0.0

    def step(self) -> None:
        """Nothing: the network's optimiser moves all."""

    def scores(self) -> Floats:
        """The average weight of each unit times the number of units."""
        mean = self._mean.double().cpu().numpy()
        return mean * len(mean)

    def commit(self, units: list[int]) -> None:
        """Note them."""
        self.selected[units] = True


class NormGate:
    """Units scored by the norm of their rows of the first layer, which is penalised.

    Inputs pass as they are; the penalty of units that are not chosen is what tells them
    apart.

    Parameters
    ----------
    unit : int64 tensor (n_inputs,)
    n_units : int
    weight : float tensor (hidden, n_inputs)
        Of the network's first layer.
    strength : float
        The penalty for a norm of 1.
    """

    def __init__(self, unit: Any, n_units: int, weight: Any, strength: float) -> None:
        torch = require_torch()
        self.unit = unit
        self.selected = torch.zeros(n_units, dtype=torch.bool, device=unit.device)
        self._weight = weight
        self._strength = strength

    def _norms(self) -> Any:
        squares = self._weight.square().sum(0)
        sums = squares.new_zeros(len(self.selected)).index_add(0, self.unit, squares)
        # the root has no gradient at 0
        return (sums + 1e-12).sqrt()

    def parameters(self) -> list[Any]:
        """None of its own."""
        return []

    def apply(self, x: Any) -> Any:
        """Inputs as they are."""
        return x

    def penalty(self) -> Any:
        """The norms of units that are not chosen, added up."""
        return self._strength * self._norms().masked_fill(self.selected, 0.0).sum()

    def step(self) -> None:
        """Nothing: the network's optimiser moves all."""

    def scores(self) -> Floats:
        """Norms."""
        torch = require_torch()
        with torch.no_grad():
            return self._norms().double().cpu().numpy()

    def commit(self, units: list[int]) -> None:
        """No penalty for them any more."""
        self.selected[units] = True
