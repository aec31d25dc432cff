"""A disk of its own for a folder: small, so that it is soon full."""

import errno
import os
import shutil
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
    options = f"size={bytes_},nr_inodes={inodes},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False, timeout=30).returncode:
        with _linked_disk(folder, options):
            yield SmallDisk(folder)
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


@contextmanager
def _linked_disk(folder: Path, options: str) -> Iterator[None]:
    """Where only a namespace of our own may mount: the folder is a link to the disk there while its process lives."""
    place = folder.with_name(f"{folder.name}-disk")
    place.mkdir()
    script = 'mount -t tmpfs -o "$0" tmpfs "$1" && echo mounted && exec cat'
    if shutil.which("unshare") is None:
        pytest.skip("a small disk cannot be mounted here: neither as root nor with unshare")
    command = ["unshare", "-rm", "sh", "-c", script, options, str(place)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        said = holder.stdout.readline().strip()
        if said != "mounted":
            pytest.skip(f"a small disk cannot be mounted here, as root or in a namespace of our own: {said}")
        folder.rmdir()
        folder.symlink_to(f"/proc/{holder.pid}/root{place}")
        try:
            yield
        finally:
            folder.unlink()
            holder.stdin.close()  # ends it, and the disk with it


class SmallDisk:
    """`fill_bytes`, or `fill_inodes`, to the last one, also again; `free` takes that back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill_bytes(self) -> None:
        self._ballast.mkdir(exist_ok=True)
        with (self._ballast / "bytes").open("ab", buffering=0) as file:
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
