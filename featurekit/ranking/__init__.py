"""Ranking: which columns, and crosses of them, tell of the target."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurekit.ranking.outrank import OutRank

__all__ = ["OutRank"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("featurekit.ranking.outrank"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
