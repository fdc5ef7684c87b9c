"""Argument types that kernels are called with, for compiling them beforehand.

The strings are numba's: ``f8[:, ::1]`` is a float64 array of two dimensions in C order.
``const`` before a vector's type is one that cannot be written to. Kernels that are
plain Python around others are not listed. A test runs the estimators and compares.
"""

from __future__ import annotations

import re
from typing import Any

import numba

_EXACT = (
    "u2[::1], f8[::1], i8[::1], i8[::1], i8, i8[::1], b1[:,::1], b1[:,::1], f8[::1]"
)
_BOOSTING = "b1[:,::1], b1[:,::1], i8, b1, i8, i8, i8, f8, i8, f8, f8, f8[:,::1]"
_LINE = "i8[::1], f8[::1], f8[::1], i8, i4[::1], f8[::1], f8[::1]"

SIGNATURES: dict[str, tuple[str, ...]] = {
    "accumulate": ("f8[::1], i8[:,::1], i8[::1], i8[::1], f8, f8, i8[:,:,::1]",),
    "boost": (f"i8[:,:,:,::1], f8[::1], {_BOOSTING}",),
    "sum_by_key": ("i8[:,::1], i8[::1], i8[::1], i8, i8[:,::1]",),
    "sum_over_sets": ("f8[:,::1], b1[:,::1], i8[:,::1], i8[::1], f8[:,::1]",),
    "group_means": ("f8[::1], i8[::1], i8, f8[::1]",),
    "group_moments": ("f8[::1], i8[::1], i8[::1], i8, i8, f8[::1]",),
    "combine_moments": ("f8[:,:,::1], f8[::1], b1[:,::1], i8, f8[:,:,::1]",),
    "group_medians": ("i8[::1], f8[::1], i8[::1], i8[::1], b1[:,::1], i8",),
    "group_ranks": (
        "i8[::1], f8[::1], i8[::1], i8[::1], b1[:,::1], i8[::1], i8, f8[::1]",
    ),
    "ranks_in_groups": ("f8[::1], i8[::1], f8[::1], i8[::1], f8[::1]",),
    "renumber": ("i8[::1], b1[::1], i8[::1], i8[::1]",),
    "distinct": ("f8[::1], i8[::1], f8[::1]",),
    "group_distinct": (
        "i8[::1], i8[::1], i8, i8[::1], b1[::1], b1[:,::1], i8, f8[:,::1]",
    ),
    "greedy_bins": ("f8[::1], i8[::1], i8, i8, f8[::1]",),
    "fill_bins": ("f8[::1], f8[::1], i8[::1], f8[::1], f8[::1], u1[::1], f8[:,:,::1]",),
    "boost_exact_squared": ("f8[:,::1], f8[:,::1], i8",),
    "logloss_folds": (f"f8[::1], {_EXACT}",),
    "softmax_folds": (f"f8[:,::1], {_EXACT}",),
    "mix_keys": ("i8[::1], u8, u8[::1]",),
    "number_keys": ("i8[::1], i8, i8, u4[::1], i8[::1], i8, u4[::1]",),
    "place_keys": ("i8[::1], i8, u4[::1]",),
    "look_up": ("i8[::1], i8, u4[::1], u4[::1]",),
    "count_codes": ("const u4, u2[::1], i8, i8[::1]",),
    "compress": ("i8[::1], i8[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1]",),
    "table_statistics": ("i8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8, f8[::1]",),
    "information_value": ("i8[::1], i8[::1], i8[::1], i8[::1], f8, f8[::1]",),
    "null_of_counts": ("i8[::1], i8[::1], i8[::1], i8, f8[::1], f8[:,::1]",),
    "null_of_table": ("i8[::1], f8[::1], f8[:,::1], i8[::1], i8, f8[::1]",),
    "null_within": ("i8[::1], i8[::1], i8[:,::1], f8[::1], f8[::1]",),
    "draw_tables": ("i8[::1], i8[::1], b1, f8[::1], u8[::1], f8[::1]",),
    "hash_rows": ("const u4, i8[::1], u8, u8[::1]",),
    "group_rows": ("u1[::1], i8, i8[::1], i4[::1]",),
    "gather": ("u1[::1], i4[::1], u4[::1]",),
    "pair_counts": ("i8[::1], u4[::1], i8[::1], i8[::1], i8[::1], i8[::1]",),
    "cross_counts": (
        "i8[::1], u4[::1], u2[::1], i8[::1], i8, i8[::1], i8[::1], i8[::1], i8[::1], "
        "i8[::1]",
    ),
    "order_line": ("const f8, f8, i8[::1], f8[::1]",),
    "sum_line": ("f8[::1], f8[::1], i8, f8, f8, f8[::1]",),
    "cross_lines": (
        f"{_LINE}, i8, none, f8",
        f"{_LINE}, i8, f8[::1], f8",
    ),
    "cross_line_classes": (f"{_LINE}, f8[::1], f8",),
    "joint_sums": ("f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f8[:,::1]",),
}


def parse(signature: str) -> tuple[Any, ...]:
    """Argument types as numba has them."""
    vectors = re.sub(r"const (\w+)", r"Array(\1, 1, 'C', readonly=True)", signature)
    types, _ = numba.core.sigutils.normalize_signature(f"void({vectors})")
    return tuple(types)
