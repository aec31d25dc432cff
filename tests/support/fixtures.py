"""The support as fixtures. Servers for the session are shared: take a database, a bucket or a key of your own."""

from collections.abc import Iterator

import pytest

from tests.support.moto import Moto
from tests.support.origin import Origin
from tests.support.postgres import Postgres
from tests.support.redis import Redis


@pytest.fixture
def objects() -> Iterator[Origin]:
    """An object store and web server with latency, faults and counters, fresh for each test."""
    with Origin() as origin:
        yield origin


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A Redis that the test may stop, halt and kill."""
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the session: call `url()` for a database of your own, and leave the server alone."""
    with Postgres() as server:
        yield server


@pytest.fixture
def private_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that the test may stop, halt and kill."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """S3 by moto for the session: make a bucket of your own."""
    with Moto() as server:
        yield server
