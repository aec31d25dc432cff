"""A TCP proxy on loopback that stalls, delays, cuts, resets and refuses on command."""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_PIECE_BYTES = 64 * 1024
_POLL_SECONDS = 0.05


class Proxy:
    """`with Proxy(redis.port) as proxy:` — clients use `proxy.port`; the methods below may be called at any time."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0  # seconds before each piece is passed on, either way
        self.connections = 0
        self.passed = 0  # bytes, both ways
        self._cut_at: int | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self.accept()

    def accept(self) -> None:
        """Take connections (again)."""
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(512)
        listener.settimeout(_POLL_SECONDS)
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        self._start(self._accept_all, listener)

    def refuse(self) -> None:
        """Reset what is open and refuse what comes, as a service that is not there."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # at once: another thread may be waiting in accept
            listener.close()
        self.reset()

    def reset(self) -> None:
        """Reset all connections that are open now."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for one in pair:
                _hang_up(one, reset=True)

    def stall(self) -> None:
        """Take connections and bytes, and pass nothing on."""
        self._flowing.clear()

    def resume(self) -> None:
        self._cut_at = None
        self._flowing.set()

    def cut_after(self, byte_count: int) -> None:
        """Reset each connection once this many more bytes have passed in all."""
        self._cut_at = self.passed + byte_count

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True, name="proxy")  # type: ignore[arg-type]
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept_all(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                client, _address = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=2)
            except OSError:
                _hang_up(client, reset=True)
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            for one in pair:
                one.settimeout(_POLL_SECONDS)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._pump, client, server, pair)
            self._start(self._pump, server, client, pair)

    def _pump(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        try:
            while piece := self._receive(source):
                self._stopping.wait(self.delay)
                while not self._flowing.wait(_POLL_SECONDS):
                    if self._stopping.is_set():
                        return
                self.passed += len(piece)
                if self._cut_at is not None and self.passed > self._cut_at:
                    self.reset()
                    return
                _send_all(sink, piece)
        except OSError:
            pass
        finally:
            for one in pair:
                _hang_up(one)
            with self._lock:
                self._pairs.discard(pair)

    def _receive(self, source: socket.socket) -> bytes:
        while not self._stopping.is_set():
            try:
                return source.recv(_PIECE_BYTES)
            except TimeoutError:
                continue
        return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._flowing.set()
        self.refuse()
        for thread in self._threads:
            thread.join(5)


def _send_all(sink: socket.socket, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        try:
            view = view[sink.send(view) :]
        except TimeoutError:
            continue


def _hang_up(connection: socket.socket, *, reset: bool = False) -> None:
    with contextlib.suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        connection.close()
