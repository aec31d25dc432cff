"""A kind of source that reads ranges of an object store, one request each, all at once, pinned by If-Match."""

import http.client
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from images.indexes.ranges import ByteRange
from images.sources.errors import (
    SourceChangedError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.location import Location, Retrieval
from images.sources.reader import SourceStat
from tests.support.origin import Origin

TIMEOUT_SECONDS = 1.0


class RangedReader:
    """Implements `ByteReader`; the etag is the size in hexadecimal and the ETag, so that a pinned one asks nobody."""

    def __init__(self, port: int, key: str, etag: str | None) -> None:
        self._port = port
        self._key = key
        if etag is None:
            status, headers, _body = self._ask("HEAD", {})
            self._refuse(status)
            etag = f"{int(headers['Content-Length']):x}-{headers['ETag']}"
        self._stat = SourceStat(int(etag.partition("-")[0], 16), etag)
        self._is_closed = False

    def stat(self) -> SourceStat:
        return self._stat

    def read(self, start: int, length: int) -> bytes:
        return self.read_many([ByteRange(start, start + length)])[0]

    def read_many(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(self._get, ranges))

    def verify(self) -> None:
        """Each answer was of the version that was asked for."""

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, one: ByteRange) -> bytes:
        pin = self._stat.etag.partition("-")[2]
        headers = {"Range": f"bytes={one.start}-{one.stop - 1}", "If-Match": pin}
        status, answered, body = self._ask("GET", headers)
        self._refuse(status)
        if status != 206 or answered["ETag"] != pin or len(body) != one.length:
            raise SourceTruncatedError("The store did not deliver what was asked for.")
        return body

    def _ask(self, method: str, headers: dict[str, str]) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, f"/{self._key}", headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        except http.client.IncompleteRead as error:
            raise SourceTruncatedError("The store closed the connection.") from error
        except (OSError, http.client.HTTPException) as error:
            raise SourceUnreachableError("The store does not answer.", repr(error)) from error
        finally:
            connection.close()

    @staticmethod
    def _refuse(status: int) -> None:
        if status == 404:
            raise SourceNotFoundError("The object does not exist.")
        if status == 412:
            raise SourceChangedError("The object was replaced.")
        if status >= 400:
            raise SourceUnreachableError(f"The store answers {status}.")


def open_ranged(location: Location, etag: str | None = None) -> RangedReader:
    return RangedReader(int(location.root), location.key, etag)


def ranged_location(origin: Origin, key: str, retrieval: Retrieval) -> Location:
    return Location("ranged", str(origin.port), key, retrieval=retrieval)
