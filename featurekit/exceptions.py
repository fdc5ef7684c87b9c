"""Errors and warnings of the library; each says what to do."""

from __future__ import annotations


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
