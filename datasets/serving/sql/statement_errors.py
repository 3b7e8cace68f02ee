"""Error messages for statements that cannot be run. PostgreSQL's own first line is passed on, without our internal
names."""

import logging
import re
from collections.abc import Iterable, Sequence

import psycopg
from psycopg import errors

from datasets.problems import Problem, Unavailable, nearest, printable
from datasets.serving.sql import sql_text
from datasets.serving.sql.limits import Limits

log = logging.getLogger(__name__)

OURS = re.compile(r'"?\b(?:pg_temp(?:_\d+)?\.)?"?\b(?:ds_\d+(?:_g\d+)?|_query|_shaped|_answer)\b"?(?:\(\))?')
TOO_MANY_ROWS = "BH001"  # raised by our own function
UNKNOWN = (errors.UndefinedTable, errors.InvalidSchemaName, errors.InsufficientPrivilege)
HINTS = {
    "42601": "Write one statement that begins with SELECT or WITH. Put names with capitals or spaces in double quotes and text in single quotes.",
    "42701": "Give each column a name of its own: SELECT a.day AS first_day, b.day AS second_day.",
    "42703": "The dataset's schema call lists its columns. Put text in single quotes: double quotes are for column names.",
    "42803": "Name it in GROUP BY, or put it into a function such as max().",
    "42883": "Often a value has the wrong type: write it as value::numeric or value::text.",
    "22012": "With nullif(x, 0) the division returns NULL instead.",
    "22P02": "Exclude rows that do not contain such a value with WHERE or CASE.",
}


class StatementRefused(Problem):
    """The statement is wrong. `position` is the 1-based character where PostgreSQL found the error, if known."""

    status, code, title = 400, "bad_sql", "The statement cannot be run"
    is_event = False  # an error in the statement is not ours, nor is a 504

    def __init__(
        self,
        detail: str,
        *,
        position: int | None = None,
        hint: str = "",
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code, errors=[{"param": "sql", "detail": detail}])
        self.status = status or self.status
        self.more = {name: value for name, value in (("position", position), ("hint", hint)) if value}


def unknown_table(name: str, known: Iterable[str], position: int | None = None) -> StatementRefused:
    """The Refused for a table that is none of `known`."""
    name = printable(name)
    return StatementRefused(
        f"There is no table '{name}' that you may see.{nearest(name.lower(), known)}",
        position=position,
        hint="Tables are named by the slugs of your datasets.",
        status=404,
        code="unknown_table",
    )


def not_offered(kind: str, name: str, position: int | None = None) -> StatementRefused:
    """The Refused for what may not be used; `kind` is function, operator or type."""
    return StatementRefused(
        f"The {kind} {printable(name)} is not offered here.",
        position=position,
        hint="Available are functions that depend only on the rows and the current time: numbers, text, dates, JSON, "
        "aggregates, windows.",
        code="not_offered",
    )


def too_many_rows(most: int) -> StatementRefused:
    """The Refused for an answer of more than `most` rows."""
    return StatementRefused(
        f"The answer has more than {most:,} rows, the maximum for a query. Add LIMIT or WHERE, or aggregate;"
        " for a whole dataset use its export, which has no limit.",
        code="too_many_rows",
    )


def of_error(
    error: psycopg.Error,
    limits: Limits,
    text: str = "",
    *,
    shift: int = 0,
    added: Sequence[int] = (),
    known: Iterable[str] = (),
) -> Problem:
    """The Problem that says PostgreSQL's error. `shift` characters of ours stand in front of the text."""
    state = error.sqlstate or ""
    if state == "57014":
        return StatementRefused(
            f"The statement took longer than {limits.seconds} seconds and was stopped.",
            hint="Use fewer days with WHERE _day >= …, or aggregate in steps.",
            status=504,
            code="query_timeout",
        )
    if state == TOO_MANY_ROWS:
        return too_many_rows(limits.rows)
    if state[:2] in ("08", "57", "55", "58", "40") or not state:
        log.warning("a query broke off: %s", type(error).__name__)
        return Unavailable()
    if state[:2] in ("53", "54") or "alloc" in (error.diag.message_primary or ""):
        return StatementRefused(
            "The statement needs more memory, disk or nesting than one query may use.",
            hint="Use fewer rows, or split the query.",
            code="query_too_large",
        )
    found = error.diag.statement_position
    at = int(found) - shift if found else 0
    position = sql_text.original(at, added) if at > 0 else None
    if isinstance(error, UNKNOWN):
        name = sql_text.name_at(text, at) if position else ""
        if name or isinstance(error, errors.UndefinedTable):
            return unknown_table(name, known, position)
        return StatementRefused("The statement names something that you may not see.", status=404, code="unknown_table")
    if state[:2] == "XX":
        log.warning("PostgreSQL failed at a query: %s", type(error).__name__)
    own = OURS.sub("the query", error.diag.message_hint or "") if state == "42703" else ""  # which column is near
    return StatementRefused(_said(error), position=position, hint=printable(own, 300) or HINTS.get(state, ""))


def _said(error: psycopg.Error) -> str:
    """PostgreSQL's first line as a complete sentence."""
    first = OURS.sub("the query", error.diag.message_primary or "it failed")
    first = first.replace("insert multiple commands into a prepared statement", "take more than one statement")
    first = re.sub(r"\bviews? must not contain", "a query must not contain", first)
    first = printable(re.sub(r"\bview must have", "a query must have", first), 300)
    return f"PostgreSQL: {first}."
