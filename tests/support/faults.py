"""What an origin may do wrong: each fault answers a request in the place of the origin and says whether it did."""

import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.origin import Exchange

Misdeed = Callable[["Exchange"], None]

LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


@dataclass
class Fault:
    """A misdeed done to the next `times` requests of one key and method; None is until it is taken away."""

    misdeed: Misdeed
    times: int | None = None
    method: str = ""  # all of them
    done: int = 0

    def take(self, method: str) -> Misdeed | None:
        """The misdeed for a request with this method, None where it is spared; counts those that are hit."""
        if (self.method and self.method != method) or (self.times is not None and self.done >= self.times):
            return None
        self.done += 1
        return self.misdeed


def hang(exchange: "Exchange") -> None:
    """Say nothing until the client goes away or the origin ends."""
    exchange.close_connection = True
    exchange.wait_for_the_end()


def hang_in_body(exchange: "Exchange", fraction: float = 0.5) -> None:
    exchange.deliver(fraction=fraction)
    exchange.close_connection = True
    exchange.wait_for_the_end()


def reset(exchange: "Exchange") -> None:
    """Reset the connection before a byte was answered."""
    exchange.close_connection = True
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()


def reset_in_body(exchange: "Exchange") -> None:
    exchange.deliver(fraction=0.5)
    reset(exchange)


def cut(exchange: "Exchange") -> None:
    """Close in the middle of the body; the length announced was right."""
    exchange.close_connection = True
    exchange.deliver(fraction=random.choice((0.0, 0.3, 0.8)))


def short(exchange: "Exchange") -> None:
    """Announce and deliver ten bytes less than the range has."""
    exchange.deliver(missing=10)


def lie_about_length(exchange: "Exchange") -> None:
    """Announce a thousand bytes more than come, and close."""
    exchange.close_connection = True
    exchange.deliver(announced=1000)


def html(exchange: "Exchange") -> None:
    """A page to sign in, with status 200."""
    exchange.answer(200, LOGIN_PAGE, {"Content-Type": "text/html"})


def no_ranges(exchange: "Exchange") -> None:
    """Answer each range with the whole object and status 200."""
    exchange.deliver_whole()


def other_bytes(exchange: "Exchange") -> None:
    """The right headers, and zeros for a body."""
    exchange.deliver(scribble=True)


def redirect(location: str, status: int = 302) -> Misdeed:
    return lambda exchange: exchange.answer(status, b"", {"Location": location})


def refuse(status: int, code: str = "", retry_after: int | None = None) -> Misdeed:
    """An S3 error document with this status; SlowDown, AccessDenied and others are codes."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda exchange: exchange.error(status, code or "InternalError", headers)


slow_down = refuse(503, "SlowDown")
