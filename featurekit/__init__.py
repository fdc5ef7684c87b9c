"""featurekit: feature generation, selection and ranking for tables.

Names are imported on first use, so ``import featurekit`` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from featurekit._version import __version__

if TYPE_CHECKING:
    from featurekit.expressions import register_operator
    from featurekit.generation import OpenFE
    from featurekit.ranking import OutRank
    from featurekit.selection import DisCo, InfFS, SequentialAttention

_HOME = {
    "DisCo": "featurekit.selection",
    "InfFS": "featurekit.selection",
    "OpenFE": "featurekit.generation",
    "OutRank": "featurekit.ranking",
    "SequentialAttention": "featurekit.selection",
    "register_operator": "featurekit.expressions",
}

__all__ = [
    "DisCo",
    "InfFS",
    "OpenFE",
    "OutRank",
    "SequentialAttention",
    "__version__",
    "register_operator",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'featurekit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *globals()])
