"""How long an answer of PostgreSQL is waited for: without an end, but in the web server."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError
from environ import Env

from iiifserver.postgresql.base import DatabaseWrapper
from iiifserver.postgresql.patience import limit_waiting, seconds_to_wait, waiting_for
from iiifserver.settings import base
from tests.support.postgres import Postgres
from tests.support.proxy import Proxy

SHORT, LONG = 0.2, 60.0
SLOW = "SELECT pg_sleep(1), 7"


@pytest.fixture(autouse=True)
def _databases_of_our_own(django_db_blocker: Any) -> Iterator[None]:
    """The limit is the process's, so it ends with the test."""
    with django_db_blocker.unblock():
        yield
    limit_waiting(None)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[DatabaseWrapper]:
    """A connection as Django makes it with the settings of this server."""
    with _Connected(postgres.url()) as database:
        yield database


class _Connected:
    def __init__(self, url: str) -> None:
        defaults = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "AUTOCOMMIT": True, "TIME_ZONE": None}
        self.database = DatabaseWrapper(
            {**defaults, **Env.db_url_config(url), "OPTIONS": base.POSTGRESQL_OPTIONS}, "another"
        )

    def __enter__(self) -> DatabaseWrapper:
        return self.database

    def __exit__(self, *_exception: object) -> None:
        self.database.close()


def ask(database: DatabaseWrapper, question: str) -> object:
    with database.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[-1]


def test_commands_and_tasks_wait_for_as_long_as_it_takes(database: DatabaseWrapper) -> None:
    with waiting_for(SHORT):
        assert ask(database, SLOW) == 7


def test_in_the_web_server_a_late_answer_is_none(database: DatabaseWrapper) -> None:
    assert ask(database, "SELECT 1") == 1
    limit_waiting(SHORT)
    with pytest.raises(OperationalError, match=r"did not answer within 0\.2 seconds"):
        ask(database, SLOW)
    assert database.connection.closed, "what still comes would be taken for the answer to another question"
    limit_waiting(LONG)
    database.close_if_unusable_or_obsolete()  # as before each request
    assert ask(database, "SELECT 2") == 2


def test_pages_may_wait_longer_and_only_they(database: DatabaseWrapper) -> None:
    limit_waiting(SHORT)
    others: list[float | None] = []
    with waiting_for(LONG):
        assert ask(database, SLOW) == 7
        thread = threading.Thread(target=lambda: others.append(seconds_to_wait()))
        thread.start()
        thread.join()
    assert [*others, seconds_to_wait()] == [SHORT, SHORT]


def test_a_connection_that_hangs_is_soon_found_out_whoever_asks(postgres: Postgres) -> None:
    url = postgres.url()
    with Proxy(postgres.port) as proxy, _Connected(url.replace(f":{postgres.port}/", f":{proxy.port}/")) as database:
        assert ask(database, "SELECT 1") == 1
        limit_waiting(SHORT)
        proxy.stall()
        with waiting_for(100 * LONG):
            assert not database.is_usable()
        proxy.resume()


def test_a_transaction_that_is_cut_leaves_nothing(database: DatabaseWrapper) -> None:
    with database.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (number int)")
    limit_waiting(LONG)
    database.set_autocommit(False)
    ask(database, "INSERT INTO kept VALUES (1) RETURNING number")
    with waiting_for(SHORT), pytest.raises(OperationalError):
        ask(database, SLOW)
    database.close()
    assert ask(database, "SELECT count(*) FROM kept") == 0


def test_a_host_that_is_gone_is_noticed_whatever_is_asked(database: DatabaseWrapper) -> None:
    """The kernel looks after that, so long answers are not cut: it asks the other host whether it is there."""
    database.connect()
    with socket.socket(fileno=socket.dup(database.connection.fileno())) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
