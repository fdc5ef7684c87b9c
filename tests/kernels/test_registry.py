"""Kernels are found by name and device, and both devices agree on the signature."""

from __future__ import annotations

import inspect

import pytest

from featurekit.exceptions import BackendUnavailableError
from featurekit.kernels.registry import kernel

BOTH = [
    *("evaluate", "grids", "accumulate", "merge_cells", "boost", "boost_per_fold"),
    *("sum_by_key", "sum_over_sets", "group_means", "group_moments"),
    *("combine_moments", "group_distinct", "group_medians", "group_ranks"),
    *("ranks_in_groups", "distinct", "renumber", "unit_ranks"),
]
COMPILED_ONLY = ["boost_exact_folds", "boost_exact_multiclass_folds"]


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
