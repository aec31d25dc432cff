"""One GET request to a checked address, followed over redirects, with a deadline for the whole of it.

Nothing here takes a proxy or a cookie from anywhere, and credentials only from the route.
"""

import http.client
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from images.sources.connection import Connection, Route
from images.sources.deadline import Deadline
from images.sources.errors import (
    SourceAnswerError,
    SourceError,
    SourceNotAllowedError,
    SourceTruncatedError,
    SourceUnreachableError,
)
from images.sources.idle import idle
from images.sources.urls import HttpTarget, parse_redirect, parse_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # nothing that inflates
    "User-Agent": "iiifserver",
}


class Answer:
    """The answer to a request: its status, its headers and a body that is read piece by piece."""

    def __init__(self, response: http.client.HTTPResponse, connection: Connection, target: HttpTarget) -> None:
        self._response = response
        self._connection = connection
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
        """A connection whose answer was read to its end, and that the server leaves open, waits for the next one."""
        is_read = self._response.isclosed() or self._response.length == 0
        is_free = is_read and not self._response.will_close
        self._response.close()
        if is_free:
            idle.give(self._connection)
        else:
            self._connection.close()


@contextmanager
def get(
    url: str, route: Route, deadline: Deadline, headers: Mapping[str, str], *, keep_alive: bool = False
) -> Iterator[Answer]:
    """The answer to a GET of `url`, after at most `max_redirects` redirects, each checked like the first URL.

    With `keep_alive`, connections are used again. Raises SourceError.
    """
    first = target = parse_url(url, route.ports)
    for _hop in range(route.max_redirects + 1):
        own = {**_HEADERS, **route.headers, **headers}
        if target.origin == first.origin:
            own.update(route.secret_headers)
        if not keep_alive:
            own["Connection"] = "close"
        with (
            route.turns.turn(target.host, deadline),
            closing(_ask(target, route, deadline, own, keep_alive=keep_alive)) as answer,
        ):
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or not location:
                yield answer
                return
        target = parse_redirect(target, location, route.ports)
        if route.allowed_hosts and target.host not in route.allowed_hosts | {first.host}:
            raise SourceNotAllowedError("The web server redirects to a host that is not allowed.", target.origin)
    raise SourceAnswerError(f"The web server redirects more than {route.max_redirects} times.", target.origin)


def _ask(
    target: HttpTarget, route: Route, deadline: Deadline, headers: Mapping[str, str], *, keep_alive: bool
) -> Answer:
    with _translated(target):
        fresh = Connection(target, route, deadline)
        waiting = idle.take(fresh.name, deadline) if keep_alive else None
        if waiting is not None:
            try:
                return _request(waiting, target, headers)
            except (ConnectionError, http.client.BadStatusLine):  # the server had closed it meanwhile
                pass
        return _request(fresh, target, headers)


def _request(connection: Connection, target: HttpTarget, headers: Mapping[str, str]) -> Answer:
    try:
        connection.request("GET", target.target, headers=dict(headers))
        return Answer(connection.getresponse(), connection, target)
    except BaseException:
        connection.close()
        raise


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
    except ConnectionError as error:
        raise SourceUnreachableError("The web server cannot be reached.", f"{where}: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise SourceAnswerError("The web server's answer is not valid HTTP.", f"{where}: {error!r}") from error
    except OSError as error:
        raise SourceUnreachableError("The web server cannot be reached.", f"{where}: {error}") from error
