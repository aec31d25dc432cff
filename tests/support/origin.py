"""An object store and web server on loopback that tests look into: latency, bandwidth, faults, counters.

It answers GET, HEAD, PUT, DELETE and listings of `/bucket/key` as S3, Google Cloud Storage and Azure's emulator do by
path, and any plain HTTP client; signatures are not looked at.
"""

import re
import socket
import threading
import time
import xml.sax.saxutils
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.faults import Fault, Misdeed
from tests.support.objects import Log, StoredObject, Visit

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE_BYTES = 64 * 1024


@dataclass
class Conditions:
    """How far away the origin is: seconds before each answer, and bytes a second of each connection (0: no limit)."""

    rtt: float = 0.0
    bandwidth: float = 0.0


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer; faults use its methods."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Origin"
    visit: Visit

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/")

    def _handle(self) -> None:
        self.visit = Visit(self.command, self.key, {name.lower(): value for name, value in self.headers.items()})
        if match := _RANGE.fullmatch(self.headers.get("Range", "")):
            stored = self.server.objects.get(self.key)
            size = len(stored.body) if stored else 0
            self.visit.byte_range = _range_of(match, size)
        self.server.log.begin(self.visit)
        try:
            self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.server.conditions.rtt:
                self.server.stopping.wait(self.server.conditions.rtt)
            misdeed = self.server.misdeed_for(self.key, self.command) or Exchange.serve
            misdeed(self)
        finally:
            self.server.log.end(self.visit)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _handle  # noqa: N815

    def serve(self) -> None:
        if self.command == "PUT":
            stored = self.server.put(self.key, self._body, self.headers.get("Content-Type", ""))
            self.answer(200, b"", {"ETag": stored.etag})
        elif self.command == "DELETE":
            self.server.objects.pop(self.key, None)
            self.answer(204)
        elif self.command == "POST" and urlsplit(self.path).query == "delete":
            self._delete_several()
        elif "list-type" in parse_qs(urlsplit(self.path).query):
            self.answer(200, self._listing(), {"Content-Type": "application/xml"})
        else:
            self.deliver()

    def _delete_several(self) -> None:
        names = [name.decode() for name in re.findall(rb"<Key>(.*?)</Key>", self._body)]
        for name in names:
            self.server.objects.pop(f"{self.key.rstrip('/')}/{xml.sax.saxutils.unescape(name)}", None)
        deleted = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
        self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode(), {"Content-Type": "application/xml"})

    def deliver(
        self,
        *,
        fraction: float = 1.0,
        missing: int = 0,
        announced: int = 0,
        scribble: bool = False,
        whole: bool = False,
    ) -> None:
        """The object or its range: cut at `fraction`, `missing` bytes at its end, with `announced` too many."""
        stored = self.server.objects.get(self.key)
        if stored is None:
            self.error(404, "NoSuchKey")
            return
        wanted = self.headers.get("If-Match")
        if wanted and stored.etag not in wanted and wanted != "*":
            self.error(412, "PreconditionFailed")
            return
        known = self.headers.get("If-None-Match")
        if known and (stored.etag in known or known == "*"):
            self.answer(304, b"", stored.headers())
            return
        self._deliver_bytes(stored, fraction, missing, announced, scribble=scribble, whole=whole)

    def deliver_whole(self) -> None:
        self.deliver(whole=True)

    def _deliver_bytes(
        self, stored: StoredObject, fraction: float, missing: int, announced: int, *, scribble: bool, whole: bool
    ) -> None:
        size, headers, status = len(stored.body), stored.headers(), 200
        start, stop = 0, size
        if whole:
            del headers["Accept-Ranges"]
        elif self.visit.byte_range is not None:
            start, stop = self.visit.byte_range
            if start >= size:
                self.error(416, "InvalidRange", {"Content-Range": f"bytes */{size}"})
                return
            stop, status = min(stop, size), 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        stop = max(start, stop - missing)
        body = memoryview(stored.body)[start:stop]
        if scribble:
            body = memoryview(bytes(len(body)))
        headers["Content-Length"] = str(len(body) + announced)
        self._head(status, headers)
        if self.command != "HEAD":
            self.send(body[: int(len(body) * fraction)])

    def _listing(self) -> bytes:
        bucket = self.key.partition("/")[0]
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        names = sorted(
            key.partition("/")[2] for key in list(self.server.objects) if key.startswith(f"{bucket}/{prefix}")
        )
        entries = []
        for name in names:
            stored = self.server.objects[f"{bucket}/{name}"]
            date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stored.modified))
            entries.append(
                f"<Contents><Key>{xml.sax.saxutils.escape(name)}</Key><LastModified>{date}</LastModified>"
                f"<ETag>{xml.sax.saxutils.escape(stored.etag)}</ETag><Size>{len(stored.body)}</Size></Contents>"
            )
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{xml.sax.saxutils.escape(prefix)}</Prefix><KeyCount>{len(names)}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{''.join(entries)}</ListBucketResult>"
        ).encode()

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD" and status not in {204, 304}:
            self.send(memoryview(body))

    def error(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
        self.answer(status, text.encode(), {"Content-Type": "application/xml", **(headers or {})})

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.visit.status = status
        self.send_response(status)
        for name, value in headers.items():
            if not (status in {204, 304} and name == "Content-Length"):
                self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def send(self, body: memoryview) -> None:
        bandwidth = self.server.conditions.bandwidth
        for start in range(0, len(body), _PIECE_BYTES):
            piece = body[start : start + _PIECE_BYTES]
            if bandwidth and self.server.stopping.wait(len(piece) / bandwidth):
                return
            self.visit.sent += len(piece)  # before: who has the last bytes may ask for the count at once
            self.wfile.write(piece)

    def wait_for_the_end(self) -> None:
        """Until the client hangs up, the origin forgives (`Origin.mend`) or stops."""
        self.connection.settimeout(0.05)
        forgiven = self.server.forgiven
        while not self.server.stopping.is_set() and self.server.forgiven == forgiven:
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    return
                time.sleep(0.05)  # the client has sent more, and waits
            except TimeoutError:
                continue
            except OSError:
                return

    def log_message(self, *args: object) -> None:
        pass


def _range_of(match: re.Match[str], size: int) -> tuple[int, int] | None:
    first, last = match.groups()
    if first:
        return int(first), int(last) + 1 if last else size
    return (max(0, size - int(last)), size) if last else None


class Origin(ThreadingHTTPServer):
    """`with Origin() as origin: origin.put("bucket/map.jp2", data)`; `origin.log` tells what was asked."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.objects: dict[str, StoredObject] = {}
        self.conditions = Conditions()
        self.log = Log()
        self.connections = 0
        self.stopping = threading.Event()
        self.forgiven = 0
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="origin")

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, key: str) -> str:
        return f"{self.endpoint}/{key}"

    def put(self, key: str, body: bytes | Path, content_type: str = "") -> StoredObject:
        """Make or replace an object, at once for all later requests; `key` is bucket/key."""
        data = body.read_bytes() if isinstance(body, Path) else body
        stored = StoredObject.of(data, content_type or "application/octet-stream")
        self.objects[key] = stored
        return stored

    def remove(self, key: str) -> None:
        del self.objects[key]

    def fail(self, misdeed: Misdeed, key: str = "*", times: int | None = None, method: str = "") -> Fault:
        """From now on do wrong to the requests of this key (`*`: of all); `mend` ends it."""
        fault = Fault(misdeed, times, method)
        with self._lock:
            self._faults[key].append(fault)
        return fault

    def mend(self) -> None:
        """No faults any more; who hangs is let go."""
        with self._lock:
            self._faults.clear()
            self.forgiven += 1

    def misdeed_for(self, key: str, method: str) -> Misdeed | None:
        with self._lock:
            for fault in [*self._faults.get(key, ()), *self._faults.get("*", ())]:
                misdeed: Misdeed | None = fault.take(method)
                if misdeed is not None:
                    return misdeed
        return None

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        with self._lock:
            self.connections += 1
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are what many tests are about

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            waiting = list(self._open)
        for connection in waiting:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self.server_close()
