"""The form of a definition: how each question looks. It judges nothing: the checks do, for pages and API alike (`checks.py`)."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms

from connector.catalogue.options import Option
from connector.spapi import marketplaces as amazon
from datasets.definition.checks import MAX_LENGTHS
from datasets.definition.formdata import Answers


class Typed(forms.CharField):
    """Passes on what was typed."""

    def clean(self, value: object) -> object:
        return value


class TypedMany(forms.Field):
    """Passes on which boxes are ticked."""

    @property
    def choices(self) -> Any:
        return self.widget.choices

    @choices.setter
    def choices(self, choices: Any) -> Any:
        self.widget.choices = choices


class TypedFlag(forms.Field):
    widget = forms.CheckboxInput


class DayInput(forms.TextInput):
    """Takes dates and words; the page holds the list of words to choose from."""

    def __init__(self) -> None:
        super().__init__({"list": "day-words", "autocomplete": "off", "spellcheck": "false"})


class DatasetForm(forms.Form):
    """All four panes. The option fields are those of the chosen report, under the options' own names."""

    account = Typed()
    report = Typed()
    start = Typed(
        label="Start Date",
        required=False,
        max_length=MAX_LENGTHS["start"],
        widget=DayInput,
        help_text="A date such as 2026-10-01, or today, yesterday, today-7, or days back.",
    )
    end = Typed(
        label="End Date",
        required=False,
        max_length=MAX_LENGTHS["end"],
        widget=DayInput,
        help_text="This day is included. With yesterday, each run loads the newest complete day.",
    )
    mode = Typed(label="Update mode", required=False)
    schedule_kind = Typed(label="Schedule", required=False)
    schedule_at = Typed(
        label="At",
        required=False,
        help_text="In this time zone.",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    schedule_zone = Typed(
        label="Time zone",
        required=False,
        max_length=MAX_LENGTHS["schedule_zone"],
        help_text="Empty: the marketplace's time zone.",
        widget=forms.TextInput({"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    name = Typed(max_length=MAX_LENGTHS["name"])
    description = Typed(required=False, max_length=MAX_LENGTHS["description"], widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, answers: Answers, errors: Mapping[str, list[str]] | None = None) -> None:
        """Shows the answers; with `errors`, those of an InvalidDefinition, as a form that was sent and refused."""
        values = answers.values
        super().__init__(
            None if errors is None else values, label_suffix="", initial=values if errors is None else None
        )
        self.found = errors or {}
        report = answers.proposal.effective_report
        if report:
            self.fields["mode"].initial = report.modes[0]
            for option in report.options:
                self.fields[option.name] = option_field(option)
                if option.kind == "marketplaces":
                    codes = answers.account.marketplaces if answers.account else []
                    cast(TypedMany, self.fields[option.name]).choices = [
                        (code, amazon.by_country(code).name) for code in codes
                    ]

    def clean(self) -> None:
        for name, sentences in self.found.items():
            self.add_error(name if name in self.fields else None, sentences)


def option_field(option: Option) -> forms.Field:
    """The form field that asks an option's question."""
    about: dict[str, Any] = {
        "label": option.label,
        "required": False,
        "help_text": option.help,
        "initial": option.default,
    }
    if option.kind == "choice":
        return Typed(widget=forms.Select(choices=_choices(option)), **about)
    if option.kind in ("choices", "marketplaces"):
        return TypedMany(widget=forms.CheckboxSelectMultiple(choices=option.choices), **about)
    if option.kind == "flag":
        return TypedFlag(**about)
    return Typed(**about)


def _choices(option: Option) -> Sequence[tuple[str, str]]:
    return option.choices if option.default is not None else (("", "Choose…"), *option.choices)
