"""A queryset that is compiled once and run again with other values.

The ORM takes longer to generate the same SQL each time than PostgreSQL takes to answer it, and at hundreds of pages a
second that is most of the work. The queryset stays the single definition of who may see what. It runs as a prepared
statement on Django's own connection.
"""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet
from django.db.models.query import get_related_populators  # type: ignore[attr-defined]  # an inside of Django

# The statement, of each of its parameters the place among the values that are asked for (None: its own), and what makes objects.
_Compiled = tuple[str, list[tuple[int | None, object]], Callable[[Sequence], Any]]

PREPARE_AFTER = 5  # how often a connection has run it before psycopg prepares it


class CompiledQueryset:
    """`build` makes a sliced queryset of its arguments; the marks stand in for them while it is compiled, and each is
    different."""

    def __init__(self, build: Callable[..., QuerySet], *marks: object) -> None:
        self._build, self._marks = build, marks
        self._compiled: _Compiled | None = None

    def first(self, *values: object) -> Any:
        """The first object found with these values, or None."""
        statement, places, restore = self._compiled or self._compile()
        parameters = [values[place] if place is not None else own for place, own in places]
        with (
            connection.cursor(),
            connection.wrap_database_errors,
        ):  # Django's own cursor checks whether the connection is alive
            link = connection.connection
            link.prepare_threshold = PREPARE_AFTER
            row = psycopg.Cursor(link).execute(statement, parameters).fetchone()
        return restore(row) if row else None

    def _compile(self) -> _Compiled:
        compiler = self._build(*self._marks).query.get_compiler(DEFAULT_DB_ALIAS)
        statement, parameters = compiler.as_sql()
        places = [(self._marks.index(own) if own in self._marks else None, own) for own in parameters]
        self._compiled = statement, places, _restorer(compiler)
        return self._compiled


def _restorer(compiler: Any) -> Callable[[Sequence], Any]:
    """Builds a model instance, with its selected related objects, from a row, like Django's ModelIterable."""
    chosen = compiler.klass_info["select_fields"]
    own = slice(chosen[0], chosen[-1] + 1)
    names = [column[0].target.attname for column in compiler.select[own]]
    others = get_related_populators(compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS)
    converters = compiler.get_converters([column[0] for column in compiler.select])
    model = compiler.klass_info["model"]

    def restore(row: Sequence) -> Any:
        row = next(iter(compiler.apply_converters([row], converters))) if converters else row
        found = model.from_db(DEFAULT_DB_ALIAS, names, row[own])
        for other in others:
            other.populate(row, found)
        return found

    return restore
