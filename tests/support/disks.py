"""A disk of its own for a folder: small, so that it is soon full."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PIECE = bytes(64 * 1024)


@contextmanager
def small_disk(folder: Path, *, bytes_: int, inodes: int) -> Iterator["SmallDisk"]:
    """Mounted at `folder`; skips the test where this machine does not let us."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={bytes_},nr_inodes={inodes},mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here (it takes root): {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


class SmallDisk:
    """`fill_bytes`, or `fill_inodes`, to the last one; `free` takes that back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill_bytes(self) -> None:
        self._ballast.mkdir(exist_ok=True)
        with (self._ballast / "bytes").open("wb", buffering=0) as file:
            _until_full(lambda: file.write(_PIECE))
        assert os.statvfs(self.folder).f_bavail == 0

    def fill_inodes(self) -> None:
        self._ballast.mkdir(exist_ok=True)
        names = iter(range(10**6))

        def one_more() -> None:
            (self._ballast / str(next(names))).touch()

        _until_full(one_more)
        assert os.statvfs(self.folder).f_ffree == 0

    def free(self) -> None:
        for path in self._ballast.iterdir():
            path.unlink()


def _until_full(step: Callable[[], object]) -> None:
    try:
        while True:
            step()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
