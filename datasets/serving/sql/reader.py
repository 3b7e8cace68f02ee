"""The role that statements run as. It owns nothing and is granted nothing for good: what a statement may read is granted
to it inside the statement's own transaction, which is rolled back.

A role belongs to the whole server. Where our login may not make one, whoever runs the server does it once.
"""

import os

import psycopg
from django.conf import settings
from psycopg import errors, sql

from datasets.problems import Problem

NAME = "backhaul_reader"
_found_good: set[tuple] = set()


class NotSetUp(Problem):
    """The database has no role for statements yet; the detail says what to do."""

    status, code, title = 501, "sql_not_set_up", "SQL is not set up here"


def name() -> str:
    """The role's name."""
    return getattr(settings, "SQL_ROLE", NAME)


def role() -> sql.Identifier:
    """Its name as it stands in a statement."""
    return sql.Identifier(name())


def check(connection: psycopg.Connection) -> None:
    """Creates the role if it is missing and we may create it; raises NotSetUp with what the operator has to do."""
    here = (
        os.getpid(),
        connection.info.host,
        connection.info.port,
        connection.info.dbname,
        connection.info.user,
        name(),
    )
    if here in _found_good:
        return
    sentence = problem(connection)
    if sentence:
        raise NotSetUp(sentence)
    _found_good.add(here)


def forget() -> None:
    """The role has changed: the next statement checks it again."""
    _found_good.clear()


def problem(connection: psycopg.Connection) -> str | None:
    """Why statements cannot run and how to fix it, in a sentence; None if they can."""
    if not _exists(connection):
        _make(connection)
    if not _exists(connection):
        login = connection.info.user
        return (
            f"SQL queries need the database role {name()}, and the login {login} may not make it. Whoever runs the "
            f"database server must create it once, as a superuser: CREATE ROLE {name()} NOLOGIN; GRANT {name()} TO "
            f"{_quoted(connection, login)};"
        )
    return _weakness(connection)


def _exists(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name()]).fetchone() is not None


def _make(connection: psycopg.Connection) -> None:
    """The role and our way into it, where the login may make them; two who try at once do no harm."""
    try:
        connection.execute(
            sql.SQL(
                "BEGIN READ WRITE;"
                " CREATE ROLE {0} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS; {1} COMMIT"
            ).format(role(), _entry(connection))
        )
    except (
        errors.InsufficientPrivilege,
        errors.DuplicateObject,
        errors.UniqueViolation,
        errors.InternalError_,
        errors.ReadOnlySqlTransaction,
    ):
        connection.rollback()


def _entry(connection: psycopg.Connection) -> sql.Composable:
    """A superuser may take any role; others need to be let in, on PostgreSQL 16 and newer with the right to change into it."""
    [(superuser,)] = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchall()
    if superuser:
        return sql.SQL("")
    how = "" if connection.info.server_version < 160000 else " WITH SET TRUE, INHERIT FALSE"
    return sql.SQL("GRANT {} TO CURRENT_USER{};").format(role(), sql.SQL(how))


def _weakness(connection: psycopg.Connection) -> str | None:
    """The role is there: whether it is as powerless as it must be, and whether we may take it."""
    [(may_more, is_member, may_temp, may_make_temp)] = connection.execute(
        """
        SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
               EXISTS (SELECT 1 FROM pg_auth_members WHERE member = r.oid),
               has_database_privilege(r.oid, current_database(), 'TEMP'),
               has_database_privilege(current_database(), 'TEMP')
        FROM pg_roles AS r WHERE rolname = %s
        """,
        [name()],
    ).fetchall()
    if may_more or is_member:
        return (
            f"The database role {name()} has too many rights: it must have no rights and belong to no other role."
            f" Whoever runs the database server must revoke them: ALTER ROLE {name()} NOSUPERUSER NOCREATEDB "
            f"NOCREATEROLE NOREPLICATION NOBYPASSRLS, and REVOKE … FROM {name()} for each role it belongs to."
        )
    if not (may_temp and may_make_temp):
        lacking = name() if may_make_temp else connection.info.user
        return (
            f"SQL queries make temporary views, and {lacking} may not. Whoever runs the database server must allow it:"
            f" GRANT TEMPORARY ON DATABASE {_quoted(connection, connection.info.dbname)} TO {_quoted(connection, lacking)};"
        )
    try:
        connection.execute(sql.SQL("BEGIN; SET LOCAL ROLE {}").format(role()))
    except psycopg.errors.InsufficientPrivilege:
        login = _quoted(connection, connection.info.user)
        how = "" if connection.info.server_version < 160000 else " WITH SET TRUE, INHERIT FALSE"
        return (
            f"The database role {name()} is there, and the login {connection.info.user} may not take it. Whoever runs "
            f"the database server must allow it once: GRANT {name()} TO {login}{how};"
        )
    finally:
        connection.rollback()
    return None


def _quoted(connection: psycopg.Connection, name: str) -> str:
    return sql.Identifier(name).as_string(connection)
