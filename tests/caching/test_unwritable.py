"""Disks that are full, folders that may not be written: images are served, just not kept."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from caching.backends.disk import DiskBackend
from caching.backends.layout import Layout
from caching.derivatives import DerivativeCache
from tests.caching.conftest import body_of, files_below, key_of, production_of, store

Make = Callable[..., DerivativeCache]
PROJECT = Path(__file__).resolve().parents[2]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Quota:
    """A disk that fails the n-th of the calls that need room, and all later ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.left = 10**9
        self.number = number
        self.error = number
        for module, name in (
            (os, "open"),
            (os, "pwrite"),
            (Path, "rename"),
            (Path, "mkdir"),
        ):
            monkeypatch.setattr(module, name, self.guarded(getattr(module, name)))
        fdopen = os.fdopen

        def guarded_file(*arguments: object, **options: object) -> object:
            file = fdopen(*arguments, **options)  # type: ignore[call-overload]
            return GuardedFile(file, self)

        monkeypatch.setattr(os, "fdopen", guarded_file)

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.error, os.strerror(self.error))

    def guarded(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if function is os.open or getattr(function, "__name__", "") == "open":
                flags = arguments[1]
                assert isinstance(flags, int)
                if not flags & os.O_CREAT:
                    return function(*arguments, **options)
            self.spend()
            return function(*arguments, **options)

        return call


class GuardedFile:
    def __init__(self, file: object, quota: Quota) -> None:
        self.file = file
        self.quota = quota

    def write(self, chunk: bytes) -> None:
        self.quota.spend()
        self.file.write(chunk)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_whichever_write_fails_the_image_is_served(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, stream: bool
) -> None:
    with monkeypatch.context() as patched:
        quota = Quota(patched, number)
        for allowed in range(40):
            shutil.rmtree(root, ignore_errors=True)
            cache = DerivativeCache(DiskBackend(root))
            quota.left = allowed
            key = key_of(allowed)
            derivative = cache.get_or_create(key, lambda key=key: production_of(key), stream=stream)  # type: ignore[misc]
            assert b"".join(derivative.chunks) == body_of(key)
            quota.left = 10**9
            cache.wait_for_sweep()
            assert not files_below(root / "temporary")
            if cache.stats.snapshot()["stored"]:
                break
        assert 4 < allowed < 39


def test_writing_rests_for_a_minute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    cache = DerivativeCache(DiskBackend(root), clock=clock)
    store(cache, key_of(0))
    with monkeypatch.context() as patched:
        quota = Quota(patched, errno.ENOSPC)
        quota.left = 0
        assert store(cache, key_of(1)) == body_of(key_of(1))
    assert cache.get_or_create(key_of(2), lambda: production_of(key_of(2))).outcome == "bypassed"
    assert cache.get_or_create(key_of(0), lambda: production_of(key_of(0))).outcome == "hit"
    clock.now += 59
    assert cache.get_or_create(key_of(3), lambda: production_of(key_of(3))).outcome == "bypassed"
    clock.now += 2
    assert cache.get_or_create(key_of(4), lambda: production_of(key_of(4))).outcome == "miss"
    assert cache.find(key_of(4)) is not None
    counts = cache.stats.snapshot()
    assert (counts["bypassed"], counts["errors"]) == (3, 1)
    cache.wait_for_sweep()


@pytest.mark.parametrize("obstacle", ["file", "shard"])
def test_a_folder_that_cannot_be(root: Path, layout: Layout, obstacle: str) -> None:
    if obstacle == "file":
        root.write_text("in the way")
    else:
        layout.make()
        layout.folder_of(key_of(1).image).parent.write_text("in the way")
    cache = DerivativeCache(DiskBackend(root))
    assert store(cache, key_of(1)) == body_of(key_of(1))
    assert store(cache, key_of(1)) == body_of(key_of(1))
    cache.wait_for_sweep()
    assert cache.stats.snapshot()["misses"] == 2
    if obstacle == "shard":
        assert not files_below(layout.temporary)


TMPFS = """
import subprocess, sys
from pathlib import Path
folder, options = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
from caching.backends.disk import DiskBackend
from caching.derivatives import DerivativeCache
from tests.caching.conftest import body_of, key_of, store
now = [0.0]
cache = DerivativeCache(DiskBackend(folder / "derivatives", grace=0.0), clock=lambda: now[0])
filler = folder / "filler"
for number in range(1200):
    key = key_of(number, image=number % 7)
    assert store(cache, key, 20_000) == body_of(key, 20_000)
    now[0] += 1
cache.wait_for_sweep()
counts = cache.stats.snapshot()
assert counts["errors"] > 0, counts
assert counts["bypassed"] > 0, counts
assert not list((folder / "derivatives" / "temporary").iterdir())
cache.sweep()
now[0] += 61
key = key_of(5000)
store(cache, key)
assert cache.find(key) is not None
print("served", counts)
"""


READ_ONLY = """
import subprocess, sys
from pathlib import Path
folder, options = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
from caching.backends.disk import DiskBackend
from caching.derivatives import DerivativeCache
from tests.caching.conftest import body_of, key_of, production_of, store
cache = DerivativeCache(DiskBackend(folder / "derivatives"))
store(cache, key_of(1))
cache.wait_for_sweep()
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
late = DerivativeCache(DiskBackend(folder / "derivatives", touch=-1.0))
derivative = late.get_or_create(key_of(2), lambda: production_of(key_of(2)))
assert derivative.outcome == "bypassed"
assert b"".join(derivative.chunks) == body_of(key_of(2))
assert late.find(key_of(1)).outcome == "hit"
print("served", late.stats.snapshot())
"""


def run_in_namespace(script: str, mount: Path, options: str) -> str:
    """Output of a script that may mount a file system of its own; skips where that is not allowed."""
    can = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(mount)]
    mount.mkdir()
    if shutil.which("unshare") is None or subprocess.run(can, check=False, capture_output=True).returncode:
        pytest.skip("no mounts in user namespaces here: full and read-only disks were only simulated")
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", script, str(mount), options],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("options", ["size=8m", "size=64m,nr_inodes=500"])
def test_a_file_system_that_is_really_full(tmp_path: Path, options: str) -> None:
    """Bytes and inodes run out below the budget; every image is served, and room is used again."""
    assert run_in_namespace(TMPFS, tmp_path / "mount", options).startswith("served")


def test_a_file_system_that_is_really_read_only(tmp_path: Path) -> None:
    """What is there is served from it; the rest is served without being kept."""
    assert run_in_namespace(READ_ONLY, tmp_path / "mount", "size=8m").startswith("served")
