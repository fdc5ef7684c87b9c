"""The operators: what each computes, what it learns in fit, how it is written.

Every operator stands once in `OPERATORS`, under its name. These kinds exist:

`Elementwise`
    a function of the row; learns nothing.
`KeyTable`
    learns a number (or a few) per key and looks them up. `tables` learns them for
    several sets of rows at once, so that out-of-fold values cost one pass.
`Pairing`, `Crossing`
    `combine` makes one key of two, `cross` of several.
`Binning`
    `bin` makes a key of a number.

Rules that hold for all: out of its domain an operator gives NaN, never inf; a missing
input gives NaN unless said otherwise; a key not seen in fit is looked up as *unseen*:
its count and frequency are 0, its target mean is the overall mean, its weight of
evidence 0, other statistics are NaN.
"""

from featurekit.expressions.operators import calendar  # noqa: F401  registers its own
from featurekit.expressions.operators.arithmetic import Elementwise
from featurekit.expressions.operators.base import (
    INFIX,
    OPERATORS,
    Alias,
    Equivalence,
    Operator,
    find,
    operator,
    register_operator,
    written,
)
from featurekit.expressions.operators.groups import GroupRank, KeyTable
from featurekit.expressions.operators.keys import N_BINS, Binning, Crossing, Pairing
from featurekit.expressions.operators.target import TargetTable

__all__ = [
    "INFIX",
    "N_BINS",
    "OPERATORS",
    "Alias",
    "Binning",
    "Crossing",
    "Elementwise",
    "GroupRank",
    "KeyTable",
    "Operator",
    "Pairing",
    "TargetTable",
    "Equivalence",
    "find",
    "operator",
    "register_operator",
    "written",
]
