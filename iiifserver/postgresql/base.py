"""The backend itself; the module's name is Django's."""

from types import ModuleType
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.abc import RV, PQGen

from iiifserver.postgresql.patience import seconds_to_wait, waiting_for


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer does not come in time."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, within what this thread waits for. Raises OperationalError when that is over."""
        limit = seconds_to_wait() if timeout is None else None
        if limit is None:
            return super().wait(gen, interval=interval, timeout=timeout)
        try:
            return super().wait(gen, interval=interval, timeout=limit)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 - as psycopg documents it at `wait`
            self.close()  # nobody can tell what was done, and what still comes would answer another question
            raise psycopg.OperationalError(f"The database did not answer within {limit:g} seconds.") from error


class _Driver(ModuleType):
    """psycopg, but for the class of its connections."""

    connect = staticmethod(BoundedConnection.connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    Database = _Driver("psycopg")

    def is_usable(self) -> bool:
        """As Django's, which asks before a connection is used again: soon answered, whatever is asked after it."""
        with waiting_for(None):
            return bool(super().is_usable())
