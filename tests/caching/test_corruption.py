"""Entries that are not what was written: never served, gone after the first look, made again."""

import os
import random
from pathlib import Path

import pytest

from caching.backends.entry_file import SMALL_BODY_BYTES
from caching.backends.layout import Layout
from caching.derivatives import DerivativeCache
from tests.caching.conftest import body_of, files_below, key_of, store

DAMAGES = ("flip", "cut", "zero", "swap", "empty", "append", "hole")


def damage(path: Path, kind: str, other: bytes, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    match kind:
        case "flip":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case "cut":
            del data[rng.randrange(1, len(data)) :]
        case "zero":
            data = bytearray(len(data))
        case "swap":
            data = bytearray(other)
        case "empty":
            data = bytearray()
        case "append":
            data += b"\0"
        case "hole":
            start = rng.randrange(len(data) - 64)
            data[start : start + 64] = bytes(64) if any(data[start : start + 64]) else b"\xff" * 64
    path.write_bytes(data)


def test_a_thousand_damaged_entries(cache: DerivativeCache, layout: Layout) -> None:
    rng = random.Random(20261120)
    keys = [key_of(number, image=number % 20) for number in range(1000)]
    for key in keys:
        store(cache, key, 700)
    cache.wait_for_sweep()
    held = cache.usage().held
    intact = {key: Path(layout.path_of(key)).read_bytes() for key in keys}
    for number, key in enumerate(keys):
        damage(Path(layout.path_of(key)), DAMAGES[number % len(DAMAGES)], intact[keys[number - 1]], rng)
    assert [store(cache, key, 700) for key in keys] == [body_of(key, 700) for key in keys]
    counts = cache.stats.snapshot()
    assert (counts["corrupt"], counts["hits"]) == (1000, 0)
    assert {key: Path(layout.path_of(key)).read_bytes() for key in keys} == intact
    assert cache.usage().held.entries == held.entries
    cache.sweep()
    assert cache.usage().held == held
    assert [store(cache, key, 700) for key in keys] == [body_of(key, 700) for key in keys]
    assert cache.stats.snapshot()["hits"] == 1000


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_to_a_large_entry_shows_before_its_first_byte(cache: DerivativeCache, layout: Layout, kind: str) -> None:
    key, other = key_of(1), key_of(2)
    for each in (key, other):
        store(cache, each, SMALL_BODY_BYTES * 2)
    damage(Path(layout.path_of(key)), kind, Path(layout.path_of(other)).read_bytes(), random.Random(1))
    assert cache.find(key) is None
    assert not Path(layout.path_of(key)).exists()
    assert cache.find(other) is not None


@pytest.mark.parametrize("length", range(0, 90, 7))
def test_every_length_of_a_header_that_was_cut(cache: DerivativeCache, layout: Layout, length: int) -> None:
    store(cache, key_of(1), 40)
    path = Path(layout.path_of(key_of(1)))
    os.truncate(path, length)
    assert cache.find(key_of(1)) is None
    assert not path.exists()


def test_every_bit_of_a_small_entry(cache: DerivativeCache, layout: Layout) -> None:
    store(cache, key_of(1), 8)
    cache.wait_for_sweep()
    path = Path(layout.path_of(key_of(1)))
    intact = path.read_bytes()
    for bit in range(8 * len(intact)):
        data = bytearray(intact)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert cache.find(key_of(1)) is None, bit
        assert not path.exists()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_what_is_no_file_is_no_entry(cache: DerivativeCache, layout: Layout, tmp_path: Path, kind: str) -> None:
    store(cache, key_of(1))
    path = Path(layout.path_of(key_of(1)))
    path.unlink()
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    match kind:
        case "symlink":
            path.symlink_to(secret)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    assert store(cache, key_of(1)) == body_of(key_of(1))
    assert secret.read_bytes() == b"secret"
    cache.sweep()
    assert (path in files_below(layout.entries)) == (kind != "folder")
