"""Contingency tables of given margins, drawn at random."""

from __future__ import annotations

import math

import numpy as np

from featurekit.kernels.compiler import njit

STEP = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def k_ln_k(k, logs):
    """Give k ln k, which is 0 of 0."""
    if k < logs.size:
        return k * logs[k]
    return k * math.log(k)


@njit(cache=True, nogil=True)
def lost(u, s, logs):
    """What u ln u loses when s of the u rows go: u ln u - (u - s) ln(u - s)."""
    if u < logs.size:
        return u * logs[u] - (u - s) * logs[u - s]
    if s == u:
        return u * math.log(u)
    # no difference of two large numbers
    return s * math.log(u) - (u - s) * math.log1p(-s / u)


@njit(cache=True, nogil=True)
def find_urns(urns, ends, guide):
    """Where rows lie: the end of each urn, and the urn of every ``n / U``-th row."""
    n = 0
    for v in range(urns.size):
        n += urns[v]
        ends[v] = n
    v = 0
    for j in range(urns.size):
        while ends[v] <= (j * n) // urns.size:
            v += 1
        guide[j] = v
    return n


@njit(cache=True, nogil=True)
def draw_tables(groups, urns, with_rest, logs, state, out):
    """Draw tables and give each one's sum of k ln k over its cells.

    Each group takes its rows from the urns, without putting back; the rest of the rows
    is one more group. Every way to deal the rows out is equally likely, as it is when
    labels are shuffled.

    Parameters
    ----------
    groups : int64 array (G,)
        Rows of each group.
    urns : int64 array (U,)
        Rows of each urn, at least as many in all.
    with_rest : bool
        Add the cells of the rest: its sum of k ln k less that of the urns.
    logs : float64 array
        ln k; of k = 0 whatever.
    state : uint64 array (1,)
        Of the generator (splitmix64), moved on.
    out : float64 array (draws,)
    """
    n_urns = urns.size
    ends, guide = np.empty(n_urns, np.int64), np.empty(n_urns, np.int64)
    n = find_urns(urns, ends, guide)
    used = np.zeros(n_urns, np.int64)
    here = np.zeros(n_urns, np.int64)
    most = 0
    for g in range(groups.size):
        most = max(most, groups[g])
    touched = np.empty(min(most, n_urns), np.int64)
    opened = np.empty(n_urns, np.int64)
    bits = state[0]
    for i in range(out.size):
        total = 0.0
        n_opened = 0
        for g in range(groups.size):
            n_touched = 0
            for _ in range(groups[g]):
                while True:
                    bits += STEP
                    z = bits
                    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                    z = z ^ (z >> np.uint64(31))
                    share = np.float64(z >> np.uint64(11)) * 2.0**-53
                    row = min(np.int64(share * n), n - 1)
                    v = guide[min(np.int64(share * n_urns), n_urns - 1)]
                    while v > 0 and ends[v - 1] > row:
                        v -= 1
                    while ends[v] <= row:
                        v += 1
                    # rows of an urn are alike: those taken are its first
                    if row - (ends[v] - urns[v]) >= used[v]:
                        break
                if used[v] == 0:
                    opened[n_opened] = v
                    n_opened += 1
                if here[v] == 0:
                    touched[n_touched] = v
                    n_touched += 1
                used[v] += 1
                here[v] += 1
            for j in range(n_touched):
                total += k_ln_k(here[touched[j]], logs)
                here[touched[j]] = 0
        for j in range(n_opened):
            v = opened[j]
            if with_rest:
                total -= lost(urns[v], used[v], logs)
            used[v] = 0
        out[i] = total
    state[0] = bits
