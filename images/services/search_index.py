"""Indexes that find parts of words, made after each `migrate`: ADR 0022.

They are no migrations because they are not the models': PostgreSQL may refuse the extension, and SQLite forgets the
triggers of a table whenever a migration makes it anew. What is missing is made again here; without it lists are read
as a whole, and find the same.
"""

import logging
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from images.models import Image
from images.selectors.searching import INDEXED, SEARCH_TABLE, TRIGGERS, forget_search_index, has_search_index

logger = logging.getLogger(__name__)

_TABLE = Image._meta.db_table  # noqa: SLF001 - documented
_COLUMNS = ", ".join(INDEXED)
_POSTGRESQL = (
    (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        f"CREATE INDEX IF NOT EXISTS image_by_parts ON {_TABLE} USING gin ("
        + ", ".join(f"UPPER({name}::text) gin_trgm_ops" for name in INDEXED if name != "metadata")
        + ")",
    ),
    (f"CREATE INDEX IF NOT EXISTS image_by_metadata ON {_TABLE} USING gin (metadata jsonb_path_ops)",),
)


def _row(prefix: str) -> str:
    return ", ".join(f"{prefix}.{name}" for name in INDEXED)


_INTO = f"INSERT INTO {SEARCH_TABLE}"
_DELETE = f"{_INTO} ({SEARCH_TABLE}, rowid, {_COLUMNS}) VALUES ('delete', old.id, {_row('old')});"
_INSERT = f"{_INTO} (rowid, {_COLUMNS}) VALUES (new.id, {_row('new')});"
_CHANGED = " OR ".join(f"old.{name} IS NOT new.{name}" for name in ("id", *INDEXED))
_BODIES = (
    f"AFTER INSERT ON {_TABLE} BEGIN {_INSERT} END",
    f"AFTER DELETE ON {_TABLE} BEGIN {_DELETE} END",
    f"AFTER UPDATE ON {_TABLE} WHEN {_CHANGED} BEGIN {_DELETE} {_INSERT} END",
)
_OPTIONS = f"content='{_TABLE}', content_rowid='id', tokenize='trigram'"
_VIRTUAL = f"CREATE VIRTUAL TABLE {SEARCH_TABLE} USING fts5({_COLUMNS}, {_OPTIONS})"
_SQLITE = (
    f"DROP TABLE IF EXISTS {SEARCH_TABLE}",
    _VIRTUAL,
    *(f"DROP TRIGGER IF EXISTS {name}" for name in TRIGGERS),
    *(f"CREATE TRIGGER {name} {body}" for name, body in zip(TRIGGERS, _BODIES, strict=True)),
    f"{_INTO} ({SEARCH_TABLE}) VALUES ('rebuild')",
)

_IN_ORDER = "created DESC, id DESC, identifier, label, state, width, error_code"
_IN_COLLECTION = "collection_id, identifier, label, state, width, error_code, id"
_SQLITE_LISTS = (
    f"CREATE INDEX IF NOT EXISTS image_read_in_order ON {_TABLE} ({_IN_ORDER})",
    f"CREATE INDEX IF NOT EXISTS image_read_in_collection ON {_TABLE} ({_IN_COLLECTION})",
)
"""With all that the public lists look into: where a text is in many rows these are read in order, and only they.

None of the models': PostgreSQL has no room for two long texts in one row of an index.
"""


def search_index_ensure_after_migrate(using: str = "default", **_kwargs: Any) -> None:
    """Receiver of post_migrate."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if _TABLE not in connection.introspection.table_names(cursor):
            return
    if connection.vendor == "postgresql":
        for statements in _POSTGRESQL:
            _make(connection, statements)
    elif connection.vendor == "sqlite":
        _make(connection, _SQLITE_LISTS)
        forget_search_index()
        if not has_search_index(connection):
            _make(connection, _SQLITE)
        forget_search_index()


def _make(connection: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    """All of them, or none."""
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except DatabaseError as error:
        logger.warning("lists are searched without an index: %s", str(error).strip().splitlines()[0])
