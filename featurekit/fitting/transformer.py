"""What the transformers share: a fit that is whole or not at all, names, output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from sklearn.base import _fit_context
from sklearn.utils.validation import validate_data

from featurekit.data.frames import header


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """An exception, Ctrl-C included, leaves the estimator as it was before."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Any], Any]:
    """Decorate a fit method: parameters are checked, and a failed fit leaves no trace.

    The fit begins without what an earlier one learnt. An exception, Ctrl-C included,
    leaves the estimator as it was before the call, so that one that was fitted goes on
    working.

    Parameters
    ----------
    prefer_skip_nested_validation : bool
        As in scikit-learn's decorator of the same name.
    """

    def decorate(fit: Any) -> Any:
        checked = _fit_context(
            prefer_skip_nested_validation=prefer_skip_nested_validation
        )(fit)

        @wraps(fit)
        def whole(self: Any, *args: Any, **kwargs: Any) -> Any:
            with unchanged_on_error(self):
                for name in list(vars(self)):
                    if name.endswith("_") and not name.startswith("_"):
                        delattr(self, name)  # nothing of an earlier fit survives
                return checked(self, *args, **kwargs)

        return whole

    return decorate


def refuse_too_many(wanted: int, n: int, what: str = "columns") -> None:
    """Refuse to select more than there is.

    Parameters
    ----------
    wanted : int
        ``n_features_to_select``.
    n : int
        How many there are to select from.
    what : str
        What these are.
    """
    if wanted > n:
        raise ValueError(
            f"n_features_to_select={wanted}, but X has {n} {what} to select from"
        )


def check_columns(estimator: Any, X: Any, *, reset: bool) -> None:
    """Learn the names and the number of X's columns, or compare them with fit's.

    Names are strings everywhere: integers become the strings that ``scores_`` and
    ``get_feature_names_out`` show.

    Raises
    ------
    ValueError
        Without ``reset``, for other columns than in fit or another order of them.
    """
    validate_data(estimator, header(X), skip_check_array=True, reset=reset)
