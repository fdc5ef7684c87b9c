"""What every operator says of itself, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

INFIX = {"&": 1, "+": 2, "-": 2, "*": 3, "/": 3}
"""How closely the operators bind that are written between their operands."""

SEPARATORS = (";", "|", "&")


@dataclass(frozen=True)
class Shape:
    """What values are: their kind, and of a key how many codes it has."""

    kind: str
    size: int = 0


def check_increasing(values: Any, dtype: Any) -> None:
    """Refuse what are not sorted distinct values of this type."""
    good = isinstance(values, np.ndarray) and values.dtype == dtype
    if not good or values.ndim != 1 or not (np.diff(values) > 0).all():
        raise ValueError("its values are not distinct and sorted")
    if np.isnan(values).any():
        raise ValueError("its values hold missing ones")


@dataclass(frozen=True)
class Equivalence:
    """What an operator's values are equivalent to.

    Attributes
    ----------
    to : str
        Name of the operator that gives the equivalent of the same arguments; "" where
        it is an argument itself.
    argument : int
        Which argument.
    same : bool
        Whether the values are the same; otherwise only their order or its reverse is,
        which is the same to a tree, and to nothing else.
    """

    to: str = ""
    argument: int = 0
    same: bool = False


EquivalenceRule = Callable[..., Equivalence | str | None]
"""Of the arguments, which say of their values what
`featurekit.expressions.grammar.Member` says: low, high, whole, has_zero, gaps."""


@dataclass(frozen=True)
class Operator:
    """What all operators say of themselves.

    Attributes
    ----------
    name : str
        Unique; ``operators=[...]``, stored files and `Call` use it.
    inputs : tuple of str
        Kind of each argument: "numeric", "key", "datetime", "any" or "literal". A kind
        followed by "?" may be left out. A single kind followed by "..." takes any
        number of arguments.
    about : str
        The value in words, with ``{0}``, ``{1}`` where the arguments stand.
    output : str
        "numeric" or "key".
    commutative : bool
        Whether the arguments may change places.
    label : str
        Word or sign that features are written with; the name by default. Operators may
        share a label if their separators differ.
    separator : str
        What stands between the arguments of a written feature: ";", "|" before a key,
        or "&" between columns that are taken together.
    label_of_option : str
        The label where the last argument, which may be left out, is there.
    former : tuple of str
        Other names that are understood wherever a name is read.
    equivalent : callable or None
        What a feature is equivalent to, given its arguments, or why it is constant;
        None where it is neither. The equivalent is tried in its place.
    """

    name: str
    inputs: tuple[str, ...]
    about: str = ""
    output: str = "numeric"
    commutative: bool = False
    label: str = ""
    separator: str = ";"
    label_of_option: str = ""
    former: tuple[str, ...] = ()
    equivalent: EquivalenceRule | None = None

    @property
    def learns(self) -> bool:
        """Whether values depend on rows seen in fit."""
        return False

    @property
    def needs_target(self) -> bool:
        """Whether fit needs y."""
        return False

    @property
    def takes_any_number(self) -> bool:
        """Whether the number of arguments is free."""
        return bool(self.inputs) and self.inputs[0].endswith("...")

    def takes(self, n_arguments: int) -> bool:
        """Whether it can be called with so many arguments."""
        if self.takes_any_number:
            return n_arguments > 0
        least = sum(not kind.endswith("?") for kind in self.inputs)
        return least <= n_arguments <= len(self.inputs)

    def input_kind(self, position: int) -> str:
        """Kind that the argument at ``position`` must have."""
        if self.takes_any_number:
            return self.inputs[0][:-3]
        if position >= len(self.inputs):
            raise ValueError(
                f"{self.name} takes {len(self.inputs)} arguments, not {position + 1}"
            )
        return self.inputs[position].rstrip("?")

    def check_state(self, state: Any, arguments: tuple[Shape, ...]) -> Shape:
        """What its values are, after a check of what it is said to have learnt.

        Parameters
        ----------
        state : None, array or dict of arrays
            From a file: anything may be in it.
        arguments : tuple of Shape

        Raises
        ------
        ValueError
            If no fit can have given the state.
        """
        if state is not None:
            raise ValueError(f"{self.name} learns nothing, but has learnt something")
        return Shape(self.output)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels that features are written with."""
        option = (self.label_of_option,) if self.label_of_option else ()
        return (self.label or self.name, *option)

    def label_for(self, n_arguments: int) -> str:
        """The label of a feature with so many arguments."""
        option = bool(self.label_of_option) and n_arguments == len(self.inputs)
        return self.labels[option]


@dataclass(frozen=True)
class Alias(Operator):
    """Short for ``outer(inner(arguments))``, which is what trees hold."""

    outer: str = ""
    inner: str = ""


OPERATORS: dict[str, Operator] = {}


def find(name: str) -> Operator | None:
    """The operator of this name, former name or label, if there is one."""
    op = OPERATORS.get(name)
    if op is None:
        every = OPERATORS.values()
        op = next((o for o in every if name in (*o.former, *o.labels)), None)
    return op


def operator(name: str) -> Operator:
    """The operator called ``name``, or an error that lists those there are."""
    op = find(name)
    if op is None:
        raise ValueError(
            f"there is no operator {name!r}; known are {', '.join(sorted(OPERATORS))}. "
            "An operator of your own has to be registered with "
            "featurekit.expressions.register_operator before its features are read."
        )
    return op


def written(label: str, separator: str) -> Operator | None:
    """The operator that features are written with in this way, if there is one."""
    for op in OPERATORS.values():
        if label in op.labels and separator == op.separator:
            return op
    return None


def register_operator(operator: Operator) -> Operator:
    """Add an operator of your own, under its name, for this process.

    Features that use it are written, stored and read like any other; reading a stored
    one needs the same registration first.

    Parameters
    ----------
    operator : Elementwise or KeyTable

    Raises
    ------
    ValueError
        If the name is taken or is not a plain word, or if features would be written
        like those of another operator.

    Examples
    --------
    >>> import numpy as np
    >>> from featurekit.expressions import Elementwise, OPERATORS, register_operator
    >>> def hypotenuse(a, b):
    ...     return np.hypot(a, b)
    >>> op = Elementwise("hypot", ("numeric", "numeric"), function=hypotenuse)
    >>> _ = register_operator(op)
    >>> _ = OPERATORS.pop("hypot")
    """
    if find(operator.name) is not None:
        raise ValueError(f"there is an operator {operator.name!r} already")
    for word in (operator.name, *operator.labels):
        if not (word.isidentifier() or word in INFIX):
            raise ValueError(
                f"operator name {word!r} must be a plain word, such as 'hypot'"
            )
    if operator.separator not in SEPARATORS:
        raise ValueError(
            f"separator {operator.separator!r} of operator {operator.name!r} must be "
            "one of ';', '|' and '&'"
        )
    for label in operator.labels:
        like = written(label, operator.separator)
        if like is not None:
            raise ValueError(
                f"features of operator {operator.name!r} would be written like those "
                f"of {like.name!r}; give it another label"
            )
    OPERATORS[operator.name] = operator
    return operator


def register_all(*operators: Operator) -> None:
    """Add several operators."""
    for each in operators:
        register_operator(each)
