"""What a report is: one declaration from which picker, form, request, window plan, columns and key all come."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connector.catalogue.options import Option

TYPES = ("text", "bigint", "numeric", "boolean", "date", "timestamptz")
LONGEST_NAME = 59  # PostgreSQL keeps 63 bytes; the rest is for suffixes of ours
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "ı": "i"}
)
MODES = ("append", "replace", "merge")


@dataclass(frozen=True)
class Column:
    """`source` says where Amazon keeps the value; `personal` marks what tells of a buyer."""

    name: str
    type: str = "text"
    title: str = ""
    source: str = ""
    personal: bool = False

    def as_json(self):
        return {"name": self.name, "type": self.type, "title": self.title or self.name, "personal": self.personal}


@dataclass(frozen=True)
class NoWindow:
    """The answer is as of now: no dates are asked and the dataset holds one day."""


@dataclass(frozen=True)
class Days:
    """The widest window that one request may cover."""

    most: int

    def fits(self, from_at, until_at):
        """Whether Amazon takes the window: its days have 24 hours, ours 23 to 25."""
        return until_at - from_at <= timedelta(days=self.most)


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
class Document:
    """A report that Amazon builds and leaves as a document. `quote` names the option that holds the quote character."""

    report_type: str
    reader: str = "flat_file"
    quote: str = ""
    options: Mapping = field(default_factory=dict)
    burst: int = 15  # of createReport

    kind = "report"
    is_report = True
    page_rows = None

    def request(self, from_at, until_at, marketplace_ids, answers):
        """What the Reports API is to be asked for, as keyword arguments of connector.spapi.reports.create."""
        return {
            "report_type": self.report_type,
            "marketplace_ids": list(marketplace_ids),
            "start": from_at,
            "end": until_at,
            "options": {name: str(value) for name, value in self.options.items()},
        }

    def reading(self, answers):
        """The reader's own arguments."""
        return {"quote": answers.get(self.quote) or "double"} if self.quote else {"quote": "null"}


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
    window: NoWindow | Days = NoWindow()
    reach_days: int | None = None  # how far back Amazon goes
    lag: timedelta = timedelta(0)  # Amazon is asked for nothing younger
    settling_days: int = 0  # Amazon still changes days as young as this
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
        return isinstance(self.window, Days)

    def request(self, from_at, until_at, marketplace_ids, answers):
        """What to send: a query for pages, keyword arguments for reports.create. Pure."""
        return self.source.request(from_at, until_at, marketplace_ids, answers)

    def varied(self, answers):
        """This report as the answers make it."""
        report = self
        for option, by_value in self.variants.items():
            value = answers.get(option)
            changes = by_value.get(value) if isinstance(value, (str, bool)) else None
            if changes:
                report = replace(
                    report, **{name: new(report) if callable(new) else new for name, new in changes.items()}
                )
        return report

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
    wished = [safe_name(title) for title in titles]
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
