"""Errors and warnings of the library; each says what to do."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).parent / "_")[:-1]
_WRAPPERS = ("sklearn", "contextlib", "functools", "joblib", "typer", "click")
"""Modules between the user's line and ours, such as scikit-learn's ``_fit_context``."""


class FeatureKitWarning(UserWarning):
    """Base of all warnings given here."""


class LeakageWarning(FeatureKitWarning):
    """A column looks as if it gave the target away."""


class BackendUnavailableError(RuntimeError):
    """The device or extra that was asked for cannot be used here."""


class SchemaError(ValueError):
    """A frame does not fit the columns seen in fit."""


class FeatureFileError(ValueError):
    """A stored feature file is damaged or of a newer version."""


def warn(message: str, category: type[Warning] = FeatureKitWarning) -> None:
    """Warn at the line of the user's code that called into the library.

    The stack level is found, not counted: the nearest frame that is neither in this
    package nor in a wrapper around its methods.

    Parameters
    ----------
    message : str
    category : type of warning, default=FeatureKitWarning
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_internal(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_internal(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return frame.f_code.co_filename.startswith(_PACKAGE) or module in _WRAPPERS
