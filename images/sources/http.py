"""Sources on web servers: read by ranges, or fetched whole, once a version, into a copy that reads are served from."""

import base64
import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from caching.sources.caches import get_source_caches
from images.sources.answers import http_time, require_usable
from images.sources.connection import Resolve, Route, resolve_host
from images.sources.copies import Copies, CopyRecord, Reception
from images.sources.credentials import NO_CREDENTIALS, Credentials, Secrets
from images.sources.deadline import ConnectionTurns, Deadline, HostTurns, turn
from images.sources.errors import (
    SourceAnswerError,
    SourceChangedError,
    SourceForbiddenError,
    SourceTooLargeError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.fetch import Answer, get
from images.sources.files import FileReader
from images.sources.location import Location
from images.sources.ranged_http import RangedReader, WebPin, find_ranged
from images.sources.reader import ByteReader
from images.sources.urls import parse_url, source_url

_PIECE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """The options of a location of kind "http".

    `cache_dir`: where the copies lie. `connect_seconds` bounds each attempt to connect, `total_seconds` the whole fetch
    with its redirects and the wait for a turn. `max_bytes`: of a body. `per_host`: requests to one host at a time, by
    all processes that share `cache_dir`. `ports` that URLs may name. `allowed_networks`: networks in CIDR form that may
    be fetched from although they are not public. `ca_file`: certificates to trust instead of the system's. `headers` go
    with each request. `credentials`: where the secret ones are kept. `allowed_hosts`: hosts that redirects may lead to;
    none stands for all.
    """

    cache_dir: str
    connect_seconds: float = 3.0
    total_seconds: float = 20.0
    max_bytes: int = 2 * 2**30
    max_redirects: int = 3
    per_host: int = 4
    ports: tuple[int, ...] = (80, 443)
    allowed_networks: tuple[str, ...] = ()
    ca_file: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials = NO_CREDENTIALS
    allowed_hosts: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> "HttpOptions":
        """Raises ValueError for an option that there is not, or none of the one that must be."""
        unknown = set(options) - {known.name for known in fields(cls)}
        if unknown or not options.get("cache_dir"):
            raise ValueError(f"options of an http source: unknown {sorted(unknown)}, or no cache_dir")
        return cls(**options)

    def route(self, resolve: Resolve) -> Route:
        """Raises ValueError for a network that is none."""
        return Route(
            ports=frozenset(self.ports),
            allowed_networks=tuple(ipaddress.ip_network(network) for network in self.allowed_networks),
            connect_seconds=self.connect_seconds,
            max_redirects=self.max_redirects,
            resolve=resolve,
            turns=HostTurns(Path(self.cache_dir) / "hosts", self.per_host),
            ca_file=self.ca_file,
            headers=self.headers,
            secret_headers=secret_headers(self.credentials),
            allowed_hosts=frozenset(self.allowed_hosts),
        )


def secret_headers(credentials: Credentials) -> Secrets:
    """The headers that credentials make: basic authentication (RFC 7617), a whole Authorization, or any HEADER_…."""
    values = credentials.values()
    headers = {
        name.removeprefix("HEADER_").replace("_", "-").title(): value
        for name, value in values.items()
        if name.startswith("HEADER_")
    }
    if "USERNAME" in values:
        pair = f"{values['USERNAME']}:{values.get('PASSWORD', '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    if "AUTHORIZATION" in values:
        headers["Authorization"] = values["AUTHORIZATION"]
    if not all(value.isprintable() and value.isascii() for value in headers.values()):
        raise SourceForbiddenError("The credentials of the store cannot be sent.", credentials.reference)
    return Secrets(headers)


def open_url(location: Location, etag: str | None = None, *, resolve: Resolve = resolve_host) -> ByteReader:
    """Open the resource at `location`: in a store by its ranges, if the web server has them, else as a local copy.

    Raises SourceError. With `etag`, ranges of that version or a copy of it are enough and nobody is asked; a copy that
    is not there is fetched. Without, the web server is asked whether it changed (RFC 9110, section 13.1).
    """
    options = HttpOptions.from_mapping(location.options)
    url = source_url(location)
    parse_url(url, frozenset(options.ports))
    if location.retrieval.store:
        ranged = _open_ranged(location, options, url, etag, resolve)
        if ranged is not None:
            return ranged
    return _open_copy(options, url, etag, resolve)


def _open_ranged(
    location: Location, options: HttpOptions, url: str, etag: str | None, resolve: Resolve
) -> RangedReader | None:
    """None where the web server knows no ranges, or the version is that of a copy."""
    retrieval = location.retrieval
    turns = _turns(retrieval.store, retrieval.max_connections, retrieval.max_bytes_per_second)
    route = replace(options.route(resolve), turns=turns)
    if etag is None:
        return find_ranged(url, route, turns, options.total_seconds)
    pin = WebPin.find(etag)
    return RangedReader(url, route, turns, options.total_seconds, pin) if pin is not None else None


@lru_cache(maxsize=256)
def _turns(_store: str, connections: int, bytes_per_second: int | None) -> ConnectionTurns:
    return ConnectionTurns(connections, bytes_per_second)


def _open_copy(options: HttpOptions, url: str, etag: str | None, resolve: Resolve) -> FileReader:
    with _storage_errors():
        copies = Copies(Path(options.cache_dir), url)
        fd = copies.open(etag) if etag is not None else None
        record = copies.find_record()
        if fd is None:
            deadline = Deadline(options.total_seconds)
            fetch = _Fetch(url, copies, options.route(resolve), deadline, options.max_bytes)
            record = fetch.current(seen=record)
            if etag not in {None, record.etag}:
                raise SourceChangedError(
                    "The web server delivers another file than the one that was last read.",
                    f"{etag} became {record.etag}",
                )
            fd = copies.open(record.etag)
        if fd is None:
            raise SourceUnreachableError("The server has lost its copy of the source.")
        get_source_caches().note_use(copies.file_name(etag or (record.etag if record else "")))
        modified = http_time(record.last_modified) if record else None
        return FileReader(fd, etag=etag or (record.etag if record else None), modified=modified)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One errand to the web: bring the current version of a URL into its copies before the deadline."""

    url: str
    copies: Copies
    route: Route
    deadline: Deadline
    max_bytes: int

    def current(self, seen: CopyRecord | None) -> CopyRecord:
        """One at a time for a URL: whoever waited takes what the one before brought. `seen`: before the wait."""
        with turn([self.copies.lock_path], self.deadline):
            record = self.copies.find_record()
            if record is None or not self.copies.has(record.etag):
                return self._get(record, {})
            if seen is None or seen.checked != record.checked:
                return record
            return self._get(record, _conditions(record))

    def _get(self, record: CopyRecord | None, conditions: Mapping[str, str]) -> CopyRecord:
        checked = record.checked + 1 if record else 1
        with get(self.url, self.route, self.deadline, conditions) as answer:
            if record and conditions and answer.status == HTTPStatus.NOT_MODIFIED:
                record = replace(record, checked=checked)
                self.copies.write_record(record)
                return record
            require_usable(answer)
            with self.copies.receive() as reception:
                _receive(answer, reception, self.max_bytes)
                fetched = CopyRecord(
                    etag=reception.etag,
                    checked=checked,
                    validator=answer.header("ETag"),
                    last_modified=answer.header("Last-Modified"),
                    previous=_previous(record, reception.etag),
                )
                self.copies.commit(reception, fetched)
        return fetched


def _conditions(record: CopyRecord) -> dict[str, str]:
    if record.validator:
        return {"If-None-Match": record.validator}
    return {"If-Modified-Since": record.last_modified} if record.last_modified else {}


def _previous(record: CopyRecord | None, etag: str) -> str:
    if record is None:
        return ""
    return record.previous if record.etag == etag else record.etag


def _receive(answer: Answer, reception: Reception, max_bytes: int) -> None:
    """Write the body, all of it or SourceError. `max_bytes` counts whatever the server announced."""
    announced = _announced_length(answer)
    too_large = f"The file is larger than {max_bytes:,} bytes."
    if announced is not None and announced > max_bytes:
        raise SourceTooLargeError(too_large, f"{announced} bytes announced")
    while piece := answer.read(_PIECE_BYTES):
        if reception.byte_size + len(piece) > max_bytes:
            raise SourceTooLargeError(too_large)
        reception.write(piece)
    if announced is None and not reception.byte_size:  # so ends an answer that is cut off in its head, too
        raise SourceTruncatedError("The web server sent an empty answer.")
    if announced is not None and reception.byte_size != announced:
        raise SourceTruncatedError(
            "The web server closed the connection before the file was complete.",
            f"{reception.byte_size} of {announced} bytes came",
        )


def _announced_length(answer: Answer) -> int | None:
    """The Content-Length in bytes (RFC 9110, section 8.6); None where the body's end is marked in another way."""
    text = answer.header("Content-Length")
    if not text or answer.header("Transfer-Encoding"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise SourceAnswerError("The web server announces a length that is no number.")
    return int(text)


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    """What is left of OSError here is the disk's: the network's were translated where they happened."""
    try:
        yield
    except OSError as error:
        raise SourceUnreachableError("The server could not keep a copy of the source.", str(error)) from error
