"""Ranges of sources on web servers, pinned to a version by the server's own strong ETag (RFC 9110, sections 13.1, 14).

The etag of a version holds its length and the server's ETag, so that opening a known version asks nobody.
"""

import os
import re
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from images.indexes.ranges import ByteRange
from images.sources.answers import http_time, require_usable
from images.sources.connection import Route
from images.sources.deadline import ConnectionTurns, Deadline
from images.sources.errors import SourceAnswerError, SourceChangedError, SourceTruncatedError
from images.sources.fetch import Answer, get
from images.sources.reader import SourceStat

_STRONG_ETAG = re.compile(r'"[!#-~]*"')  # RFC 9110, section 8.8.3, in ASCII
_PIN = re.compile(rf"([0-9a-f]+)-({_STRONG_ETAG.pattern})")
_MAX_PIN = 200
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_PIECE_BYTES = 1 << 18
_DRAINED_BYTES = 1 << 16  # of an answer that is not wanted: reading so much is cheaper than another connection
_PART_BYTES = 8 * 2**20
_SLOWEST = 256 * 1024  # bytes a second that are allowed for besides the time for a fetch as a whole


@dataclass(frozen=True, slots=True)
class WebPin:
    """One version of a resource. `etag` is the web server's, in quotes."""

    byte_size: int
    etag: str

    @classmethod
    def find(cls, text: str) -> "WebPin | None":
        """None for what is no such etag: that of a copy, for instance."""
        match = _PIN.fullmatch(text)
        return cls(int(match[1], 16), match[2]) if match else None

    def __str__(self) -> str:
        return f"{self.byte_size:x}-{self.etag}"


def find_ranged(url: str, route: Route, turns: ConnectionTurns, total_seconds: float) -> "RangedReader | None":
    """A reader of the version that is there now; one request.

    None where the server knows no ranges, or has no strong ETag to pin them by. Raises SourceError.
    """
    with get(url, route, Deadline(total_seconds), {"Range": "bytes=0-0"}, keep_alive=True) as answer:
        if answer.status != 206:
            if answer.status not in {200, 416}:  # 416: an empty resource
                require_usable(answer)
            return None
        match = _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
        etag = answer.header("ETag")
        if match is None or not _STRONG_ETAG.fullmatch(etag):
            return None
        _drain(answer)
        pin = WebPin(int(match[3]), etag)
        modified = http_time(answer.header("Last-Modified"))
        stat = SourceStat(pin.byte_size, str(pin), modified)
    return RangedReader(url, route, turns, total_seconds, pin, stat) if len(str(pin)) <= _MAX_PIN else None


class RangedReader:
    """Implements `ByteReader`; each answer must be of the pinned version and of just the range that was asked for."""

    def __init__(
        self,
        url: str,
        route: Route,
        turns: ConnectionTurns,
        total_seconds: float,
        pin: WebPin,
        stat: SourceStat | None = None,
    ) -> None:
        self._url = url
        self._route = route
        self._turns = turns
        self._total_seconds = total_seconds
        self._pin = pin
        self._stat = stat or SourceStat(pin.byte_size, str(pin))
        self._is_closed = False

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        return self.read_many([ByteRange(start, start + length)])[0]

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """All ranges at once, as far as the store's limit lets them."""
        if self._is_closed:
            raise ValueError("read of a closed source")
        for one in ranges:
            self._require_within(one)
        parts = [_parts(one) for one in ranges]
        wanted = [part for pieces in parts for part in pieces]
        deadline = Deadline(self._total_seconds + sum(part.length for part in wanted) / _SLOWEST)
        if len(wanted) == 1:
            fetched = iter([self.fetch(wanted[0], deadline)])
        else:
            futures = [_threads.submit(self._turns, self, part, deadline) for part in wanted]
            fetched = iter(_results(futures))
        return [b"".join([next(fetched) for _part in pieces]) for pieces in parts]

    def _require_within(self, one: ByteRange) -> None:
        if one.start < 0 or one.length < 0:
            raise ValueError(f"cannot read {one.length} bytes at offset {one.start}")
        if one.stop > self._pin.byte_size:
            raise SourceTruncatedError(
                "The file ends before the data that it should hold.",
                f"bytes {one.start} to {one.stop} of {self._pin.byte_size} were asked for",
            )

    def fetch(self, part: ByteRange, deadline: Deadline) -> bytes:
        """One request. Raises SourceError."""
        self._turns.pause(part.length)
        conditions = {"Range": f"bytes={part.start}-{part.stop - 1}", "If-Match": self._pin.etag}
        with get(self._url, self._route, deadline, conditions, keep_alive=True) as answer:
            if answer.status == 412:
                _drain(answer)
                raise SourceChangedError("The file was replaced since it was last read.")
            if answer.status in {200, 206}:
                self._require_version(answer, part)
            else:
                require_usable(answer)
            return _body(answer, part)

    def _require_version(self, answer: Answer, part: ByteRange) -> None:
        """Servers may not know If-Match, or have forgotten what ranges are."""
        if answer.header("ETag") != self._pin.etag:
            raise SourceChangedError("The file was replaced since it was last read.")
        expected = f"bytes {part.start}-{part.stop - 1}/{self._pin.byte_size}"
        if answer.status != 206 or answer.header("Content-Range") != expected:
            raise SourceAnswerError("The web server sent something else than the part that was asked for.")
        if answer.header("Content-Length") not in {"", str(part.length)}:
            raise SourceTruncatedError("The web server announces another length than that of the part.")
        if answer.header("Content-Encoding").lower() not in {"", "identity"}:
            raise SourceAnswerError("The web server compresses its answer although it must not.")

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


class _Threads:
    """They wait for answers side by side, as many for each store as it has connections: where one hangs, those of the
    others go on. Made anew after a fork.
    """

    def __init__(self) -> None:
        self.after_fork()

    def submit(
        self, turns: ConnectionTurns, reader: RangedReader, part: ByteRange, deadline: Deadline
    ) -> "Future[bytes]":
        with self._lock:
            pool = self._pools.get(turns)
            if pool is None:
                pool = self._pools[turns] = ThreadPoolExecutor(turns.connections, thread_name_prefix="ranges")
            return pool.submit(reader.fetch, part, deadline)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._pools: weakref.WeakKeyDictionary[ConnectionTurns, ThreadPoolExecutor] = weakref.WeakKeyDictionary()


_threads = _Threads()
os.register_at_fork(after_in_child=_threads.after_fork)


def _results(futures: "Sequence[Future[bytes]]") -> list[bytes]:
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()


def _body(answer: Answer, part: ByteRange) -> bytes:
    pieces, length = [], 0
    while piece := answer.read(_PIECE_BYTES):
        pieces.append(piece)
        length += len(piece)
        if length > part.length:
            break
    if length != part.length:
        raise SourceTruncatedError(
            "The web server closed the connection before the file was complete.", f"{length} of {part.length} bytes"
        )
    return b"".join(pieces)


def _drain(answer: Answer) -> None:
    left = _DRAINED_BYTES
    while left > 0 and (piece := answer.read(left)):
        left -= len(piece)


def _parts(whole: ByteRange) -> list[ByteRange]:
    starts = range(whole.start, whole.stop, _PART_BYTES)
    return [ByteRange(start, min(start + _PART_BYTES, whole.stop)) for start in starts]
