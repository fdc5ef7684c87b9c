"""Kernels by name: one signature, an implementation per device.

``reference`` is numpy and obvious, ``cpu`` is compiled. ``cuda`` has its place here
and no kernel yet, so asking for it is an error that says so.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from featurekit.exceptions import BackendUnavailableError, warn

_MODULES = {
    "accumulate": "boosting",
    "merge_cells": "boosting",
    "boost": "boosting",
    "sum_by_key": "groups",
    "sum_over_sets": "groups",
    "group_moments": "groups",
    "group_means": "groups",
    "distinct": "groups",
    "renumber": "groups",
    "group_distinct": "groups",
    "combine_moments": "groups",
    "group_medians": "groups",
    "group_ranks": "groups",
    "ranks_in_groups": "groups",
    "mix_keys": "keys",
    "number_keys": "keys",
    "place_keys": "keys",
    "look_up": "keys",
    "count_codes": "contingency",
    "count_repeated": "contingency",
    "compress": "contingency",
    "table_statistics": "contingency",
    "information_value": "contingency",
    "shift_counts": "contingency",
    "draw_tables": "draws",
    "null_of_counts": "null",
    "null_of_table": "null",
    "null_of_pairs": "null",
    "null_within": "null",
    "group_rows": "walk",
    "gather": "walk",
    "hash_rows": "walk",
    "pair_counts": "walk",
    "cross_counts": "walk",
    "order_line": "distance",
    "sum_line": "distance",
    "cross_lines": "distance",
    "cross_line_classes": "distance_classes",
    "cross_points": "distance_classes",
    "joint_sums": "distance_batches",
    "nothing": "groups",
    "sort_rows": "groups",
    "greedy_bins": "exact_bins",
    "fill_bins": "exact_bins",
    "boost_exact_squared": "exact",
    "logloss_folds": "exact_rows",
    "softmax_folds": "exact_rows",
}

NAMES = frozenset(_MODULES)


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
        _load_compiler()
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


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view of ``array`` that cannot be written to.

    pandas hands out arrays that cannot and numpy those that can; numba compiles a
    kernel for either type. An argument that comes from both is passed through this.
    """
    view = array.view()
    view.flags.writeable = False
    return view


@cache
def _load_compiler() -> None:
    """Load numba's tables, without the garbage collector looking through them.

    Tens of thousands of objects arise and none goes: looking for those to free, again
    and again, took a third of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        from featurekit.kernels import compiler
        from featurekit.kernels.cpu.groups import nothing

        why = compiler.lost_because()
        if why is not None:
            warn(
                f"Compiled kernels are not kept beyond this machine's session: {why}. "
                "Set the environment variable NUMBA_CACHE_DIR to a folder that lasts, "
                "or run 'featurekit compile' where the package can be written to, such "
                "as in the build of an image."
            )
        nothing()
    finally:
        if collecting:
            gc.enable()
