"""Kernels by name: one signature, an implementation per device.

``reference`` is numpy and obvious, ``cpu`` is compiled. ``cuda`` has its place here
and no kernel yet, so asking for it is an error that says so.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from featurekit.exceptions import BackendUnavailableError

_MODULES = {
    "evaluate": "boosting",
    "grids": "boosting",
    "accumulate": "boosting",
    "merge_cells": "boosting",
    "boost": "boosting",
    "boost_per_fold": "boosting",
    "sum_by_key": "groups",
    "sum_over_sets": "groups",
    "group_moments": "groups",
    "group_means": "groups",
    "distinct": "groups",
    "renumber": "groups",
    "group_distinct": "groups",
    "unit_ranks": "groups",
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


@cache
def _load_compiler() -> None:
    """Load numba's tables, without the garbage collector looking through them.

    Tens of thousands of objects arise and none goes: looking for those to free, again
    and again, took a third of the time.
    """
    forget_stale(Path(__file__).parent / "cpu")
    collecting = gc.isenabled()
    gc.disable()
    try:
        from featurekit.kernels.cpu.groups import nothing

        nothing()
    finally:
        if collecting:
            gc.enable()


def forget_stale(folder: Path) -> None:
    """Drop compiled kernels that are older than any source file beside them.

    numba compiles a kernel anew when its own file changes, but not when that of a
    kernel it calls does: in a copy of the repository the old code would go on running.
    """
    newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for index in folder.glob("__pycache__/*.nbi"):
        # not ours to write to, or gone already: another process was here
        with suppress(OSError):
            if index.stat().st_mtime < newest:
                index.unlink()
