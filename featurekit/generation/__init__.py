"""Feature generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featurekit.generation.openfe import OpenFE

__all__ = ["OpenFE"]


def __getattr__(name: str) -> Any:
    if name == "OpenFE":
        from featurekit.generation.openfe import OpenFE

        return OpenFE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
