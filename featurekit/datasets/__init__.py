"""Data for examples and tests: real sets that a PyPI package ships."""

from featurekit.datasets.flights import load_flights

__all__ = ["load_flights"]
