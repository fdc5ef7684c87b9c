"""What every ``fit`` is given, checked once for all estimators.

`Target` is the target with its task, `check_weights` checks sample weights and
`make_folds` makes the folds of cross-validation.
"""

from featurekit.fitting.folds import make_folds
from featurekit.fitting.target import METRICS, TASKS, Target
from featurekit.fitting.weights import check_weights

__all__ = ["METRICS", "TASKS", "Target", "check_weights", "make_folds"]
