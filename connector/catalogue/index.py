"""All reports. To add one: a row in its group's file, its columns, a sample, a line in the docs (see docs/developers.md)."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connector.catalogue import create_and_download, orders, sellers
from connector.catalogue.options import Option
from connector.catalogue.report import Report

REPORTS = (*orders.REPORTS, *sellers.REPORTS, create_and_download.CREATE_AND_DOWNLOAD)

_BY_KEY = {report.key: report for report in REPORTS}


class Invalid(ValueError):
    """Answers that a report does not take: a sentence for each option."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        super().__init__(" ".join(sentences.values()))
        self.sentences = sentences


def get(key: str) -> Report:
    """The report of this key; KeyError names the nearest one there is."""
    if isinstance(key, str) and key in _BY_KEY:
        return _BY_KEY[key]
    near = difflib.get_close_matches(str(key), _BY_KEY, n=1, cutoff=0)
    raise KeyError(f"There is no report '{str(key)[:60]}'. The nearest one is '{near[0]}'.")


def effective(key: str, answers: Mapping) -> Report:
    """The report as these answers make it: its request, columns and the column that a row's day is read from."""
    return get(key).varied(answers)


def check_answers(key: str, answers: Mapping, marketplaces: Sequence[str] | None = None) -> dict[str, object]:
    """The answers as they are kept, defaults filled in; Invalid with a sentence for each option that is wrong.

    `marketplaces` are the country codes of the account, where one is chosen already.
    """
    if not isinstance(answers, dict):
        raise Invalid({"options": "The options must be an object of names and answers."})
    found = answered(get(key), lambda option: answers.get(option.name), marketplaces)
    wrong = dict(found.wrong)
    known = [option.name for option in found.report.options]
    for name in answers:
        if name not in known:
            wrong[str(name)] = (
                f"{found.report.title} has no option '{str(name)[:60]}'. Its options are {', '.join(known)}."
            )
    if wrong:
        raise Invalid(wrong)
    return dict(found.answers)


@dataclass(frozen=True, slots=True)
class Answered:
    """A report with answers to its questions.

    `entry` is the report as the catalogue has it, `report` as the answers make it. `answers` are those that are kept,
    defaults filled in; `wrong` has a sentence for each option whose answer is not taken.
    """

    entry: Report
    report: Report
    answers: Mapping[str, object]
    wrong: Mapping[str, str]


def answered(entry: Report, answer: Callable[[Option], object], marketplaces: Sequence[str] | None = None) -> Answered:
    """The report's questions, each asked of `answer`. Some answers bring further questions, which are asked in their turn.

    `marketplaces` are the country codes of the account, where one is chosen already.
    """
    report = entry
    settled: set[str] = set()
    cleaned: dict[str, object] = {}
    wrong: dict[str, str] = {}

    def ask(option: Option) -> None:
        settled.add(option.name)
        try:
            value = option.clean(answer(option), marketplaces)
        except ValueError as problem:
            wrong[option.name] = str(problem)
        else:
            if value is not None:
                cleaned[option.name] = value

    while name := next((name for name in report.variants if name not in settled), None):
        ask(report.option(name))  # these answers decide which further options there are
        report = entry.varied(cleaned)
    for option in report.options:
        if option.name not in settled:
            ask(option)
    return Answered(entry, report, cleaned, wrong)
