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

from featurekit.kernels.compiler import njit

#: Blocks of at most so many rows are summed pair by pair.
BLOCK = 64
#: Fewer words than this are sorted in digits of 8 bits.
SOME = 8192
#: A distance that only stands beside smaller ones may be cut to this.
FAR = 1e100

_LOW = np.int64(2**32 - 1)
_MOST = np.int64(2**63 - 1)
# of a key, that of the side included: two digits of 12 bits or three of 8. Values of
# more octaves than this would leave too few bits to tell close ones apart.
_KEY_BITS = 24
_WIDE_BITS = 31
_OCTAVES = 64
_STACK = 128


@njit(cache=True, nogil=True)
def _sort_words(word, spare, count, width):
    """Sort words by digits of ``width`` bits above their lower half.

    ``count`` holds how often each digit occurs, a row for each digit. The array that
    has the result is returned.
    """
    n = word.size
    for p in range(count.shape[0]):
        shift = 32 + p * width
        mask = (1 << width) - 1
        row = count[p]
        if row[(word[0] >> shift) & mask] == n:
            continue  # all agree in this digit
        total = 0
        for d in range(mask + 1):
            total, row[d] = total + row[d], total
        for i in range(n):
            value = word[i]
            d = (value >> shift) & mask
            spare[row[d]] = value
            row[d] += 1
        word, spare = spare, word
    return word


@njit(cache=True, nogil=True)
def _insert(order, size, gap, most):
    """Insertion sort of every ``gap``-th row; False if it takes over ``most`` moves."""
    moves = 0
    for j in range(gap, size.size):
        value, row = size[j], order[j]
        i = j - gap
        while i >= 0 and size[i] > value:
            size[i + gap], order[i + gap] = size[i], order[i]
            i -= gap
            moves += 1
        size[i + gap], order[i + gap] = value, row
        if moves > most:
            return False
    return True


@njit(cache=True, nogil=True)
def _settle(order, size):
    """Put right what is left unsorted among rows with one key.

    An insertion sort; where that takes too long a Shell sort.
    """
    n = size.size
    gap = np.int64(1)  # typed: for a literal `_insert` would be compiled twice
    if _insert(order, size, gap, 8 * n + 64):
        return
    gap = n
    while gap > 1:
        gap = max(gap * 5 // 11, 1)
        _insert(order, size, gap, _MOST)


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
    # a page of memory that is new costs as much as sorting what fits in it, so both
    # arrays serve as scratch before they are filled
    word = order
    bits = size.view(np.int64)
    n_low = 0
    n_rows = 0
    for i in range(n):
        g = values[i] - centre
        size[i] = abs(g)
        n_low += g < 0.0
        n_rows += g != 0.0
    if n_rows == 0:
        return 0, 0
    # floats that are not negative are in the order of their bits
    least = _MOST
    most = np.int64(0)
    for i in range(n):
        b = bits[i]
        most = max(most, b)
        least = min(least, b if b != 0 else _MOST)
    n_bits = 0
    while (most - least) >> n_bits:
        n_bits += 1
    width = 8 if n_rows < SOME else 12
    wide = n_rows >= SOME and (most >> 52) - (least >> 52) >= _OCTAVES
    shift = max(n_bits + 1 - (_WIDE_BITS if wide else _KEY_BITS), 0)
    n_bits -= shift
    above = np.int64(1) << (32 + n_bits)
    n_digits = n_bits // width + 1
    mask = (1 << width) - 1
    count = np.zeros((3, mask + 1), np.int64)
    # with a third digit of 0 where there are two
    last = 32 + 2 * width if n_digits == 3 else 63
    to = 0
    for i in range(n):
        b = bits[i]
        here = b != 0
        key = ((b - least) >> shift) << 32
        key |= above if values[i] > centre else 0
        word[to] = key | i
        to += here
        count[0, (key >> 32) & mask] += here
        count[1, (key >> (32 + width)) & mask] += here
        count[2, (key >> last) & mask] += here
    done = _sort_words(word[:n_rows], bits[:n_rows], count[:n_digits], width)
    for j in range(n_rows):
        i = done[j] & _LOW
        order[j] = i
        size[j] = abs(values[i] - centre)
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


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _block(s, t, w):
    """`_pairs` of few rows, pair by pair, two rows at a time."""
    n = s.size
    total = 0.0
    for j in range(0, n, 2):
        first = t[j]
        second = t[j + 1] if j + 1 < n else 0.0
        part = 0.0
        other = 0.0
        for i in range(j):
            near = t[i]
            wi = 1.0 if w is None else w[i]
            part += wi * (near if near < first else first)
            other += wi * (near if near < second else second)
        total += s[j] * part
        if j + 1 < n:
            wi = 1.0 if w is None else w[j]
            total += s[j + 1] * (other + wi * min(first, second))
    return total


@njit(cache=True, nogil=True, fastmath={"contract"})
def _part(s, t, w, s2, t2, w2, p1, p2, p3, ends):
    """Stable partition of rows into four by t, and `_pairs` of rows thus parted.

    There is no branch: each would be taken as often as not, and guessing it wrong
    costs more than all of the sums. Factors of 0 and 1 choose what is added.
    """
    n = s.size
    n1 = n2 = n3 = 0
    for j in range(n):
        n1 += t[j] >= p1
        n2 += t[j] >= p2
        n3 += t[j] >= p3
    to = np.empty(4, np.int64)
    to[0], to[1], to[2], to[3] = 0, n - n1, n - n2, n - n3
    # sum of t in the three lower parts, number of rows in the three upper ones
    b0 = b1 = b2 = a1 = a2 = a3 = total = 0.0
    for j in range(n):
        sj = s[j]
        tj = t[j]
        wj = 1.0 if w is None else w[j]
        f1 = 1.0 if tj >= p1 else 0.0
        f2 = 1.0 if tj >= p2 else 0.0
        f3 = 1.0 if tj >= p3 else 0.0
        below = f1 * b0 + f2 * b1 + f3 * b2
        above = (1.0 - f1) * a1 + (1.0 - f2) * a2 + (1.0 - f3) * a3
        total += sj * (below + tj * above)
        wt = wj * tj
        b0 += wt * (1.0 - f1)
        b1 += wt * (f1 - f2)
        b2 += wt * (f2 - f3)
        a1 += wj * (f1 - f2)
        a2 += wj * (f2 - f3)
        a3 += wj * f3
        d = np.int64(f1 + f2 + f3)
        at = to[d]
        s2[at] = sj
        t2[at] = tj
        if w is not None:
            w2[at] = wj
        to[d] = at + 1
    for q in range(4):
        ends[q] = to[q]
    return total


@njit(cache=True, nogil=True)
def _pairs(s, t, w, s2, t2, w2, levels):
    """Sum of min(s, s') min(t, t') over pairs of rows, each pair once.

    Rows come by falling s. Each t is one of ``levels``, which rise. A block of levels
    is parted into quarters, time and again, the rows of each staying in their order. A
    pair is summed where it is parted, at the row with the smaller s: if that lies in
    the upper part, with the sum of t of the rows met in the lower one; if in the lower,
    with its own t and the number of rows met in the upper. With weights a pair counts
    as the product of both; s is to be given times w.
    """
    stack = np.empty((_STACK, 5), np.int64)
    ends = np.empty(4, np.int64)
    cuts = np.empty(5, np.int64)
    total = 0.0
    depth = 1
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, s.size, 0
    stack[0, 3], stack[0, 4] = 0, levels.size
    while depth > 0:
        depth -= 1
        top = stack[depth]
        first, last, flip, low, high = top[0], top[1], top[2], top[3], top[4]
        if flip:
            a, ta, wa, b, tb, wb = s2, t2, w2, s, t, w
        else:
            a, ta, wa, b, tb, wb = s, t, w, s2, t2, w2
        here = a[first:last]
        t_here = ta[first:last]
        w_here = None if w is None else wa[first:last]
        if last - first <= BLOCK:
            total += _block(here, t_here, w_here)
            continue
        if levels[low] == levels[high - 1]:
            met = 0.0
            part = 0.0
            for j in range(here.size):
                part += here[j] * met
                met += 1.0 if w is None else w_here[j]
            total += part * levels[low]
            continue
        span = high - low
        cuts[0], cuts[4] = low, high
        cuts[1] = low + max(span // 4, 1)
        cuts[2] = low + max(span // 2, 1)
        cuts[3] = low + max(3 * span // 4, 1)
        total += _part(
            here, t_here, w_here, b[first:last], tb[first:last],
            None if w is None else wb[first:last],
            levels[cuts[1]], levels[cuts[2]], levels[cuts[3]], ends,
        )  # fmt: skip
        start = first
        for q in range(4):
            end = first + ends[q]
            if end - start > 1:
                stack[depth, 0], stack[depth, 1], stack[depth, 2] = start, end, 1 - flip
                stack[depth, 3], stack[depth, 4] = cuts[q], cuts[q + 1]
                depth += 1
            start = end
    return total


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
    times : float64 array (n,) or None
        How often each row counts; None: once, which is code of its own.
    correction : float
        As in `sum_line`.

    Returns
    -------
    products, of_sums : float
        Sum of k k' over pairs of rows, and of the products of sums of k.
    """
    m = size.size
    side = max(n_low, m - n_low)
    room = np.empty((6, side))
    s, t, s2, t2 = room[0], room[1], room[2], room[3]
    w = None if times is None else room[4]
    w2 = None if times is None else room[5]
    places = s2.view(np.int64)
    products = of_sums = 0.0
    # rows that lie anywhere are looked up in loops of their own, which wait less for
    # memory the shorter they are
    for j in range(m):
        i = order[j]
        wj = 1.0 if times is None else times[i]
        of_sums += wj * sums[j] * y_sums[i]
    for which in range(2):
        first, last = (0, n_low) if which == 0 else (n_low, m)
        for j in range(first, last):
            places[j - first] = rank[order[j]]
        # by falling distance: rows below in the other line from the front, rows above
        # from the back
        front, back = 0, side - 1
        for j in range(last - 1, first - 1, -1):
            k = places[j - first]
            upper = k >= y_low
            at = back if upper else front
            sj = size[j]
            tj = y_size[k] if k >= 0 else 0.0
            s[at] = sj
            t[at] = tj
            wj = 1.0 if times is None else times[order[j]]
            products += wj * (wj - correction) * sj * tj
            if times is not None:
                w[at] = wj
                s[at] = sj * wj
            back -= upper
            front += (k >= 0) & (k < y_low)
        # from the back to the front, turned round
        n = side - 1 - back
        for j in range(n):
            s2[j] = s[side - 1 - j]
            t2[j] = t[side - 1 - j]
            if times is not None:
                w2[j] = w[side - 1 - j]
        products += 2.0 * _pairs(
            s2[:n], t2[:n], None if times is None else w2[:n],
            s[front:], t[front:], None if times is None else w[front:], y_size[y_low:],
        )  # fmt: skip
        products += 2.0 * _pairs(
            s[:front], t[:front], None if times is None else w[:front],
            s2, t2, w2, y_size[:y_low],
        )  # fmt: skip
    return products, of_sums
