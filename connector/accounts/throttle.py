"""How often somebody may try to sign in: a few times by name and address, more often by address, then a pause.

Only failures count, and never against a name alone: guessing Alice's password from elsewhere does not lock her out.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from connector.accounts.models import LoginAttempt, digest

WHILE = timedelta(minutes=15)
TRIES_BY_NAME = 5
TRIES_BY_ADDRESS = 50


class TooManyTries(Exception):
    """Wait before the next try; `seconds` says how long."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def note_try(name: str, address: str, now: datetime) -> None:
    """Counts a try before its password is looked at, so that simultaneous attempts get no more tries than sequential
    ones."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('login:' || %s, 0))", [address])
        recent = LoginAttempt.objects.filter(address=address, tried_at__gt=now - WHILE).order_by("-tried_at")
        for tries, most in ((recent.filter(name_hash=_named(name)), TRIES_BY_NAME), (recent, TRIES_BY_ADDRESS)):
            counted = list(tries.values_list("tried_at", flat=True)[:most])
            if len(counted) == most:
                raise TooManyTries(max(1, int((counted[-1] + WHILE - now).total_seconds()) + 1))
        LoginAttempt.objects.create(address=address, name_hash=_named(name), tried_at=now)


def forget(name: str, address: str) -> None:
    """The right password was given."""
    LoginAttempt.objects.filter(address=address, name_hash=_named(name)).delete()


def _named(name: str) -> bytes:
    return digest(name.strip().casefold())
