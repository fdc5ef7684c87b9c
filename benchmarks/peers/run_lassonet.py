"""Run LassoNet, in the environment ``peer-lassonet``; `selection_exchange` says how.

The classifier has its defaults but for the seeds and its prints, on standardised
columns as its documentation asks. The penalty grows along a path until no column is
left; columns are in the reverse order of leaving, ``feature_importances_``. The weights
of every step, which only predictions need, are not kept.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import torch
from lassonet import LassoNetClassifier
from selection_exchange import best_first, main


def lassonet(X, y, k, seed, **options):
    """A network that loses its columns one after the other."""
    deviation = X.std(axis=0)
    scaled = (X - X.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)
    model = LassoNetClassifier(verbose=0, random_state=0, torch_seed=0, **options)
    model.path(scaled, y, return_state_dicts=False)
    return best_first(model.feature_importances_.numpy())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main(
        {"lassonet": lassonet},
        ("lassonet", "torch", "scikit-learn", "numpy"),
        {"lassonet": partial(lassonet, path_multiplier=2.0, n_iters=(10, 10))},
    )
