"""Sources that are objects in S3, Google Cloud Storage or Azure Blob Storage.

The etag of a version holds its length and the store's ETag, so that opening a known version asks nobody: its first
read is pinned by If-Match (RFC 9110, section 13.1.1) and finds out whether it is still there.
"""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import obstore

from images.indexes.ranges import ByteRange
from images.sources.errors import (
    SourceAnswerError,
    SourceChangedError,
    SourceError,
    SourceForbiddenError,
    SourceTruncatedError,
)
from images.sources.location import Location, key_segments
from images.sources.loop import loop
from images.sources.object_client import ObjectClient, ObjectOptions, forget_client, object_client
from images.sources.object_errors import OBJECT_ERRORS, translated
from images.sources.reader import SourceStat

Result = TypeVar("Result")

PART_BYTES = 8 * 2**20
"""Longer ranges are fetched in parts of this length, side by side."""

_SLOWEST = 256 * 1024
"""Bytes a second that a store must deliver at least, besides what is said for a read as a whole."""

_ETAG = re.compile(r'(?:W/)?"[^"]*"')  # RFC 9110, section 8.8.3
_PIN = re.compile(rf"([0-9a-f]+)-({_ETAG.pattern}|t[0-9]+)(?:@(.+))?")
_MAX_ETAG = 200


@dataclass(frozen=True, slots=True)
class Pin:
    """One version of an object. `etag` is the store's, or the time of the last change where it has none; `version` only
    in buckets that keep versions.
    """

    byte_size: int
    etag: str
    version: str = ""

    @classmethod
    def of(cls, meta: Any, *, versioned: bool) -> "Pin":
        etag = meta["e_tag"] or ""
        if not _ETAG.fullmatch(etag):
            etag = f"t{meta['last_modified'].timestamp() * 1_000_000:.0f}"
        return cls(meta["size"], etag, (versioned and meta["version"]) or "")

    @classmethod
    def parse(cls, text: str) -> "Pin":
        """Raises SourceChangedError for what is no etag of an object."""
        match = _PIN.fullmatch(text)
        if match is None:
            raise SourceChangedError("The source is another one than was last read.", f"etag {text!r}")
        return cls(int(match[1], 16), match[2], match[3] or "")

    def __str__(self) -> str:
        return f"{self.byte_size:x}-{self.etag}" + (f"@{self.version}" if self.version else "")

    def conditions(self) -> dict[str, str]:
        if self.version:
            return {"version": self.version}
        return {"if_match": self.etag} if self.etag.startswith('"') else {}


def open_object(location: Location, etag: str | None = None) -> "ObjectReader":
    """Open the object at `location`; one request without an etag, none with it. Raises SourceError."""
    path = object_path(location)
    if etag is not None:
        return ObjectReader(location, path, Pin.parse(etag))
    client = object_client(location)
    options = ObjectOptions(**location.options)
    meta = call(location, client, _head(client, path), options.total_seconds)
    pin = Pin.of(meta, versioned=options.versioned)
    if len(str(pin)) > _MAX_ETAG:
        raise SourceAnswerError("The store gives the object an ETag that is too long.", f"{len(pin.etag)} characters")
    modified = meta["last_modified"]
    return ObjectReader(location, path, pin, modified.astimezone(UTC) if modified else None)


def object_path(location: Location) -> str:
    """The whole name of the object in its bucket. Raises SourceNotAllowedError."""
    key_segments(location.key)
    prefix = location.root.partition("/")[2].strip("/")
    return f"{prefix}/{location.key}" if prefix else location.key


def call(location: Location, client: ObjectClient, work: Coroutine[Any, Any, Result], total_seconds: float) -> Result:
    """The outcome of `work` on the event loop, within `total_seconds`. Raises SourceError."""
    try:
        return loop.run(_in_time(work, total_seconds))
    except SourceError:
        raise
    except OBJECT_ERRORS as error:
        where = f"{location.kind}:{location.root}/{location.key}"
        found = translated(error, where, client.secrets)
        if isinstance(found, SourceForbiddenError):
            forget_client(location)
        raise found from None  # the cause may hold what must not be seen


async def _in_time(work: Coroutine[Any, Any, Result], seconds: float) -> Result:
    async with asyncio.timeout(seconds):
        return await work


async def _head(client: ObjectClient, path: str) -> Any:
    async with client.turn(0):
        return await obstore.head_async(client.store, path)


class ObjectReader:
    """Implements `ByteReader`; each answer is checked to be of the pinned version and to have the length asked for."""

    def __init__(self, location: Location, path: str, pin: Pin, modified: datetime | None = None) -> None:
        self._location = location
        self._path = path
        self._pin = pin
        self._options = ObjectOptions(**location.options)
        self._stat = SourceStat(pin.byte_size, str(pin), modified)
        self._is_closed = False

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        return self.read_many([_range(start, length)])[0]

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """All ranges in one round: as many requests at once as the store's limit lets through."""
        if self._is_closed:
            raise ValueError("read of a closed source")
        for one in ranges:
            self._require_within(one)
        parts = [list(_parts(one)) for one in ranges]
        wanted = [part for pieces in parts for part in pieces]
        if not wanted:
            return [b"" for _one in ranges]
        client = object_client(self._location)
        fetched = iter(call(self._location, client, self._fetch_all(client, wanted), self._seconds(wanted)))
        return [_joined([next(fetched) for _part in pieces]) for pieces in parts]

    def _require_within(self, one: ByteRange) -> None:
        _range(one.start, one.length)
        if one.stop > self._pin.byte_size:
            raise SourceTruncatedError(
                "The object ends before the data that it should hold.",
                f"bytes {one.start} to {one.stop} of {self._pin.byte_size} were asked for",
            )

    def _seconds(self, parts: Sequence[ByteRange]) -> float:
        slowest = min(_SLOWEST, self._location.retrieval.max_bytes_per_second or _SLOWEST)
        return self._options.total_seconds + sum(part.length for part in parts) / slowest

    async def _fetch_all(self, client: ObjectClient, parts: Sequence[ByteRange]) -> list[bytes]:
        tasks = [asyncio.create_task(self._fetch(client, part)) for part in parts]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _fetch(self, client: ObjectClient, part: ByteRange) -> bytes:
        async with client.turn(part.length):
            options: Any = {"range": (part.start, part.stop), **self._pin.conditions()}
            answer = await obstore.get_async(client.store, self._path, options=options)
            if Pin.of(answer.meta, versioned=bool(self._pin.version)) != self._pin:
                raise SourceChangedError("The object was replaced since it was last read.", self._path)
            if answer.range != (part.start, part.stop):
                raise SourceTruncatedError("The store sent another part of the object.", self._path)
            data = bytes(await answer.bytes_async())
        if len(data) != part.length:
            raise SourceTruncatedError(
                "The object ended before the data that it should hold.", f"{len(data)} of {part.length} bytes came"
            )
        return data

    def verify(self) -> None:
        """Every answer was checked when it came."""

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _range(start: int, length: int) -> ByteRange:
    if start < 0 or length < 0:
        raise ValueError(f"cannot read {length} bytes at offset {start}")
    return ByteRange(start, start + length)


def _parts(whole: ByteRange) -> Sequence[ByteRange]:
    starts = range(whole.start, whole.stop, PART_BYTES)
    return [ByteRange(start, min(start + PART_BYTES, whole.stop)) for start in starts]


def _joined(pieces: Sequence[bytes]) -> bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
