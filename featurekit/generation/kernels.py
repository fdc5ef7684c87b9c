"""Which kernels a search will need, so that they are compiled while it runs."""

from __future__ import annotations

from featurekit.generation.candidates import Space
from featurekit.statistics.loss import LogLoss, Loss, MultiLogLoss, Squared

_OF_OPERATORS = {
    "mean": ("sum_by_key", "group_means", "group_moments", "combine_moments"),
    "median": ("group_medians",),
    "nunique": ("renumber", "group_distinct"),
    "rank": ("group_ranks", "ranks_in_groups"),
}


def kernels_of(space: Space, loss: Loss) -> list[str]:
    """Names of kernels in the order of their use; those that take long to compile."""
    names = ["accumulate", "boost"]
    for operator, needed in _OF_OPERATORS.items():
        names += needed if space.by_operator.get(operator) else ()
    scores = {
        Squared: "boost_exact_squared",
        LogLoss: "logloss_folds",
        MultiLogLoss: "softmax_folds",
    }
    name = scores.get(type(loss))
    if name is not None:
        names += ["greedy_bins", "fill_bins", name]
    return names
