"""Amazon's request quotas, shared by all workers of all machines: leaky buckets (GCRA), one a row, on the database's clock.

A row remembers `tat`, the moment at which its bucket will be full again. A call may go out when that moment, put off by
one refill, is not farther away than a whole bucket takes to refill. A call that counts against several buckets takes
from all of them or from none.

Amazon counts a call when it arrives, we when it is taken, which is earlier: the first call to a full bucket may lie
around for seconds, opening a connection, while Amazon's clock for the refills has not begun to run. So an answer
corrects our estimate: the call arrived no later than now.

A refused caller queues (`Place`), newest days before history and then by waiting time: one request is left in the
bucket for each caller ahead. A place is kept a minute longer than the wait its holder was given.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

MAX_PAUSE = 300.0
PLACE_KEPT = 60.0


@dataclass(frozen=True)
class Limit:
    """One bucket. `stated` marks the one whose rate Amazon states in its answers: that of application and account."""

    bucket: str
    rate: float  # requests a second, as published
    burst: int
    stated: bool = False


@dataclass(frozen=True)
class Place:
    """Who stands in line, the same from try to try, and whether for the newest days."""

    who: str
    urgent: bool = False


@dataclass(frozen=True)
class Taken:
    """Seconds to wait; when they are 0 the request is taken, and `numbers` says as which of each bucket. `at` is the moment on
    the database's clock, in seconds since 1970."""

    wait: float
    numbers: dict
    at: float = 0.0


class Buckets:
    """`connect` gives a psycopg connection in autocommit mode; a lost last second of quota after a crash does no harm,
    so it may well run with synchronous_commit off. `rate_factor` multiplies every published rate."""

    def __init__(self, connect: Callable[[], psycopg.Connection], rate_factor: float = 1.0) -> None:
        self._connect = connect
        self._factor = rate_factor

    def take(self, limits: Sequence[Limit], place: Place | None = None) -> Taken:
        """Takes one request from every bucket, or nothing. A rate that Amazon has stated holds in place of the published one."""
        numbers = self._numbers(limits) | {"who": place and place.who, "urgent": bool(place and place.urgent)}
        connection = self._connect()
        rows = connection.execute(_TAKE, numbers).fetchall()
        if len(rows) < len(limits):  # a bucket that was never used
            connection.execute(_MAKE, numbers)
            rows = connection.execute(_TAKE, numbers).fetchall()
        wait = max(lacks for _, _, lacks, _, _ in rows)
        at = max(now for *_, now in rows)
        if wait <= 0:
            return Taken(0.0, {bucket: number for bucket, number, *_ in rows}, at)
        if place:
            short = [bucket for bucket, _, lacks, _, _ in rows if lacks > 0]
            connection.execute(_STAND, numbers | {"short": short, "wait": wait, "kept": PLACE_KEPT})
        return Taken(max(0.001, max(told for _, _, _, told, _ in rows)), {}, at)

    def answered(
        self, limits: Sequence[Limit], taken: Taken, rate: float | None = None, *, is_well: bool = True
    ) -> None:
        """The call has come back, or its line was cut: it arrived no later than now. `rate` is Amazon's own statement of
        the rate, if it made one; anything but a sensible number is passed over."""
        if rate is not None and not (math.isfinite(rate) and 0 < rate < 1e6):
            rate = None
        for limit in limits:
            numbers = {
                "bucket": limit.bucket,
                "number": taken.numbers.get(limit.bucket),
                "rate": rate if limit.stated else None,
                "is_well": is_well,
            }
            self._connect().execute(_ANSWERED, numbers)

    def drain(self, limits: Sequence[Limit], seconds: float) -> float:
        """After a 429: nobody takes from the bucket for so long (in Amazon's time), and after that at the bucket's rate.

        Amazon does not say which limit it meant. Ours to take is the one with the fewest requests left by our own
        estimate, and among equals the one named last. Each further 429 without an answer in between doubles the pause,
        up to five minutes. Answers the real pause.
        """
        pause = {"seconds": seconds / self._factor, "longest": MAX_PAUSE / self._factor}
        found = self._connect().execute(_DRAIN, self._numbers(limits) | pause).fetchone()
        return found[0] if found else pause["seconds"]

    def peek(self, limits: Sequence[Limit]) -> tuple[float, int]:
        """(seconds until the next request may be made, requests that may be made at once); takes nothing."""
        rows = self._look(limits)
        wait = max(lacking - (burst - 1) * refill + slack for lacking, refill, burst, slack in rows)
        left = min(burst - (max(0.0, lacking) + slack) / refill for lacking, refill, burst, slack in rows)
        return (0.0, max(1, math.floor(left + 1e-9))) if wait <= 0 else (wait, 0)

    def seconds_for(self, limits: Sequence[Limit], calls: int) -> float:
        """Seconds until the last of so many calls may go out, if nobody else makes any."""
        if calls < 2:
            return self.peek(limits)[0] if calls else 0.0
        waits = [
            max(0.0, lacking) + (calls - burst) * refill + slack for lacking, refill, burst, slack in self._look(limits)
        ]
        return max(0.0, *waits)

    def _look(self, limits: Sequence[Limit]) -> list[tuple[float, float, float, float]]:
        """(seconds until full, seconds a refill, burst, slack) of each bucket."""
        found = {row[0]: row[1:] for row in self._connect().execute(_LOOK, self._numbers(limits)).fetchall()}
        full = [(-math.inf, 1 / (limit.rate * self._factor), limit.burst, 0.0) for limit in limits]
        return [found.get(limit.bucket, otherwise) for limit, otherwise in zip(limits, full, strict=True)]

    def _numbers(self, limits: Sequence[Limit]) -> dict[str, Any]:
        ranked = sorted(enumerate(limits), key=lambda pair: pair[1].bucket)  # always locked in the same order
        return {
            "buckets": [limit.bucket for _, limit in ranked],
            "rates": [limit.rate * self._factor for _, limit in ranked],
            "bursts": [float(limit.burst) for _, limit in ranked],
            "ranks": [rank for rank, _ in ranked],
        }


_NOW = "extract(epoch FROM clock_timestamp())::float8"
_ASKED = """
    asked AS (
        SELECT * FROM unnest(%(buckets)s::text[], %(rates)s::float8[], %(bursts)s::float8[], %(ranks)s::int[])
            AS asked (bucket, rate, burst, rank)
    )
"""

# A call in progress has not yet corrected the estimate, and one that is on its way a little shorter than the
# one before it would reach Amazon before its bucket has refilled. So a refill is used a little later than it is due:
# this costs nothing but once, the refills after it are due on time.
_SLACK = "least(0.25, {refill} / (CASE WHEN {burst} > 1 THEN 2 ELSE 20 END))"

_MAKE = f"""
    WITH {_ASKED}
    INSERT INTO quota (bucket, tat, rate, burst, throttles, taken)
    SELECT bucket, 0, rate, burst, 0, 0 FROM asked
    ON CONFLICT DO NOTHING
"""

# (bucket, number, seconds lacking, seconds to wait, now) of each bucket; nothing is taken while any lacks. The rows are locked
# before the clock is read, so two workers never calculate with the same instant. How long a line is does not matter
# beyond one burst: whoever comes back by then finds the bucket not yet full, so nothing is lost.
_TAKE = f"""
    WITH {_ASKED}, held AS MATERIALIZED (
        SELECT q.bucket, q.tat, q.taken, asked.rate, asked.burst, 1 / coalesce(q.header_rate, asked.rate) AS refill
        FROM quota q JOIN asked USING (bucket)
        ORDER BY q.bucket FOR UPDATE OF q
    ), clock AS MATERIALIZED (
        SELECT count(*) = cardinality(%(buckets)s::text[]) AS are_all, {_NOW} AS now FROM held
    ), line AS (
        SELECT held.bucket, count(ahead.who) AS ahead
        FROM held CROSS JOIN clock
            LEFT JOIN quota_place mine ON mine.bucket = held.bucket AND mine.who = %(who)s::text
            LEFT JOIN quota_place ahead ON ahead.bucket = held.bucket AND ahead.who <> %(who)s::text AND ahead.until > now
                AND (NOT ahead.urgent, ahead.since) < (NOT %(urgent)s::boolean, coalesce(mine.since, now))
        GROUP BY held.bucket
    ), reckoned AS MATERIALIZED (
        SELECT held.*, now, tat - now - (burst - 1 - ahead) * refill + {_SLACK.format(refill="refill", burst="burst")} AS lacks,
            refill * greatest(0, ahead - burst) AS too_long
        FROM held JOIN line USING (bucket) CROSS JOIN clock
        WHERE are_all
    ), gone AS (
        UPDATE quota q
        SET tat = greatest(r.tat, r.now) + r.refill, taken = r.taken + 1, rate = r.rate, burst = r.burst
        FROM reckoned r
        WHERE q.bucket = r.bucket AND (SELECT max(lacks) <= 0 FROM reckoned)
        RETURNING q.bucket
    ), called AS (
        DELETE FROM quota_place USING gone WHERE quota_place.bucket = gone.bucket AND who = %(who)s::text
    )
    SELECT bucket, taken + 1, lacks, lacks - too_long, now FROM reckoned
"""
_STAND = f"""
    INSERT INTO quota_place (bucket, who, urgent, since, until)
    SELECT bucket, %(who)s, %(urgent)s, now, now + %(wait)s::float8 + %(kept)s
    FROM unnest(%(short)s::text[]) AS short (bucket), (SELECT {_NOW}) AS clock (now)
    ON CONFLICT (bucket, who) DO UPDATE SET urgent = excluded.urgent, until = excluded.until,
        since = CASE WHEN quota_place.until > excluded.since THEN quota_place.since ELSE excluded.since END
"""
_LOOK = f"""
    WITH {_ASKED}, known AS (
        SELECT bucket, tat, asked.burst, 1 / coalesce(header_rate, asked.rate) AS refill FROM quota JOIN asked USING (bucket)
    )
    SELECT bucket, tat - {_NOW}, refill, burst, {_SLACK.format(refill="refill", burst="burst")} FROM known
"""
_DRAIN = f"""
    WITH {_ASKED}, narrowest AS (
        SELECT bucket, 1 / coalesce(header_rate, q.rate) AS refill
        FROM quota q JOIN asked USING (bucket)
        ORDER BY floor(q.burst - greatest(0, tat - {_NOW}) * coalesce(header_rate, q.rate) + 1e-6), rank DESC LIMIT 1
    )
    UPDATE quota q
    SET throttles = least(throttles + 1, 30),
        tat = greatest(
            tat,
            {_NOW} + (burst - 1) * refill - {_SLACK.format(refill="refill", burst="burst")}
                + least(%(seconds)s::float8 * 2 ^ throttles, greatest(%(seconds)s::float8, %(longest)s::float8))
        )
    FROM narrowest
    WHERE q.bucket = narrowest.bucket
    RETURNING least(%(seconds)s::float8 * 2 ^ (throttles - 1), greatest(%(seconds)s::float8, %(longest)s::float8))
"""

# With a new rate the bucket stays as empty as it was: what is missing in it refills at the new rate. The call that has
# come back, and all that were taken after it, count as if they had arrived now, if that is later than estimated.
_OLD, _NEW = "coalesce(header_rate, rate)", "coalesce(%(rate)s::float8, header_rate, rate)"
_ARRIVED = f"{_NOW} + (taken - %(number)s::bigint + 1) / {_NEW}"
_ANSWERED = f"""
    UPDATE quota
    SET throttles = CASE WHEN %(is_well)s THEN 0 ELSE throttles END,
        header_rate = coalesce(%(rate)s::float8, header_rate),
        tat = greatest(
            {_ARRIVED},
            CASE WHEN {_NEW} = {_OLD} THEN tat ELSE {_NOW} + greatest(0, tat - {_NOW}) * {_OLD} / {_NEW} END
        )
    WHERE bucket = %(bucket)s AND (
        tat < {_ARRIVED} OR throttles > 0 AND %(is_well)s
        OR header_rate IS DISTINCT FROM coalesce(%(rate)s::float8, header_rate)
    )
"""
