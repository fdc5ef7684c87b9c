"""What every ``fit`` is given, checked once for all estimators.

`Target` is the target with its task, `check_weights` and `check_groups` check what
comes with the rows, and `make_folds` makes the folds of cross-validation.
"""

from featurekit.fitting.folds import check_groups, make_folds
from featurekit.fitting.target import METRICS, TASKS, Target
from featurekit.fitting.weights import (
    check_weights,
    counting_weights,
    relative_weights,
)

__all__ = [
    "METRICS",
    "TASKS",
    "Target",
    "check_groups",
    "check_weights",
    "counting_weights",
    "make_folds",
    "relative_weights",
]
