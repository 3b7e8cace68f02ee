"""Amazon's request quotas, shared by all workers of all machines: one leaky bucket (GCRA) a row, on the database's clock.

A row remembers `tat`, the moment at which the bucket will be full again. A request may be made when that moment, put
off by one refill, is not farther away than a whole bucket takes to refill.
"""

import math

LONGEST_PAUSE = 300.0


class Quota:
    """`connect` gives a psycopg connection in autocommit mode; a lost last second of quota after a crash does no harm,
    so it may well run with synchronous_commit off. `rate_factor` multiplies every published rate."""

    def __init__(self, connect, rate_factor=1.0):
        self._connect = connect
        self._factor = rate_factor

    def take(self, bucket, rate, burst):
        """Takes one request and answers 0, or takes nothing and answers the seconds to wait.

        A rate that Amazon has stated in a header holds in place of the published one.
        """
        numbers = {"bucket": bucket, "rate": rate * self._factor, "burst": float(burst)}
        connection = self._connect()
        if connection.execute(_TAKE, numbers).fetchone():
            return 0.0
        wait, _ = self._look(connection, numbers)
        return max(wait, 0.001)

    def peek(self, bucket, rate, burst):
        """(seconds until the next request may be made, requests that may be made at once); takes nothing."""
        return self._look(self._connect(), {"bucket": bucket, "rate": rate * self._factor, "burst": float(burst)})

    def drain(self, bucket, seconds):
        """After a 429: nobody makes a request for so long (in Amazon's time), and after that at the bucket's rate.

        Each further 429 without an answer in between doubles the pause, up to five minutes. Answers the real pause.
        """
        numbers = {"bucket": bucket, "seconds": seconds / self._factor, "longest": LONGEST_PAUSE / self._factor}
        found = self._connect().execute(_DRAIN, numbers).fetchone()
        return found[0] if found else numbers["seconds"]

    def adapt(self, bucket, rate):
        """The rate as Amazon states it in an answer's header; anything but a sensible number is passed over."""
        if math.isfinite(rate) and 0 < rate < 1e6:
            self._connect().execute(_ADAPT, {"bucket": bucket, "rate": rate})

    def _look(self, connection, numbers):
        found = connection.execute(_LOOK, numbers).fetchone()
        if found is None:
            return 0.0, int(numbers["burst"])
        ahead, refill, slack = found
        spare = numbers["burst"] * refill - ahead - slack
        return max(0.0, refill - spare), max(0, math.floor(spare / refill + 1e-9))


_NOW = "extract(epoch FROM clock_timestamp())::float8"

# A request that is on its way a little shorter than the one before it would reach Amazon before its bucket has refilled.
# So a refill is used a little later than it is due: this costs nothing but once, the refills after it are due on time.
_SLACK = "least(0.25, 1 / ({rate} * CASE WHEN {burst} > 1 THEN 2 ELSE 20 END))"
_SLACK_OF_ROW = _SLACK.format(rate="coalesce(header_rate, rate)", burst="burst")

# The row is locked before the clock is read, so two workers never reckon with the same moment. No row comes back when
# the bucket is empty.
_TAKE = f"""
    INSERT INTO quota AS q (bucket, tat, rate, burst, throttles)
    VALUES (
        %(bucket)s, {_NOW} + 1 / %(rate)s::float8, %(rate)s::float8, %(burst)s::float8, 0
    )
    ON CONFLICT (bucket) DO UPDATE
    SET (tat, rate, burst) = (
        SELECT greatest(q.tat, {_NOW}) + 1 / coalesce(q.header_rate, excluded.rate), excluded.rate, excluded.burst
    )
    WHERE q.tat - {_NOW} <= (excluded.burst - 1) / coalesce(q.header_rate, excluded.rate)
        - {_SLACK.format(rate="coalesce(q.header_rate, excluded.rate)", burst="excluded.burst")}
    RETURNING 1
"""
_LOOK = f"""
    SELECT greatest(0, tat - {_NOW}), 1 / coalesce(header_rate, %(rate)s::float8),
        {_SLACK.format(rate="coalesce(header_rate, %(rate)s::float8)", burst="%(burst)s::float8")}
    FROM quota WHERE bucket = %(bucket)s
"""
_DRAIN = f"""
    UPDATE quota
    SET throttles = least(throttles + 1, 30),
        tat = greatest(
            tat,
            {_NOW} + (burst - 1) / coalesce(header_rate, rate) - {_SLACK_OF_ROW}
                + least(%(seconds)s::float8 * 2 ^ throttles, greatest(%(seconds)s::float8, %(longest)s::float8))
        )
    WHERE bucket = %(bucket)s
    RETURNING least(%(seconds)s::float8 * 2 ^ (throttles - 1), greatest(%(seconds)s::float8, %(longest)s::float8))
"""
# The bucket stays as empty as it was: what is missing in it refills at the new rate.
_ADAPT = f"""
    UPDATE quota
    SET header_rate = %(rate)s::float8, throttles = 0, tat = (
        SELECT now + greatest(0, tat - now) * coalesce(header_rate, rate) / %(rate)s::float8
        FROM (SELECT {_NOW}) AS clock (now)
    )
    WHERE bucket = %(bucket)s AND (header_rate IS DISTINCT FROM %(rate)s::float8 OR throttles > 0)
"""
