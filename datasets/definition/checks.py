"""Whether a proposed definition can be taken: every check, once, for pages and API alike.

What is wrong is said at its field, and all of it at once. Whether the answers fit the report's questions is the
catalogue's to judge (`Option.clean`); its sentences come along.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator

from connector.accounts.models import Account
from connector.catalogue import index
from connector.catalogue.report import Report
from datasets import schedule
from datasets.backfill.span import Span
from datasets.definition.days import LAST_WHOLE_DAY, read_days
from datasets.definition.definition import MODES, SCHEDULES, Definition, InvalidDefinition, Proposal, Schedule
from datasets.models import Dataset, Day

NO_LONGER = "This cannot be changed once a dataset has rows. Clone this dataset or create another one."
TO_OR_FROM_MERGE = (
    "A dataset with rows cannot be changed to or from merge, because only a merge keeps its rows by key. Clear its "
    "rows first, or clone it."
)
ROWS_OF_FILES = (
    "This dataset has days from uploaded files, and a replace would drop them: it keeps only what Amazon returns again. Clear its "
    "rows first, or create another dataset for the replace."
)
NEEDED = {
    "account": "Choose the account to load from.",
    "report": "Choose a report.",
    "name": "Enter a name for the dataset.",
}
MAX_LENGTHS = {"report": 100, "start": 20, "end": 20, "schedule_zone": 64, "name": 200, "description": 5000}
CHOICES = {"mode": MODES, "schedule_kind": SCHEDULES}


@dataclass(frozen=True, slots=True)
class Review:
    """What the checks came to: a definition, or errors as InvalidDefinition has them. `span` are the days that its words
    mean today, where they mean any; a proposal whose other parts are wrong has one too."""

    definition: Definition | None = None
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    span: Span | None = None

    def checked(self) -> Definition:
        """The definition. Raises InvalidDefinition where there is none."""
        if self.definition is None:
            raise InvalidDefinition(self.errors)
        return self.definition


def check(proposal: Proposal, *, dataset: Dataset | None = None, now: datetime) -> Definition:
    """The definition that is proposed, for a new dataset or for this one. Raises InvalidDefinition."""
    return review(proposal, dataset=dataset, now=now).checked()


def review(proposal: Proposal, *, dataset: Dataset | None = None, now: datetime) -> Review:
    """The same without raising, for a page that shows what is wrong so far."""
    errors: dict[str, list[str]] = {}

    def complain(name: str, sentence: str) -> None:
        errors.setdefault(name, []).append(sentence)

    for name, sentence in _of_fields(proposal):
        complain(name, sentence)
    answered = proposal.answered
    if answered is None:
        return Review(errors=errors)
    report, account = answered.report, proposal.account
    for name, sentence in answered.wrong.items():
        complain(name, sentence)
    mode = (proposal.mode if "mode" not in errors else "") or report.modes[0]
    if mode not in report.modes:
        complain("mode", f"{report.title} can be kept by {' or '.join(report.modes)} only.")
    span = None
    if account:
        if sentence := _audience(report, account):
            complain("report", sentence)
        kept_start = dataset.start if dataset else ""
        days = read_days(report, account, proposal.start, proposal.end, now=now, kept_start=kept_start)
        for name, sentence in days.errors.items():
            if name not in errors:
                complain(name, sentence)
        span = days.span
    zone = (proposal.schedule.zone if "schedule_zone" not in errors else "") or (account.zone if account else "UTC")
    if sentence := _zone(zone):
        complain("schedule_zone", sentence)
    if dataset:
        options = None if answered.wrong else answered.answers
        forbidden = forbidden_by_rows(dataset, proposal.report, account, options, mode, entry=answered.entry)
        for name, sentence in forbidden:
            complain(name, sentence)
    if errors:
        return Review(errors=errors, span=span)
    definition = Definition(
        name=proposal.name,
        description=proposal.description,
        account=cast(Account, account),  # without one there are errors
        report=report.key,
        options=answered.answers,
        start=proposal.start if report.has_dates else "",
        end=(proposal.end or LAST_WHOLE_DAY) if report.has_dates else "",
        mode=mode,
        schedule=Schedule(proposal.schedule.kind, proposal.schedule.at or schedule.DEFAULT_AT, zone),
    )
    return Review(definition, span=span)


def forbidden_by_rows(
    dataset: Dataset,
    report: str,
    account: Account | None,
    options: Mapping[str, object] | None,
    mode: str,
    *,
    entry: Report | None = None,
) -> Iterator[tuple[str, str]]:
    """(field, sentence) of each change that the rows of this dataset do not allow. None is what is not known yet.

    Rows stay of the report and account that they came from; those of a document are not mixed with those of another one
    or of longer periods, and rows that were not kept by key are not merged. `entry` is the catalogue's of `report`.
    """
    if not dataset.version:
        return
    if report != dataset.report:
        yield "report", NO_LONGER
    if account is not None and account != dataset.account:
        yield "account", NO_LONGER
    same_report = report == dataset.report
    if same_report and options is not None and options != dataset.options and mode != "replace":
        entry = entry or index.get(report)
        was, now = entry.varied(dataset.options), entry.varied(options)
        if not was.source.may_mix and _kind_of_rows(was) != _kind_of_rows(now):
            for name in now.variants:
                if options.get(name) != dataset.options.get(name):
                    yield name, NO_LONGER
    is_other_mode = mode != dataset.mode and "merge" in (mode, dataset.mode)
    if is_other_mode and dataset.days.filter(state__in=Day.IN).exists():  # none are once it was cleared
        yield "mode", TO_OR_FROM_MERGE
    elif mode == "replace" != dataset.mode and dataset.days.filter(state__in=Day.IN, from_file=True).exists():
        yield "mode", ROWS_OF_FILES


def _kind_of_rows(report: Report) -> tuple[object, ...]:
    return report.source.subject, report.source.shape, report.window


def _of_fields(proposal: Proposal) -> Iterator[tuple[str, str]]:
    """What is wrong with each field by itself, and what could not be read."""
    said = {
        "account": proposal.account,
        "report": proposal.report,
        "start": proposal.start,
        "end": proposal.end,
        "mode": proposal.mode,
        "schedule_kind": proposal.schedule.kind,
        "schedule_at": proposal.schedule.at,
        "schedule_zone": proposal.schedule.zone,
        "name": proposal.name,
        "description": proposal.description,
    }
    for name, value in said.items():
        unread = [proposal.unread[name]] if name in proposal.unread else []
        sentences = unread if unread and not value else list(_of_field(name, value)) or unread
        yield from ((name, sentence) for sentence in sentences)
    yield from ((name, sentence) for name, sentence in proposal.unread.items() if name not in said)


def _of_field(name: str, value: object) -> Iterator[str]:
    if not value:
        if name in NEEDED:
            yield NEEDED[name]
        return
    if name in CHOICES and value not in CHOICES[name]:
        yield f"Select a valid choice. {value} is not one of the available choices."
    if name in MAX_LENGTHS:
        for validate in (MaxLengthValidator(MAX_LENGTHS[name]), ProhibitNullCharactersValidator()):
            try:
                validate(value)
            except ValidationError as problem:
                yield problem.messages[0]


def _audience(report: Report, account: Account) -> str:
    if account.kind in report.audience:
        return ""
    who = " and ".join(f"{kind}s" for kind in report.audience)
    return f"Amazon gives {report.title} to {who} only, and {account.name} is a {account.kind}'s account."


def _zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(zone, available_timezones(), n=1)
        hint = f" Did you mean {near[0]}?" if near else " Write it like America/Los_Angeles."
        return f"'{zone}' is not a time zone.{hint}"
    return ""
