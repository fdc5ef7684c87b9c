"""Sums, extremes, medians and ranks per key, for every atom of the folds at once."""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit

_SIGN = np.int64(-(2**63))
_LOW = np.int64(2**32 - 1)
_HIGH = np.int64(~(2**32 - 1))


@njit(cache=True, nogil=True)
def nothing():
    """Do nothing; the first call of any kernel loads numba's tables."""
    return 0


@njit(cache=True, nogil=True)
def sum_by_key(values, atom, codes, size, out):
    """Add row ``values[i]`` (s,) to ``out[atom[i] * size + codes[i]]``, in place."""
    s = values.shape[1]
    for i in range(codes.size):
        t = atom[i] * size + codes[i]
        for k in range(s):
            out[t, k] += values[i, k]


@njit(cache=True, nogil=True)
def sum_over_sets(parts, sets, of, key, out):
    """Sums over sets of atoms, of some sets and keys.

    Parameters
    ----------
    parts : float64 array (A, size)
    sets : bool array (S, A)
    of : int64 array (F, m)
    key : int64 array (m,)
    out : float64 array (F, m)
        ``out[f, i]`` is the sum of ``parts[a, key[i]]`` over the set ``of[f, i]``.
    """
    for f in range(of.shape[0]):
        for i in range(key.size):
            total = 0.0
            for a in range(parts.shape[0]):
                if sets[of[f, i], a]:
                    total += parts[a, key[i]]
            out[f, i] = total


@njit(cache=True, nogil=True)
def group_moments(x, codes, atom, n_atoms, size, shift):
    """Count, sum and sum of squares of x - shift, extremes of x, per (atom, key).

    Parameters
    ----------
    x : float64 array (n,)
        NaN is left out.
    codes : integer array (n,)
        Keys 0..size-1.
    atom : int64 array (n,)
    shift : float64 array (size,)
        Per key; near its values, so that the sum of squares keeps its digits.

    Returns
    -------
    float64 array (5, n_atoms, size)
    """
    out = np.empty((5, n_atoms, size))
    for a in range(n_atoms):
        for c in range(size):
            out[0, a, c] = 0.0
            out[1, a, c] = 0.0
            out[2, a, c] = 0.0
            out[3, a, c] = np.inf
            out[4, a, c] = -np.inf
    for i in range(x.size):
        v = x[i]
        if v == v:
            a = atom[i]
            c = codes[i]
            d = v - shift[c]
            out[0, a, c] += 1.0
            out[1, a, c] += d
            out[2, a, c] += d * d
            out[3, a, c] = min(out[3, a, c], v)
            out[4, a, c] = max(out[4, a, c], v)
    return out


@njit(cache=True, nogil=True)
def combine_moments(parts, shift, train, missing, out):
    """Mean, sample variance, minimum and maximum per set of atoms and key.

    Parameters
    ----------
    parts : float64 array (5, A, size)
        What ``group_moments`` made about ``shift``.
    shift : float64 array (size,)
    train : bool array (F, A)
        The sets of atoms.
    missing : int
        Keys from here on have no values.
    out : float64 array (4, F, size)
        NaN where a set has no row of the key, or a variance fewer than two.
    """
    n_atoms = parts.shape[1]
    for f in range(train.shape[0]):
        for c in range(parts.shape[2]):
            for j in range(4):
                out[j, f, c] = np.nan
            if c >= missing:
                continue
            n = s = q = 0.0
            low = np.inf
            high = -np.inf
            for a in range(n_atoms):
                if train[f, a]:
                    n += parts[0, a, c]
                    s += parts[1, a, c]
                    q += parts[2, a, c]
                    low = min(low, parts[3, a, c])
                    high = max(high, parts[4, a, c])
            if n == 0.0:
                continue
            mean = s / n
            variance = max(q - s * mean, 0.0) / (n - 1.0) if n > 1.0 else np.nan
            mean += shift[c]
            if low == high:
                mean = low
                variance = 0.0 if n > 1.0 else np.nan
            # a mean of zero comes out as rounding noise, by which nothing is divided
            if abs(mean) <= 1e-12 * max(abs(low), abs(high)):
                mean = 0.0
            out[0, f, c] = mean
            out[1, f, c] = variance
            out[2, f, c] = low
            out[3, f, c] = high


@njit(cache=True, nogil=True)
def group_means(x, codes, size, out):
    """Mean of x per key over all rows, 0 where there are none; float64 (size,)."""
    rows = np.empty(size)
    for c in range(size):
        rows[c] = 0.0
        out[c] = 0.0
    for i in range(x.size):
        if x[i] == x[i]:
            rows[codes[i]] += 1.0
            out[codes[i]] += x[i]
    for c in range(size):
        if rows[c] > 0.0:
            out[c] /= rows[c]


@njit(cache=True, nogil=True)
def _radix_sort(word, spare):
    """Stable sort of int64 words by their upper 32 bits; returns the sorted array."""
    n = word.size
    place = np.zeros((3, 2048), np.int64)
    for i in range(n):
        for p in range(3):
            place[p, (word[i] >> (32 + 11 * p)) & 2047] += 1
    for p in range(3):
        shift = 32 + 11 * p
        if n == 0 or place[p, (word[0] >> shift) & 2047] == n:
            continue  # all words agree in this digit
        total = 0
        for d in range(2048):
            total, place[p, d] = total + place[p, d], total
        for i in range(n):
            d = (word[i] >> shift) & 2047
            spare[place[p, d]] = word[i]
            place[p, d] += 1
        word, spare = spare, word
    return word


@njit(cache=True, nogil=True)
def sort_rows(value, order, ranked):
    """Order the rows by value, NaN last.

    Parameters
    ----------
    value : float64 array (n,)
    order : int64 array (n,), filled with the row numbers in sorted order
    ranked : float64 array (n,), filled with the sorted values without NaN

    Returns
    -------
    int
        Number of rows that are not NaN.

    Notes
    -----
    One radix sort by the upper half of the float64 bits (20 bits of mantissa), then
    an insertion sort, which has little to do unless many values agree in that half:
    then all is sorted by the lower half first.
    """
    n = value.size
    bits = value.view(np.int64)
    word = np.empty(n, np.int64)
    spare = np.empty(n, np.int64)
    m = 0
    tail = n
    for i in range(n):
        if value[i] != value[i]:
            tail -= 1
            order[tail] = i
        else:
            word[m] = i
            m += 1
    done = word[:m]
    for attempt in range(2):
        for half in range(1 - attempt, 2):
            for k in range(m):
                i = done[k] & _LOW
                key = bits[i] ^ ((bits[i] >> 63) | _SIGN)
                word[k] = (key & _HIGH if half else key << 32) | i
            done = _radix_sort(word[:m], spare[:m])
        moves = 0
        for k in range(m):
            row = done[k] & _LOW
            v = value[row]
            j = k
            while j > 0 and ranked[j - 1] > v:
                ranked[j] = ranked[j - 1]
                order[j] = order[j - 1]
                j -= 1
            ranked[j] = v
            order[j] = row
            moves += k - j
            if attempt == 0 and moves > 16 * m:
                break
        if moves <= 16 * m:
            break
    return m


@njit(cache=True, nogil=True)
def distinct(values, codes, seen):
    """Number the values that are not NaN in ascending order.

    Parameters
    ----------
    values : float64 array (n,)
    codes : int64 array (n,)
        Filled; NaN gets the number of distinct values.
    seen : float64 array (n,)
        Filled with the distinct values.

    Returns
    -------
    int
        How many there are.
    """
    n = values.size
    order = np.empty(n, np.int64)
    ranked = np.empty(n)
    m = sort_rows(values, order, ranked)
    k = 0
    for i in range(m):
        if i == 0 or ranked[i] != ranked[i - 1]:
            seen[k] = ranked[i]
            k += 1
        codes[order[i]] = k - 1
    for i in range(m, n):
        codes[order[i]] = k
    return k


@njit(cache=True, nogil=True)
def renumber(ids, gone, codes, seen):
    """The same for whole numbers below ``seen.size``, of which some are ``gone``.

    ``seen`` is an int64 array, as long as ids go. No sorting.
    """
    for v in range(seen.size):
        seen[v] = -1
    for i in range(ids.size):
        if not gone[i]:
            seen[ids[i]] = 0
    k = 0
    for v in range(seen.size):
        if seen[v] == 0:
            seen[v] = k
            k += 1
    for i in range(ids.size):
        codes[i] = k if gone[i] else seen[ids[i]]
    j = 0
    for v in range(seen.size):
        if seen[v] >= 0:
            seen[j] = v
            j += 1
    return k


@njit(cache=True, nogil=True)
def group_distinct(pair, atom, n_atoms, of_key, counted, train, size, out):
    """Distinct values per key over each set of atoms.

    Parameters
    ----------
    pair : int64 array (n,)
        Number of each row's pair of key and value.
    of_key : int64 array (P,)
        Key of each pair.
    counted : bool array (P,)
        Whether the pair's value counts, or only shows that the key has rows.
    train : bool array (F, A)
    out : float64 array (F, size)
        NaN where a set has no row of the key.
    """
    n_words = (n_atoms + 63) // 64
    seen = np.empty((of_key.size, n_words), np.uint64)
    for p in range(of_key.size):
        for k in range(n_words):
            seen[p, k] = 0
    for i in range(pair.size):
        seen[pair[i], atom[i] >> 6] |= np.uint64(1) << np.uint64(atom[i] & 63)
    mask = np.empty(n_words, np.uint64)
    for f in range(train.shape[0]):
        for c in range(size):
            out[f, c] = np.nan
        for k in range(n_words):
            mask[k] = 0
        for a in range(n_atoms):
            if train[f, a]:
                mask[a >> 6] |= np.uint64(1) << np.uint64(a & 63)
        for p in range(of_key.size):
            for k in range(n_words):
                if seen[p, k] & mask[k]:
                    c = of_key[p]
                    before = out[f, c] if out[f, c] == out[f, c] else 0.0
                    out[f, c] = before + counted[p]
                    break


@njit(cache=True, nogil=True)
def group_medians(order, x, codes, atom, train, size):
    """Median of x per key over each set of atoms.

    Parameters
    ----------
    order : int64 array
        Rows in ascending order of x, those with x missing left out.
    train : bool array (F, A)

    Returns
    -------
    float64 array (F, size), NaN where a set has no row of the key
    """
    # bounds of the keys' rows, moved on by one key while rows are put in place
    start = np.empty(size + 2, np.int64)
    for c in range(size + 2):
        start[c] = 0
    for i in order:
        start[codes[i] + 2] += 1
    for c in range(size):
        start[c + 2] += start[c + 1]
    rows = np.empty(order.size, np.int64)
    for i in order:
        rows[start[codes[i] + 1]] = i
        start[codes[i] + 1] += 1
    out = np.empty((train.shape[0], size))
    kept = np.empty(order.size)
    for f in range(train.shape[0]):
        for c in range(size):
            m = 0
            for t in range(start[c], start[c + 1]):
                if train[f, atom[rows[t]]]:
                    kept[m] = x[rows[t]]
                    m += 1
            out[f, c] = np.nan
            if m > 0:
                out[f, c] = 0.5 * (kept[(m - 1) // 2] + kept[m // 2])
    return out


@njit(cache=True, nogil=True)
def group_ranks(order, x, codes, atom, train, fold, size, out):
    """Percentile rank of each row among its key's rows of the fold's training atoms.

    The rank is that of the row put among those rows: (less + equal / 2 + 1) / (n + 1).

    Parameters
    ----------
    order : int64 array
        Rows in ascending order of x, those with x missing left out.
    train : bool array (F, A)
    fold : int64 array (n,)
        Fold of each row, -1 for rows without one (left NaN).
    out : float64 array (n,)
    """
    n_atoms = train.shape[1]
    total = np.empty((n_atoms, size), np.int64)
    seen = np.empty((n_atoms, size), np.int64)
    for a in range(n_atoms):
        for c in range(size):
            total[a, c] = 0
            seen[a, c] = 0
    for i in order:
        total[atom[i], codes[i]] += 1
    for i in range(x.size):
        out[i] = np.nan
    lo = 0
    while lo < order.size:
        hi = lo + 1
        while hi < order.size and x[order[hi]] == x[order[lo]]:
            hi += 1
        for t in range(lo, hi):
            i = order[t]
            if fold[i] >= 0:
                less = 0
                for a in range(n_atoms):
                    if train[fold[i], a]:
                        less += seen[a, codes[i]]
                out[i] = less
        for t in range(lo, hi):
            seen[atom[order[t]], codes[order[t]]] += 1
        for t in range(lo, hi):
            i = order[t]
            if fold[i] >= 0:
                upto = 0
                n = 0
                for a in range(n_atoms):
                    if train[fold[i], a]:
                        upto += seen[a, codes[i]]
                        n += total[a, codes[i]]
                if n == 0:
                    out[i] = np.nan
                else:
                    out[i] = (0.5 * (out[i] + upto) + 1.0) / (n + 1.0)
        lo = hi


@njit(cache=True, nogil=True)
def ranks_in_groups(x, codes, values, starts, out):
    """Percentile rank of each row put among the sorted ``values`` of its key.

    ``values[starts[c]:starts[c + 1]]`` are key ``c``'s. NaN where x is missing or the
    key has no values.
    """
    for i in range(x.size):
        first = starts[codes[i]]
        size = starts[codes[i] + 1] - first
        if size == 0 or x[i] != x[i]:
            out[i] = np.nan
            continue
        below = 0
        for or_equal in range(2):
            lo, hi = first, first + size
            while lo < hi:
                middle = (lo + hi) // 2
                if values[middle] < x[i] or (or_equal and values[middle] == x[i]):
                    lo = middle + 1
                else:
                    hi = middle
            below += lo - first
        out[i] = (0.5 * below + 1.0) / (size + 1.0)
