"""The target as class codes: labels, or quantile bins of numbers, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Series
from featurekit.data.raw import Raw, floats_of, raw_values
from featurekit.data.vocabulary import Vocabulary
from featurekit.exceptions import SchemaError
from featurekit.fitting.target import MAX_GUESSED_CLASSES, warn_of_labels
from featurekit.statistics.contingency import quantile_groups

Ints = NDArray[np.int64]
Labels = NDArray[np.uint16]

TARGET_BINS = 10
MAX_CLASSES = 1 << 16


class TargetCodes:
    """A target as class codes: labels, or quantile bins of numbers.

    Attributes
    ----------
    task : {"classification", "regression"}
    labels : list
        Class labels, sorted; bins are numbers from 0.
    edges : float64 array
        Least value of each bin but the first, for regression.
    lows : list
        Least value of each bin as it was given; the labels of classes.
    """

    def __init__(
        self, task: str, labels: Sequence[Any], edges: Any = None, lows: Any = None
    ) -> None:
        self.task = task
        self.labels = list(labels)
        self.edges = edges
        self.lows = list(labels if lows is None else lows)

    @classmethod
    def learn(
        cls,
        blocks: Iterable[tuple[Series, Ints | None]],
        task: str,
        name: str,
        warn: bool = True,
    ) -> TargetCodes:
        """Decide from all blocks of the target what its classes or bins are.

        Parameters
        ----------
        blocks : iterable of (series, times)
            With how often each row counts, or None.
        task : str
        name : str
        warn : bool
            Of numbers, taken for a quantity, that look like labels.
        """
        # numbers stay in order, for they may turn out to be no classes
        vocabulary = Vocabulary(name, task not in ("auto", "regression"))
        sizes = np.zeros(1, np.int64)
        for block, times in blocks:
            raw = _no_gaps(raw_values(block, name), len(block), name)
            codes, moved = vocabulary.encode(raw, len(block))
            if moved is not None:
                old, sizes = sizes, np.zeros(vocabulary.n_values + 1, np.int64)
                np.add.at(sizes, moved[: len(old)], old)
            counts = np.bincount(codes, times, minlength=len(sizes)).astype(np.int64)
            counts[: len(sizes)] += sizes
            sizes = counts
        if vocabulary.family is None:
            raise ValueError(f"the target {name!r} has no rows")
        order = vocabulary.order()
        values = vocabulary.distinct()
        found = [values[i - 1] for i in order]
        if task == "auto":
            task = _guess(vocabulary, found)
            if warn and task == "regression" and vocabulary.shift == 0:
                warn_of_labels(found, int(sizes.sum()))
        if task == "regression":
            return cls._binned(vocabulary, order, sizes, name)
        return cls("classification", [plain_value(v, vocabulary.dtype) for v in found])

    @classmethod
    def _binned(
        cls, vocabulary: Vocabulary, order: Ints, sizes: Ints, name: str
    ) -> TargetCodes:
        if vocabulary.family == "text":
            raise ValueError(
                "task='regression' needs a target of numbers; for labels use "
                "task='classification'"
            )
        values = np.asarray(vocabulary.distinct())[order - 1]
        groups = quantile_groups(sizes[order], TARGET_BINS)
        lows = values[np.flatnonzero(np.diff(groups, prepend=-1))]
        labels = list(range(len(lows)))
        return cls("regression", labels, lows[1:].astype(np.float64), lows.tolist())

    def encode(self, y: Series, name: str, grow: bool = False) -> Labels:
        """Class codes of a block; with ``grow`` labels not seen before are added.

        When labels are added the codes of the others may change: ``labels`` is sorted.
        """
        raw = _no_gaps(raw_values(y, name), len(y), name)
        assert raw is not None
        if self.task == "regression":
            keys = np.asarray(_values(raw)).astype(np.float64)
            return np.searchsorted(self.edges, keys, side="right").astype(np.uint16)
        local = Vocabulary(name, True)
        codes, _ = local.encode(raw, len(y))
        found = [plain_value(v, raw.dtype) for v in local.distinct()]
        known = set(self.labels)
        lacking = [v for v in found if v not in known]
        if lacking and not grow:
            raise ValueError(f"y has labels that were not announced: {lacking[:5]}")
        if lacking:
            self.labels = _in_order([*self.labels, *lacking])
        place = {label: i for i, label in enumerate(self.labels)}
        lookup = np.array([0, *(place[v] for v in found)], np.uint16)
        return lookup[codes]

    def absorb(self, other: TargetCodes) -> Ints:
        """Take another's labels in; where its classes are here, int64 (classes,)."""
        same = self.task == other.task
        if self.task == "regression":
            same = same and np.array_equal(self.edges, other.edges)
        if not same:
            raise ValueError(
                "the two cut the target in different ways; counts add up only where "
                "its classes or bins are the same"
            )
        self.labels = _in_order({*self.labels, *other.labels})
        place = {label: i for i, label in enumerate(self.labels)}
        return np.array([place[label] for label in other.labels], np.int64)

    def check(self) -> None:
        """Whether there is anything to tell apart."""
        if len(self.labels) < 2 and self.task == "regression":
            raise ValueError(
                f"y is {self.lows[0]!r} on every row; there is nothing to learn. Check "
                "how y was made."
            )
        if len(self.labels) < 2:
            raise ValueError(
                f"y has one class only ({self.labels[0]!r}); nothing to tell apart. "
                "Check how y was selected, or pass rows of at least two classes."
            )
        if len(self.labels) > MAX_CLASSES:
            raise ValueError(
                f"y has {len(self.labels):,} classes, more than {MAX_CLASSES:,}: is it "
                "an id? For numbers use task='regression'."
            )


def _in_order(labels: Iterable[Any]) -> list[Any]:
    labels = list(labels)
    try:
        return sorted(labels)
    except TypeError:
        types = {type(label).__name__: label for label in labels}
        raise SchemaError(f"labels of different types: {types}") from None


def _values(raw: Raw) -> Any:
    return floats_of(raw.values) if raw.family == "number" else raw.values


def _no_gaps(raw: Raw | None, n: int, name: str) -> Raw | None:
    if n == 0:
        return raw
    gone = n
    if raw is not None:
        gone = 0 if raw.gone is None else int(raw.gone.sum())
        gone += raw.values.null_count() if raw.family == "text" else 0
        if raw.family == "number":
            gone += int((~np.isfinite(_values(raw))).sum())
    if gone:
        raise ValueError(
            f"Input {name} contains NaN: {gone} of {n} values are missing or infinite. "
            "Drop those rows; they cannot be filled in."
        )
    return raw


def _guess(vocabulary: Vocabulary, found: list[Any]) -> str:
    if vocabulary.family == "text" or vocabulary.dtype == "boolean":
        return "classification"
    few = len(found) <= MAX_GUESSED_CLASSES and vocabulary.shift == 0
    if vocabulary.family == "whole":
        return "classification" if few else "regression"
    if vocabulary.family == "number" and few and all(v == int(v) for v in found):
        return "classification"
    return "regression"


def plain_value(value: Any, dtype: str) -> Any:
    """A value of `Vocabulary.distinct` as Python's own."""
    value = value.item() if hasattr(value, "item") else value
    if dtype == "boolean":
        return bool(value)
    return value
