"""A connection that the database has hung up is noticed before a request relies on it."""

import pytest
from django.core.management import call_command
from django.db import connection

from connector.database.base import is_quiet

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_that_is_alive_is_usable_without_being_asked():
    connection.ensure_connection()

    assert is_quiet(connection.connection)
    assert connection.is_usable()


def test_a_connection_that_was_hung_up_is_replaced_before_the_next_request():
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
            assert cursor.fetchone() == (True,)
    finally:
        other.close()

    assert not is_quiet(connection.connection)
    connection.close_if_unusable_or_obsolete()  # what Django does as a request begins
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != backend


def test_dbshell_needs_no_psql_beside_the_embedded_one(settings, monkeypatch, tmp_path, capfd):
    """It ended with "You appear not to have the 'psql' program installed"."""
    settings.DATABASE_IS_GIVEN = False
    monkeypatch.setenv("PATH", str(tmp_path))

    call_command("dbshell", "--", "-Atc", "SELECT 6 * 7")

    assert capfd.readouterr().out == "42\n"
