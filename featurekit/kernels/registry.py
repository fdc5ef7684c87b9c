"""Kernels by name: one signature, an implementation per device.

``reference`` is numpy and obvious, ``cpu`` is compiled. ``cuda`` has its place here
and no kernel yet, so asking for it is an error that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from featurekit.exceptions import BackendUnavailableError

_MODULES = {
    "evaluate": "boosting",
    "grids": "boosting",
    "accumulate": "boosting",
    "merge_cells": "boosting",
    "boost": "boosting",
    "sum_by_key": "groups",
    "group_moments": "groups",
    "group_medians": "groups",
    "group_ranks": "groups",
    "ranks_in_groups": "groups",
    "boost_exact_folds": "exact",
    "boost_exact_multiclass_folds": "exact",
}


@cache
def kernel(name: str, device: str = "cpu") -> Callable[..., Any]:
    """The kernel ``name`` for ``device``: ``"cpu"`` or ``"reference"``.

    Raises
    ------
    BackendUnavailableError
        If the device has no such kernel.
    """
    if name not in _MODULES:
        raise KeyError(f"no kernel {name!r}; there are {sorted(_MODULES)}")
    if device == "cpu":
        module = import_module(f"featurekit.kernels.cpu.{_MODULES[name]}")
    elif device == "reference":
        module = import_module("featurekit.kernels.reference")
    else:
        raise BackendUnavailableError(
            f"There is no {device!r} kernel for {name!r} in this version. "
            "Use device='cpu' or device='auto'."
        )
    try:
        return getattr(module, name)
    except AttributeError:
        raise BackendUnavailableError(
            f"kernel {name!r} has no {device!r} implementation"
        ) from None
