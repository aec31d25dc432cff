"""Local copies of what web servers delivered: whole or absent, one current and one previous version of each URL.

A copy's name is made of the SHA-256 of its URL and that of its etag; the etag is the size and the SHA-256 of its
bytes, so that it is strong whatever the web server says of itself. Beside the copies of a URL lie a record of the
current version and a lock file; the record holds no URL.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

_PARTIAL = ".partial"
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """What is known of the current copy of a URL.

    `checked` counts how often the web server was asked about it. `validator` and `last_modified` are its ETag and
    Last-Modified headers as they were sent, `previous` the etag of the version before.
    """

    etag: str
    checked: int
    validator: str = ""
    last_modified: str = ""
    previous: str = ""


class Copies:
    """The copies of one URL in the folder of all copies. Whoever writes must hold `lock_path`. Raises OSError."""

    def __init__(self, cache_dir: Path, url: str) -> None:
        self._url = url
        self._name = hashlib.sha256(url.encode()).hexdigest()
        self._folder = cache_dir / self._name[:2]
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def lock_path(self) -> Path:
        return self._folder / f"{self._name}.lock"

    def find_record(self) -> CopyRecord | None:
        """None where there is none, or none that can be read: then it is fetched again."""
        try:
            values = json.loads(self._record_path.read_bytes())
            record = CopyRecord(**values)
        except (FileNotFoundError, ValueError, TypeError):
            return None
        is_sound = all(isinstance(value, int if name == "checked" else str) for name, value in values.items())
        return record if is_sound else None

    def open(self, etag: str) -> int | None:
        """A descriptor of the copy of that version, for the caller to close; None where there is no whole one."""
        try:
            fd = os.open(self._body_path(etag), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        if f"{os.fstat(fd).st_size:x}" != etag.partition("-")[0]:
            os.close(fd)
            return None
        return fd

    def has(self, etag: str) -> bool:
        fd = self.open(etag)
        if fd is not None:
            os.close(fd)
        return fd is not None

    @contextlib.contextmanager
    def receive(self) -> Iterator["Reception"]:
        """A new file to write into; gone at the end unless it was committed."""
        for leftover in self._folder.glob(f"{self._name}-*{_PARTIAL}"):
            leftover.unlink(missing_ok=True)  # of a process that died: only who holds the lock receives
        with tempfile.NamedTemporaryFile(
            dir=self._folder, prefix=f"{self._name}-", suffix=_PARTIAL, delete=False
        ) as file:
            try:
                yield Reception(file)
            finally:
                Path(file.name).unlink(missing_ok=True)

    def commit(self, reception: "Reception", record: CopyRecord) -> None:
        """Make a reception the current copy; on the disk before anything names it."""
        reception.sync()
        current = self.find_record()
        Path(reception.name).rename(self._body_path(record.etag))
        self.write_record(record)
        for outdated in (current.etag, current.previous) if current else ():
            if outdated and outdated not in {record.etag, record.previous}:
                self._body_path(outdated).unlink(missing_ok=True)

    def write_record(self, record: CopyRecord) -> None:
        with self.receive() as reception:
            reception.write(json.dumps(asdict(record)).encode())
            reception.sync()
            Path(reception.name).rename(self._record_path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @property
    def _record_path(self) -> Path:
        return self._folder / f"{self._name}.json"

    def file_name(self, etag: str) -> str:
        """Of the copy, without its ending: by it the last use is noted."""
        return f"{copy_place(self._url)}-{hashlib.sha256(etag.encode()).hexdigest()[:_DIGITS]}"

    def _body_path(self, etag: str) -> Path:
        return self._folder / f"{self.file_name(etag)}.source"


def copy_place(url: str) -> str:
    """What the names of all copies of a URL begin with."""
    return hashlib.sha256(url.encode()).hexdigest()[:_DIGITS]


class Reception:
    """A body on its way in; counts and hashes what is written."""

    def __init__(self, file: "tempfile._TemporaryFileWrapper[bytes] | IO[bytes]") -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.byte_size = 0

    @property
    def name(self) -> str:
        return str(self._file.name)

    @property
    def etag(self) -> str:
        """Size in hexadecimal and SHA-256 of all that was written so far."""
        return f"{self.byte_size:x}-{self._hash.hexdigest()}"

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.byte_size += len(piece)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
