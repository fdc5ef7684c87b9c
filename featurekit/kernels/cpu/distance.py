"""Distance covariance of numbers on a line, in O(n log n).

Distances are not summed. With any point o, here near the median,

    |x - x'| = |x - o| + |x' - o| - 2 k(x, x'),

where k is the smaller of both distances from o if x and x' lie on the same side of it,
and 0 otherwise. Centring the rows and columns of a matrix takes the first two terms
off, so that k may stand for -|x - x'| / 2 in every distance covariance. Its sums have
no negative terms, and one far value, which is in every distance but in no k except its
own, costs no digits.

A line is given by its rows on each side in the order of their distance from o: first
those below, then those above; rows at o itself are left out, for their k is 0.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

#: Blocks of at most so many rows are summed pair by pair.
BLOCK = 32
#: Fewer words than this are sorted by comparing, and than that in digits of 8 bits.
FEW = 256
SOME = 8192
#: A distance that only stands beside smaller ones may be cut to this.
FAR = 1e100

_LOW = np.int64(2**32 - 1)
_KEY_BITS = 31


@njit(cache=True, nogil=True)
def _sort_words(word, spare, n_bits):
    """Sort words by their upper half, of which the lowest ``n_bits`` are in use."""
    n = word.size
    if n < FEW:
        word[:] = np.sort(word)
        return
    width = 8 if n < SOME else 11
    n_passes = (n_bits + width - 1) // width
    mask = (1 << width) - 1
    place = np.zeros((n_passes, mask + 1), np.int64)
    for i in range(n):
        key = word[i] >> 32
        for p in range(n_passes):
            place[p, (key >> (p * width)) & mask] += 1
    source, target = word, spare
    swapped = False
    for p in range(n_passes):
        shift = 32 + p * width
        row = place[p]
        if row[(word[0] >> shift) & mask] == n:
            continue  # all agree in this digit
        total = 0
        for d in range(mask + 1):
            total, row[d] = total + row[d], total
        for i in range(n):
            value = source[i]
            d = (value >> shift) & mask
            target[row[d]] = value
            row[d] += 1
        source, target = target, source
        swapped = not swapped
    if swapped:
        word[:] = source


@njit(cache=True, nogil=True)
def _settle(order, size):
    """Put right what is left unsorted among rows with one key."""
    n = size.size
    moves = 0
    for j in range(1, n):
        value, row = size[j], order[j]
        i = j - 1
        while i >= 0 and size[i] > value:
            size[i + 1], order[i + 1] = size[i], order[i]
            i -= 1
        size[i + 1], order[i + 1] = value, row
        moves += j - 1 - i
        if moves > 8 * n + 64:
            at = np.argsort(size)
            size[:] = size[at]
            order[:] = order[at]
            return


@njit(cache=True, nogil=True)
def order_line(values, centre, order, size):
    """Order rows by their distance from ``centre``, those below it first.

    Parameters
    ----------
    values : float64 array (n,)
    centre : float
    order : int64 array (n,), filled with the row numbers
    size : float64 array (n,), filled with the distances

    Returns
    -------
    n_low, n_rows : int
        Rows below, and rows on both sides: so much of the arrays is filled.
    """
    n = values.size
    gap = np.empty(n)
    bits = gap.view(np.int64)
    count = np.zeros(3, np.int64)
    least = np.full(3, np.int64(2**63 - 1))
    most = np.zeros(3, np.int64)
    for i in range(n):
        # floats that are not negative are in the order of their bits
        g = values[i] - centre
        gap[i] = abs(g)
        side = 1 if g > 0 else (0 if g < 0 else 2)
        count[side] += 1
        least[side] = min(least[side], bits[i])
        most[side] = max(most[side], bits[i])
    n_bits = np.zeros(3, np.int64)
    shift = np.zeros(3, np.int64)
    for side in range(2):
        span = max(most[side] - least[side], 0)
        while span >> n_bits[side]:
            n_bits[side] += 1
        shift[side] = max(n_bits[side] - _KEY_BITS, 0)
        n_bits[side] -= shift[side]
    shift[2] = 63
    least[2] = 0
    n_low = count[0]
    n_rows = n_low + count[1]
    word = np.empty(n, np.int64)
    to = np.array([0, n_low, n_rows])
    for i in range(n):
        g = values[i] - centre
        side = 1 if g > 0 else (0 if g < 0 else 2)
        word[to[side]] = (((bits[i] - least[side]) >> shift[side]) << 32) | i
        to[side] += 1
    spare = np.empty(n, np.int64)
    _sort_words(word[:n_low], spare[:n_low], n_bits[0])
    _sort_words(word[n_low:n_rows], spare[n_low:n_rows], n_bits[1])
    for j in range(n_rows):
        i = word[j] & _LOW
        order[j] = i
        size[j] = gap[i]
    _settle(order[:n_low], size[:n_low])
    _settle(order[n_low:n_rows], size[n_low:n_rows])
    return n_low, n_rows


@njit(cache=True, nogil=True)
def _top(size, times, correction):
    """The largest distance that any sum has to do with."""
    n = size.size
    if n == 0:
        return 0.0
    if correction == 1.0 and (times.size == 0 or times[n - 1] == 1.0):
        return size[n - 2] if n > 1 else 0.0
    return size[n - 1]


@njit(cache=True, nogil=True)
def sum_line(size, times, n_low, n_total, correction, sums):
    """Scale the distances of a line, and sum k over each row and its square over all.

    Parameters
    ----------
    size : float64 array (m,), scaled in place by a power of two
    times : float64 array (m,) or (0,)
        How often each row counts, in the order of ``size``; none: once.
    n_low : int
    n_total : float
        Rows, counted as often as they count, those at the centre included.
    correction : float
        0 for sums over all pairs of rows, 1 for those without a row and itself.
    sums : float64 array (m,), filled

    Returns
    -------
    total, variance : float
        Of ``sums``, and the sum of squares of k with its rows and columns centred.
    """
    m = size.size
    weighted = times.size > 0
    top = max(
        _top(size[:n_low], times[:n_low], correction),
        _top(size[n_low:], times[n_low:], correction),
    )
    if top > 0.0:
        exponent = min(max(math.frexp(top)[1], -1000), 1000)
        scale = math.ldexp(1.0, -exponent)
        for j in range(m):
            size[j] = min(size[j] * scale, FAR)
    else:
        size[:] = 0.0
    squares = 0.0
    total = 0.0
    n_there = 0.0
    for side in range(2):
        first, last = (0, n_low) if side == 0 else (n_low, m)
        above = 0.0
        for j in range(last - 1, first - 1, -1):
            w = times[j] if weighted else 1.0
            s = size[j]
            sums[j] = s * (above + (w - correction))
            squares += w * s * s * (2.0 * above + (w - correction))
            above += w
        n_there += above
        below = 0.0
        for j in range(first, last):
            w = times[j] if weighted else 1.0
            sums[j] += below
            below += w * size[j]
            total += w * sums[j]
    mean = total / n_total
    spread = max(n_total - n_there, 0.0) * mean * mean
    for j in range(m):
        w = times[j] if weighted else 1.0
        spread += w * (sums[j] - mean) ** 2
    variance = (
        squares
        - total * mean / (n_total - correction)
        - 2.0 * spread / (n_total - 2.0 * correction)
    )
    return total, variance if variance > 1e-15 * squares else 0.0


@njit(cache=True, nogil=True)
def _block(s, rank, t, near, part):
    """`_pairs` of few rows, pair by pair."""
    for j in range(s.size):
        tj = t[rank[j]]
        sj = s[j]
        near[j] = tj
        part[j] = 0.0
        for i in range(j):
            part[i] += sj * (near[i] if near[i] < tj else tj)
    total = 0.0
    for j in range(s.size):
        total += part[j]
    return total


@njit(cache=True, nogil=True)
def _weighted_block(s, rank, t, w, near, part):
    """`_weighted_pairs` of few rows, pair by pair."""
    for j in range(s.size):
        tj = t[rank[j]]
        sj = s[j] * w[rank[j]]
        near[j] = tj
        part[j] = 0.0
        for i in range(j):
            part[i] += sj * (near[i] if near[i] < tj else tj)
    total = 0.0
    for j in range(s.size):
        total += part[j] * w[rank[j]]
    return total


@njit(cache=True, nogil=True)
def _pairs(s, rank, t, s2, rank2):
    """Sum of min(s, s') min(t, t') over pairs of rows, each pair once.

    Rows come by falling s; ``t`` rises, and ``rank`` says which is a row's. A block of
    ranks is parted into its halves, time and again, the rows of each staying in their
    order. A pair is summed where it is parted, at the row with the smaller s: if that
    lies in the upper half, with the sum of t of the rows met in the lower half; if in
    the lower, with its own t and the number of rows met in the upper.
    """
    n = s.size
    lows = np.empty(64, np.int64)
    highs = np.empty(64, np.int64)
    flips = np.empty(64, np.int64)
    near = np.empty(BLOCK)
    part = np.zeros(BLOCK)
    total = 0.0
    depth = 1
    lows[0], highs[0], flips[0] = 0, n, 0
    while depth > 0:
        depth -= 1
        low, high, flip = lows[depth], highs[depth], flips[depth]
        if flip:
            a, b, ra, rb = s2, s, rank2, rank
        else:
            a, b, ra, rb = s, s2, rank, rank2
        size = high - low
        if size <= BLOCK:
            total += _block(a[low:high], ra[low:high], t, near, part)
            continue
        middle = low + size // 2
        below = 0.0
        above = 0.0
        block = 0.0
        to = low
        to_upper = middle
        for j in range(low, high):
            r = ra[j]
            sj = a[j]
            tj = t[r]
            upper = r >= middle
            block += sj * (below if upper else tj * above)
            below += 0.0 if upper else tj
            above += 1.0 if upper else 0.0
            at = to_upper if upper else to
            b[at] = sj
            rb[at] = r
            to_upper += upper
            to += 1 - upper
        total += block
        lows[depth], highs[depth], flips[depth] = middle, high, 1 - flip
        depth += 1
        lows[depth], highs[depth], flips[depth] = low, middle, 1 - flip
        depth += 1
    return total


@njit(cache=True, nogil=True)
def _weighted_pairs(s, rank, t, w, s2, rank2):
    """As `_pairs`, each pair times the product of both rows' ``w``."""
    n = s.size
    lows = np.empty(64, np.int64)
    highs = np.empty(64, np.int64)
    flips = np.empty(64, np.int64)
    near = np.empty(BLOCK)
    part = np.zeros(BLOCK)
    total = 0.0
    depth = 1
    lows[0], highs[0], flips[0] = 0, n, 0
    while depth > 0:
        depth -= 1
        low, high, flip = lows[depth], highs[depth], flips[depth]
        if flip:
            a, b, ra, rb = s2, s, rank2, rank
        else:
            a, b, ra, rb = s, s2, rank, rank2
        size = high - low
        if size <= BLOCK:
            total += _weighted_block(a[low:high], ra[low:high], t, w, near, part)
            continue
        middle = low + size // 2
        below = 0.0
        above = 0.0
        block = 0.0
        to = low
        to_upper = middle
        for j in range(low, high):
            r = ra[j]
            sj = a[j]
            wj = w[r]
            wt = wj * t[r]
            upper = r >= middle
            block += sj * (wj * below if upper else wt * above)
            below += 0.0 if upper else wt
            above += wj if upper else 0.0
            at = to_upper if upper else to
            b[at] = sj
            rb[at] = r
            to_upper += upper
            to += 1 - upper
        total += block
        lows[depth], highs[depth], flips[depth] = middle, high, 1 - flip
        depth += 1
        lows[depth], highs[depth], flips[depth] = low, middle, 1 - flip
        depth += 1
    return total


@njit(cache=True, nogil=True)
def _number(rank, dense, y_size, begin, t, w, times_of_rank):
    """Number the ranks that occur without gaps, and gather what belongs to them."""
    dense[:] = 0
    for j in range(rank.size):
        dense[rank[j] - begin] = 1
    found = 0
    for k in range(dense.size):
        here = dense[k]
        dense[k] = found
        if here:
            t[found] = y_size[k]
            if times_of_rank.size:
                w[found] = times_of_rank[k]
            found += 1


@njit(cache=True, nogil=True)
def cross_lines(
    order, size, sums, n_low, rank, y_size, y_sums, y_low, times, correction
):
    """Sums of products of two lines' k.

    Parameters
    ----------
    order, size, sums, n_low
        One line: row numbers, int64 (m,), with scaled distances and sums of k.
    rank : int32 array (n,)
        Of each row, its place in the other line's order; -1 if it is left out there.
    y_size : float64 array (m',)
        The other line's scaled distances.
    y_sums : float64 array (n,)
        Of each row, the other line's sum of k less their mean.
    y_low : int
    times : float64 array (n,) or (0,)
        How often each row counts; none: once.
    correction : float
        As in `sum_line`.

    Returns
    -------
    products, of_sums : float
        Sum of k k' over pairs of rows, and of the products of sums of k.
    """
    m = size.size
    m_y = y_size.size
    weighted = times.size > 0
    s = np.empty(m)
    r = np.empty(m, np.int32)
    s2 = np.empty(m)
    r2 = np.empty(m, np.int32)
    t = np.empty(m_y)
    w = np.empty(m_y if weighted else 0)
    times_of_rank = np.empty(m_y if weighted else 0)
    dense = np.empty(m_y, np.int32)
    products = of_sums = 0.0
    for side in range(2):
        first, last = (0, n_low) if side == 0 else (n_low, m)
        # by falling distance: rows below in the other line from the front, rows above
        # from the back
        front, back = 0, m - 1
        for j in range(last - 1, first - 1, -1):
            i = order[j]
            k = rank[i]
            if weighted:
                of_sums += times[i] * sums[j] * y_sums[i]
                if k >= 0:
                    times_of_rank[k] = times[i]
            else:
                of_sums += sums[j] * y_sums[i]
            upper = k >= y_low
            at = back if upper else front
            s[at] = size[j]
            r[at] = k
            back -= upper
            front += k >= 0 and not upper
        for other in range(2):
            if other == 0:
                n = front
                begin, end = 0, y_low
            else:
                n = m - 1 - back
                begin, end = y_low, m_y
                # from the back to the front, turned round
                for j in range(n):
                    s2[j] = s[m - 1 - j]
                    r2[j] = r[m - 1 - j]
                for j in range(n):
                    s[j] = s2[j]
                    r[j] = r2[j]
            _number(
                r[:n], dense[begin:end], y_size[begin:end], begin, t, w,
                times_of_rank[begin:end],
            )  # fmt: skip
            for j in range(n):
                k = dense[r[j]]
                r[j] = k
                if weighted:
                    products += w[k] * (w[k] - correction) * s[j] * t[k]
                elif correction == 0.0:
                    products += s[j] * t[k]
            if weighted:
                products += 2.0 * _weighted_pairs(
                    s[:n], r[:n], t[:n], w[:n], s2[:n], r2[:n]
                )
            else:
                products += 2.0 * _pairs(s[:n], r[:n], t[:n], s2[:n], r2[:n])
    return products, of_sums
