"""A definition as JSON, which is how programs send and get it.

{"name", "description", "account" (id or name), "report", "options": {…}, "start", "end", "mode",
"schedule": null or {"kind", "at", "zone"}}; docs/api.md describes each.
"""

import difflib
from collections.abc import Mapping
from datetime import time

from connector.accounts.models import Account, User
from connector.catalogue.report import Report
from datasets import schedule
from datasets.access.lookup import as_uuid
from datasets.definition.definition import Definition, Proposal, Schedule
from datasets.definition.reading import NO_ACCOUNT, read_report, read_time
from datasets.models import Dataset

SCHEDULE_SHAPE = 'The schedule must be null or {"kind": "daily", "at": "06:00", "zone": "America/Los_Angeles"}.'
MAX_NAME_SHOWN = 60  # letters of an option, as it is repeated in a sentence


def read_payload(user: User, payload: Mapping[str, object], base: Definition | None = None) -> Proposal:
    """What a program proposes. What the payload leaves out is as in `base`; a null is said, and empties the field.

    Values of a wrong kind raise nothing: they are errors of their fields, with the others.
    """
    unread: dict[str, str] = {}
    texts = {
        name: _text(payload, name, base, unread) for name in ("name", "description", "report", "start", "end", "mode")
    }
    account = _account(user, payload, base, unread)
    options = _options(payload, base, unread)
    answered, sentence = read_report(texts["report"], lambda option: options.get(option.name), account)
    if sentence:
        unread["report"] = sentence
    if answered and "options" in payload:
        unread |= _unknown(options, answered.report)
    return Proposal(
        **texts,
        account=account,
        answered=answered,
        schedule=_schedule(payload, base, unread),
        unread=unread,
    )


def payload_of(definition: Definition) -> dict[str, object]:
    """The definition as a program would send it."""
    return {
        "name": definition.name,
        "description": definition.description,
        "account": str(definition.account.pk),
        "report": definition.report,
        "options": definition.options,
        "start": definition.start,
        "end": definition.end,
        "mode": definition.mode,
        "schedule": schedule_json(definition.schedule),
    }


def schedule_json(found: Schedule) -> dict[str, str] | None:
    """null for a manual dataset, else {"kind", "at", "zone"}."""
    if found.kind == Dataset.Schedule.MANUAL:
        return None
    return {"kind": found.kind, "at": (found.at or schedule.DEFAULT_AT).strftime("%H:%M"), "zone": found.zone}


def _text(payload: Mapping[str, object], name: str, base: Definition | None, unread: dict[str, str]) -> str:
    if name not in payload:
        return getattr(base, name) if base else ""
    value = payload[name]
    if value is None:
        return ""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        unread[name] = "This must be text."
        return ""
    return str(value) if name == "mode" else str(value).strip()


def _account(
    user: User, payload: Mapping[str, object], base: Definition | None, unread: dict[str, str]
) -> Account | None:
    """The account that an id or a name means."""
    said = str(payload.get("account", base and base.account.pk) or "").strip()
    if not said:
        return None
    accounts = Account.objects.of(user)
    found = accounts.named(said).first()
    if found is None and (key := as_uuid(said)):
        found = accounts.filter(pk=key).first()
    if found is None:
        unread["account"] = NO_ACCOUNT
    return found


def _options(payload: Mapping[str, object], base: Definition | None, unread: dict[str, str]) -> Mapping[str, object]:
    if "options" not in payload:
        return base.options if base else {}
    options = payload["options"] or {}
    if not isinstance(options, dict):
        unread["options"] = "The options must be an object of names and answers."
        return {}
    return {str(name): value for name, value in options.items()}


def _unknown(options: Mapping[str, object], report: Report) -> dict[str, str]:
    """A sentence for each option that the report does not have."""
    known = [option.name for option in report.options]
    wrong = {}
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            short = name[:MAX_NAME_SHOWN]
            wrong[short] = f"{report.title} has no option '{short}'.{hint}"
    return wrong


def _schedule(payload: Mapping[str, object], base: Definition | None, unread: dict[str, str]) -> Schedule:
    if "schedule" not in payload:
        return base.schedule if base else Schedule()
    said = payload["schedule"]
    if said is None:
        return Schedule()
    if not isinstance(said, dict):
        unread["schedule"] = SCHEDULE_SHAPE
        return Schedule()
    unknown = sorted(set(map(str, said)) - {"kind", "at", "zone"})
    if unknown:
        unread["schedule"] = f"The schedule has the fields kind, at and zone, not {', '.join(unknown)[:100]}."
    at = said.get("at")
    if not isinstance(at, time):
        at, sentence = read_time(str(at or ""))
        if sentence:
            unread["schedule_at"] = sentence
    return Schedule(str(said.get("kind") or "daily"), at, str(said.get("zone") or "").strip())
