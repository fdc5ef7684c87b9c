"""Statistics of columns; the public names are imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurekit.statistics.distance import (
        DistanceTest,
        distance_correlation,
        distance_correlation_pvalue,
        distance_correlation_test,
        distance_correlations,
        distance_permutation_pvalues,
        partial_distance_correlation,
    )

_HOME = "featurekit.statistics.distance"

__all__ = [
    "DistanceTest",
    "distance_correlation",
    "distance_correlation_pvalue",
    "distance_correlation_test",
    "distance_correlations",
    "distance_permutation_pvalues",
    "partial_distance_correlation",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_HOME), name)
    raise AttributeError(f"module 'featurekit.statistics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *globals()])
