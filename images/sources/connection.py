"""A connection to an address that was checked before, and to no other, with a deadline for all that it does."""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from images.sources.addresses import IPAddress, IPNetwork, check_addresses
from images.sources.deadline import Deadline, Turns
from images.sources.errors import SourceNotAllowedError, SourceNotFoundError, SourceUnreachableError
from images.sources.urls import HttpTarget

Resolve = Callable[[str, int], Sequence[str]]


def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name as the system gives them. Raises OSError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Route:
    """How to get anywhere. `connect_seconds` bounds each attempt; the fetch as a whole has a deadline.

    `headers` go with each request; `secret_headers` only to the origin that the first URL names, not where that
    redirects to. `allowed_hosts`: where redirects may lead besides the first URL's host; none stands for all.
    """

    ports: frozenset[int]
    allowed_networks: tuple[IPNetwork, ...]
    connect_seconds: float
    max_redirects: int
    turns: Turns
    ca_file: str | None = None
    resolve: Resolve = resolve_host
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allowed_hosts: frozenset[str] = frozenset()


class Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name that the URL gave (Host, SNI, certificate)."""

    def __init__(self, target: HttpTarget, route: Route, deadline: Deadline) -> None:
        super().__init__(target.host, target.port)
        if target.scheme == "https":
            self.default_port = http.client.HTTPS_PORT
        self._target = target
        self._route = route
        self._deadline = deadline
        self.idle_since = 0.0

    @property
    def name(self) -> tuple[object, ...]:
        """What a connection must have in common with another to stand for it."""
        route = self._route
        return (self._target.origin, route.allowed_networks, route.ca_file, route.resolve)

    def renew(self, deadline: Deadline) -> None:
        """For another request over the same connection."""
        self._deadline = deadline
        if isinstance(self.sock, _TimedSocket):
            self.sock.deadline = deadline

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
                context = ssl.create_default_context(cafile=self._route.ca_file)
                return context.wrap_socket(sock, server_hostname=self._target.host)
        except BaseException:
            sock.close()
            raise
        return sock


class _TimedSocket:
    """The part of a socket that `http.client` uses; no call outlasts the deadline, however slowly bytes drip in.

    Closed for good when both this and the readers of its answers are.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self.deadline = deadline
        self._readers = 0
        self._is_closed = False

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self.deadline.remaining())
        self._sock.sendall(data)

    def receive_into(self, buffer: Any) -> int:
        self._sock.settimeout(self.deadline.remaining())
        return self._sock.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        self._is_closed = True
        if not self._readers:
            self._sock.close()

    def release(self) -> None:
        self._readers -= 1
        if self._is_closed and not self._readers:
            self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: _TimedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.receive_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._sock.release()
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
