"""Which columns to keep: selectors of the literature, in one manner."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurekit.selection.baselines import (
        OMP,
        GroupLasso,
        OneShotAttention,
        SequentialLasso,
    )
    from featurekit.selection.boruta import BorutaShadow
    from featurekit.selection.disco import DisCo
    from featurekit.selection.inf_fs import InfFS
    from featurekit.selection.mrmr import MRMR
    from featurekit.selection.sequential_attention import SequentialAttention
    from featurekit.selection.stability import StabilitySelection

_HOME = {
    "BorutaShadow": "boruta",
    "DisCo": "disco",
    "GroupLasso": "baselines",
    "InfFS": "inf_fs",
    "MRMR": "mrmr",
    "OMP": "baselines",
    "OneShotAttention": "baselines",
    "SequentialAttention": "sequential_attention",
    "SequentialLasso": "baselines",
    "StabilitySelection": "stability",
}

__all__ = [
    "MRMR",
    "OMP",
    "BorutaShadow",
    "DisCo",
    "GroupLasso",
    "InfFS",
    "OneShotAttention",
    "SequentialAttention",
    "SequentialLasso",
    "StabilitySelection",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module = import_module(f"featurekit.selection.{_HOME[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'featurekit.selection' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *globals()])
