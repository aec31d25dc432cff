"""Questions that are asked so often that putting them into SQL anew each time costs several times the asking."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet

_MARK = "\x01 what is asked for \x01"


class PreparedQuery:
    """The values of the one row that a text leads to; Django makes the SQL of it once for each kind of database.

    `rows` gives, for a text, the `values_list` of `model` that has this row.
    """

    def __init__(self, model: type[Model], rows: Callable[[str], QuerySet[Any, Any]]) -> None:
        self._model = model
        self._rows = rows
        self._statements: dict[str, _Statement] = {}

    def find(self, text: str) -> Sequence[Any] | None:
        """The values in the order of the list, as their fields give them; None where there is no row.

        Raises DatabaseError.
        """
        connection = connections[router.db_for_read(self._model)]
        statement = self._statements.get(connection.vendor)
        if statement is None:
            statement = self._statements[connection.vendor] = _Statement(self._rows(_MARK), connection)
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, statement.parameters(text))
            row = cursor.fetchone()
        return None if row is None else statement.converted(row, connection)


class _Statement:
    def __init__(self, rows: QuerySet[Any, Any], connection: BaseDatabaseWrapper) -> None:
        compiler: Any = rows.query.get_compiler(connection=connection)
        self.sql, self._parameters = compiler.as_sql()
        fields = [expression for expression, *_rest in compiler.select[: compiler.col_count]]
        self._converters: Mapping[int, tuple[Sequence[Callable[..., Any]], Any]] = compiler.get_converters(fields)

    def parameters(self, text: str) -> list[Any]:
        return [text if parameter == _MARK else parameter for parameter in self._parameters]

    def converted(self, row: Sequence[Any], connection: BaseDatabaseWrapper) -> list[Any]:
        values = list(row)
        for position, (converters, expression) in self._converters.items():
            value = values[position]
            for convert in converters:
                value = convert(value, expression, connection)
            values[position] = value
        return values
