"""A definition as a browser's form has it: what was typed, in a query or a posted form, and the address that says it again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import QueryDict

from connector.accounts.models import Account
from connector.catalogue import index
from connector.catalogue.options import Option
from connector.catalogue.report import Report
from datasets.definition.definition import MODES, Definition, Proposal, Schedule
from datasets.definition.reading import NO_ACCOUNT, read_report, read_time

FIELDS = (
    "account", "report", "start", "end", "mode", "schedule_kind", "schedule_at", "schedule_zone", "name", "description",
)  # fmt: skip
LISTS = ("choices", "marketplaces")  # kinds of options with a box for each choice


@dataclass(frozen=True, slots=True)
class Answers:
    """What has been answered so far.

    `values` are as they were typed, under the names of the form's fields, for the page to show them again: texts, a list
    for several boxes, a bool for one. `account` is the one whose marketplaces are asked for: the proposed one, or the
    only one there is.
    """

    values: dict[str, object]
    account: Account | None
    proposal: Proposal


def read_look(
    given: QueryDict,
    accounts: Sequence[Account],
    *,
    usual: Mapping[str, object],
    kept: Mapping[str, object] | None = None,
) -> Answers:
    """The answers of a page that is looked at. What `given` does not say is as `usual` has it, or else the report's default.

    `kept`: see read_sent.
    """
    said = _said(given)
    if said.get("name") and said["name"] == given.get("suggested"):
        del said["name"]  # ours, so it follows report and account
    return _read(given, said, accounts, usual=usual, kept=kept or {}, is_sent=False)


def read_sent(given: QueryDict, accounts: Sequence[Account], *, kept: Mapping[str, object] | None = None) -> Answers:
    """The answers of a form that is sent to be saved: what it does not say is left to the report's default.

    `kept` are the answers that the dataset has, for questions that the page does not ask.
    """
    return _read(given, _said(given), accounts, usual={}, kept=kept or {}, is_sent=True)


def values_of(definition: Definition) -> dict[str, object]:
    """The form's values for a definition that there is."""
    at = definition.schedule.at
    return {
        "account": str(definition.account.pk),
        "report": definition.report,
        "start": definition.start,
        "end": definition.end,
        "mode": definition.mode,
        "schedule_kind": definition.schedule.kind,
        "schedule_at": at.strftime("%H:%M") if at else "",
        "schedule_zone": definition.schedule.zone,
        "name": definition.name,
        "description": definition.description,
    } | dict(definition.options)


def pairs_of(
    values: Mapping[str, object], usual: Mapping[str, object], *, always: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """The values that are not as usual, and those of these names, as the pairs of a query from which they can be read again."""
    for name, value in values.items():
        if name in always or str(value or "") != str(usual.get(name) or ""):
            for each in value if isinstance(value, list) and value else [value or ""]:
                yield name, str(each).lower() if isinstance(each, bool) else str(each)


def suggested_name(report: Report | None, account: Account | None) -> str:
    """A name for a dataset, from report and account."""
    if report is None:
        return ""
    return f"{report.title}, {account.name}" if account else report.title


def asks(option: Option, account: Account | None) -> bool:
    """Whether the page asks this question: which one of a single marketplace is none."""
    return option.kind != "marketplaces" or account is not None and len(account.marketplaces) > 1


def _said(given: QueryDict) -> dict[str, Any]:
    return {name: given[name] for name in FIELDS if name in given}


def _read(
    given: QueryDict,
    said: dict[str, Any],
    accounts: Sequence[Account],
    *,
    usual: Mapping[str, object],
    kept: Mapping[str, object],
    is_sent: bool,
) -> Answers:
    unread, values = {}, dict(usual) | said
    named = _text(values, "account")
    account = _find(accounts, named)
    if named and account is None:
        unread["account"] = NO_ACCOUNT
    shown_account = accounts[0] if not named and len(accounts) == 1 else account

    def answer(option: Option) -> object:
        return _answer(option, given, values, kept, shown_account, boxes_were_shown=is_sent or bool(given.get("shown")))

    answered, sentence = read_report(_text(values, "report"), answer, shown_account)
    if sentence:
        unread["report"] = sentence
    if answered:
        if "mode" in said and _is_of_another_report(said["mode"], answered, given.get("shown", "")):
            del values["mode"]
            values |= {name: usual[name] for name in ("mode",) if name in usual}
        for option in answered.report.options:
            value = answer(option)
            if option.kind == "flag":
                value = answered.answers.get(option.name, value)
            if value is not None:
                values[option.name] = value
    if not is_sent and values.get("mode") not in (answered.report.modes if answered else MODES):
        values.pop("mode", None)
    if not is_sent and not values.get("name"):
        values["name"] = suggested_name(answered.report if answered else None, shown_account)
    at, sentence = read_time(_text(values, "schedule_at"))
    if sentence:
        unread["schedule_at"] = sentence
    proposal = Proposal(
        **{name: _text(values, name) for name in ("name", "description", "report", "start", "end")},
        mode=str(values.get("mode") or ""),
        account=account if is_sent else shown_account,
        answered=answered,
        schedule=Schedule(str(values.get("schedule_kind") or "manual"), at, _text(values, "schedule_zone")),
        unread=unread,
    )
    return Answers(values, shown_account, proposal)


def _answer(
    option: Option,
    given: QueryDict,
    values: Mapping[str, object],
    kept: Mapping[str, object],
    account: Account | None,
    *,
    boxes_were_shown: bool,
) -> object:
    """What is said to one question, as it was typed; None for nothing."""
    if option.name in given:
        return [word for word in given.getlist(option.name) if word] if option.kind in LISTS else given[option.name]
    if account and not asks(option, account) and _is_of(account, kept.get(option.name)):
        return kept[option.name]
    if boxes_were_shown and option.kind == "flag":  # a box without a tick is not sent at all
        return False
    if boxes_were_shown and option.kind in LISTS:
        return []
    return values.get(option.name)


def _is_of(account: Account, marketplaces: Any) -> bool:
    return bool(marketplaces) and set(marketplaces) <= set(account.marketplaces)


def _text(values: Mapping[str, object], name: str) -> str:
    return str(values.get(name) or "").strip()


def _find(accounts: Sequence[Account], said: str) -> Account | None:
    try:
        key = Account._meta.pk.to_python(said or None)
    except ValidationError:
        return None
    return next((account for account in accounts if account.pk == key), None)


def _is_of_another_report(mode: str, answered: index.Answered, shown: str) -> bool:
    """Whether a mode stood there for the report shown before: it forced or suggested it, or this one cannot be kept so."""
    was = shown.partition(" ")[0]
    if not mode or was in ("", answered.entry.key):
        return False
    try:
        before = index.get(was)
    except KeyError:
        return False
    return mode not in answered.report.modes or mode == before.modes[0]
