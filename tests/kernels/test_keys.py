"""The compiled numbering of keys against the plain one."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from featurekit.kernels.registry import kernel

DEVICES = ("cpu", "reference")
NAMES = ["mix_keys", "number_keys", "place_keys", "look_up"]
FAR = np.iinfo(np.int64)
KEYS = {
    "near": lambda rng, n: rng.integers(-5, 6, n),
    "wide": lambda rng, n: rng.integers(FAR.min, FAR.max, n),
    "ends": lambda rng, n: rng.choice([FAR.min, FAR.max, 0, -1, 1], n),
    "all distinct": lambda rng, n: rng.permutation(n) * 8 - 3 * n,
    "constant": lambda rng, n: np.full(n, 7),
}
SIZES = [0, 1, 2, 300]


@pytest.mark.parametrize("name", NAMES)
def test_signature(name):
    compiled = kernel(name)
    python = getattr(compiled, "py_func", compiled)
    assert inspect.signature(python) == inspect.signature(kernel(name, "reference"))


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("n", SIZES)
def test_mix_keys(n, kind):
    keys = KEYS[kind](np.random.default_rng(n), n)
    for seed in (0, 1, 0x9E3779B97F4A7C15):
        outs = [np.zeros(n, np.uint64) for _ in DEVICES]
        for device, out in zip(DEVICES, outs, strict=True):
            kernel("mix_keys", device)(keys, np.uint64(seed), out)
        np.testing.assert_array_equal(*outs)
        assert len(np.unique(outs[0])) == len(np.unique(keys))  # nothing is lost


@pytest.mark.parametrize("device", DEVICES)
def test_mix_keys_are_numbers_of_splitmix64(device):
    out = np.empty(1, np.uint64)
    kernel("mix_keys", device)(np.zeros(1, int), np.uint64(0x9E3779B97F4A7C15), out)
    assert out[0] == 0xE220A8397B1DCDAF  # the first one from seed 0


def _number(device, keys, shift, start, used, slots, room):
    """Codes and tables; those of keys seen before are -1, -2, ..."""
    table, distinct = np.zeros(slots, np.uint32), np.zeros(room, np.int64)
    distinct[:used] = -1 - np.arange(used)
    kernel("place_keys", device)(distinct, used, table)
    codes = np.zeros(len(keys), np.uint32)
    at, used = kernel("number_keys", device)(
        keys, shift, start, table, distinct, used, codes
    )
    return at, used, codes, table, distinct


@pytest.mark.parametrize("shift", [0, 3, 63])
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("n", SIZES)
def test_number_keys(n, kind, shift):
    keys = KEYS[kind](np.random.default_rng(n), n)
    for start, used in {(0, 0), (min(n, 1), 0), (0, 2), (n, 1)}:
        for slots, room in ((1024, 600), (64, 600), (1024, 20), (4, 2)):
            outs = [_number(d, keys, shift, start, used, slots, room) for d in DEVICES]
            for fast, slow in zip(*outs, strict=True):
                np.testing.assert_array_equal(fast, slow)
            at, n_used, codes, _, distinct = outs[0]
            np.testing.assert_array_equal(
                distinct[codes[start:at] - 1], keys[start:at] >> shift
            )
            assert at == n or n_used == min(slots // 2, room)


@pytest.mark.parametrize("device", DEVICES)
def test_keys_are_numbered_in_the_order_of_first_sight(device):
    keys = KEYS["near"](np.random.default_rng(1), 300)
    _, used, codes, _, distinct = _number(device, keys, 0, 0, 0, 64, 32)
    expected, seen = pd.factorize(keys)
    np.testing.assert_array_equal(codes, expected + 1)
    np.testing.assert_array_equal(distinct[:used], seen)


@pytest.mark.parametrize("device", DEVICES)
def test_numbering_goes_on_in_a_larger_table(device):
    keys = KEYS["wide"](np.random.default_rng(2), 200).repeat(2)
    at, used, codes, _, distinct = _number(device, keys, 0, 0, 0, 64, 200)
    assert (at, used) == (64, 32)
    slots = np.zeros(512, np.uint32)
    kernel("place_keys", device)(distinct, used, slots)
    at, used = kernel("number_keys", device)(keys, 0, at, slots, distinct, used, codes)
    assert (at, used) == (400, 200)
    np.testing.assert_array_equal(codes, 1 + np.arange(400) // 2)


@pytest.mark.parametrize("used", [0, 1, 100])
def test_place_keys(used):
    distinct = KEYS["wide"](np.random.default_rng(used), 128)
    outs = [np.zeros(256, np.uint32) for _ in DEVICES]
    for device, out in zip(DEVICES, outs, strict=True):
        kernel("place_keys", device)(distinct, used, out)
    np.testing.assert_array_equal(*outs)
    np.testing.assert_array_equal(np.sort(outs[0][outs[0] > 0]), 1 + np.arange(used))


@pytest.mark.parametrize("size", [0, 1, 11])
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("n", SIZES)
def test_look_up(n, kind, size):
    rng = np.random.default_rng(n)
    keys = KEYS[kind](rng, n)
    table = rng.integers(0, 5, size).astype(np.uint32)
    for low in (-5, 0, 3):
        outs = [np.full(n, 99, np.uint32) for _ in DEVICES]
        lacking = [
            kernel("look_up", device)(keys, low, table, out)
            for device, out in zip(DEVICES, outs, strict=True)
        ]
        np.testing.assert_array_equal(*outs)
        assert lacking[0] == lacking[1] == np.sum(outs[0] == 0)
