"""The instruments themselves: other makers' servers, and the proxy in front of one."""

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator

import obstore
import psycopg
import pytest
import redis

from tests.support.moto import Moto
from tests.support.nginx import Nginx
from tests.support.postgres import Postgres
from tests.support.proxy import Proxy
from tests.support.redis import Redis


def client(port: int, timeout: float = 0.5) -> redis.Redis:
    return redis.Redis(port=port, socket_timeout=timeout, socket_connect_timeout=timeout)


def test_redis_is_halted_killed_and_comes_back_empty(redis_server: Redis) -> None:
    with client(redis_server.port) as connection:
        assert connection.set("a", "1")
        redis_server.halt()
        with pytest.raises(redis.exceptions.TimeoutError):
            connection.get("a")
        redis_server.go_on()
        assert connection.get("a") == b"1"
        redis_server.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            connection.get("a")
        redis_server.start()
        assert connection.get("a") is None


def test_a_full_redis_refuses_writes() -> None:
    with Redis(memory=2_000_000) as server, client(server.port) as connection:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            all(connection.set(str(number), bytes(100_000)) for number in range(100))
        assert connection.get("0") == bytes(100_000)


def test_each_caller_has_a_database_of_its_own(postgres: Postgres) -> None:
    first, second = postgres.url(), postgres.url()
    assert first != second
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE a (b int)")
    with psycopg.connect(second) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM a")


def test_postgres_is_stopped_and_read_only(private_postgres: Postgres) -> None:
    url = private_postgres.url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE a (b int)")
        private_postgres.read_only(yes=True)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("INSERT INTO a VALUES (1)")
    private_postgres.read_only(yes=False)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO a VALUES (1)")
    private_postgres.restart()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)


def test_moto_keeps_objects(moto: Moto) -> None:
    moto.make_bucket("instruments")
    moto.put("instruments", "a/b.tif", b"bytes")
    assert bytes(obstore.get(moto.store("instruments"), "a/b.tif").bytes()) == b"bytes"


def test_nginx_serves_its_folder() -> None:
    with Nginx("server { listen 127.0.0.1:{port}; root {folder}/files; }") as server:
        (server.folder / "files").mkdir()
        (server.folder / "files" / "a.txt").write_text("text")
        with urllib.request.urlopen(f"{server.url}/a.txt", timeout=10) as response:
            assert response.read() == b"text"


# --- The proxy --------------------------------------------------------------------------------------------------------


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that answers what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return

    def listen() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def say(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    received = b""
    while len(received) < len(data):
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionResetError
        received += piece
    return received


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=1)


def test_the_proxy_passes_everything_on(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as first, connect(proxy) as second:
        assert say(first, bytes(1_000_000)) == bytes(1_000_000)
        assert say(second, b"two") == b"two"
        assert proxy.connections == 2
        assert proxy.passed == 2_000_006


def test_the_proxy_stalls_and_goes_on(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as connection:
        assert say(connection, b"one") == b"one"
        proxy.stall()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            say(connection, b"two")
        proxy.resume()
        connection.settimeout(2)
        assert connection.recv(10) == b"two"


def test_the_proxy_delays(echo: int) -> None:
    with Proxy(echo) as proxy, connect(proxy) as connection:
        proxy.delay = 0.1
        started = time.monotonic()
        assert say(connection, b"one") == b"one"
        assert time.monotonic() - started >= 0.2


def test_the_proxy_cuts_and_resets(echo: int) -> None:
    with Proxy(echo) as proxy:
        with connect(proxy) as connection:
            assert say(connection, b"one") == b"one"
            proxy.cut_after(10)
            with pytest.raises(ConnectionError):
                say(connection, bytes(1000))
        proxy.resume()
        with connect(proxy) as connection:
            assert say(connection, b"one") == b"one"
            proxy.reset()
            with pytest.raises(ConnectionError):
                say(connection, b"two")
        with connect(proxy) as connection:
            assert say(connection, b"again") == b"again"


def test_the_proxy_refuses_and_accepts(echo: int) -> None:
    with Proxy(echo) as proxy:
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        proxy.accept()
        with connect(proxy) as connection:
            assert say(connection, b"one") == b"one"
