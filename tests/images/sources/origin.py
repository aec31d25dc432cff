"""A web server on loopback whose answers tests choose, and a listener that must stay lonely."""

import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Origin"

    def do_GET(self) -> None:
        self.server.count(self)
        self.server.routes.get(self.path, Handler.missing)(self)

    def missing(self) -> None:
        self.answer(404)

    def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """Headers are written with underscores for hyphens; an empty one is left out."""
        fields = {"Content-Length": str(len(body)), "Connection": "close"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.send_response(status)
        for name, value in fields.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


Route = Callable[[Handler], None]


class Origin(ThreadingHTTPServer):
    """Answers `routes` by path. `requests` keeps the headers of what came, by path; `busiest` the most at one time."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Route] = {}
        self.requests: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def serve(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        """Answer `body` at `path`; returns its URL."""
        self.routes[path] = lambda handler: handler.answer(status, body, **headers)
        return self.url(path)

    def raw(self, path: str, answer: bytes) -> str:
        """Answer just these bytes and hang up; returns the URL."""

        def route(handler: Handler) -> None:
            handler.wfile.write(answer)
            handler.close_connection = True

        self.routes[path] = route
        return self.url(path)

    def drip(self, path: str, head: bytes, piece: bytes, seconds: float) -> str:
        """Answer `head`, then `piece` again and again until the client goes away; returns the URL."""

        def route(handler: Handler) -> None:
            handler.close_connection = True
            try:
                handler.wfile.write(head)
                while not self.stopping.wait(seconds):
                    handler.wfile.write(piece)
            except OSError:
                pass

        self.routes[path] = route
        return self.url(path)

    def count(self, handler: Handler) -> None:
        self.requests[handler.path].append(dict(handler.headers.items()))

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are what many tests are about

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Canary:
    """Listens on one port of all of IPv4 loopback (and of ::1 where there is one) and counts who comes."""

    def __init__(self) -> None:
        self.connections = 0
        self._sockets = [self._listen(socket.AF_INET, "127.0.0.1", 0)]
        self.port = int(self._sockets[0].getsockname()[1])
        for family, address in ((socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")):
            try:
                self._sockets.append(self._listen(family, address, self.port))
            except OSError:
                continue

    @staticmethod
    def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.bind((address, port))
            sock.listen(200)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        return sock

    def count(self) -> int:
        """Connections so far: whatever the kernel accepted is in the backlog."""
        for sock in self._sockets:
            while True:
                try:
                    connection, _address = sock.accept()
                except BlockingIOError:
                    break
                connection.close()
                self.connections += 1
        return self.connections

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
