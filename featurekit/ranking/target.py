"""The target as class codes: labels, or quantile bins of numbers, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurekit.data.frames import Series
from featurekit.data.raw import Raw, floats_of
from featurekit.data.vocabulary import Vocabulary
from featurekit.exceptions import SchemaError
from featurekit.fitting.reading import (
    MAX_GUESSED_CLASSES,
    fractions,
    guess_task,
    holds_labels,
    plain_label,
    read_target,
    text_is_no_number,
)
from featurekit.fitting.target import warn_of_labels
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
    shards : bool
        Whether these are shards, which may be points in time.
    guessed : bool
        Whether few whole numbers were taken for classes: more rows may show that they
        are a quantity.
    """

    guessed = False

    def __init__(
        self,
        task: str,
        labels: Sequence[Any],
        edges: Any = None,
        lows: Any = None,
        shards: bool = False,
    ) -> None:
        self.task = task
        self.labels = list(labels)
        self.edges = edges
        self.lows = list(labels if lows is None else lows)
        self.shards = shards

    @classmethod
    def learn(
        cls,
        blocks: Iterable[tuple[Series, Ints | None]],
        task: str,
        name: str,
        shards: bool = False,
    ) -> TargetCodes:
        """Decide from all blocks of the target what its classes or bins are.

        Parameters
        ----------
        blocks : iterable of (series, times)
            With how often each row counts, or None.
        task : str
        name : str
        shards : bool
            Whether these are shards and no target: points in time are accepted, and
            numbers that look like class labels give no warning.
        """
        # numbers stay in order, for they may turn out to be no classes
        vocabulary = Vocabulary(name, task not in ("auto", "regression"))
        sizes = np.zeros(1, np.int64)
        labels = False
        for block, times in blocks:
            if len(block) == 0:
                continue
            raw = read_target(block, name, shards)
            labels |= holds_labels(block)
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
        guess = task == "auto"
        if guess:
            task = _guess(vocabulary, found, labels)
            quantity = task == "regression" and vocabulary.dtype != "duration"
            if quantity and not shards and vocabulary.shift == 0:
                warn_of_labels(found, int(sizes.sum()))
        elif (
            task != "regression"
            and vocabulary.family == "number"
            and not labels
            and not all(v == int(v) for v in found)
        ):
            raise fractions(f"task={task!r}")
        if task == "regression":
            return cls._binned(vocabulary, order, sizes, name, shards)
        known = [plain_label(v, vocabulary.dtype) for v in found]
        classes = cls("classification", known, shards=shards)
        numbers = vocabulary.family in ("whole", "number") and not labels
        classes.guessed = guess and numbers and vocabulary.dtype != "boolean"
        return classes

    @classmethod
    def _binned(
        cls,
        vocabulary: Vocabulary,
        order: Ints,
        sizes: Ints,
        name: str,
        shards: bool,
    ) -> TargetCodes:
        if vocabulary.family == "text":
            raise text_is_no_number(name)
        values = np.asarray(vocabulary.distinct())[order - 1]
        lows = _lows(values, sizes[order])
        labels = list(range(len(lows)))
        edges = lows[1:].astype(np.float64)
        return cls("regression", labels, edges, lows.tolist(), shards)

    def reconsider(
        self, sizes: Ints, y: Series | None = None, times: Any = None
    ) -> Any:
        """Turn guessed classes into bins where they are no classes after all.

        Parameters
        ----------
        sizes : int64 array (classes,)
            Rows of each class so far.
        y : series, optional
            More rows, not among them.
        times : int64 array, optional
            How often each of these counts.

        Returns
        -------
        int64 array (classes,) or None
            The bin of each class; None where the classes stay.
        """
        if not self.guessed:
            return None
        known = np.array(self.labels, np.float64)
        new = np.zeros(0)
        if y is not None and len(y):
            raw = read_target(y, "y", self.shards)
            if raw.family not in ("whole", "number"):
                return None
            new = np.asarray(_values(raw)).astype(np.float64)
        values, at = np.unique(np.concatenate([known, new]), return_inverse=True)
        if len(values) <= MAX_GUESSED_CLASSES and (values % 1 == 0).all():
            return None
        counts = np.ones(len(new)) if times is None else times
        rows = np.bincount(at, np.concatenate([sizes, counts])).astype(np.int64)
        warn_of_labels(values.tolist(), int(rows.sum()))
        lows = _lows(values[rows > 0], rows[rows > 0])
        self.task, self.guessed = "regression", False
        self.labels, self.lows = list(range(len(lows))), lows.tolist()
        self.edges = lows[1:]
        return np.searchsorted(self.edges, known, side="right")

    def encode(self, y: Series, name: str, grow: bool = False) -> Labels:
        """Class codes of a block; with ``grow`` labels not seen before are added.

        When labels are added the codes of the others may change: ``labels`` is sorted.
        """
        if len(y) == 0:
            return np.empty(0, np.uint16)
        raw = read_target(y, name, self.shards)
        if self.task == "regression":
            keys = np.asarray(_values(raw)).astype(np.float64)
            return np.searchsorted(self.edges, keys, side="right").astype(np.uint16)
        local = Vocabulary(name, True)
        codes, _ = local.encode(raw, len(y))
        found = [plain_label(v, raw.dtype) for v in local.distinct()]
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


def _lows(values: NDArray[Any], sizes: Ints) -> NDArray[Any]:
    """The least value of each bin."""
    groups = quantile_groups(sizes, TARGET_BINS)
    return values[np.flatnonzero(np.diff(groups, prepend=-1))]


def _in_order(labels: Iterable[Any]) -> list[Any]:
    labels = list(labels)
    try:
        return sorted(labels)
    except TypeError:
        types = {type(label).__name__: label for label in labels}
        raise SchemaError(f"labels of different types: {types}") from None


def _values(raw: Raw) -> Any:
    return floats_of(raw.values) if raw.family == "number" else raw.values


def _guess(vocabulary: Vocabulary, found: list[Any], labels: bool) -> str:
    # values that were cut are too many for labels
    few = len(found) <= MAX_GUESSED_CLASSES and vocabulary.shift == 0
    whole = vocabulary.family == "whole" or (
        vocabulary.family == "number" and few and all(v == int(v) for v in found)
    )
    return guess_task(vocabulary.dtype, labels, len(found), whole and few)
