"""Numbering values: each distinct key gets the next code, in a table that grows.

Code 0 is kept for missing values, so the first key seen gets 1.
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit


@njit(cache=True, nogil=True)
def mixed(key):
    """64 well mixed bits of a 64-bit key (the finaliser of splitmix64)."""
    z = np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def mix_keys(keys, seed, out):
    """64 mixed bits of every key, int64 in and uint64 out."""
    for i in range(keys.size):
        out[i] = mixed(np.uint64(keys[i]) ^ seed)


@njit(cache=True, nogil=True)
def number_keys(keys, shift, start, slots, distinct, used, codes):
    """Codes of keys, numbering the new ones; stops where the table is half full.

    Parameters
    ----------
    keys : int64 array (n,)
    shift : int
        Bits to drop from the right of each key.
    start : int
        The first row to look at.
    slots : uint32 array (a power of two,)
        Code of each slot; 0 is free.
    distinct : int64 array
        ``distinct[code - 1]`` is the shifted key of a code; room for half the slots.
    used : int
        Codes given so far.
    codes : uint32 array (n,)

    Returns
    -------
    at : int
        The first row not done; n if all are.
    used : int
    """
    mask = np.uint64(slots.size - 1)
    most = min(slots.size // 2, distinct.size)
    for i in range(start, keys.size):
        key = keys[i] >> shift
        at = mixed(key) & mask
        while True:
            code = slots[at]
            if code == 0:
                if used == most:
                    return i, used
                distinct[used] = key
                used += 1
                slots[at] = used
                codes[i] = used
                break
            if distinct[code - 1] == key:
                codes[i] = code
                break
            at = (at + np.uint64(1)) & mask
    return keys.size, used


@njit(cache=True, nogil=True)
def place_keys(distinct, used, slots):
    """Put ``used`` distinct keys, numbered already, into an empty table."""
    mask = np.uint64(slots.size - 1)
    for j in range(used):
        at = mixed(distinct[j]) & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = j + 1


@njit(cache=True, nogil=True)
def look_up(keys, low, table, codes):
    """Codes of keys near each other: ``table[key - low]``; counts those not there.

    Codes of keys not there are 0, as those of keys outside the table.
    """
    lacking = 0
    for i in range(keys.size):
        at = keys[i] - low
        code = table[at] if 0 <= at < table.size else np.uint32(0)
        codes[i] = code
        lacking += code == 0
    return lacking
