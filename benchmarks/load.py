"""`python -m benchmarks.load`: asks a server as browsers do, from a process of its own.

Standard input says what (JSON, see `Client`), standard output what came. One thread waits for all connections, so that
its own work, about 50 µs a request, hardly disturbs what is measured.
"""

import hashlib
import json
import re
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(slots=True)
class Client:
    """One viewer: batches one after the other, the requests of a batch over some connections at a time.

    Attributes:
        every_seconds: asks no sooner than so long after the last request was sent; 0 for at once.
    """

    batches: deque[deque[str]]
    every_seconds: float = 0.0
    sent: float = 0.0
    under_way: int = 0

    def next_path(self) -> str | None:
        while self.batches and not self.batches[0]:
            if self.under_way:
                return None
            self.batches.popleft()
        return self.batches[0].popleft() if self.batches else None


@dataclass(slots=True)
class Answer:
    """Of one request; times in seconds since the beginning."""

    path: str
    status: int
    length: int
    sent: float
    first_byte: float
    finished: float
    digest: str


@dataclass(slots=True)
class Connection:
    """A connection that is kept; opened again where the server closed it."""

    address: tuple[str, int]
    host: str
    client: Client
    link: socket.socket | None = None
    path: str | None = None
    received: bytearray = field(default_factory=bytearray)
    head_length: int = 0
    sent: float = 0.0
    first_byte: float = 0.0

    def open(self, selector: selectors.BaseSelector) -> None:
        self.link = socket.create_connection(self.address, timeout=60)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(self.link, selectors.EVENT_READ, self)

    def ask(self, path: str, selector: selectors.BaseSelector, now: float) -> None:
        if self.link is None:
            self.open(selector)
        self.path, self.sent, self.first_byte, self.head_length = path, now, 0.0, 0
        self.received.clear()
        self.client.under_way += 1
        self.client.sent = now
        head = f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: image/*,*/*\r\n\r\n".encode()
        try:
            if self.link:
                self.link.sendall(head)
        except ConnectionError:  # it was closed while nothing was asked for
            self.close(selector)
            self.open(selector)
            if self.link:
                self.link.sendall(head)

    def receive(self, selector: selectors.BaseSelector, now: float) -> Answer | None:
        """What has come; the answer when it is whole."""
        if self.link is None:
            return None
        try:
            data = self.link.recv(1 << 18)
        except ConnectionError:  # counts as an answer that failed
            data = b""
        self.first_byte = self.first_byte or now
        self.received += data
        closed = not data
        if closed:
            self.close(selector)
        body_start, is_whole = self._progress(closed=closed)
        if not is_whole or self.path is None:
            return None
        body = bytes(self.received[body_start:])
        status = int(self.received[9:12] or b"0")
        answer = Answer(
            self.path,
            status,
            len(body),
            self.sent,
            self.first_byte,
            now,
            hashlib.blake2b(body, digest_size=8).hexdigest(),
        )
        if CLOSES.search(self.received[:body_start]):
            self.close(selector)
        self.path = None
        self.client.under_way -= 1
        return answer

    def close(self, selector: selectors.BaseSelector) -> None:
        if self.link is not None:
            selector.unregister(self.link)
            self.link.close()
            self.link = None

    def _progress(self, *, closed: bool) -> tuple[int, bool]:
        if not self.head_length:
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return 0, closed
            self.head_length = end + 4
        head = bytes(self.received[: self.head_length])
        length = LENGTH.search(head)
        if length:
            return self.head_length, closed or len(self.received) >= self.head_length + int(length[1])
        if CHUNKED.search(head):
            return self.head_length, closed or self.received.endswith(b"0\r\n\r\n")
        return self.head_length, closed


def run(task: dict[str, Any]) -> list[Answer]:
    """Asks for all that the task names.

    Args:
        task: `host`, `port`, `clients`: a list of `{batches, connections, every_seconds}`; `seconds`: when to stop.
    """
    address = (task["host"], int(task["port"]))
    host = f"{task['host']}:{task['port']}"
    selector = selectors.DefaultSelector()
    connections = []
    for given in task["clients"]:
        client = Client(deque(deque(batch) for batch in given["batches"]), float(given.get("every_seconds", 0)))
        connections += [Connection(address, host, client) for _ in range(int(given.get("connections", 6)))]
    for connection in connections:
        connection.open(selector)
    answers: list[Answer] = []
    started = time.perf_counter()
    stop = float(task.get("seconds", 600))
    while True:
        now = time.perf_counter() - started
        wait = _send(connections, selector, now)
        if (wait is None and not any(connection.path for connection in connections)) or now > stop:
            break
        for key, _ in selector.select(0.5 if wait is None else wait):
            answer = key.data.receive(selector, time.perf_counter() - started)
            if answer:
                answers.append(answer)
    for connection in connections:
        connection.close(selector)
    selector.close()
    return answers


def _send(connections: list[Connection], selector: selectors.BaseSelector, now: float) -> float | None:
    """Sends what may be sent now; seconds until more may be, None where that depends on answers or nothing is left."""
    wait: float | None = None
    for connection in connections:
        if connection.path is not None:
            continue
        client = connection.client
        due = client.sent + client.every_seconds - now if client.every_seconds and client.sent else 0.0
        if due > 0:
            if client.batches:
                wait = due if wait is None else min(wait, due)
            continue
        path = client.next_path()
        if path is not None:
            connection.ask(path, selector, now)
            wait = 0.0 if client.every_seconds else wait
    return wait


def main() -> None:
    answers = run(json.load(sys.stdin))
    rows = [
        [one.path, one.status, one.length, one.sent, one.first_byte, one.finished, one.digest]
        for one in sorted(answers, key=lambda one: one.sent)
    ]
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
