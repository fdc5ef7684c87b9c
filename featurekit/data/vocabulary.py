"""Values of one column numbered as they come, block after block.

A `Schema` is learnt from all rows at once. Where rows come in blocks, from files or by
hand, the values of a column are numbered by a `Vocabulary` that grows. Codes are given
in the order of appearance; `Vocabulary.order` puts them in an order that depends on the
values alone, so that nothing computed from them depends on the order of the rows.

Two limits keep a vocabulary in memory, and both leave what is counted independent of
the order of the rows. Numbers on a scale are cut to fewer binary digits, the same for
all of them, until there are no more than `SCALE_VALUES` of them. Categories beyond
``max_values`` are put into that many buckets by a hash of the value.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from featurekit.data.encode import EXACT
from featurekit.data.raw import Family, Keys, Raw, finite, float_keys, floats_of
from featurekit.exceptions import SchemaError
from featurekit.kernels.registry import kernel

if TYPE_CHECKING:
    import polars as pl

Codes: TypeAlias = NDArray[np.uint32]

SCALE_VALUES = 1 << 16
MAX_VALUES = 1 << 22
SPAN = 1 << 22
"""Whole numbers this near each other are looked up in a plain table."""

_OF_FAMILY = {"text": "text", "whole": "whole numbers", "number": "numbers with "
              "fractions", "time": "points in time"}  # fmt: skip


class Vocabulary:
    """The values of one column, numbered from 1; 0 is missing.

    Parameters
    ----------
    name : str
        For messages.
    categorical : bool or None
        Whether numbers are categories; None: whole numbers are, others are not. Texts
        always are.
    max_values : int
        Beyond it categories go into buckets; a power of two.

    Attributes
    ----------
    family : {"text", "whole", "number", "time"} or None
        None until a value was seen.
    dtype : str
    n_values : int
        Codes given so far, without that of missing values.
    shift : int
        Binary digits cut off numbers on a scale.
    folded : bool
        Whether categories are buckets.
    """

    def __init__(
        self,
        name: str,
        categorical: bool | None = None,
        max_values: int = MAX_VALUES,
    ) -> None:
        self.name = name
        self.categorical = categorical
        self.max_values = max_values
        self.family: Family | None = None
        self.dtype = "null"
        self.shift = 0
        self.folded = False
        self._keys = _Numbering()
        self._texts: Any = None
        self._holds: Any = None
        self._n_texts = 0

    @property
    def n_values(self) -> int:
        """Codes given so far."""
        return self._keys.used if self._texts is None else self._n_texts

    def encode(self, raw: Raw | None, n_rows: int) -> tuple[Codes, Codes | None]:
        """Number the values of a block.

        Parameters
        ----------
        raw : Raw or None
            From `raw_values`.
        n_rows : int

        Returns
        -------
        codes : uint32 array (n,)
        moved : uint32 array (values before + 1,) or None
            What became of the codes given before, where a limit was met: some are now
            one. Tables of them have to be added up accordingly.
        """
        if raw is None:
            return np.zeros(n_rows, np.uint32), None
        raw = self._agree(raw)
        if raw.family == "text" and not self.folded:
            return self._encode_texts(raw.values)
        if self.scale and raw.family == "number":
            raw = finite(raw)
        keys = self._hashed(raw.values) if self.folded else raw.values
        moved = None
        codes = self._keys.encode(keys, self.shift, self._most())
        if codes is None:
            moved = self._make_room(keys)
            if self.folded:
                keys = self._hashed(raw.values)
            codes = self._keys.encode(keys, self.shift, self._most())
            assert codes is not None
        if raw.gone is not None:
            codes[raw.gone] = 0
        elif raw.family == "text" and raw.values.null_count():
            codes[raw.values.is_null().to_numpy()] = 0
        return codes, moved

    @property
    def scale(self) -> bool:
        """Whether the values are numbers on a scale, not categories."""
        if self.categorical is None:
            return self.family in ("number", "time")
        return not self.categorical and self.family != "text"

    def check(self, raw: Raw | None) -> None:
        """Whether values are of a kind that `encode` takes, without numbering them."""
        if raw is not None and self.family not in (None, raw.family):
            copy.copy(self)._converted(raw)

    def check_absorb(self, other: Vocabulary) -> None:
        """Whether another vocabulary's values can be numbered here."""
        folded = self.folded or other.folded
        if folded and self.max_values != other.max_values:
            raise ValueError(
                f"column {self.name!r} is counted in {self.max_values:,} buckets here "
                f"and in {other.max_values:,} there; the two need the same memory_limit"
            )
        if self.family is not None and other.family not in (None, self.family):
            assert other.family is not None
            if folded or other._texts is not None or self._texts is not None:
                raise self._other_kind(other.family)
            self.check(Raw(other.family, other.dtype, other._keys.distinct(), None))

    def _agree(self, raw: Raw) -> Raw:
        """The block's values as the kind of those before."""
        if self.family is None:
            self.family, self.dtype = raw.family, raw.dtype
        elif raw.family != self.family:
            return self._converted(raw)
        elif {raw.dtype, self.dtype} == {"boolean", "integer"}:
            self.dtype = "integer"
        return raw

    def _converted(self, raw: Raw) -> Raw:
        """Whole numbers as fractions or the reverse: a gap makes floats of integers.

        Numbers beyond 63 bits are texts, and so then are the others.
        """
        import polars as pl

        if self.dtype == raw.dtype == "integer" and not self.folded:
            if self.family == "whole" and not self.scale:
                known = list(map(str, self._keys.distinct().tolist()))
                self._keys, self.family = _Numbering(), "text"
                codes, _ = self._encode_texts(pl.Series(known, dtype=pl.String))
                assert (codes == np.arange(1, len(known) + 1)).all()
                return raw
            if self.family == "text":
                texts = pl.Series(map(str, raw.values.tolist()), dtype=pl.String)
                if raw.gone is not None:
                    texts = texts.set(pl.Series(raw.gone), None)
                return Raw("text", "integer", texts, None)
        if (self.family, raw.family) == ("number", "whole"):
            keys = float_keys(raw.values.astype(np.float64))
            return raw._replace(family="number", values=keys)
        values = floats_of(raw.values) if raw.family == "number" else np.array([0.5])
        exact = (np.abs(values) < EXACT) & (values == np.floor(values))
        if self.family != "whole" or not exact.all():
            raise self._other_kind(raw.family)
        return raw._replace(family="whole", values=values.astype(np.int64))

    def _other_kind(self, family: Family) -> SchemaError:
        assert self.family is not None
        return SchemaError(
            f"column {self.name!r} holds {_OF_FAMILY[family]} in this block of rows "
            f"and {_OF_FAMILY[self.family]} in those before. Make it one type in all "
            "files or calls."
        )

    def _most(self) -> int:
        return SCALE_VALUES if self.scale else self.max_values

    def _make_room(self, keys: Keys) -> Codes:
        """Meet the limit: cut digits, or fold categories into buckets."""
        old = self._keys.distinct()
        if self.scale:
            cut = _digits_to_cut(np.concatenate([old << self.shift, keys]))
            fresh = old >> (cut - self.shift)
            self.shift = cut
        else:
            self.folded = True
            fresh = self._hashed(old)
        return self._restart(fresh)

    def _restart(self, fresh: Keys) -> Codes:
        """Number anew; the new codes of the old ones."""
        self._keys = _Numbering()
        moved = np.zeros(len(fresh) + 1, np.uint32)
        if len(fresh):
            codes = self._keys.encode(fresh, 0, self._most())
            assert codes is not None
            moved[1:] = codes
        return moved

    def _hashed(self, values: Any) -> Keys:
        """Buckets of keys, or of texts."""
        if not isinstance(values, np.ndarray):
            values = _hash_texts(values)
        mixed = np.empty(len(values), np.uint64)
        kernel("mix_keys")(values, np.uint64(0x9E3779B97F4A7C15), mixed)
        return (mixed & np.uint64(self.max_values - 1)).astype(np.int64)

    def _encode_texts(self, texts: pl.Series) -> tuple[Codes, Codes | None]:
        import polars as pl

        if self._texts is None:
            self._texts = pl.Categories.random()
        series = texts.cast(pl.Categorical(self._texts))
        # polars forgets categories that no series has
        self._holds = series.clear()
        coded = series.to_physical()
        codes = (coded + 1).fill_null(0).to_numpy()
        self._n_texts = max(self._n_texts, int(codes.max(initial=0)))
        if self._n_texts <= self.max_values:
            return codes.astype(np.uint32, copy=False), None
        # the last block's new ones have no rows in a table yet, but may be moved too
        known = self._all_texts()
        self.folded, self._texts, self._n_texts = True, None, 0
        moved = self._restart(self._hashed(known))
        again = self._keys.encode(self._hashed(texts), 0, self._most())
        assert again is not None
        if texts.null_count():
            again[texts.is_null().to_numpy()] = 0
        return again, moved

    def _all_texts(self) -> pl.Series:
        return self._texts.to_series()[: self._n_texts]

    def distinct(self) -> Any:
        """The values in the order of their codes, from code 1 on.

        Returns
        -------
        int64 or float64 array, datetime64[us] array, or list of str
            Numbers on a scale are the least that a code stands for. Buckets are their
            numbers.
        """
        if self._texts is not None:
            return self._all_texts().to_list()
        keys = self._keys.distinct()
        if self.folded:
            return keys
        keys = keys << self.shift
        if self.family == "number":
            return floats_of(keys)
        return keys.view("M8[us]") if self.family == "time" else keys

    def order(self) -> NDArray[np.int64]:
        """Codes from 1 on, in the order of their values; a text's is that of strings.

        Returns
        -------
        int64 array (n_values,)
        """
        if self._texts is not None:
            return self._all_texts().arg_sort().to_numpy().astype(np.int64) + 1
        return np.argsort(self._keys.distinct(), kind="stable") + 1

    def absorb(self, other: Vocabulary) -> tuple[Codes, Codes | None]:
        """Number another vocabulary's values too.

        Returns
        -------
        theirs : uint32 array (other's values + 1,)
            The codes here of the other's codes.
        moved : uint32 array or None
            As from `encode`.
        """
        theirs = np.zeros(other.n_values + 1, np.uint32)
        if other.family is None:
            return theirs, None
        moved: Codes | None = None
        if self.family is None:
            self.shift, self.folded = other.shift, other.folded
            self.family, self.dtype = other.family, other.dtype
        if other.shift > self.shift:
            fresh = self._keys.distinct() >> (other.shift - self.shift)
            self.shift = other.shift
            moved = self._restart(fresh)
        if other.folded and not self.folded:
            known = self._all_texts() if self._texts is not None else None
            fresh = self._hashed(self._keys.distinct() if known is None else known)
            self.folded, self._texts, self._n_texts = True, None, 0
            moved = self._restart(fresh)
        if other._texts is not None:
            values: Any = other._all_texts()
        else:
            values = other._keys.distinct() << other.shift
        if other.folded:
            if other.family != self.family:
                raise self._other_kind(other.family)
            codes = self._keys.encode(values, 0, self._most())
            assert codes is not None
            theirs[1:] = codes
            return theirs, moved
        codes, more = self.encode(
            Raw(other.family, other.dtype, values, None), len(values)
        )
        theirs[1:] = codes
        return theirs, _after(moved, more)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__ | {"_holds": None}
        if self._texts is not None:
            state["_texts"] = self._all_texts().to_list()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        import polars as pl

        self.__dict__.update(state)
        if state["_texts"] is not None:
            self._texts = pl.Categories.random()
            texts = pl.Series(state["_texts"], dtype=pl.String)
            self._holds = texts.cast(pl.Categorical(self._texts)).clear()


def _after(first: Codes | None, then: Codes | None) -> Codes | None:
    """One move after another."""
    if first is None or then is None:
        return then if first is None else first
    return then[first]


class _Numbering:
    """Codes of integers: by a plain table where they lie near each other, or hashed."""

    def __init__(self) -> None:
        self.used = 0
        self._distinct = np.empty(64, np.int64)
        self._slots: Codes | None = None
        self._table = np.empty(0, np.uint32)
        self._low = 0

    def distinct(self) -> Keys:
        """The keys numbered so far, in the order of their codes."""
        return self._distinct[: self.used].copy()

    def encode(self, keys: Keys, shift: int, most: int) -> Codes | None:
        """Codes of keys less ``shift`` digits; None if they would be over ``most``."""
        codes = np.empty(len(keys), np.uint32)
        if len(keys) == 0:
            return codes
        if self._slots is None:
            if self._near(int(keys.min()) >> shift, int(keys.max()) >> shift):
                return self._by_table(keys >> shift if shift else keys, most, codes)
            self._use_slots()
        return self._by_hash(keys, shift, most, codes)

    def _near(self, low: int, high: int) -> bool:
        """Whether a table can hold these keys; makes it wide enough."""
        size = len(self._table)
        if size:
            low, high = min(low, self._low), max(high, self._low + size - 1)
        if high - low >= SPAN:
            return False
        if high - low >= size:
            wide = np.zeros(high - low + 1, np.uint32)
            at = self._low - low if size else 0
            wide[at : at + size] = self._table
            self._table, self._low = wide, low
        return True

    def _by_table(self, keys: Keys, most: int, codes: Codes) -> Codes | None:
        look_up = kernel("look_up")
        if look_up(keys, self._low, self._table, codes):
            found = np.zeros(len(self._table), bool)
            found[keys[codes == 0] - self._low] = True
            fresh = np.flatnonzero(found)
            if self.used + len(fresh) > most:
                return None
            self._grow(len(fresh))
            self._distinct[self.used : self.used + len(fresh)] = fresh + self._low
            self._table[fresh] = self.used + 1 + np.arange(len(fresh))
            self.used += len(fresh)
            look_up(keys, self._low, self._table, codes)
        return codes

    def _use_slots(self) -> None:
        size = 1 << 12
        while size < 4 * self.used:
            size *= 2
        self._slots = np.zeros(size, np.uint32)
        kernel("place_keys")(self._distinct, self.used, self._slots)
        self._table = np.empty(0, np.uint32)

    def _by_hash(self, keys: Keys, shift: int, most: int, codes: Codes) -> Codes | None:
        at, number = 0, kernel("number_keys")
        while True:
            assert self._slots is not None
            self._grow(min(len(self._slots) // 2, most) - self.used)
            room = self._distinct[: max(min(len(self._slots) // 2, most), self.used)]
            at, self.used = number(keys, shift, at, self._slots, room, self.used, codes)
            if at == len(keys):
                return codes
            if self.used >= most:
                return None
            self._slots = np.zeros(2 * len(self._slots), np.uint32)
            kernel("place_keys")(self._distinct, self.used, self._slots)

    def _grow(self, n_more: int) -> None:
        need = self.used + max(n_more, 0)
        if need > len(self._distinct):
            wide = np.empty(max(need, 2 * len(self._distinct)), np.int64)
            wide[: self.used] = self._distinct[: self.used]
            self._distinct = wide


def _digits_to_cut(keys: Keys) -> int:
    """The fewest binary digits to cut off so that `SCALE_VALUES` remain."""
    keys = np.sort(keys)
    differ = (keys[1:] ^ keys[:-1]).view(np.uint64)
    # two neighbours stay apart while fewer digits are cut than their highest difference
    for cut in range(64):
        if 1 + int(np.count_nonzero(differ >> np.uint64(cut))) <= SCALE_VALUES:
            return cut
    return 63


def _hash_texts(texts: pl.Series) -> Keys:
    """A hash of each text that is the same on every machine; null's is any."""
    import pandas as pd
    import polars as pl

    if len(texts) == 0:
        return np.empty(0, np.int64)
    categories = pl.Categories.random()
    series = texts.cast(pl.Categorical(categories))  # has to live as long as they do
    codes = series.to_physical().fill_null(0).to_numpy()
    known = np.array(categories.to_series().to_list() or [""], dtype=object)
    hashes = pd.util.hash_array(known, categorize=False).view(np.int64)
    return hashes[np.minimum(codes, len(known) - 1)]
