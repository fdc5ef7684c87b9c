"""Kernels are found by name and device, and both devices agree on the signature."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from featurekit.exceptions import BackendUnavailableError
from featurekit.kernels.registry import kernel, read_only

BOTH = [
    *("accumulate", "merge_cells", "boost"),
    *("sum_by_key", "sum_over_sets", "group_means", "group_moments"),
    *("combine_moments", "group_distinct", "group_medians", "group_ranks"),
    *("ranks_in_groups", "distinct", "renumber"),
    *("mix_keys", "number_keys", "place_keys", "look_up"),
    *("count_codes", "count_repeated", "compress", "table_statistics"),
    *("information_value", "shift_counts"),
    *("null_of_counts", "null_of_table", "null_of_pairs", "null_within"),
    *("group_rows", "gather", "hash_rows", "pair_counts", "cross_counts"),
    *("order_line", "sum_line", "cross_lines", "cross_line_classes", "cross_points"),
    "joint_sums",
]
COMPILED_ONLY = [
    *("nothing", "sort_rows", "greedy_bins", "fill_bins"),
    *("boost_exact_squared", "logloss_folds", "softmax_folds"),
]


@pytest.mark.parametrize("name", BOTH)
def test_reference_has_the_signature_of_the_compiled_kernel(name):
    compiled, plain = kernel(name), kernel(name, "reference")
    assert compiled is not plain
    python = getattr(compiled, "py_func", compiled)  # numba may be switched off
    assert inspect.signature(python) == inspect.signature(plain)


@pytest.mark.parametrize("name", COMPILED_ONLY)
def test_compiled_kernel_without_reference_says_so(name):
    assert callable(kernel(name))
    with pytest.raises(BackendUnavailableError, match="no 'reference' implementation"):
        kernel(name, "reference")


def test_unknown_name_lists_those_there_are():
    with pytest.raises(KeyError, match="boost"):
        kernel("no_such_kernel")


@pytest.mark.parametrize("device", ["cuda", "tpu"])
def test_device_without_kernels_says_what_to_use(device):
    with pytest.raises(BackendUnavailableError, match=f"'{device}'.*device='cpu'"):
        kernel("boost", device)


def test_a_kernel_is_looked_up_once():
    assert kernel("boost") is kernel("boost")


def test_read_only_views_share_memory_and_are_of_one_type():
    mine = np.arange(3)
    view = read_only(mine)
    assert np.shares_memory(view, mine) and mine.flags.writeable
    assert not view.flags.writeable and not read_only(view).flags.writeable
