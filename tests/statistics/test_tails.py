"""The p of tables of few rows that meet, against all tables of the same margins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from featurekit.statistics import tails
from featurekit.statistics.contingency import CountTable, finish, null_moments
from featurekit.statistics.tails import Deal, Draws, gamma_tail, many_cells
from tests.reference import contingency as oracle


def table_of(wide):
    wide = np.asarray(wide, np.int64)
    wide = wide[wide.sum(axis=1) > 0]
    cells = np.flatnonzero(wide)
    return CountTable.of_cells(cells, wide.ravel()[cells], wide.shape[1])


def p_of(wide):
    (one,) = finish([table_of(wide)])
    return one["p"]


def exact_p(wide):
    """Share of all orders of the labels that tell as much."""
    wide = np.asarray(wide)
    every = oracle.mi_of_arrangements(wide.sum(axis=1), tuple(wide.sum(axis=0)))
    return (every >= oracle.mutual_information(wide) - 1e-12).mean()


@pytest.mark.parametrize("mi", [0.0, 1e-9, 0.02, 0.3, 5.0])
@pytest.mark.parametrize(("emi", "sd"), [(0.02, 0.01), (0.3, 1e-3), (1e-6, 1e-6)])
def test_gamma_tail(mi, emi, sd):
    shape, scale = (emi / sd) ** 2, sd**2 / emi
    expected = stats.gamma.sf(mi, shape, scale=scale)
    assert gamma_tail(mi, emi, sd) == pytest.approx(expected, rel=1e-8, abs=1e-300)
    assert gamma_tail(mi, emi, 0.0) == gamma_tail(mi, 0.0, sd) == 1.0


# --- two values and two classes


def exact_two_by_two(wide):
    """Sum of hypergeometric probabilities of all tables that tell as much."""
    (a, _), (b, _) = np.sum(wide, axis=1), np.sum(wide, axis=0)
    n = np.sum(wide)
    k = np.arange(max(0, a + b - n), min(a, b) + 1)
    every = np.array([[[i, a - i], [b - i, n - a - b + i]] for i in k])
    mi = oracle.mutual_information(every)
    p = stats.hypergeom.pmf(k, n, a, b)
    return p[mi >= oracle.mutual_information(np.asarray(wide)) - 1e-9 / n].sum()


@pytest.mark.parametrize("seed", range(30))
def test_two_by_two_is_exact(seed):
    rng = np.random.default_rng(seed)
    n = int(10 ** rng.uniform(1, 6))
    m, a = (int(min(n // 2, rng.integers(1, 61))) for _ in range(2))
    k = int(rng.integers(0, min(m, a) + 1))
    wide = [[k, a - k], [m - k, n - a - m + k]]
    assert p_of(wide) == pytest.approx(exact_two_by_two(wide), rel=1e-8)
    assert p_of(np.transpose(wide)[::-1]) == pytest.approx(p_of(wide), rel=1e-9)


def test_a_perfect_flag_of_a_rare_class():
    """All five positives of 30,000 rows are the only five with the flag."""
    wide = [[5, 0], [0, 29_995]]
    assert p_of(wide) == pytest.approx(stats.hypergeom.pmf(5, 30_000, 5, 5), rel=1e-9)


def test_two_positives_in_one_of_64_bins():
    wide = np.array([[10, 0]] * 63 + [[8, 2]])
    assert p_of(wide) == pytest.approx(9 / 639, rel=0.2)


# --- drawn tables


@pytest.mark.parametrize("seed", range(12))
def test_drawn_p_is_that_of_all_orders_of_the_labels(seed):
    rng = np.random.default_rng(seed)
    a = rng.multinomial(10, np.full(4, 0.25))
    b = [(6, 4), (5, 3, 2), (8, 2), (4, 3, 2, 1)][seed % 4]
    x, y = (np.repeat(np.arange(len(m)), m) for m in (a, b))
    wide = np.zeros((len(a), len(b)), int)
    np.add.at(wide, (x, rng.permutation(y)), 1)
    wide = wide[wide.sum(axis=1) > 0]
    exact = exact_p(wide)
    # a tenth by the draws that are counted, twice the deviation of a hundred
    assert p_of(wide) == pytest.approx(exact, rel=0.35)


def sizes_of_case(name):
    rng = np.random.default_rng(0)
    return {
        "rare class": (np.full(60, 50), [2985, 15]),
        "zeros and a few numbers": ([2900, *[5] * 20], [2950, 50]),
        "values of one or two rows": (np.bincount(rng.integers(0, 800, 400)),
                                      np.full(50, 8)),
        "even classes": ([40, 30, 20, 5, 3, 1, 1], [50, 50]),
        "three classes": ([500, 300, 150, 50], [990, 6, 4]),
    }[name]  # fmt: skip


CASES = [
    "rare class", "zeros and a few numbers", "values of one or two rows",
    "even classes", "three classes",
]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_p_of_shuffled_labels_is_no_smaller_than_its_share(name):
    a, b = sizes_of_case(name)
    x, y = (np.repeat(np.arange(len(m)), m) for m in (a, b))
    rng = np.random.default_rng(1)
    tables = []
    for _ in range(1000):
        wide = np.zeros((len(a), len(b)), np.int64)
        np.add.at(wide, (x, rng.permutation(y)), 1)
        tables.append(table_of(wide))
    p = np.array([one["p"] for one in finish(tables)])
    for alpha in (0.2, 0.05, 0.01):
        noise = np.sqrt(alpha * (1 - alpha) / len(p))
        assert (p <= alpha).mean() < alpha + 4 * noise
    # and not far above it: a p of a few values only jumps over some levels
    assert (p <= 0.5).mean() > 0.2


@pytest.mark.parametrize("name", CASES)
def test_the_ways_to_deal_give_one_law(name):
    a, b = (np.asarray(m) for m in sizes_of_case(name))
    a, b = a[a > 0], b[b > 0]
    cheapest = Deal.of(a, b)
    rest = Deal(-np.sort(-b)[1:], -np.sort(-a), True, True, int(b.sum()))
    shift, samples = [], []
    wide = np.zeros((len(a), len(b)), np.int64)
    x, y = (np.repeat(np.arange(len(m)), m) for m in (a, b))
    np.add.at(wide, (x, np.random.default_rng(3).permutation(y)), 1)
    for deal in (cheapest, rest):
        shift.append(deal.statistic(table_of(wide)))
        samples.append(Draws(deal)._upto(2000))
    # sums differ by what the margins fix
    moved = samples[1] - shift[1] + shift[0]
    both = np.concatenate([samples[0], moved]).round(6)
    first, second = both[:2000], both[2000:]
    assert stats.ks_2samp(first, second).pvalue > 1e-3


def test_statistic_of_an_observed_table_is_one_that_is_drawn():
    a, b = np.array([6, 5, 4, 1, 1]), np.array([9, 6, 2])
    deal = Deal.of(a, b)
    possible = np.unique(Draws(deal)._upto(20_000).round(8))
    rng = np.random.default_rng(0)
    x, y = (np.repeat(np.arange(len(m)), m) for m in (a, b))
    for _ in range(50):
        wide = np.zeros((5, 3), np.int64)
        np.add.at(wide, (x, rng.permutation(y)), 1)
        assert np.abs(possible - deal.statistic(table_of(wide))).min() < 1e-7


def test_p_beyond_all_draws():
    """All of 15 rare rows in one of 60 values: one in 60^14."""
    n, (a, _) = 3000, sizes_of_case("rare class")
    wide = np.stack([np.zeros(60, int), a], axis=1)
    wide[0] = 15, 35
    p = p_of(wide)
    assert 1e-25 < p < 1e-7
    # some positives more together are less likely
    several = []
    for k in range(3, 16):
        wide = np.stack([np.zeros(60, int), a], axis=1)
        wide[: 16 - k, 0] = 1
        wide[0, 0] = k
        wide[:, 1] = a - wide[:, 0]
        assert wide.sum() == n and wide[:, 0].sum() == 15
        several.append(p_of(wide))
    assert (np.diff(several) < 0).all()


def test_p_depends_on_the_table_alone():
    """Not on the order of its values and classes, on others, or on threads."""
    rng = np.random.default_rng(0)
    tables = []
    for name in CASES:
        a, b = sizes_of_case(name)
        x, y = (np.repeat(np.arange(len(m)), m) for m in (a, b))
        wide = np.zeros((len(a), len(b)), np.int64)
        np.add.at(wide, (x, rng.permutation(y)), 1)
        tables += [wide, wide[::-1], wide[:, ::-1]]
    alone = [p_of(wide) for wide in tables]
    for i in range(0, len(tables), 3):
        assert alone[i] == alone[i + 1] == alone[i + 2]
    for n_threads in (1, 3):
        found = [p_of(wide) for wide in tables]
        together = finish([table_of(wide) for wide in tables[:3]], n_threads)
        assert found == alone and [one["p"] for one in together] == alone[:3]


def test_full_and_numerous_cells_go_by_the_gamma_law():
    def many(a, b):
        a, b = np.asarray(a), np.asarray(b)
        ((_, sd),) = null_moments([a], b)
        return many_cells(a, b, (int(b.sum()) * sd) ** 2)

    assert many([50, 50], [50, 50])
    assert many(np.full(1000, 5), [2500, 2500])
    assert many([900, *[10] * 10], [500, 500])
    assert not many(np.full(64, 47), [2993, 15])
    assert not many([3000, *[2] * 4], [1504, 1504])
    # where two values of most rows say next to nothing, the others decide
    assert not many([14_700, 14_700, *[6] * 100], [29_000, 1000])


def test_draws_are_limited(monkeypatch):
    monkeypatch.setattr(tails, "MOST_DRAWS", 500)
    deal = Deal.of(np.full(60, 50), np.array([2985, 15]))
    draws = Draws(deal)
    highest = float(draws._upto(500).max())
    assert draws.p_value(highest, 0.0) >= 1 / 501
    assert draws.p_value(highest + 100, 0.0) < 1e-9
    assert draws.p_value(highest + 100, 1e-3) == 1e-3
    assert draws.p_value(highest + 100, 0.5) == pytest.approx(1 / 501)
    assert len(draws._values) == 500
