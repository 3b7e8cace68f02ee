"""What a call in an account's name counts against, and how much of that is left: Amazon's request quotas by account.

The arithmetic is buckets.py's. Here the buckets get their names, and the statements a connection of this process's own.
"""

import os

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.models.functions import Extract, Now

from connector.accounts.buckets import Buckets, Limit, Taken
from connector.accounts.models import QuotaPlace
from connector.spapi.operations import OPERATIONS


def limits_of(account, operation, kind="") -> list[Limit]:
    """What a call counts against: Amazon counts by application, selling partner and operation, and beyond that as the
    operation declares. The narrowest comes last."""
    application, own = account.application.client_id, f"{account.quota_name}:{operation.name}"
    wide, narrow = [], []
    for limit in operation.further_for(kind):
        whose = own if limit.of == "account" else f"{account.region}:{operation.name}"
        found = Limit(f"{application}:{whose}:{limit.kind or 'all'}", limit.rate, limit.burst)
        (narrow if limit.kind else wide).append(found)
    return [*wide, Limit(f"{application}:{own}", operation.rate, operation.burst, stated=True), *narrow]


# For the client: a call that is about to go out, or has come back


def take(account, call) -> Taken:
    """Takes one request for the call (spapi.client.Call), or says how many seconds to wait."""
    return _ask("take", limits_of(account, call.operation, call.kind), call.place)


def drain(account, call, seconds) -> float:
    """After a 429: nobody asks for so many seconds (of Amazon's time). Answers the real pause in seconds."""
    return _ask("drain", limits_of(account, call.operation, call.kind), seconds)


def answered(account, call, rate, *, is_well):
    """The call has come back; `rate` is what Amazon states in its answer, in requests a second, or None."""
    _ask("answered", limits_of(account, call.operation, call.kind), call.taken, rate, is_well=is_well)


# For who plans


def left(account, operation, kind="") -> tuple[float, int]:
    """(seconds until the next call of this operation may be made, calls that may be made at once); takes nothing."""
    return _ask("peek", limits_of(account, OPERATIONS[operation], kind))


def seconds_for(account, operation, calls, kind="") -> float:
    """Seconds until the last of so many calls of this operation may be made, if nobody else makes any."""
    return _ask("seconds_for", limits_of(account, OPERATIONS[operation], kind), calls)


def others_waiting(account, operation, kind="", *, but="") -> int:
    """How many others than `but` stand in line for a call of this operation."""
    buckets = [limit.bucket for limit in limits_of(account, OPERATIONS[operation], kind)]
    waiting = QuotaPlace.objects.filter(bucket__in=buckets, until__gt=Extract(Now(), "epoch")).exclude(who=but)
    return waiting.values("who").distinct().count()


# The connection


def _ask(verb, *facts, **more):
    """One statement on this process's own connection; once more on a new one if the old one had died."""
    for last in (False, True):
        try:
            return getattr(Buckets(connection, settings.SPAPI_RATE_FACTOR), verb)(*facts, **more)
        except psycopg.OperationalError as problem:
            _connections.clear()
            if last:
                raise OperationalError(*problem.args) from problem


_connections = {}


def connection() -> psycopg.Connection:
    """In autocommit, so that a taken request stays taken whatever becomes of the caller's transaction; and without waiting
    for the disk, as a crash may give a second's worth of quota back."""
    facts = connections[DEFAULT_DB_ALIAS].get_connection_params()
    mine = (os.getpid(), facts["dbname"])
    found = _connections.get(mine)
    if found is None or found.closed:
        facts = {name: value for name, value in facts.items() if name not in ("context", "cursor_factory")}
        _connections.clear()  # also those of the process that this one was forked from: they are left alone, not closed
        found = _connections[mine] = psycopg.connect(**facts, autocommit=True)
        found.execute("SET synchronous_commit = off")
    return found
