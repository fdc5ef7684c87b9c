"""Networks: embeddings of categories beside numbers, and a body of dense layers."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from featurekit.neural import require_torch


def dense(
    n_inputs: int, hidden_layer_sizes: Sequence[int], n_outputs: int, generator: Any
) -> Any:
    """Dense layers with ReLU between them.

    Parameters
    ----------
    n_inputs, n_outputs : int
    hidden_layer_sizes : sequence of int
        Empty: one linear layer.
    generator : torch.Generator
        On the CPU; weights are uniform within 1 / sqrt(inputs of the layer), biases 0.

    Returns
    -------
    torch.nn.Sequential
    """
    torch = require_torch()
    sizes = [n_inputs, *hidden_layer_sizes, n_outputs]
    layers: list[Any] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        # skip_init: torch would draw from the generator that the caller's code uses
        layer = torch.nn.utils.skip_init(torch.nn.Linear, n_in, n_out)
        bound = 1 / math.sqrt(max(1, n_in))
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.zero_()
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def of_user(model: Any, n_inputs: int, n_outputs: int) -> Any:
    """The caller's network: a copy of a module, or what a callable makes.

    Parameters
    ----------
    model : torch.nn.Module or callable
        ``model(n_inputs, n_outputs)`` gives a module.
    n_inputs, n_outputs : int

    Raises
    ------
    TypeError
        If a callable gives something else.
    """
    torch = require_torch()
    if isinstance(model, torch.nn.Module):
        return copy.deepcopy(model)
    made = model(n_inputs, n_outputs)
    if not isinstance(made, torch.nn.Module):
        raise TypeError(
            "model(n_inputs, n_outputs) has to give a torch.nn.Module, got "
            f"{type(made).__name__}"
        )
    return made


def check_shapes(body: Any, n_inputs: int, n_outputs: int, device: Any) -> None:
    """Try a network on two rows.

    Raises
    ------
    ValueError
        If it does not take them, or gives something of another shape.
    """
    torch = require_torch()
    says = (
        f"model has to take (rows, {n_inputs}) and give (rows, {n_outputs}): these "
        "columns, laid out as numbers, and the classes. A callable (n_inputs, "
        "n_outputs) -> torch.nn.Module always fits"
    )
    body.eval()
    try:
        with torch.no_grad():
            out = body(torch.zeros(2, n_inputs, device=device))
    except RuntimeError as error:
        raise ValueError(f"{says}. It failed: {error}") from error
    if tuple(out.shape) != (2, n_outputs):
        raise ValueError(f"{says}. It gave {tuple(out.shape)} for two rows")


class Embeddings:
    """Numbers for the categories of columns that have many.

    Parameters
    ----------
    sizes : sequence of int
        Categories of each column.
    generator : torch.Generator
        On the CPU; a column's numbers have a variance of 1 in all.
    device : torch.device
    """

    def __init__(self, sizes: Sequence[int], generator: Any, device: Any) -> None:
        torch = require_torch()
        self.widths = [embedding_width(size) for size in sizes]
        self.tables = []
        for size, width in zip(sizes, self.widths, strict=True):
            table = torch.randn(size, width, generator=generator) / math.sqrt(width)
            self.tables.append(table.to(device).requires_grad_())

    def __call__(self, codes: Any) -> Any:
        """Codes (b, columns) as numbers (b, sum of widths)."""
        torch = require_torch()
        found = [table[codes[:, i]] for i, table in enumerate(self.tables)]
        return torch.cat(found, 1)


def embedding_width(size: int) -> int:
    """Numbers for each category of a column of so many."""
    return min(16, math.ceil(math.sqrt(size)))


class Network:
    """Embeddings and a body.

    Parameters
    ----------
    embeddings : Embeddings
    body : torch.nn.Module
        Takes (b, n_inputs): numbers first, embeddings after.
    """

    def __init__(self, embeddings: Embeddings, body: Any) -> None:
        self.embeddings = embeddings
        self.body = body

    def parameters(self) -> list[Any]:
        """All that is trained."""
        return [*self.embeddings.tables, *self.body.parameters()]

    def inputs(self, numbers: Any, codes: Any) -> Any:
        """What the body takes, (b, n_inputs), no gate applied."""
        torch = require_torch()
        if not self.embeddings.tables:
            return numbers
        return torch.cat([numbers, self.embeddings(codes)], 1)
