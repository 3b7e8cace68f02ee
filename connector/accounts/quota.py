"""What a call in an account's name counts against, and how much of that is left: Amazon's request quotas by account.

The arithmetic is buckets.py's. Here the buckets get their names, and the statements this process's own line to the database, so
that a request that was taken stays taken whatever becomes of the caller's transaction.
"""

from typing import Any

from django.conf import settings
from django.db.models.functions import Extract, Now

from connector.accounts import direct
from connector.accounts.buckets import Buckets, Limit, Taken
from connector.accounts.models import Account, QuotaPlace
from connector.spapi.client import Call
from connector.spapi.operations import OPERATIONS, Operation


def limits_of(account: Account, operation: Operation, kind: str = "") -> list[Limit]:
    """What a call counts against: Amazon counts by application, selling partner and operation, and beyond that as the
    operation declares. The narrowest comes last."""
    application, own = account.application.client_id, f"{account.quota_name}:{operation.name}"
    wide: list[Limit] = []
    narrow: list[Limit] = []
    for limit in operation.further_for(kind):
        whose = own if limit.of == "account" else f"{account.region}:{operation.name}"
        found = Limit(f"{application}:{whose}:{limit.kind or 'all'}", limit.rate, limit.burst)
        (narrow if limit.kind else wide).append(found)
    return [*wide, Limit(f"{application}:{own}", operation.rate, operation.burst, stated=True), *narrow]


# For the client: a call that is about to go out, or has come back


def take(account: Account, call: Call) -> Taken:
    """Takes one request for the call (spapi.client.Call), or says how many seconds to wait."""
    return _ask("take", limits_of(account, call.operation, call.kind), call.place)


def drain(account: Account, call: Call, seconds: float) -> float:
    """After a 429: nobody asks for so many seconds (of Amazon's time). Answers the real pause in seconds."""
    return _ask("drain", limits_of(account, call.operation, call.kind), seconds)


def answered(account: Account, call: Call, rate: float | None, *, is_well: bool) -> None:
    """The call has come back; `rate` is what Amazon states in its answer, in requests a second, or None."""
    _ask("answered", limits_of(account, call.operation, call.kind), call.taken, rate, is_well=is_well)


# For who plans


def left(account: Account, operation: str, kind: str = "") -> tuple[float, int]:
    """(seconds until the next call of this operation may be made, calls that may be made at once); takes nothing."""
    return _ask("peek", limits_of(account, OPERATIONS[operation], kind))


def seconds_for(account: Account, operation: str, calls: int, kind: str = "") -> float:
    """Seconds until the last of so many calls of this operation may be made, if nobody else makes any."""
    return _ask("seconds_for", limits_of(account, OPERATIONS[operation], kind), calls)


def others_waiting(account: Account, operation: str, kind: str = "", *, but: str = "") -> int:
    """How many others than `but` stand in line for a call of this operation."""
    buckets = [limit.bucket for limit in limits_of(account, OPERATIONS[operation], kind)]
    waiting = QuotaPlace.objects.filter(bucket__in=buckets, until__gt=Extract(Now(), "epoch")).exclude(who=but)
    return waiting.values("who").distinct().count()


def _ask(verb: str, *facts: Any, **more: Any) -> Any:
    return direct.once_more(lambda: getattr(Buckets(direct.line, settings.SPAPI_RATE_FACTOR), verb)(*facts, **more))
