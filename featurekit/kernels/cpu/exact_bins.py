"""LightGBM's bins of one feature: sort the rows, cut the values, group the rows.

At most 255 bins are learnt from the training rows (254 and one for NaN): greedily of
equal counts, at least 3 rows each, a bin of its own for zero, bounds just above the
middle between neighbours.  All training rows are used (LightGBM takes a sample of
200,000 rows beyond that size).
"""

from __future__ import annotations

import numpy as np

from featurekit.kernels.compiler import njit

MAX_BIN = 255
MIN_IN_BIN = 3
MIN_IN_LEAF = 20
#: A value at most this large in magnitude is zero (a float32 constant in LightGBM).
ZERO = float(np.float32(1e-35))
#: Share of rows above which LightGBM stores a column relative to its fullest bin.
SPARSE_SHARE = 0.7
#: Bits of the flags that a tree is grown with.
CONSTANT_HESSIAN = 1
FIRST_BIN_IMPLIED = 2
BOTH_WAYS = 4

_SIGN = np.int64(-(2**63))
_LOW = np.int64(2**32 - 1)
_HIGH = np.int64(~(2**32 - 1))


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
def _push(edge, n_bins, low, high):
    """Append the bound between two values unless it equals the bound before."""
    bound = np.nextafter((low + high) / 2.0, np.inf)
    if n_bins > 0 and bound <= np.nextafter(edge[n_bins - 1], np.inf):
        return n_bins
    edge[n_bins] = bound
    return n_bins + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _greedy_bins(distinct, count, max_bin, total, edge):
    """Upper bounds of at most ``max_bin`` bins of nearly equal counts.

    A value with more rows than a mean bin gets a bin of its own; the remaining
    values share what is left.  Returns the number of bins; the last bound is inf.
    """
    n = distinct.size
    n_bins = np.int64(0)  # typed: a literal would compile _push twice
    held = 0
    if n <= max_bin:
        for i in range(n - 1):
            held += count[i]
            if held >= MIN_IN_BIN:
                before = n_bins
                n_bins = _push(edge, n_bins, distinct[i], distinct[i + 1])
                held = 0 if n_bins > before else held
        edge[n_bins] = np.inf
        return n_bins + 1
    max_bin = max(min(max_bin, total // MIN_IN_BIN), 1)
    big = total / max_bin
    rest_bins, rest = max_bin, total
    for i in range(n):
        rest_bins -= count[i] >= big
        rest -= count[i] if count[i] >= big else 0
    # rest_bins may reach 0 or less: the quotient is then inf or negative, as in C
    mean = rest / float(rest_bins)
    closed = 0
    for i in range(n - 1):
        small = count[i] < big
        rest -= count[i] if small else 0
        held += count[i]
        near_big = count[i + 1] >= big and held >= max(1.0, mean * 0.5)
        if small and held < mean and not near_big:
            continue
        n_bins = _push(edge, n_bins, distinct[i], distinct[i + 1])
        closed += 1
        if closed >= max_bin - 1:
            break
        held = 0
        if small:
            rest_bins -= 1
            mean = rest / float(rest_bins)
    edge[n_bins] = np.inf
    return n_bins + 1


@njit(cache=True, nogil=True)
def bin_edges(ranked, learns, n_nan, edge):
    """Upper bounds of the bins of one feature, as LightGBM learns them.

    Parameters
    ----------
    ranked : float64 array (m,), sorted values without NaN, zeros exactly 0.0
    learns : bool array (>= m,), which of them are training rows
    n_nan : int, training rows with NaN (which take one bin off the budget)
    edge : float64 array (>= 256,), filled with inclusive upper bounds

    Returns
    -------
    int
        Number of bins without that of NaN.  Zero has a bin of its own.
    """
    distinct = np.empty(ranked.size)
    count = np.zeros(ranked.size, np.int64)
    d = 0
    n_sign = np.zeros(3, np.int64)  # rows below, at and above zero
    d_sign = np.zeros(3, np.int64)  # distinct values below, at and above zero
    last = 0.0
    for k in range(ranked.size):
        if not learns[k]:
            continue
        v = ranked[k]
        sign = 1 + (v > 0.0) - (v < 0.0)
        n_sign[sign] += 1
        # neighbouring doubles count as one value, of which the larger is kept
        near = v == last or v - last <= 3e-16 * abs(last)
        if d > 0 and near and v <= np.nextafter(last, np.inf):
            distinct[d - 1] = v
        else:
            d += 1
            distinct[d - 1] = v
            d_sign[sign] += 1
        count[d - 1] += 1
        last = v
    budget = MAX_BIN - (n_nan > 0)
    n_bins = 0
    left = d_sign[0]
    if left > 0:
        share = int(n_sign[0] / (n_sign[0] + n_sign[2]) * (budget - 1))
        n_bins = _greedy_bins(
            distinct[:left], count[:left], max(1, share), n_sign[0], edge
        )
        edge[n_bins - 1] = -ZERO
    room = budget - 1 - n_bins
    right = d - d_sign[2]
    if right == d or room <= 0:
        edge[n_bins] = np.inf
        return n_bins + 1
    edge[n_bins] = ZERO
    return (n_bins + 1) + _greedy_bins(
        distinct[right:d], count[right:d], room, n_sign[2], edge[n_bins + 1 :]
    )


@njit(cache=True, nogil=True)
def _collect(x, weight, atom, train, test):
    """Gather the rows whose atom is used by a fold.

    Returns row numbers, values (with zeros made exact), atoms and weights, and per
    atom whether a fold trains on it.
    """
    row = np.empty(x.size, np.int64)
    value = np.empty(x.size)
    group = np.empty(x.size, np.uint16)
    kept_weight = np.empty(x.size if weight.size else 0)
    n_atoms = train.shape[1]
    learns = np.zeros(n_atoms, np.bool_)
    used = np.zeros(n_atoms, np.bool_)
    for f in range(train.shape[0]):
        for a in range(n_atoms):
            learns[a] |= train[f, a]
            used[a] |= train[f, a] or test[f, a]
    m = 0
    for i in range(x.size):
        a = np.int64(atom[i])
        if a < 0 or a >= n_atoms or not used[a]:
            continue
        row[m] = i
        value[m] = 0.0 if abs(x[i]) <= ZERO else x[i]
        group[m] = a
        if weight.size:
            kept_weight[m] = weight[i]
        m += 1
    return row[:m], value[:m], group[:m], kept_weight[:m], learns


@njit(cache=True, nogil=True)
def bin_feature(x, weight, atom, train, test):
    """Bin one feature and sort the rows that any fold uses by bin.

    Parameters are those of `exact.boost_exact_squared_folds`.

    Returns
    -------
    row : int64 array (m,), numbers of the rows that are used
    weight : float64 array (m,) or (0,), of those rows
    group : uint16 array (m,), their atoms
    order : int64 array (m,)
    start : int64 array (B + 2,)
        Bin b < B holds the rows ``order[start[b]:start[b + 1]]``, bin B those of NaN.
    zero_bin : int, the bin that holds zero
    """
    row, value, group, weight, learns = _collect(x, weight, atom, train, test)
    n = value.size
    order = np.empty(n, np.int64)
    ranked = np.empty(n)
    m = sort_rows(value, order, ranked)
    flag = np.empty(n, np.bool_)
    n_nan = np.int64(0)
    for k in range(n):
        flag[k] = learns[group[order[k]]]
        n_nan += flag[k] and k >= m
    edge = np.empty(MAX_BIN + 2)
    n_bins = bin_edges(ranked[:m], flag, n_nan, edge)
    start = np.empty(n_bins + 2, np.int64)
    zero_bin = 0
    k = 0
    for b in range(n_bins):
        start[b] = k
        zero_bin += edge[b] < 0.0
        while k < m and (ranked[k] <= edge[b] or b == n_bins - 1):
            k += 1
    start[n_bins] = m
    start[n_bins + 1] = n
    return row, weight, group, order, start, zero_bin


@njit(cache=True, nogil=True)
def bin_flags(count, n_bins, zero_bin):
    """What LightGBM would derive from the training rows per bin.

    Returns
    -------
    int
        -1 if no boundary between bins leaves enough rows on both sides, in which
        case LightGBM drops the feature; FIRST_BIN_IMPLIED if it does not store bin 0
        and infers its row count as what the others leave over; else BOTH_WAYS if
        there are rows with NaN, so that leaves without such rows are searched from
        both ends too (with hessians that vary, the ends disagree on row counts).
    """
    total = 0.0
    fullest = 0
    for b in range(n_bins + 1):
        total += count[b]
        fullest = b if count[b] > count[fullest] else fullest
    held = 0.0
    useful = False
    for b in range(n_bins - (count[n_bins] == 0)):
        held += count[b]
        useful |= held >= MIN_IN_LEAF and total - held >= MIN_IN_LEAF
    if not useful:
        return -1
    if count[fullest] < SPARSE_SHARE * total:
        fullest = zero_bin
    if fullest == 0 or n_bins == 1:
        return FIRST_BIN_IMPLIED
    return BOTH_WAYS if count[n_bins] > 0 else 0
