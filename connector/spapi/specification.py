"""What a report says of itself, compared with what was asked for: its type, its dates, its marketplaces and its options.

Amazon repeats the question in two places: getReport's answer (without the options), and the `reportSpecification` of the
JSON documents. A member that is not repeated, or is null, says nothing. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

TYPE, START, END, PLACES, OPTIONS = "reportType", "dataStartTime", "dataEndTime", "marketplaceIds", "reportOptions"
_A_SECOND = timedelta(seconds=1)
_LONGEST = 80  # characters of a value in a sentence


@dataclass(frozen=True)
class Asked:
    """What `reports.create` was asked for. `start` and `end` are instants; with `by_dates` Amazon reads them as dates of UTC, both
    included. `zone` is the one in which the report's days are counted."""

    report_type: str
    marketplace_ids: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    options: dict[str, str] | None = None
    by_dates: bool = False
    zone: str = "UTC"


@dataclass(frozen=True)
class Difference:
    """A member that says another thing than what was asked for, both as text."""

    member: str
    asked: str
    said: str

    def __str__(self) -> str:
        return f"its {self.member} is {self.said or 'empty'}, and {self.asked} was requested"


def difference(said: object, asked: Asked) -> Difference | None:
    """The first Difference between what a report `said` of itself, a mapping, and what was asked for; None where there is none."""
    if not isinstance(said, dict):
        return None
    return next((found for found in _differences(said, asked) if found), None)


def _differences(said: Mapping[str, Any], asked: Asked) -> Iterator[Difference | None]:
    yield _of_type(said.get(TYPE), asked)
    yield _of_bound(START, said.get(START), asked.start, asked)
    yield _of_bound(END, said.get(END), asked.end, asked)
    yield _of_marketplaces(said.get(PLACES), asked)
    options = said.get(OPTIONS)
    if not isinstance(options, dict):
        return
    for name, wanted in (asked.options or {}).items():
        if options.get(name) is not None and _word(options[name]) != _word(wanted):
            yield Difference(f"{OPTIONS}.{name}", _word(wanted), _shown(_word(options[name])))


def _of_type(said: object, asked: Asked) -> Difference | None:
    """Documents name some types without the GET_ that one asks for."""
    if said is None or str(said).removeprefix("GET_") == asked.report_type.removeprefix("GET_"):
        return None
    return Difference(TYPE, asked.report_type, _shown(said))


def _of_marketplaces(said: object, asked: Asked) -> Difference | None:
    if said is None or not asked.marketplace_ids:
        return None
    found = {str(place) for place in said} if isinstance(said, list) else {str(said)}
    if found == set(asked.marketplace_ids):
        return None
    return Difference(PLACES, ", ".join(sorted(asked.marketplace_ids)), _shown(", ".join(sorted(found))))


def _of_bound(member: str, said: Any, wanted: datetime | None, asked: Asked) -> Difference | None:
    if said is None or wanted is None:
        return None
    wanted = wanted.astimezone(UTC)
    shown = str(wanted.date()) if asked.by_dates else wanted.isoformat()
    is_same = _is_same_date if asked.by_dates else _is_same_instant
    return None if is_same(said, wanted, member == END, asked.zone) else Difference(member, shown, _shown(said))


def _is_same_date(said: Any, wanted: datetime, is_end: bool, zone: str) -> bool:
    """A midnight of whatever zone, and the last second of a day, stand for the date that is written; any other time of day is an
    instant, whose date is that of the report's zone."""
    found = _read(said)
    if found is None:
        return False
    if isinstance(found, datetime):
        at = found.time().replace(microsecond=0)
        is_written = found.tzinfo is None or at in (time(0), time(23, 59, 59), time(23, 59))
        found = found.date() if is_written else found.astimezone(ZoneInfo(zone)).date()
    return found == wanted.date()


def _is_same_instant(said: Any, wanted: datetime, is_end: bool, zone: str) -> bool:
    """To the second, and with the last second before an end for the end itself. A date says as much as a date can."""
    found = _read(said)
    if found is None:
        return False
    if not isinstance(found, datetime):
        inside = wanted - _A_SECOND if is_end else wanted
        return found in {
            moment.astimezone(each).date() for moment in (wanted, inside) for each in (UTC, ZoneInfo(zone))
        }
    instants = [found] if found.tzinfo else [found.replace(tzinfo=each) for each in (UTC, ZoneInfo(zone))]
    return any(abs(instant - wanted) <= _A_SECOND for instant in instants)


def _read(text: Any) -> date | None:
    """A date, a datetime, or None."""
    for form in (date, datetime):
        try:
            return form.fromisoformat(text)
        except (TypeError, ValueError):
            continue
    return None


def _word(value: object) -> str:
    """An option's value as Amazon takes it: text."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_word, value)) if isinstance(value, list) else str(value)


def _shown(value: object) -> str:
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in str(value))
    return text[:_LONGEST] + ("…" if len(text) > _LONGEST else "")
