"""Data for examples and tests: real sets that PyPI packages ship, and made-up ones."""

from featurekit.datasets.diamonds import load_diamonds
from featurekit.datasets.flights import load_flights
from featurekit.datasets.synthetic import make_ctr, make_mixed, make_needle

__all__ = ["load_diamonds", "load_flights", "make_ctr", "make_mixed", "make_needle"]
