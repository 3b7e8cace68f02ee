"""A definition in the making: what the page Connect data shows of the answers so far, whole or not."""

from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.functional import cached_property

from connector.catalogue import index
from connector.spapi.marketplaces import MARKETPLACES
from datasets import schedule
from datasets.backfill import forecast, window
from datasets.definition.form import MODE_WORDS, DatasetForm

DEFAULTS = {"start": "today-90", "end": "yesterday", "schedule_kind": "daily", "schedule_at": "06:00"}
DAY_WORDS = (
    ("yesterday", "the newest whole day"),
    ("today", "the day that is not over yet"),
    ("today-7", "a week back"),
    ("today-30", "a month back"),
    ("today-90", "three months back"),
    ("today-365", "a year back"),
)
STEPS = (
    ("credentials", "Credentials", ("account",)),
    ("details", "Details", None),  # the report, its dates and whatever it asks
    ("scheduling", "Scheduling", ("schedule_kind", "schedule_at", "schedule_zone", "mode")),
    ("describe", "Name & Describe", ("name", "description")),
)
PLACES = {"account": "credentials", "mode": "modes", "schedule_kind": "scheduling"}  # of errors whose field has no id
LISTS = ("choices", "marketplaces")
LONGEST_ADDRESS = 1800  # it travels inside another address, escaped twice, and servers take about 4000 characters


def answers_of(given, report):
    """What a query or a posted form says, as initial values. `report` is asked where none is named.

    What was not asked is left to its default.
    """
    said = {name: given[name] for name in DatasetForm.base_fields if name in given}
    try:
        report = index.get(given.get("report", report)).varied(given)  # an answer may bring further questions
    except KeyError:
        return said
    for option in report.options:
        boxes = option.kind == "flag" or option.kind in LISTS
        if option.name not in given and not (boxes and given.get("shown")):  # a box without a tick is not sent at all
            continue
        if option.kind == "flag":
            said[option.name] = given.get(option.name) in ("on", "true")
        elif option.kind in LISTS:
            said[option.name] = [value for value in given.getlist(option.name) if value]
        else:
            said[option.name] = given[option.name]
    return said


def _without_other_mode(answers, shown):
    """The answers, less a mode that stood there for the report shown before: it forced or suggested it, or this one cannot be kept so."""
    was, mode = shown.partition(" ")[0], answers.get("mode")
    try:
        report = index.get(answers.get("report"))
        before = index.get(was)
    except KeyError:
        return answers
    if mode and before != report and (mode not in report.modes or mode == before.modes[0]):
        answers = answers.copy()
        del answers["mode"]
    return answers


class Draft:
    """The form and all that is said around it."""

    def __init__(self, user, *, dataset=None, said=None, posted=None, shown="", now):
        self.dataset, self.now = dataset, now
        if posted is None:
            said = _without_other_mode(said or {}, shown)
            initial = said if dataset else DEFAULTS | {"report": first_report().key} | said
            self.form = DatasetForm(user=user, instance=dataset, initial=initial, now=now)
            if self.form.initial.get("mode") not in self.form.modes:
                self.form.initial.pop("mode", None)
            if not self.form.initial.get("name"):
                self.form.initial["name"] = self.suggested
        else:
            self.form = DatasetForm(
                _without_other_mode(posted, posted.get("shown", "")), user=user, instance=dataset, now=now
            )

    # What is chosen

    @cached_property
    def account(self):
        return self.form.chosen_account()

    @cached_property
    def accounts(self):
        return list(self.form.fields["account"].queryset.select_related("application"))

    @property
    def report(self):
        return self.form.report

    @property
    def locked(self):
        """Rows are in: they are of this report and this account for good."""
        return bool(self.dataset and self.dataset.version)

    @property
    def shown(self):
        """Whose questions the page shows; comes back with the answers."""
        words = [self.report.key if self.report else "", str(self.account.pk) if self.account else ""]
        if self.report and self.report.options != index.get(self.report.key).options:
            words.append(",".join(option.name for option in self.report.options))
        return " ".join(words)

    @property
    def unknown_report(self):
        """What is wrong with the report's name in the address."""
        key = self.form.initial.get("report")
        if self.form.is_bound or self.report or not key:
            return ""
        try:
            index.get(key)
        except KeyError as problem:
            return problem.args[0]

    def groups(self):
        """(group, [(report, who may not have it)]) of the picker."""
        kind = self.account.kind if self.account else None
        groups = {}
        for report in index.REPORTS:
            if report.offered or report == self.report:
                barred = "" if kind is None or kind in report.audience else f"{report.audience[0]}s only"
                groups.setdefault(report.group, []).append((report, barred))
        return groups.items()

    def questions(self):
        """The report's own questions; a single marketplace is no question."""
        several = self.account is not None and len(self.account.marketplaces) > 1
        kinds = {option.name: option.kind for option in self.report.options} if self.report else {}
        return [field for field in self.form.option_fields() if several or kinds[field.name] != "marketplaces"]

    day_words = DAY_WORDS
    zones = sorted({place.zone for place in MARKETPLACES} | {"UTC"})

    # What it comes to

    @cached_property
    def trial(self):
        """The form as if it had been sent, for what it would complain of."""
        if self.form.is_bound:
            return self.form
        return DatasetForm(dict(self.form.initial), user=self.form.user, instance=self.dataset, now=self.now)

    @cached_property
    def problems(self):
        """Why it cannot be said yet what will be loaded."""
        if self.account is None:
            return ["Choose an account above to see what will be loaded."]
        if self.report is None:
            return ["Choose a report to see what will be loaded."]
        return [sentence for name in ("report", "start", "end") for sentence in self.trial.errors.get(name, [])]

    @cached_property
    def forecast(self):
        return None if self.problems else self.form.forecast()

    def how_long(self):
        return forecast.words(self.forecast.seconds) if self.forecast else ""

    @cached_property
    def days_line(self):
        """The days in a few words: last 90 days, 1 Oct – 5 Nov 2026, as of now."""
        if not self.report or not self.report.has_dates:
            return "as of now" if self.report else ""
        found = self.forecast
        if not found:
            return ""
        if not found.days:
            return "nothing yet"
        start, end = (str(self.said(name) or "").strip().lower() for name in ("start", "end"))
        if end in ("", "yesterday", "today") and not start[:4].isdigit():
            return f"last {found.days} days" if found.days != 1 else end or "yesterday"
        if start[:4].isdigit() and end in ("", "yesterday", "today"):
            return f"since {day_words(found.first)}"
        return f"{day_words(found.first)} – {day_words(found.last)}"

    @property
    def days_zone(self):
        """The clock of the report's days."""
        return window.zone_of(self.report, self.account)

    @property
    def zone(self):
        """The clock of the schedule."""
        said = (self.said("schedule_zone") or "").strip()
        return said or (self.account.zone if self.account else "UTC")

    @property
    def is_daily(self):
        return self.said("schedule_kind") == "daily"

    @cached_property
    def at(self):
        """The time of day, or None where what was typed is none."""
        said = self.said("schedule_at")
        try:
            return self.form.fields["schedule_at"].clean(said) or schedule.DEFAULT_AT
        except ValidationError:
            return None

    def next_runs(self, most=5):
        """(moment, its words) of the next runs, in the schedule's own zone."""
        if not self.is_daily or self.at is None:
            return []
        try:
            zone = ZoneInfo(self.zone)
        except (ValueError, OSError, KeyError):
            return []
        runs, after = [], self.now
        while len(runs) < most:
            after = schedule.next_run("daily", self.at, self.zone, after)
            local = after.astimezone(zone)
            runs.append((local.isoformat(), f"{local:%a} {local.day} {local:%b %H:%M} {local.tzname()}"))
        return runs

    @property
    def schedule_line(self):
        if not self.is_daily:
            return "manual"
        at = self.at.strftime("%H:%M") if self.at else "?"
        return f"daily {at} {self.zone.rpartition('/')[2].replace('_', ' ')}"

    @property
    def mode(self):
        mode = self.said("mode") or self.form.modes[0]
        return mode if mode in MODE_WORDS else self.form.modes[0]

    def mode_cards(self):
        """(value, title, explanation, why it cannot be chosen) of each mode."""
        for value, title, words, allowed in self.form.mode_cards():
            yield value, title, words, "" if allowed else self._why_not(value)

    def _why_not(self, mode):
        if self.report.forced_mode:
            return f"{self.report.title} is always kept by {self.report.forced_mode}."
        if mode == "merge" and not self.report.key_columns:
            return f"{self.report.title} has no sure key to merge by."
        return f"{self.report.title} cannot be kept this way."

    @property
    def line(self):
        """The whole dataset in one line."""
        parts = [
            self.report.title if self.report else "",
            ", ".join(self.countries()),
            self.days_line,
            self.mode.capitalize() if self.report else "",
            self.schedule_line,
        ]
        return " · ".join(part for part in parts if part)

    def countries(self):
        chosen = self.said("marketplaces") if self.report else None
        return (chosen if isinstance(chosen, list) and chosen else None) or (
            self.account.marketplaces if self.account else []
        )

    @property
    def name(self):
        return (self.said("name") or "").strip()

    @property
    def suggested(self):
        """A name for it, from report and account."""
        if self.report is None:
            return ""
        return ", ".join(
            part.title if part is self.report else part.name for part in (self.report, self.account) if part
        )

    def steps(self):
        """(id, title, its answer in a few words, state) of each pane."""
        said = {
            "credentials": self.account.name if self.account else "Choose an account",
            "details": " · ".join(filter(None, [self.report.title if self.report else "", self.days_line])),
            "scheduling": f"{self.mode.capitalize()} · {self.schedule_line}",
            "describe": self.name or "Give it a name",
        }
        elsewhere = {name for _, _, fields in STEPS if fields for name in fields}
        wrong = set(self.form.errors) if self.form.is_bound else set()
        for key, title, fields in STEPS:
            here = wrong & set(fields) if fields else wrong - elsewhere
            ready = {"credentials": self.account, "details": self.forecast, "describe": self.account and self.name}.get(
                key, True
            )
            yield key, title, said[key] or "Choose a report", "failed" if here else "done" if ready else "new"

    def error_links(self):
        """(where, label, sentence) of each error, in the order of the page."""
        questions = [option.name for option in self.report.options] if self.report else []
        order = ["account", "report", "start", "end", *questions, *STEPS[2][2], *STEPS[3][2]]
        for name in sorted(self.form.errors, key=lambda name: order.index(name) if name in order else -1):
            known = name in self.form.fields
            for sentence in self.form.errors[name]:
                yield PLACES.get(name, f"id_{name}") if known else "", self.form[name].label if known else "", sentence

    # Where it is kept while it is not saved

    def said(self, name):
        """The answer as it stands."""
        return self.form[name].value() if name in self.form.fields else None

    @property
    def path(self):
        return reverse("dataset-edit", args=[self.dataset.slug]) if self.dataset else reverse("dataset-new")

    def address(self):
        """This page with every answer that is not the usual one, to come back to or to load again."""
        usual = (
            DatasetForm(user=self.form.user, instance=self.dataset, now=self.now).initial if self.dataset else DEFAULTS
        )
        defaults = {option.name: option.default for option in self.report.options} if self.report else {}
        usual = {"mode": self.form.modes[0], "name": self.suggested} | defaults | usual
        pairs = []
        for name, value in self.form.initial.items():
            always = name in ("report", "account") and not self.dataset
            if always or str(value or "") != str(usual.get(name) or ""):
                values = value if isinstance(value, list) and value else [value or ""]
                pairs += [(name, str(each).lower() if isinstance(each, bool) else each) for each in values]
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path


def day_words(day):
    return f"{day.day} {day:%b %Y}"


def first_report():
    return next(report for report in index.REPORTS if report.offered)
