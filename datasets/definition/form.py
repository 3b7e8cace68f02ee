"""The definition of a dataset as people and programs give it: one form, checked by the report it is about."""

import difflib
import re
import uuid
from datetime import time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django import forms
from django.db import transaction
from django.utils import timezone

from connector.accounts.models import Account
from connector.catalogue import index
from connector.spapi import marketplaces as amazon
from datasets import calendar, schedule
from datasets.backfill import window
from datasets.backfill.forecast import forecast
from datasets.backfill.span import Span, completed_periods
from datasets.models import Dataset, Day

SLUG_LENGTH = 50
MODES = (
    ("append", "Append"),
    ("replace", "Replace"),
    ("merge", "Merge"),
)
MODE_WORDS = {
    "append": "Each day is added once and kept. A day that is loaded again replaces itself, so nothing is doubled.",
    "replace": "Each run loads the whole range anew. Readers see the old rows until the new ones are complete.",
    "merge": "Each row has a key: a newer version takes the place of an older one.",
}
SCHEDULES = (("manual", "Manual: only when somebody presses Run now"), ("daily", "Daily"))
NOBODY = uuid.UUID(int=0)  # no account has this key
NO_LONGER = "This cannot be changed once a dataset has rows. Clone or make another dataset for it."
TO_OR_FROM_MERGE = (
    "A dataset with rows cannot be turned into a merge, nor a merge into something else: its rows were not kept by key. "
    "Clear its rows first, or clone it."
)


class DayInput(forms.TextInput):
    """Takes dates and words; the page holds the list of words to choose from."""

    def __init__(self):
        super().__init__({"list": "day-words", "autocomplete": "off", "spellcheck": "false"})


class DatasetForm(forms.Form):
    """All four panes. The option fields are those of the chosen report, under the options' own names."""

    account = forms.ModelChoiceField(
        Account.objects.none(),
        empty_label=None,
        error_messages={
            "required": "Choose the account to load from.",
            "invalid_choice": "There is no such account of yours.",
        },
    )
    report = forms.CharField(max_length=100, error_messages={"required": "Choose a report."})
    start = forms.CharField(
        label="Start Date",
        required=False,
        max_length=20,
        widget=DayInput,
        help_text="A date such as 2026-10-01, or today, yesterday, today-7, or days back.",
    )
    end = forms.CharField(
        label="End Date",
        required=False,
        max_length=20,
        widget=DayInput,
        help_text="Loaded too. With yesterday, each run brings the newest whole day.",
    )
    mode = forms.ChoiceField(label="Update mode", choices=MODES, required=False)
    schedule_kind = forms.ChoiceField(label="Schedule", choices=SCHEDULES, required=False)
    schedule_at = forms.TimeField(
        label="At",
        required=False,
        help_text="By the clock of this time zone.",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    schedule_zone = forms.CharField(
        label="Time zone",
        required=False,
        max_length=64,
        help_text="Empty: the marketplace's own.",
        widget=forms.TextInput({"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(max_length=200, error_messages={"required": "Give the dataset a name."})
    description = forms.CharField(required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, data=None, *, user, instance=None, report=None, initial=None, now=None):
        self.user, self.instance, self.now = user, instance, now or timezone.now()
        super().__init__(
            data, label_suffix="", initial=(self._initial_of(instance) if instance else {}) | (initial or {})
        )
        self.fields["account"].queryset = Account.objects.of(user).order_by("name")
        key = (data.get("report") if data is not None else None) or report or self.initial.get("report")
        self.report = self._report(key, data if data is not None else self.initial)
        if self.report:
            for option in self.report.options:
                self.fields[option.name] = option_field(option)
                if option.kind == "marketplaces":
                    self.fields[option.name].choices = self._marketplaces()
            self.fields["mode"].initial = self.modes[0]

    @classmethod
    def from_payload(cls, user, payload, instance=None, now=None):
        """The form for what a program sent: {"name", "account" (id or name), "report", "options", "start", "end", "mode", "schedule"}.

        With an instance, what the payload leaves out stays as it is. What is of a wrong kind becomes an error of its field.
        """
        base = payload_of(instance) if instance else {}
        payload = base | payload
        data, wrong = {}, {}
        for name in ("name", "description", "report", "start", "end", "mode"):
            value = payload.get(name)
            if value is not None and not isinstance(value, (str, int)) or isinstance(value, bool):
                wrong[name] = "This must be text."
            elif value is not None:
                data[name] = str(value)
        data["account"] = _account_of(user, payload.get("account"))
        options = payload.get("options") or {}
        if isinstance(options, dict):
            data |= {str(name): value for name, value in options.items() if str(name) not in cls.base_fields}
        else:
            wrong["options"] = "The options must be an object of names and answers."
        data |= _schedule_of(payload.get("schedule"), wrong)
        form = cls(data, user=user, instance=instance, now=now)
        known = set(form.fields)
        if isinstance(options, dict) and form.report:
            for name in options:
                if str(name) not in known or str(name) in cls.base_fields:
                    near = difflib.get_close_matches(str(name), [option.name for option in form.report.options], n=1)
                    hint = f" Did you mean {near[0]}?" if near else ""
                    wrong[str(name)[:60]] = f"{form.report.title} has no option '{str(name)[:60]}'.{hint}"
        form.foreign_errors = wrong
        return form

    foreign_errors: dict = {}

    # What the page asks

    @property
    def modes(self):
        if self.report is None:
            return [mode for mode, _ in MODES]
        return [self.report.forced_mode] if self.report.forced_mode else list(self.report.modes)

    def mode_cards(self):
        """(value, title, explanation, is it allowed) of each mode, for the page."""
        return [(value, title, MODE_WORDS[value], value in self.modes) for value, title in MODES]

    def option_fields(self):
        """The bound fields of the report's own questions, in order."""
        return [self[option.name] for option in self.report.options] if self.report else []

    def chosen_account(self):
        """The account as far as it is known, without complaining."""
        value = self.data.get("account") if self.is_bound else self.initial.get("account")
        value = getattr(value, "pk", value)
        accounts = self.fields["account"].queryset
        if value:
            try:
                return accounts.filter(pk=value).first()
            except (ValueError, forms.ValidationError):
                return None
        return accounts.first() if accounts.count() == 1 else None

    def forecast(self):
        """What this will load, as far as the answers go; None where dates or report are not there yet."""
        account = self.chosen_account()
        if self.report is None or account is None:
            return None
        first, last = self._days(account, self._said("start"), self._said("end"), complain=False)
        if self.report.has_dates and first is None:
            return None
        if self.report.has_dates and self.report.window.completed_only:
            newest = calendar.today(self.now - self.report.lag, window.zone_of(self.report, account))
            span = completed_periods(Span(first, min(last, newest)), self.report.window, newest=newest)
            first, last = span.first, span.last
        return forecast(self.report, account, first, last, self._said("mode") or self.modes[0])

    # Checks

    def clean(self):
        given = super().clean()
        for name, sentence in self.foreign_errors.items():
            self.add_error(name if name in self.fields else None, forms.ValidationError(sentence, code=name))
        if self.report is None:
            if "report" in given and "report" not in self.errors:
                self.add_error("report", self._unknown_report(given["report"]))
            return given
        account = given.get("account")
        self._check_options(given, account)
        self._check_mode(given)
        if account:
            self._check_audience(account)
            self._days(account, given.get("start"), given.get("end"), complain=True)
        self._check_schedule(given, account)
        if self.instance and self.instance.version:
            for name, value in (("report", self.instance.report), ("account", self.instance.account)):
                if given.get(name) and given[name] != value:
                    self.add_error(name, NO_LONGER)
            self._check_that_rows_stay_of_a_kind(given)
            if (
                given.get("mode")
                and "merge" in {given["mode"], self.instance.mode}
                and given["mode"] != self.instance.mode
                and self.instance.days.filter(state__in=Day.IN).exists()  # none are once it was cleared
            ):
                self.add_error("mode", TO_OR_FROM_MERGE)
        return given

    def _check_options(self, given, account):
        answers = {option.name: given.get(option.name) for option in self.report.options}
        try:
            self.answers = index.check_answers(self.report.key, answers, account.marketplaces if account else None)
        except index.Invalid as problem:
            for name, sentence in problem.sentences.items():
                self.add_error(name if name in self.fields else None, forms.ValidationError(sentence, code=name))

    def _check_that_rows_stay_of_a_kind(self, given):
        """Rows of a document that are in cannot be added to by those of another one, or of longer periods."""
        answers = getattr(self, "answers", None)
        if answers is None or given.get("mode") == "replace" or given.get("report") != self.instance.report:
            return
        was, now = (index.effective(self.instance.report, each) for each in (self.instance.options, answers))
        if was.source.may_mix or _kind_of_rows(was) == _kind_of_rows(now):
            return
        for name in now.variants:
            if answers.get(name) != self.instance.options.get(name):
                self.add_error(name if name in self.fields else None, NO_LONGER)

    def _check_mode(self, given):
        mode = given.get("mode") or self.modes[0]
        if mode not in self.modes:
            allowed = " or ".join(self.modes)
            self.add_error("mode", f"{self.report.title} can be kept by {allowed} only.")
        given["mode"] = mode

    def _check_audience(self, account):
        if account.kind not in self.report.audience:
            who = " and ".join(f"{kind}s" for kind in self.report.audience)
            self.add_error(
                "report",
                f"Amazon gives {self.report.title} to {who} only, and {account.name} is a {account.kind}'s account.",
            )

    def _days(self, account, start, end, *, complain):
        """(first, last) that the words mean today; errors next to their field where `complain`."""
        if not self.report.has_dates:
            return None, None
        zone = window.zone_of(self.report, account)
        today = calendar.today(self.now, zone)
        earliest = today - timedelta(days=self.report.reach_days) if self.report.reach_days else None
        days = {}
        for name, word, default in (("start", start, None), ("end", end, "yesterday")):
            word = (word or default or "").strip()
            if not word:
                self._complain(complain, name, "Say from which day on to load.")
                continue
            try:
                days[name] = calendar.resolve(word, today)
            except ValueError as problem:
                self._complain(complain, name, str(problem))
                continue
            if days[name] > today:
                self._complain(complain, name, f"{days[name]} is in the future; today is {today} in {zone}.")
                return None, None
        if len(days) < 2:
            return None, None
        if days["start"] > days["end"]:
            self._complain(
                complain,
                "end",
                f"The end, {days['end']}, is before the start, {days['start']}. Swap the two, or choose a later end.",
            )
            return None, None
        if earliest and days["start"] < earliest:
            kept = self.instance and self.instance.start == (start or "").strip()
            if not kept:
                self._complain(
                    complain,
                    "start",
                    f"Amazon keeps {self.report.reach_days} days of this report: {earliest} is the earliest day to load.",
                )
                return None, None
        return days["start"], days["end"]

    def _complain(self, aloud, name, sentence):
        if aloud and name not in self.errors:
            self.add_error(name, sentence)

    def _check_schedule(self, given, account):
        given["schedule_kind"] = given.get("schedule_kind") or "manual"
        zone = given.get("schedule_zone") or (account.zone if account else "UTC")
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            near = difflib.get_close_matches(zone, available_timezones(), n=1)
            hint = f" Did you mean {near[0]}?" if near else " Write it like America/Los_Angeles."
            self.add_error("schedule_zone", f"'{zone}' is not a time zone.{hint}")
        given["schedule_zone"] = zone
        given["schedule_at"] = given.get("schedule_at") or schedule.DEFAULT_AT

    # Saving

    def save(self, key=None):
        """The dataset, with a slug that is nobody else's and its next run in place. `key` is a new one's uuid."""
        before = _what_is_asked(self.instance) if self.instance else None
        dataset = self.fill(self.instance or Dataset(owner=self.user, slug=free_slug(self.cleaned_data["name"])))
        if key:
            dataset.uuid = key
        with transaction.atomic():
            if before is not None and before != _what_is_asked(dataset):
                dataset.ask_anew()  # the run before the dataset, as a landing locks them
                if before["options"] != dataset.options:
                    dataset.read_all_again()  # the rows that are in were asked for with other answers
            dataset.save()
        return dataset

    def fill(self, dataset):
        """Puts the answers into the dataset, unsaved."""
        given = self.cleaned_data
        dated = self.report.has_dates
        dataset.name, dataset.description = given["name"], given["description"]
        dataset.account, dataset.report, dataset.options = given["account"], self.report.key, self.answers
        dataset.start = given["start"].strip() if dated else ""
        dataset.end = (given["end"].strip() or "yesterday") if dated else ""
        dataset.mode = given["mode"]
        dataset.schedule_kind, dataset.schedule_at = given["schedule_kind"], given["schedule_at"]
        dataset.schedule_zone = given["schedule_zone"]
        dataset.next_run_at = schedule.next_run(
            dataset.schedule_kind, dataset.schedule_at, dataset.schedule_zone, self.now
        )
        return dataset

    # Small parts

    def _said(self, name):
        value = self.data.get(name) if self.is_bound else self.initial.get(name, self.fields[name].initial)
        return value.strip() if isinstance(value, str) else value

    def _report(self, key, answers):
        try:
            report = index.get(key)
        except KeyError:
            return None
        return report.varied(answers)

    def _unknown_report(self, key):
        try:
            index.get(key)
        except KeyError as problem:
            return problem.args[0]
        return "There is no such report."

    def _marketplaces(self):
        account = self.chosen_account()
        codes = account.marketplaces if account else []
        return [(code, amazon.by_country(code).name) for code in codes]

    def _initial_of(self, dataset):
        return {
            "account": dataset.account_id,
            "report": dataset.report,
            "start": dataset.start,
            "end": dataset.end,
            "mode": dataset.mode,
            "schedule_kind": dataset.schedule_kind,
            "schedule_at": dataset.schedule_at,
            "schedule_zone": dataset.schedule_zone,
            "name": dataset.name,
            "description": dataset.description,
        } | dataset.options


def option_field(option):
    """The form field that asks an option's question. The option itself is the judge of the answer."""
    about = {"label": option.label, "required": False, "help_text": option.help, "initial": option.default}
    if option.kind == "choice":
        field = Unjudged(widget=forms.Select(choices=_choices(option)), **about)
    elif option.kind in ("choices", "marketplaces"):
        field = UnjudgedMany(widget=forms.CheckboxSelectMultiple(choices=option.choices), **about)
    elif option.kind == "flag":
        field = UnjudgedFlag(**about)
    else:
        field = Unjudged(**about)
    return field


def _choices(option):
    return option.choices if option.default is not None else (("", "Choose…"), *option.choices)


class Unjudged(forms.Field):
    """Passes on what was typed: the option says what is wrong with it."""


class UnjudgedMany(forms.Field):
    """A list of words; one word from a program is passed on as it is."""

    @property
    def choices(self):
        return self.widget.choices

    @choices.setter
    def choices(self, choices):
        self.widget.choices = choices


class UnjudgedFlag(forms.Field):
    widget = forms.CheckboxInput


def free_slug(name):
    """A slug for the name that no dataset has: a legal name in URLs, SQL and OData."""
    base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "dataset"
    base = (base if base[0].isalpha() else f"d_{base}")[:SLUG_LENGTH].rstrip("_")
    taken = set(Dataset.objects.filter(slug__startswith=base[: SLUG_LENGTH - 6]).values_list("slug", flat=True))
    slug, number = base, 1
    while slug in taken or slug == "new":  # /datasets/new is the page that makes one
        number += 1
        slug = f"{base[: SLUG_LENGTH - 1 - len(str(number))].rstrip('_')}_{number}"
    return slug


def _what_is_asked(dataset):
    """All that decides what Amazon is asked for, and into which table it comes."""
    return {
        "account": dataset.account_id,
        "report": dataset.report,
        "options": dataset.options,
        "mode": dataset.mode,
    }


def _kind_of_rows(report):
    return report.source.subject, report.source.shape, report.window


def payload_of(dataset):
    """The definition as a program would send it."""
    return {
        "name": dataset.name,
        "description": dataset.description,
        "account": str(dataset.account_id),
        "report": dataset.report,
        "options": dataset.options,
        "start": dataset.start,
        "end": dataset.end,
        "mode": dataset.mode,
        "schedule": schedule_json(dataset),
    }


def schedule_json(dataset):
    """null for a manual dataset, else {"kind", "at", "zone"}."""
    if dataset.schedule_kind == Dataset.Schedule.MANUAL:
        return None
    at = dataset.schedule_at or schedule.DEFAULT_AT
    return {"kind": dataset.schedule_kind, "at": at.strftime("%H:%M"), "zone": dataset.schedule_zone}


def _account_of(user, said):
    """The key of the account that an id or a name means; what means none is passed on and refused by the field."""
    said = str(said or "").strip()
    accounts = Account.objects.of(user)
    by_name = accounts.filter(name__iexact=said).first()
    if by_name:
        return str(by_name.pk)
    try:
        return str(uuid.UUID(said))
    except ValueError:
        return str(NOBODY) if said else ""


def _schedule_of(said, wrong):
    if said is None:
        return {"schedule_kind": "manual"}
    if not isinstance(said, dict):
        wrong["schedule"] = (
            'The schedule must be null or {"kind": "daily", "at": "06:00", "zone": "America/Los_Angeles"}.'
        )
        return {}
    unknown = sorted(set(map(str, said)) - {"kind", "at", "zone"})
    if unknown:
        wrong["schedule"] = f"The schedule knows kind, at and zone, not {', '.join(unknown)[:100]}."
    at = said.get("at")
    return {
        "schedule_kind": str(said.get("kind") or "daily"),
        "schedule_at": at.strftime("%H:%M") if isinstance(at, time) else str(at or ""),
        "schedule_zone": str(said.get("zone") or ""),
    }
