"""The database's clock: the only one that leases, schedules and waits are measured by, whatever machines disagree on."""

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """The instant as PostgreSQL has it, aware; it moves on within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
