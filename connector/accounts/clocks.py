"""How far Amazon's clocks are from the database's, by which this installation counts days and windows.

Each answer from Amazon has a Date header (RFC 9110, 6.6.1), in whole seconds. Against the database's clock at half the
round trip it tells the difference, to about a second on an ordinary line. It is kept where all workers find it, one
row a host, and written only when it has changed or is old: a call costs no statement for this.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from connector.accounts import direct, endpoints

SLOWEST = 10.0  # seconds of a round trip beyond which an answer tells too little of the time
NOISE = 2.0  # seconds; smaller differences count as none
KEPT = 600.0  # seconds after which the same difference is written down once more
TRUSTED = 86400.0  # seconds for which a measurement holds
WORTH_TELLING = 5.0  # seconds of difference that people are told of


@dataclass(frozen=True, slots=True)
class Measured:
    """A difference that still holds: `ahead` and `age` (since it was measured) are seconds, `ahead` less than 0 where Amazon is behind."""

    host: str
    ahead: float
    age: float


class Meter:
    """Observes the answers to one client."""

    def __init__(self, region: str) -> None:
        self._host = endpoints.host_of(region)
        self._noted: tuple[float, float] | None = None  # (difference, when it was written on this process's own clock)

    def heard(self, date: str | None, *, sent: float, received: float, taken_at: float, database_at: float) -> None:
        """One answer.

        date            the Date header, or None
        sent, received  when the request went out and the answer's headers came in, by time.monotonic()
        taken_at        an earlier moment of that clock, at which the database's clock stood at
        database_at     seconds since 1970
        """
        moment = moment_of(date)
        if moment is None or received - sent > SLOWEST:
            return
        middle = database_at + (sent + received) / 2 - taken_at
        ahead = moment + 0.5 - middle  # the header leaves out half a second in the mean
        if self._is_news(ahead, error=1.0 + (received - sent) / 2):
            direct.execute(_WRITE, {"host": self._host, "ahead": ahead})
            self._noted = ahead, time.monotonic()

    def _is_news(self, ahead: float, error: float) -> bool:
        if self._noted is None:
            found = direct.execute(_READ, {"host": self._host})
            if not found:
                return True
            before, age = found[0]
            self._noted = before, time.monotonic() - age
        before, at = self._noted
        return abs(ahead - before) > error or time.monotonic() - at > KEPT


def moment_of(date: Any) -> float | None:
    """Seconds since 1970 of a Date header; None where it is none."""
    try:
        found = parsedate_to_datetime(date)
        return found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def ahead_of(region: str) -> float:
    """Seconds that Amazon's clock is ahead of the database's, less than 0 where it is behind; 0 where nothing is known."""
    found = direct.execute(_READ, {"host": endpoints.host_of(region)})
    return found[0][0] if found and found[0][1] < TRUSTED else 0.0


def amazons(now: datetime, region: str) -> datetime:
    """`now` of the database's clock, or what Amazon's clock shows then where that is behind: nothing later can be asked for."""
    ahead = ahead_of(region)
    return now if ahead > -NOISE else now + timedelta(seconds=ahead - 1.0)  # the header tells whole seconds


def known() -> list[Measured]:
    """What still holds, by host."""
    return [found for row in direct.execute(_ALL, {}) if (found := Measured(*row)).age < TRUSTED]


def name_of(host: str) -> str:
    """The clock at that host, for people: Amazon's clock (NA)."""
    return f"Amazon's clock ({', '.join(endpoints.regions_of(host)) or host})"


def apart(ahead: float) -> str:
    """The difference in words: 150 seconds behind this installation's."""
    seconds = abs(ahead)
    length = f"{seconds:.0f} seconds" if seconds < 600 else f"{seconds / 60:.0f} minutes"
    return f"{length} {'behind' if ahead < 0 else 'ahead of'} this installation's"


_AGE = "greatest(0, extract(epoch FROM clock_timestamp() - measured_at))::float8"
_READ = f"SELECT ahead, {_AGE} FROM server_clock WHERE host = %(host)s"
_ALL = f"SELECT host, ahead, {_AGE} FROM server_clock ORDER BY host"
_WRITE = """
    INSERT INTO server_clock (host, ahead, measured_at) VALUES (%(host)s, %(ahead)s, clock_timestamp())
    ON CONFLICT (host) DO UPDATE SET ahead = excluded.ahead, measured_at = excluded.measured_at
"""
