"""What a report is: one declaration from which picker, form, request, window plan, columns and key all come."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import ClassVar

from connector.catalogue import pages
from connector.catalogue.names import made_different, safe_name
from connector.catalogue.number_date_format import PLAIN, NumberDateFormat
from connector.catalogue.options import Option
from connector.catalogue.shape import Column, Shape
from connector.catalogue.values import amount_and_currency, joined, text_only
from connector.catalogue.windows import Aligned, Days, NoWindow

MODES = ("append", "replace", "merge")
FOR_DOCUMENTS = (None, amount_and_currency, joined, text_only)  # these a reader of documents does in its own way


@dataclass(frozen=True)
class Pages:
    """An operation whose answer comes in pages.

    Personal columns of the shape are filled only `with_personal`. `query` holds what is always sent; `after`, `before`,
    `marketplaces` and `answers` name the parameters for the window, the marketplaces and the options.
    """

    operation: str
    shape: Shape
    with_personal: bool = False
    query: Mapping = field(default_factory=dict)
    after: str = ""
    before: str = ""
    marketplaces: str = ""
    answers: Mapping = field(default_factory=dict)
    page_rows: int = 100

    kind = "pages"
    is_flat_file = False
    may_mix = True  # rows of one variant of the report may stand beside those of another

    def __post_init__(self) -> None:
        _ = self.rows  # made now, so that a shape which pages cannot have is refused when the catalogue is read

    @property
    def call(self) -> str:
        """The operation that carries the question."""
        return self.operation

    @property
    def subject(self) -> str:
        """What Amazon is asked for, as its refusals are remembered by."""
        return self.operation

    def named(self, countries: Sequence[str]) -> list[str]:
        """The countries that a question names of these; none where Amazon is not asked by marketplace."""
        return list(countries) if self.marketplaces else []

    @cached_property
    def rows(self) -> Callable[[dict | list], Iterable[tuple]]:
        """Makes tuples in the order of the shape's columns out of one page."""
        return pages.rows_of(self.shape, with_personal=self.with_personal)

    def request(
        self, from_at: datetime | None, until_at: datetime | None, marketplace_ids: Sequence[str], answers: Mapping
    ) -> dict[str, object]:
        """The query of the first page. The window is aware moments, [from, until)."""
        query = dict(self.query)
        if self.after and from_at:
            query[self.after] = moment(from_at)
        if self.before and until_at:
            query[self.before] = moment(until_at)
        if self.marketplaces and marketplace_ids:
            query[self.marketplaces] = list(marketplace_ids)
        for option, parameter in self.answers.items():
            if answers.get(option) not in (None, "", []):
                query[parameter] = answers[option]
        return query


@dataclass(frozen=True)
class Document:
    """A report that Amazon builds and leaves as a document.

    `reader` is flat_file, json or xml. `quote` names the option that holds the quote character. `options` are always
    sent; `answers` are options of ours and the report options that they become.
    """

    report_type: str
    shape: Shape
    reader: str = "flat_file"
    quote: str = ""
    options: Mapping = field(default_factory=dict)
    answers: Mapping = field(default_factory=dict)
    by_dates: bool = False  # Amazon reads the bounds as dates, both included, and no time of day
    most_marketplaces: int | None = None  # the first ones chosen, where Amazon does not answer for all at once
    format: NumberDateFormat = PLAIN  # how numbers and dates are written
    format_countries: tuple[str, ...] = ()  # countries where they are written so; everywhere, where none is named
    burst: int = 15  # of createReport

    kind = "report"
    may_mix = False  # a document's rows are of its type and its periods only
    page_rows: ClassVar[None] = None
    call = "createReport"  # the operation that carries the question

    def __post_init__(self) -> None:
        if (self.reader == "flat_file") != (not self.shape.path):
            raise ValueError(f"{self.report_type}: a flat file has no list of records, other documents have one.")
        if self.shape.rest or any(field.take not in FOR_DOCUMENTS for field in self.shape.fields):
            raise ValueError(f"{self.report_type}: json, * and by are for pages; a document's values are text.")

    @property
    def is_flat_file(self) -> bool:
        """Whether it is a table of text, as people can upload one."""
        return self.reader == "flat_file"

    @property
    def subject(self) -> str:
        """What Amazon is asked for, as its refusals are remembered by."""
        return self.report_type

    def named(self, countries: Sequence[str]) -> list[str]:
        """The countries that a question names of these."""
        return list(countries)[: self.most_marketplaces]

    def request(
        self, from_at: datetime | None, until_at: datetime | None, marketplace_ids: Sequence[str], answers: Mapping
    ) -> dict[str, object]:
        """What the Reports API is to be asked for, as keyword arguments of connector.spapi.reports.create."""
        asked = {name: answers[option] for option, name in self.answers.items() if answers.get(option)}
        return {
            "report_type": self.report_type,
            "marketplace_ids": self.named(marketplace_ids),
            "start": from_at,
            "end": until_at,
            "options": {name: str(value) for name, value in {**self.options, **asked}.items()},
        }

    def reading(self, answers: Mapping) -> dict[str, str]:
        """The reader's own arguments."""
        return {"quote": answers.get(self.quote) or "double"} if self.quote else {"quote": "null"}

    def format_in(self, country: str) -> NumberDateFormat:
        """How numbers and dates are written for a marketplace of that country."""
        return self.format if not self.format_countries or country in self.format_countries else PLAIN


@dataclass(frozen=True, kw_only=True)
class Report:
    """An entry of the catalogue. `index.effective` gives the one that a dataset's answers make of it."""

    key: str
    title: str
    group: str
    audience: tuple[str, ...]  # seller, vendor
    summary: str
    source: Pages | Document
    options: tuple[Option, ...] = ()
    window: NoWindow | Days | Aligned = NoWindow()
    reach_days: int | None = None  # how far back Amazon goes
    lag: timedelta = timedelta(0)  # Amazon is asked for nothing younger
    settling_days: int = 0  # Amazon still changes days as young as this
    published_after: timedelta = timedelta(days=14)  # of a period's end; what is not there by then never comes
    day_column: str | None = None  # a row belongs to the day of this moment
    zone: str = "marketplace"  # in which days are counted: the account's home marketplace, or an IANA name
    version_column: str | None = None  # of two rows with one key, the higher one is the newer
    modes: tuple[str, ...] = MODES
    cooldown: timedelta = timedelta(0)  # after a failed report, Amazon wants this much time before the next
    regional: bool = False  # one request answers for all marketplaces of the account's region
    channel_column: str | None = None  # the sales channel, where Amazon's answer holds other marketplaces too
    restricted: bool = False  # holds buyer data that Amazon gives to few
    retires_on: str | None = None  # the day on which Amazon switches it off
    offered: bool = True  # in the picker; datasets of a report that is not offered keep working
    variants: Mapping = field(default_factory=dict, repr=False)  # option -> value -> fields that this answer changes

    def __post_init__(self) -> None:
        known = {each.name for each in fields(self)}
        for option, by_value in self.variants.items():
            for value, changes in by_value.items():
                if wrong := changes.keys() - known:
                    raise ValueError(
                        f"{self.key}: {option} = {value} changes {', '.join(sorted(wrong))}, which no report has."
                    )

    @property
    def columns(self) -> tuple[Column, ...]:
        """In the order of the rows; a document may bring more, which arrive as text."""
        return self.source.shape.columns

    @property
    def key_columns(self) -> tuple[str, ...]:
        """What makes a row unique; empty where nothing surely does."""
        return self.source.shape.key

    @property
    def forced_mode(self) -> str | None:
        """The mode, where there is no choice."""
        return self.modes[0] if len(self.modes) == 1 else None

    @property
    def has_dates(self) -> bool:
        return not isinstance(self.window, NoWindow)

    @property
    def dated_window(self) -> Days | Aligned:
        """The window of a report that has dates. Raises ValueError for one that shows the present."""
        if isinstance(self.window, NoWindow):
            raise ValueError(f"{self.key} has no dates.")
        return self.window

    def request(
        self, from_at: datetime | None, until_at: datetime | None, marketplace_ids: Sequence[str], answers: Mapping
    ) -> dict[str, object]:
        """What to send: a query for pages, keyword arguments for reports.create. Pure."""
        return self.source.request(from_at, until_at, marketplace_ids, answers)

    def varied(self, answers: Mapping) -> "Report":
        """This report as the answers make it. An answer may bring further options that vary it in their turn."""
        report, settled = self, set()
        while name := next((name for name in report.variants if name not in settled), None):
            settled.add(name)
            value = answers.get(name)
            if value in (None, ""):
                value = report.option(name).default
            changes = report.variants[name].get(value) if isinstance(value, (str, bool)) else None
            if changes:
                changes = {key: new(report) if callable(new) else new for key, new in changes.items()}
                changes["variants"] = {**report.variants, **changes.get("variants", {})}
                report = replace(report, **changes)
        return report

    def names_of(self, titles: Sequence[str]) -> list[str]:
        """The columns' names for the titles of a document, in order and all different.

        A declared column is known by its source and by its titles in other languages; any other title is made safe.
        """
        known: dict[str, str] = {}
        for column in self.columns:
            for title in (column.source, *column.also):
                known.setdefault(title.strip().casefold(), column.name)
        return made_different([known.get(title.strip().casefold()) or safe_name(title) for title in titles])

    def option(self, name: str) -> Option:
        """The option of this name; StopIteration where the report has none."""
        return next(option for option in self.options if option.name == name)

    def as_json(self) -> dict[str, object]:
        """For GET /api/v1/reports."""
        return {
            "key": self.key,
            "title": self.title,
            "group": self.group,
            "audience": list(self.audience),
            "summary": self.summary,
            "modes": list(self.modes),
            "forced_mode": self.forced_mode,
            "has_dates": self.has_dates,
            "reach_days": self.reach_days,
            "settling_days": self.settling_days,
            "zone": self.zone,
            "key_columns": list(self.key_columns),
            "restricted": self.restricted,
            "retires_on": self.retires_on,
            "options": [option.as_json() for option in self.options],
            "columns": [column.as_json() for column in self.columns],
            "variants": list(self._variants_as_json()),
        }

    def _variants_as_json(self) -> Iterable[dict[str, object]]:
        """What an answer makes of the report, where it brings other options or columns."""
        for option, by_value in self.variants.items():
            for value in by_value:
                made = self.varied({option: value})
                if (made.options, made.columns) != (self.options, self.columns):
                    yield {
                        "option": option,
                        "value": value,
                        "has_dates": made.has_dates,
                        "options": [each.as_json() for each in made.options],
                        "columns": [column.as_json() for column in made.columns],
                    }


def moment(at: datetime) -> str:
    """A moment as Amazon writes it: 2026-01-31T08:00:00Z."""
    return (
        at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
        + "Z"
    )
