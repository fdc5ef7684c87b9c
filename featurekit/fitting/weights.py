"""Sample weights: one check of what an estimator accepts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight


def check_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Weights of ``n_rows`` rows as float64, or None where there are none.

    Raises
    ------
    ValueError
        For negative or missing weights, another number of rows, weights that are all 0.
    """
    if sample_weight is None:
        return None
    weight = _check_sample_weight(
        sample_weight, np.empty((n_rows, 1)), ensure_non_negative=True
    ).astype(np.float64)
    if not weight.any():
        raise ValueError(
            "sample_weight is zero on every row: give the rows that count weights "
            "above 0"
        )
    return weight
