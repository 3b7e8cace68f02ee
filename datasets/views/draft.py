"""A definition in the making: what the page Connect data shows of the answers so far, whole or not."""

from collections.abc import ItemsView, Iterator, Mapping
from datetime import datetime, time
from typing import cast
from urllib.parse import urlencode

from django.forms import BoundField
from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import cached_property

from connector.accounts.models import Account, User
from connector.catalogue import index
from connector.catalogue.report import Report
from connector.spapi.marketplaces import MARKETPLACES
from datasets import schedule
from datasets.backfill import forecast, window
from datasets.backfill.sources import asking
from datasets.definition import checks, formdata
from datasets.definition.definition import MODES, Definition
from datasets.definition.form import DatasetForm
from datasets.definition.preview import preview
from datasets.models import Dataset
from datasets.views import draft_lines

DEFAULTS = {"start": "today-90", "end": "yesterday", "schedule_kind": "daily", "schedule_at": "06:00"}
DAY_WORDS = (
    ("yesterday", "the newest complete day"),
    ("today", "the current day, not complete yet"),
    ("today-7", "a week back"),
    ("today-30", "a month back"),
    ("today-90", "three months back"),
    ("today-365", "a year back"),
)
MODE_WORDS = {
    "append": "Each day is added once and kept. A day that is loaded again replaces its old rows, so nothing is duplicated.",
    "replace": "Each run loads the whole range again. Readers see the old rows until the new ones are complete.",
    "merge": "Each row has a key: a newer version replaces an older one.",
}
STEPS = (
    ("credentials", "Credentials", ("account",)),
    ("details", "Details", None),  # the report, its dates and whatever it asks
    ("scheduling", "Scheduling", ("schedule_kind", "schedule_at", "schedule_zone", "mode")),
    ("describe", "Name & Describe", ("name", "description")),
)
PLACES = {"account": "credentials", "mode": "modes", "schedule_kind": "scheduling"}  # of errors whose field has no id
MAX_ADDRESS = 1800  # it travels inside another address, escaped twice, and servers take about 4000 characters


class Draft:
    """The answers so far, what the checks say of them, the form that shows them, and all that is said around it.

    Account and report are looked up once, when it is made; the form is built once, when it is shown.
    """

    day_words = DAY_WORDS
    zones = sorted({place.zone for place in MARKETPLACES} | {"UTC"})

    def __init__(
        self, user: User, given: QueryDict, *, dataset: Dataset | None = None, is_sent: bool = False, now: datetime
    ) -> None:
        """`given` is what the address or the posted form says; `is_sent` where that is to be saved."""
        self.dataset, self.now = dataset, now
        self.accounts = list(Account.objects.of(user).select_related("application").order_by("name"))
        kept = dataset.options if dataset else {}
        self.usual = (
            formdata.values_of(Definition.of(dataset)) if dataset else DEFAULTS | {"report": first_report().key}
        )
        if is_sent:
            self.answers = formdata.read_sent(given, self.accounts, kept=kept)
        else:
            self.answers = formdata.read_look(given, self.accounts, usual=self.usual, kept=kept)
        self.account, self.report = self.answers.account, self.answers.proposal.effective_report
        self.refused: Mapping[str, list[str]] | None = None

    @cached_property
    def review(self) -> checks.Review:
        """What the checks say of it as it stands."""
        return checks.review(self.answers.proposal, dataset=self.dataset, now=self.now)

    def refuse(self, errors: Mapping[str, list[str]]) -> None:
        """It was sent and not taken: the form shows these errors, those of an InvalidDefinition. Before the form is shown."""
        self.refused = errors

    @cached_property
    def form(self) -> DatasetForm:
        return DatasetForm(self.answers, self.refused)

    # What is chosen

    @property
    def locked(self) -> bool:
        """Rows are in: they are of this report and this account for good."""
        return bool(self.dataset and self.dataset.version)

    @property
    def shown(self) -> str:
        """Whose questions the page shows; comes back with the answers."""
        words = [self.report.key if self.report else "", str(self.account.pk) if self.account else ""]
        answered = self.answers.proposal.answered
        if self.report and answered and self.report.options != answered.entry.options:
            words.append(",".join(option.name for option in self.report.options))
        return " ".join(words)

    @property
    def unknown_report(self) -> str:
        """What is wrong with the report's name in the address."""
        return self.answers.proposal.unread.get("report", "") if self.refused is None else ""

    def groups(self) -> ItemsView[str, list[tuple[Report, str]]]:
        """(group, [(report, who may not have it)]) of the picker."""
        kind = self.account.kind if self.account else None
        groups: dict[str, list[tuple[Report, str]]] = {}
        for report in index.REPORTS:
            if report.offered or (self.report and report.key == self.report.key):
                barred = "" if kind is None or kind in report.audience else f"{report.audience[0]}s only"
                groups.setdefault(report.group, []).append((report, barred))
        return groups.items()

    def questions(self) -> list[BoundField]:
        """The report's own questions; a single marketplace is no question."""
        options = self.report.options if self.report else ()
        return [self.form[option.name] for option in options if formdata.asks(option, self.account)]

    # What it comes to

    @cached_property
    def problems(self) -> list[str]:
        """Why it cannot be said yet what will be loaded."""
        if self.account is None:
            return ["Choose an account above to see what will be loaded."]
        if self.report is None:
            return ["Choose a report to see what will be loaded."]
        return [sentence for name in ("report", "start", "end") for sentence in self.review.errors.get(name, ())]

    @cached_property
    def forecast(self) -> forecast.Forecast | None:
        if self.problems:
            return None
        return preview(self.answers.proposal, self.account, self.review.span, dataset=self.dataset, now=self.now)

    def how_long(self) -> str:
        return forecast.words(self.forecast.seconds) if self.forecast else ""

    @cached_property
    def days_line(self) -> str:
        start, end = (str(self.said(name) or "") for name in ("start", "end"))
        return draft_lines.days_line(self.report, self.forecast, start, end)

    @property
    def days_zone(self) -> str:
        """The clock of the report's days."""
        return window.zone_of(cast(Report, self.report), self.account)  # asked for only of a report with dates

    @property
    def zone(self) -> str:
        """The clock of the schedule."""
        return self.answers.proposal.schedule.zone or (self.account.zone if self.account else "UTC")

    @property
    def is_daily(self) -> bool:
        return self.said("schedule_kind") == "daily"

    @property
    def at(self) -> time | None:
        """The time of day, or None where what was typed is none."""
        proposal = self.answers.proposal
        return None if "schedule_at" in proposal.unread else proposal.schedule.at or schedule.DEFAULT_AT

    def next_runs(self) -> list[tuple[str, str]]:
        """(instant, its words) of the next runs, in the schedule's own zone."""
        if not self.is_daily or self.at is None:
            return []
        return list(draft_lines.next_runs(self.at, self.zone, self.now))

    @property
    def schedule_line(self) -> str:
        return draft_lines.schedule_line(self.is_daily, self.at, self.zone)

    @property
    def mode(self) -> str:
        mode = str(self.said("mode") or "")
        return mode if mode in MODES else self.report.modes[0] if self.report else MODES[0]

    def mode_cards(self) -> Iterator[tuple[str, str, str, str]]:
        """(value, title, explanation, why it cannot be chosen) of each mode."""
        for value in MODES:
            why_not = "" if self.report is None or value in self.report.modes else self._why_not(self.report, value)
            yield value, Dataset.Mode(value).label, MODE_WORDS[value], why_not

    @staticmethod
    def _why_not(report: Report, mode: str) -> str:
        if report.forced_mode:
            return f"{report.title} always uses {report.forced_mode}."
        if mode == "merge" and not report.key_columns:
            return f"{report.title} has no reliable key for a merge."
        return f"{report.title} does not support this mode."

    @property
    def line(self) -> str:
        """The whole dataset in one line."""
        parts = [
            self.report.title if self.report else "",
            ", ".join(self.countries()),
            self.days_line,
            self.mode.capitalize() if self.report else "",
            self.schedule_line,
        ]
        return " · ".join(part for part in parts if part)

    def countries(self) -> list[str]:
        chosen = self.said("marketplaces") if self.report else None
        if self.account is None:
            return chosen if isinstance(chosen, list) else []
        return asking.shown(self.report, self.account, {"marketplaces": chosen if isinstance(chosen, list) else []})

    @property
    def name(self) -> str:
        return str(self.said("name") or "").strip()

    @property
    def suggested(self) -> str:
        """A name for it."""
        return formdata.suggested_name(self.report, self.account)

    def steps(self) -> Iterator[tuple[str, str, str, str]]:
        """(id, title, its answer in a few words, state) of each pane."""
        said = {
            "credentials": self.account.name if self.account else "Choose an account",
            "details": " · ".join(filter(None, [self.report.title if self.report else "", self.days_line])),
            "scheduling": f"{self.mode.capitalize()} · {self.schedule_line}",
            "describe": self.name or "Give it a name",
        }
        elsewhere = {name for _, _, fields in STEPS if fields for name in fields}
        wrong = set(self.form.errors)
        for key, title, fields in STEPS:
            here = wrong & set(fields) if fields else wrong - elsewhere
            ready = {"credentials": self.account, "details": self.forecast, "describe": self.account and self.name}.get(
                key, True
            )
            yield key, title, said[key] or "Choose a report", "failed" if here else "done" if ready else "new"

    def error_links(self) -> Iterator[tuple[str, str, str]]:
        """(where, label, sentence) of each error, in the order of the page."""
        questions = [option.name for option in self.report.options] if self.report else []
        order = ["account", "report", "start", "end", *questions, *STEPS[2][2], *STEPS[3][2]]
        for name in sorted(self.form.errors, key=lambda name: order.index(name) if name in order else -1):
            known = name in self.form.fields
            for sentence in self.form.errors[name]:
                label = str(self.form[name].label) if known else ""
                yield PLACES.get(name, f"id_{name}") if known else "", label, self._in_short(name, label, str(sentence))

    def _in_short(self, name: str, label: str, sentence: str) -> str:
        """The sentence as it follows a link to its question, beside which it stands whole."""
        options = self.report.options if self.report else ()
        if not self.answers.values.get(name) and any(option.name == name and option.choices for option in options):
            return "Choose one."
        said = sentence.removeprefix(f"{label}: ")
        return said[:1].upper() + said[1:]

    # Where it is kept while it is not saved

    def said(self, name: str) -> object:
        """The answer as it stands."""
        return self.form[name].value() if name in self.form.fields else None

    @property
    def path(self) -> str:
        return reverse("dataset-edit", args=[self.dataset.slug]) if self.dataset else reverse("dataset-new")

    def address(self, *, without: str = "") -> str:
        """This page with every answer that is not the usual one, but for this field, to come back to or to load again."""
        defaults = {option.name: option.default for option in self.report.options} if self.report else {}
        mode = self.report.modes[0] if self.report else MODES[0]
        usual = {"mode": mode, "name": self.suggested} | defaults | self.usual
        values = {name: value for name, value in self.answers.values.items() if name != without}
        pairs = list(formdata.pairs_of(values, usual, always=() if self.dataset else ("report", "account")))
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path


def first_report() -> Report:
    """The one that the page begins with."""
    return next(report for report in index.REPORTS if report.offered)
