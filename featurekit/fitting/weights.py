"""Sample weights: one check of what is accepted, and the scale that models see."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.raw import raw_values
from featurekit.exceptions import SchemaError
from featurekit.fitting.reading import numbers_of, open_target

Floats = NDArray[np.float64]

MOST_ROWS = 1e9
"""Whole weights with a larger sum are no numbers of rows."""


def check_weights(sample_weight: Any, n_rows: int) -> Floats | None:
    """Weights of ``n_rows`` rows as float64, or None where all rows weigh the same.

    Parameters
    ----------
    sample_weight : array-like (n,), number or None
    n_rows : int

    Raises
    ------
    ValueError
        For another number of rows, for weights that are missing, infinite or negative,
        and where all of them are 0.
    """
    if sample_weight is None:
        return None
    single = isinstance(sample_weight, Real)
    weight = _numbers(np.array([sample_weight]) if single else sample_weight)
    wrong = len(weight) != n_rows and not single
    if wrong:
        raise ValueError(
            f"sample_weight.shape == {weight.shape}, expected ({n_rows},): X has "
            f"{n_rows} rows, and each needs one weight"
        )
    for what, found in (
        ("contains NaN or infinity", ~np.isfinite(weight)),
        ("has negative values", weight < 0),
    ):
        if found.any():
            raise ValueError(
                f"sample_weight {what}, in {int(found.sum())} of {len(weight)} rows: "
                "weights are finite and 0 or more; 0 leaves a row out"
            )
    if not weight.any():
        raise ValueError(
            "sample_weight is zero on every row: give the rows that count weights "
            "above 0"
        )
    return None if single else weight


def relative_weights(weight: Floats | None) -> Floats | None:
    """Weights with a mean of 1 over the rows that have one; None where all are equal.

    Only ratios of weights matter to a model. They are rounded to the 24 binary digits
    that LightGBM keeps, so that the same ratios give the same model at any scale.
    """
    if weight is None:
        return None
    share = weight / weight.max()  # the sum of weights may overflow
    scaled = (share / share[share > 0].mean()).astype(np.float32).astype(np.float64)
    return None if (scaled == 1).all() else scaled


def counting_weights(weight: Floats | None) -> Floats | None:
    """Numbers of rows as they are; weights that are no such numbers, relative.

    For statistics that depend on how many rows there are: whole weights of a sum of at
    most `MOST_ROWS` are numbers of rows.
    """
    if weight is None or ((weight % 1 == 0).all() and weight.sum() <= MOST_ROWS):
        return weight
    return relative_weights(weight)


def _numbers(weight: Any) -> Floats:
    """Weights as float64, NaN where missing."""
    series = open_target(weight, name="sample_weight")
    try:
        raw = raw_values(series, "sample_weight")
        if raw is None:
            return np.full(len(series), np.nan)
        if raw.family in ("whole", "number"):
            values = numbers_of(raw)
            return values if raw.gone is None else np.where(raw.gone, np.nan, values)
    except (SchemaError, TypeError):
        pass
    raise ValueError(
        "sample_weight holds values that are no numbers: a weight is a number for each "
        "row, 0 or more"
    )
