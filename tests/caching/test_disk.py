"""What the disk backend promises beyond the contract."""

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from caching.backends.disk import DiskBackend
from caching.backends.layout import Layout
from caching.derivatives import DerivativeCache
from caching.eviction import FOLDER, NOTHING, Amount
from tests.caching.conftest import files_below, key_of, store

Make = Callable[..., DerivativeCache]


def test_entries_lie_in_a_folder_of_their_image(cache: DerivativeCache, layout: Layout) -> None:
    key = key_of(1, image=0xABCD)
    store(cache, key)
    image = f"{0xABCD:032x}"
    assert files_below(layout.entries) == [layout.entries / "cd" / image / f"1-{key.digest}"]
    assert not files_below(layout.temporary)


def test_nobody_else_may_read_entries(cache: DerivativeCache, root: Path) -> None:
    store(cache, key_of(1))
    for path in [root, *root.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_hit_renews_the_time_of_use_but_not_each_time(make_cache: Make, layout: Layout) -> None:
    cache = make_cache(touch=300.0)
    store(cache, key_of(1))
    (file,) = files_below(layout.entries)
    recently, long_ago = time.time() - 100, time.time() - 1000
    os.utime(file, (recently, recently))
    store(cache, key_of(1))
    assert file.stat().st_mtime == pytest.approx(recently)
    os.utime(file, (long_ago, long_ago))
    store(cache, key_of(1))
    assert file.stat().st_mtime > time.time() - 50


def test_fsync_is_an_option(make_cache: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store(make_cache(), key_of(1))
    assert not synced
    store(make_cache(fsync=True), key_of(2))
    assert len(synced) == 1


def test_a_sweep_removes_what_was_left_behind(make_cache: Make, layout: Layout) -> None:
    cache = make_cache(temporary_age=600.0)
    store(cache, key_of(1))
    old, new = layout.temporary / "1-old", layout.temporary / "1-new"
    for file in (old, new):
        file.write_bytes(b"half an entry")
    os.utime(old, (time.time() - 700, time.time() - 700))
    assert cache.sweep().leftovers == 1
    assert not old.exists()
    assert new.exists()


def test_a_sweep_removes_damaged_headers_and_empty_folders(cache: DerivativeCache, layout: Layout) -> None:
    for number in range(3):
        store(cache, key_of(number, image=number))
    cache.wait_for_sweep()
    files = sorted(files_below(layout.entries))
    files[0].write_bytes(b"")
    files[1].write_bytes(files[2].read_bytes())
    report = cache.sweep()
    assert report.damaged == 2
    assert report.usage is not None
    assert report.usage.held == Amount(8192, 1) + FOLDER
    assert files_below(layout.entries) == [files[2]]
    assert not files[0].parent.exists()


def test_a_sweep_leaves_files_of_others_alone(cache: DerivativeCache, layout: Layout) -> None:
    store(cache, key_of(1))
    foreign = files_below(layout.entries)[0].with_name("README")
    foreign.write_text("not ours")
    assert cache.sweep().damaged == 0
    assert foreign.exists()


def test_a_sweep_removes_superseded_versions(make_cache: Make, layout: Layout) -> None:
    cache = make_cache(grace=0.0)
    for version in (1, 2):
        store(cache, key_of(1, version=version))
    assert cache.sweep().evicted.entries == 1
    assert [file.name[:2] for file in files_below(layout.entries)] == ["2-"]


def test_one_sweeper_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, other = DiskBackend(root), DiskBackend(root)
    nested: list[bool] = []

    def images(_layout: Layout) -> Iterator[str]:
        nested.append(other.sweep().ran)
        return iter(())

    monkeypatch.setattr(Layout, "remove_leftovers", lambda _self, _before: len(nested))
    monkeypatch.setattr(Layout, "images", images)
    assert backend.sweep().ran
    assert nested == [False]


def test_a_lost_ledger_is_counted_anew_in_the_background(make_cache: Make, root: Path) -> None:
    cache = make_cache()
    for number in range(4):
        store(cache, key_of(number))
    cache.wait_for_sweep()
    held = cache.usage().held
    (root / "usage").write_bytes(b"garbage")
    late = make_cache()
    assert not late.usage().measured
    store(late, key_of(9))
    late.wait_for_sweep()
    assert late.usage().measured
    assert late.usage().held == held + Amount(8192, 1)


def test_processes_share_one_ledger(make_cache: Make) -> None:
    one, other = make_cache(), make_cache()
    store(one, key_of(1))
    assert other.usage().held == one.usage().held != NOTHING


@pytest.mark.parametrize("what", ["itself", "all in it", "entries", "temporary"])
def test_a_folder_wiped_by_hand_heals(cache: DerivativeCache, root: Path, what: str) -> None:
    store(cache, key_of(1))
    cache.wait_for_sweep()
    match what:
        case "itself":
            shutil.rmtree(root)
        case "all in it":
            shutil.rmtree(root)
            root.mkdir()
        case _:
            shutil.rmtree(root / what)
    store(cache, key_of(1))
    assert cache.find(key_of(1)) is not None
    assert cache.stats.snapshot()["errors"] == 0
