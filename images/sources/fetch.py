"""One GET request to a checked address, followed over redirects, with a deadline for the whole of it.

Nothing here takes a proxy, a cookie or a credential from anywhere.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from images.sources.addresses import IPAddress, check_addresses
from images.sources.deadline import Deadline, turn
from images.sources.errors import (
    SourceAnswerError,
    SourceError,
    SourceNotAllowedError,
    SourceNotFoundError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.urls import HttpTarget, parse_redirect, parse_url

Resolve = Callable[[str, int], Sequence[str]]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # nothing that inflates
    "Connection": "close",
    "User-Agent": "iiifserver",
}


def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name as the system gives them. Raises OSError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class HostTurns:
    """At most `per_host` requests at a time to one host, by lock files in `folder`."""

    folder: Path
    per_host: int

    def turn(self, host: str, deadline: Deadline) -> AbstractContextManager[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = sha256(host.encode()).hexdigest()
        locks = [self.folder / f"{name}-{number}.lock" for number in range(self.per_host)]
        return turn(locks, deadline)


@dataclass(frozen=True, slots=True)
class Route:
    """How to get anywhere. `connect_seconds` bounds each attempt; the fetch as a whole has a deadline."""

    ports: frozenset[int]
    allowed_networks: tuple[str, ...]
    connect_seconds: float
    max_redirects: int
    turns: HostTurns
    resolve: Resolve = resolve_host
    ssl_context: ssl.SSLContext = field(default_factory=ssl.create_default_context)


class Answer:
    """The answer to a request: its status, its headers and a body that is read piece by piece."""

    def __init__(self, response: http.client.HTTPResponse, target: HttpTarget) -> None:
        self._response = response
        self._target = target
        self.status = response.status

    def header(self, name: str) -> str:
        """The value without the blanks around it; empty where there is none."""
        return (self._response.getheader(name) or "").strip()

    def read(self, length: int) -> bytes:
        """Between 1 and `length` bytes; none at the end of the body. Raises SourceError."""
        with _translated(self._target):
            return self._response.read1(length)

    def close(self) -> None:
        self._response.close()


@contextmanager
def get(url: str, route: Route, deadline: Deadline, headers: Mapping[str, str]) -> Iterator[Answer]:
    """The answer to a GET of `url`, after at most `max_redirects` redirects, each checked like the first URL.

    Raises SourceError.
    """
    target = parse_url(url, route.ports)
    for _hop in range(route.max_redirects + 1):
        with (
            route.turns.turn(target.host, deadline),
            closing(_ask(target, route, deadline, headers)) as answer,
        ):
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or not location:
                yield answer
                return
        target = parse_redirect(target, location, route.ports)
    raise SourceAnswerError(f"The web server redirects more than {route.max_redirects} times.", target.origin)


def _ask(target: HttpTarget, route: Route, deadline: Deadline, headers: Mapping[str, str]) -> Answer:
    with _translated(target):
        connection = _Connection(target, route, deadline)
        try:
            connection.request("GET", target.target, headers={**_HEADERS, **headers})
            return Answer(connection.getresponse(), target)
        finally:
            connection.close()  # what an answer still needs of it stays open until the answer is closed


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name that the URL gave (Host, SNI, certificate)."""

    def __init__(self, target: HttpTarget, route: Route, deadline: Deadline) -> None:
        super().__init__(target.host, target.port)
        if target.scheme == "https":
            self.default_port = http.client.HTTPS_PORT
        self._target = target
        self._route = route
        self._deadline = deadline

    def connect(self) -> None:
        addresses = _checked_addresses(self._target, self._route, self._deadline)
        error: OSError | None = None
        for address in addresses:
            try:
                sock = self._open(address)
                break
            except ssl.SSLCertVerificationError:
                raise
            except OSError as failure:
                error = failure
        else:
            raise error or OSError("the host has no address")
        self.sock = _TimedSocket(sock, self._deadline)

    def _open(self, address: IPAddress) -> socket.socket:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(self._route.connect_seconds, self._deadline.remaining()))
            sock.connect((str(address), self._target.port))
            if self._target.scheme == "https":
                sock.settimeout(self._deadline.remaining())
                context = self._route.ssl_context
                return context.wrap_socket(sock, server_hostname=self._target.host)
        except BaseException:
            sock.close()
            raise
        return sock


class _TimedSocket:
    """The part of a socket that `http.client` uses; no call outlasts the deadline, however slowly bytes drip in."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._has_reader = False

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.remaining())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._has_reader = True
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        if not self._has_reader:  # else the reader closes it, when the answer has been read
            self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.remaining())
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._sock.close()
        super().close()


def _checked_addresses(target: HttpTarget, route: Route, deadline: Deadline) -> tuple[IPAddress, ...]:
    """Resolve once; every address must be permitted, and the connection goes to one of just these."""
    try:
        literal = ipaddress.ip_address(target.host)
    except ValueError:
        addresses = _resolve_in_time(target, route.resolve, deadline)
    else:
        addresses = [str(literal)]
    if not addresses:
        raise SourceNotFoundError("The host of the URL does not exist.", target.host)
    return check_addresses(dict.fromkeys(addresses), route.allowed_networks)


def _resolve_in_time(target: HttpTarget, resolve: Resolve, deadline: Deadline) -> Sequence[str]:
    """The system's resolver takes no timeout, so that it runs in a thread that is left behind if need be."""
    outcome: list[Sequence[str] | OSError | UnicodeError] = []

    def work() -> None:
        try:
            outcome.append(resolve(target.host, target.port))
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="resolve", daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    if not outcome:
        deadline.remaining()
        raise SourceUnreachableError("The host name of the URL could not be looked up.")
    if isinstance(outcome[0], UnicodeError):
        raise SourceNotAllowedError("The host or port of the URL is not valid.", target.host)
    if isinstance(outcome[0], OSError):
        raise SourceUnreachableError(
            "The host name of the URL could not be looked up.", f"{target.host}: {outcome[0]}"
        ) from outcome[0]
    return outcome[0]


@contextmanager
def _translated(target: HttpTarget) -> Iterator[None]:
    """Foreign errors become ours; only the origin is named: path and query may hold secrets."""
    where = target.origin
    try:
        yield
    except SourceError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise SourceNotAllowedError(
            "The certificate of the web server is not valid.", f"{where}: {error.verify_message}"
        ) from error
    except TimeoutError as error:
        raise SourceUnreachableError("The web server does not answer in time.", where) from error
    except http.client.IncompleteRead as error:
        raise SourceTruncatedError(
            "The web server closed the connection before the file was complete.", where
        ) from error
    except (http.client.HTTPException, ValueError) as error:
        raise SourceAnswerError("The web server's answer is not valid HTTP.", f"{where}: {error!r}") from error
    except OSError as error:
        raise SourceUnreachableError("The web server cannot be reached.", f"{where}: {error}") from error
