"""Networks on torch: gates on their inputs, an input layer, one training loop.

Nothing here is imported before it is used; torch is an extra.
"""

from __future__ import annotations

from typing import Any

from featurekit.exceptions import BackendUnavailableError


def require_torch() -> Any:
    """Import torch.

    Returns
    -------
    module

    Raises
    ------
    BackendUnavailableError
        If it is not installed.
    """
    try:
        import torch
    except ImportError:
        raise BackendUnavailableError(
            "this needs torch, which is not installed: python -m pip install "
            '"featurekit[torch]" (builds for the CPU alone are enough: '
            "https://pytorch.org/get-started)"
        ) from None
    return torch


def device_of(name: str) -> Any:
    """The torch device for "auto", "cpu" or "cuda".

    Raises
    ------
    BackendUnavailableError
        If "cuda" is asked for and there is none.
    """
    torch = require_torch()
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise BackendUnavailableError(
            "device='cuda', but torch finds no CUDA device here: use device='cpu', or "
            "install a build of torch for your driver"
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")
