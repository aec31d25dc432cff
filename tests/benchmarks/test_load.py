"""The load generator, against a server that counts."""

import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.load import run


class Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[str] = []
    connections: set[Any] = set()

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        type(self).connections.add(self.client_address)
        body = f"tile {self.path}".encode()
        if self.path.startswith("/reset"):
            # With a time of 0, closing sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif self.path.startswith("/missing"):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.startswith("/chunked"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if self.path.startswith("/closing"):
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Counting.asked, Counting.connections = [], set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def task(port: int, batches: list[list[str]], **options: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "clients": [{"batches": batches, **options}]}


def test_every_path_is_asked_for_once_over_connections_that_are_kept(port: int) -> None:
    paths = [f"/{number}" for number in range(50)]
    answers = run(task(port, [paths], connections=3))
    assert sorted(Counting.asked) == sorted(paths)
    assert len(Counting.connections) == 3
    assert {answer.status for answer in answers} == {200}
    assert {answer.path: answer.length for answer in answers}["/7"] == len("tile /7")


def test_a_batch_waits_for_the_one_before(port: int) -> None:
    answers = run(task(port, [["/a1", "/a2", "/a3"], ["/b1", "/b2"]], connections=3))
    first = [answer for answer in answers if answer.path.startswith("/a")]
    second = [answer for answer in answers if answer.path.startswith("/b")]
    assert max(answer.finished for answer in first) <= min(answer.sent for answer in second)


def test_chunked_answers_closed_connections_and_errors_are_understood(port: int) -> None:
    answers = run(task(port, [["/chunked", "/closing", "/missing", "/after"]], connections=1))
    assert [(answer.path, answer.status) for answer in answers] == [
        ("/chunked", 200),
        ("/closing", 200),
        ("/missing", 404),
        ("/after", 200),
    ]
    assert len(Counting.connections) == 2


def test_a_pace_is_kept(port: int) -> None:
    answers = run(task(port, [["/x"] * 5], connections=1, every_seconds=0.02))
    sent = sorted(answer.sent for answer in answers)
    assert all(later - earlier >= 0.019 for earlier, later in itertools.pairwise(sent))


def test_a_server_that_hangs_up_has_failed(port: int) -> None:
    answers = run(task(port, [["/reset", "/after"]], connections=1))
    assert [(answer.path, answer.status) for answer in answers] == [("/reset", 0), ("/after", 200)]
