"""What a report is: one declaration from which picker, form, request, window plan, columns and key all come."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connector.catalogue.options import Option
from connector.catalogue.windows import Aligned, Days, NoWindow
from connector.catalogue.written import PLAIN, Written

TYPES = ("text", "bigint", "numeric", "boolean", "date", "timestamptz")
LONGEST_NAME = 59  # PostgreSQL keeps 63 bytes; the rest is for suffixes of ours
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)
MODES = ("append", "replace", "merge")


@dataclass(frozen=True)
class Column:
    """`source` says where Amazon keeps the value, `also` how it titles it in other languages.

    `personal` marks what tells of a buyer.
    """

    name: str
    type: str = "text"
    title: str = ""
    source: str = ""
    personal: bool = False
    also: tuple[str, ...] = ()

    def as_json(self):
        return {"name": self.name, "type": self.type, "title": self.title or self.name, "personal": self.personal}


@dataclass(frozen=True)
class Pages:
    """An operation whose answer comes in pages.

    `rows` makes tuples in the order of the report's columns out of one page. `query` holds what is always sent;
    `after`, `before`, `marketplaces` and `answers` name the parameters for the window, the marketplaces and the options.
    """

    operation: str
    rows: Callable[[dict], Iterable[tuple]]
    query: Mapping = field(default_factory=dict)
    after: str = ""
    before: str = ""
    marketplaces: str = ""
    answers: Mapping = field(default_factory=dict)
    page_rows: int = 100
    burst: int = 1

    kind = "pages"
    is_report = False

    def request(self, from_at, until_at, marketplace_ids, answers):
        """The query of the first page."""
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
class Records:
    """Where a JSON or XML document keeps its rows. Paths are dotted; those of XML begin with the root's name.

    Each thing at `path` is a record. Where `each` names a list in it, that list's members are the rows, and the rest of the
    record is repeated on each; so are the values at `head`, which stand outside of the records. The entries of a list in
    `told_apart` become columns of their own, by the member that tells them apart: Component[Tax].Amount. The words
    of a list in `joined` become one text. `proof` is where a document repeats what it was asked for.
    """

    path: str
    each: str = ""
    head: tuple[str, ...] = ()
    told_apart: Mapping = field(default_factory=dict)
    joined: tuple[str, ...] = ()
    proof: str = ""


@dataclass(frozen=True)
class Document:
    """A report that Amazon builds and leaves as a document.

    `records` says where the rows of a JSON or XML document are. `quote` names the option that holds the quote character.
    `options` are always sent; `answers` are options of ours and the report options that they become.
    """

    report_type: str
    reader: str = "flat_file"
    records: Records | None = None
    quote: str = ""
    options: Mapping = field(default_factory=dict)
    answers: Mapping = field(default_factory=dict)
    by_dates: bool = False  # Amazon reads the bounds as dates, both included, and no time of day
    most_marketplaces: int | None = (
        None  # the first ones that were chosen, where Amazon does not answer for all at once
    )
    written: Written = PLAIN  # how numbers and dates are written
    written_in: tuple[str, ...] = ()  # countries where they are written so; everywhere, where none is named
    burst: int = 15  # of createReport

    kind = "report"
    is_report = True
    page_rows = None

    def request(self, from_at, until_at, marketplace_ids, answers):
        """What the Reports API is to be asked for, as keyword arguments of connector.spapi.reports.create."""
        asked = {name: answers[option] for option, name in self.answers.items() if answers.get(option)}
        return {
            "report_type": self.report_type,
            "marketplace_ids": list(marketplace_ids)[: self.most_marketplaces],
            "start": from_at,
            "end": until_at,
            "options": {name: str(value) for name, value in {**self.options, **asked}.items()},
        }

    def reading(self, answers):
        """The reader's own arguments."""
        return {"quote": answers.get(self.quote) or "double"} if self.quote else {"quote": "null"}

    def writing(self, country):
        """How numbers and dates are written for a marketplace of that country."""
        return self.written if not self.written_in or country in self.written_in else PLAIN


@dataclass(frozen=True, kw_only=True)
class Report:
    """An entry of the catalogue. `index.effective` gives the one that a dataset's answers make of it."""

    key: str
    title: str
    group: str
    audience: tuple[str, ...]  # seller, vendor
    summary: str
    source: Pages | Document
    columns: tuple[Column, ...]  # in the order of the rows; a document may bring more, which arrive as text
    options: tuple[Option, ...] = ()
    window: NoWindow | Days | Aligned = NoWindow()
    reach_days: int | None = None  # how far back Amazon goes
    lag: timedelta = timedelta(0)  # Amazon is asked for nothing younger
    settling_days: int = 0  # Amazon still changes days as young as this
    published_after: timedelta = timedelta(days=14)  # of a period's end; what is not there by then never comes
    day_column: str | None = None  # a row belongs to the day of this moment
    zone: str = "marketplace"  # in which days are counted: the account's home marketplace, or an IANA name
    key_columns: tuple[str, ...] = ()  # what makes a row unique; empty where nothing surely does
    version_column: str | None = None  # of two rows with one key, the higher one is the newer
    modes: tuple[str, ...] = MODES
    forced_mode: str | None = None
    cooldown: timedelta = timedelta(0)  # after a failed report, Amazon wants this much time before the next
    regional: bool = False  # one request answers for all marketplaces of the account's region
    channel_column: str | None = (
        None  # the sales channel, where Amazon's answer holds other marketplaces than were asked for
    )
    restricted: bool = False  # holds buyer data that Amazon gives to few
    retires_on: str | None = None  # the day on which Amazon switches it off
    offered: bool = True  # in the picker; datasets of a report that is not offered keep working
    variants: Mapping = field(default_factory=dict, repr=False)  # option -> value -> fields that this answer changes

    @property
    def has_dates(self):
        return not isinstance(self.window, NoWindow)

    def request(self, from_at, until_at, marketplace_ids, answers):
        """What to send: a query for pages, keyword arguments for reports.create. Pure."""
        return self.source.request(from_at, until_at, marketplace_ids, answers)

    def varied(self, answers):
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

    def names_of(self, titles):
        """The columns' names for the titles of a document, in order and all different.

        A declared column is known by its source and by its titles in other languages; any other title is made safe.
        """
        known = {}
        for column in self.columns:
            for title in (column.source, *column.also):
                known.setdefault(title.strip().casefold(), column.name)
        return _different([known.get(title.strip().casefold()) or safe_name(title) for title in titles])

    def option(self, name):
        return next(option for option in self.options if option.name == name)

    def as_json(self):
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

    def _variants_as_json(self):
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


def moment(at: datetime):
    """A moment as Amazon writes it: 2026-01-31T08:00:00Z."""
    return (
        at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
        + "Z"
    )


def safe_name(title):
    """A column name that SQL, URLs and OData all take: [a-z][a-z0-9_]*, no double underscore, at most 59 bytes.

    A title without a Latin letter or digit gets a name made of its hash, so that it stays the same in every file.
    """
    plain = unicodedata.normalize("NFKD", title.translate(_LETTERS)).encode("ascii", "ignore").decode()
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not name:
        return "column_" + hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    if not name[0].isalpha():
        name = "c_" + name
    return name[:LONGEST_NAME].rstrip("_")


def safe_names(titles):
    """Safe names for all titles, in order and all different; the first bearer of a name keeps it."""
    return _different([safe_name(title) for title in titles])


def _different(wished):
    taken, names = set(), []
    for wish in wished:
        name, number = wish, 1
        while name in taken or (number > 1 and name in wished):
            number += 1
            suffix = f"_{number}"
            name = wish[: LONGEST_NAME - len(suffix)].rstrip("_") + suffix
        taken.add(name)
        names.append(name)
    return names
