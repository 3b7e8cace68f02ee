"""What somebody wants of a dataset, read from a query string: filters, columns, order, limit. Pure: text in, a Query out.

    order_status=Shipped                 equal                      quantity__gte=2      also ne gt lt lte
    sku__in=A-1,"B,2"                    one of, as a line of CSV   title__contains=oil  also startswith; case counts
    ship_date__isnull=1                  no value                   purchase_date__gte=today-7

Repeated filters all have to hold. A date compared with an instant means that whole day in the zone `_tz`. `ne` holds for
rows without a value too: no value is not that value. Unknown names are errors: a filter that is ignored returns too much.
"""

import csv
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from datasets import calendar
from datasets.serving.problems import BadParameters, BadRequest, nearest, shown

OPERATORS = ("ne", "gt", "gte", "lt", "lte", "in", "contains", "startswith", "isnull")
CONTROLS = ("_select", "_sort", "_limit", "_header", "_bom", "_safe", "_dl", "_decimals", "_tz")
PAGE_CONTROLS = (*CONTROLS, "_cursor", "_count")
MOST_FILTERS = 50
MOST_LISTED = 1000
MOST_FIELDS = 200
PAGE_ROWS = 1000
MOST_PAGE_ROWS = 50_000

ZONE_NAME = re.compile(r"[A-Za-z0-9_+\-/]{1,64}")
NUMBER = re.compile(r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)
WORD_OF_DAY = re.compile(r"\s*(today(\s*-\s*\d{1,5})?|yesterday|\d{4}-\d{2}-\d{2})\s*", re.IGNORECASE | re.ASCII)
LOST_PLUS = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$")  # a URL's + that arrived as a space
FLAGS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}
BOOLEANS = FLAGS | {"t": True, "f": False}


@dataclass(frozen=True)
class Filter:
    """`op` is one of OPERATORS, or eq, endswith, within, outside (a half-open range of instants); or it is made of other
    Filters and has no column: all, any (of several), not, untrue (of one), always, never."""

    column: str
    type: str
    op: str
    value: object


@dataclass(frozen=True)
class Sort:
    column: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    filters: tuple[Filter, ...] = ()
    select: tuple[str, ...] = ()
    sort: tuple[Sort, ...] = ()
    limit: int | None = None
    offset: int = 0
    cursor: str = ""
    count: str = ""
    header: bool = True
    bom: bool = False
    safe: bool = False
    download: bool = False
    decimals: str = "number"
    is_capped: bool = False  # the limit is the link's: there is no page behind it

    @property
    def is_whole(self):
        """All rows of the dataset, whichever columns and order."""
        return not self.filters and self.limit is None

    def fingerprint(self, *also):
        """Says whether two queries ask for the same bytes; relative words have become dates by now."""
        asked = repr((replace(self, download=False, cursor="", count=""), also))
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def pairs_of(raw):
    """(name, value) of each parameter of a raw query string, as WSGI hands it over."""
    try:
        text = raw.encode("latin-1").decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except UnicodeError:
        raise BadRequest("The query string is not UTF-8. Percent-encode what is not ASCII as UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The query string has more than {MOST_FIELDS} parameters.") from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise BadParameters([(shown(name), f"The parameter '{shown(name)}' holds a NUL character.")])
    return pairs


def parse(pairs, columns, *, zone, now, controls=CONTROLS):
    """The Query that the parameters ask for; raises BadParameters naming each one that is wrong.

    `columns` are {"name", "type"} of all that is served, in order; `zone` says whose day a date means unless `_tz` does.
    """
    return _Reader(columns, zone, now, controls).read(pairs)


def comparing(columns, *, zone, now):
    """What makes one Filter of (column, type, operator, the value's text), or raises ValueError with a sentence."""
    return _Reader(columns, zone, now, ()).build


def within(fixed, pairs, columns, *, zone, now, controls=CONTROLS):
    """The Query of the parameters inside what a link is fixed to: its filters always hold, and other columns than its own
    do not exist. Neither order nor format is a secret: there the parameters have the word, then the link."""
    if not fixed:
        return parse(pairs, columns, zone=zone, now=now, controls=controls)
    base = parse(fixed, columns, zone=zone, now=now)
    visible = [column for column in columns if column["name"] in base.select]
    asked = parse(pairs, visible, zone=zone, now=now, controls=controls)
    given = {name for name, _ in pairs}
    limits = [limit for limit in (base.limit, asked.limit) if limit is not None]
    return replace(
        asked,
        filters=base.filters + asked.filters,
        select=asked.select if "_select" in given else base.select,
        sort=asked.sort if "_sort" in given else base.sort,
        limit=min(limits, default=None),
        is_capped=base.limit is not None,
        header=asked.header if "_header" in given else base.header,
        bom=asked.bom if "_bom" in given else base.bom,
        safe=asked.safe if "_safe" in given else base.safe,
        decimals=asked.decimals if "_decimals" in given else base.decimals,
    )


class _Reader:
    def __init__(self, columns, zone, now, controls):
        self.types = {column["name"]: column["type"] for column in columns}
        self.zone, self.now, self.controls = zone, now, controls
        self.wrong = []

    def read(self, pairs):
        settings, asked = {}, []
        for name, value in pairs:
            if name in self.types or name not in self.controls:
                asked.append((name, value))
            elif name in settings:
                self.complain(name, f"{name} is given more than once.")
            else:
                settings[name] = value
        self.read_zone(settings.get("_tz"))
        filters = tuple(found for name, value in asked if (found := self.filter(name, value)))
        if len(asked) > MOST_FILTERS:
            self.complain("", f"At most {MOST_FILTERS} filters are taken.")
        query = Query(
            filters=filters,
            select=self.select(settings.get("_select")),
            sort=self.sort(settings.get("_sort")),
            limit=self.limit(settings.get("_limit")),
            cursor=settings.get("_cursor", ""),
            count=self.choice(settings, "_count", ("exact", "estimated", "none"), ""),
            header=self.flag(settings, "_header", True),
            bom=self.flag(settings, "_bom", False),
            safe=self.flag(settings, "_safe", False),
            download=self.flag(settings, "_dl", False),
            decimals=self.choice(settings, "_decimals", ("number", "string"), "number"),
        )
        if self.wrong:
            codes = {code for _, _, code in self.wrong}
            raise BadParameters(
                [(param, detail) for param, detail, _ in self.wrong[:20]],
                code=codes.pop() if len(codes) == 1 else "bad_parameter",
            )
        return query

    def complain(self, param, detail, code="bad_parameter"):
        self.wrong.append((shown(param), detail, code))

    # Filters

    def filter(self, name, value):
        column, op = (name, "eq") if name in self.types else self.split(name)
        if column is None:
            return None
        try:
            return self.build(column, self.types[column], op, value)
        except ValueError as problem:
            self.complain(name, f"{name}: {problem}")
            return None

    def split(self, name):
        column, mark, op = name.rpartition("__")
        if mark and column in self.types:
            if op in OPERATORS:
                return column, op
            self.complain(
                name,
                f"There is no comparison '{shown(op)}'.{nearest(op, OPERATORS)} There are: {', '.join(OPERATORS)}.",
                "unknown_parameter",
            )
        elif name.startswith("_") and not (mark and column):
            known = [*self.controls, *self.types]
            self.complain(name, f"There is no parameter '{shown(name)}'.{nearest(name, known)}", "unknown_parameter")
        else:
            wished = column if mark and op in OPERATORS else name
            self.complain(name, f"There is no column '{shown(wished)}'.{nearest(wished, self.types)}", "unknown_column")
        return None, None

    def build(self, column, kind, op, text):
        if op == "isnull":
            return Filter(column, kind, "isnull", _flag(text))
        if op in ("contains", "startswith"):
            if kind != "text":
                raise ValueError(f"{op} is for columns of text, and this one is {kind}.")
            return Filter(column, kind, op, text)
        if op == "in":
            return self.one_of(column, kind, text)
        if kind == "timestamptz" and WORD_OF_DAY.fullmatch(text):
            return self.day_of_instant(column, op, self.day(text))
        return Filter(column, kind, op, self.value(kind, text))

    def one_of(self, column, kind, text):
        try:
            listed = next(csv.reader([text], strict=True), [])
        except csv.Error:
            raise ValueError(
                "the list cannot be read. Separate values by commas; quote one that holds a comma."
            ) from None
        if not listed:
            raise ValueError("the list is empty.")
        if len(listed) > MOST_LISTED:
            raise ValueError(f"at most {MOST_LISTED} values can be listed.")
        if kind == "timestamptz":
            return Filter(column, kind, "any", tuple(self.build(column, kind, "eq", item) for item in listed))
        return Filter(column, kind, "in", tuple(self.value(kind, item) for item in listed))

    def day_of_instant(self, column, op, day):
        start, end = self.bounds(day)
        if op in ("eq", "ne"):
            return Filter(column, "timestamptz", "within" if op == "eq" else "outside", (start, end))
        edge = {"gte": ("gte", start), "gt": ("gte", end), "lt": ("lt", start), "lte": ("lt", end)}
        return Filter(column, "timestamptz", *edge[op])

    def value(self, kind, text):
        if kind == "text":
            return text
        if not text.strip():
            raise ValueError(f"a value is missing; the column is {kind}. For rows without a value say __isnull=1.")
        if kind in ("bigint", "numeric"):
            return _number(text)
        if kind == "boolean":
            found = BOOLEANS.get(text.strip().lower())
            if found is None:
                raise ValueError(f"'{shown(text)}' is neither true nor false.")
            return found
        if kind == "date":
            return self.day(text)
        if kind == "timestamptz":
            return self.instant(text)
        return text

    def day(self, text):
        text = text.strip().lower()
        if not WORD_OF_DAY.fullmatch(text):
            raise ValueError(
                f"'{shown(text)}' is not a day. Write a date such as 2026-10-01, or today, yesterday, today-7."
            )
        return calendar.resolve(text, calendar.today(self.now, self.zone))

    def bounds(self, day):
        try:
            return calendar.bounds(day, self.zone)
        except OverflowError:
            raise ValueError(f"{day} is at the edge of the calendar.") from None

    def instant(self, text):
        text = LOST_PLUS.sub(r"\1+\2", text.strip())
        try:
            found = datetime.fromisoformat(text)
            if found.tzinfo is None:
                found = found.replace(tzinfo=ZoneInfo(self.zone))
            return found.astimezone(ZoneInfo("UTC"))
        except (ValueError, OverflowError):
            raise ValueError(
                f"'{shown(text)}' is not an instant. Write 2026-10-01T07:00:00Z, a date, or today, yesterday, today-7."
            ) from None

    # Controls

    def read_zone(self, name):
        if name is None:
            return
        try:
            if not ZONE_NAME.fullmatch(name) or name.startswith(("/", ".")):
                raise ValueError
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            self.complain("_tz", f"_tz: '{shown(name)}' is not a time zone. One looks like America/Los_Angeles.")
        else:
            self.zone = name

    def select(self, text):
        if text is None:
            return tuple(self.types)
        return tuple(self.known("_select", text.split(",")))

    def sort(self, text):
        if not text:
            return ()
        words = [word.strip() for word in text.split(",")]
        known = self.known("_sort", [word.removeprefix("-") for word in words])
        return tuple(Sort(name, word.startswith("-")) for name, word in zip(known, words, strict=False))

    def known(self, control, names):
        names = [name.strip() for name in names]
        for name in names:
            if name not in self.types:
                self.complain(
                    control,
                    f"{control}: there is no column '{shown(name)}'.{nearest(name, self.types)}",
                    "unknown_column",
                )
        for name in {name for name in names if name in self.types and names.count(name) > 1}:
            self.complain(control, f"{control}: {name} is named twice.")
        return names

    def limit(self, text):
        most = MOST_PAGE_ROWS if "_cursor" in self.controls else 10**15
        if text is None:
            return PAGE_ROWS if "_cursor" in self.controls else None
        if not re.fullmatch(r"[0-9]{1,15}", text) or not 1 <= int(text) <= most:
            self.complain("_limit", f"_limit: a whole number from 1 to {most} is needed, not '{shown(text)}'.")
            return None
        return int(text)

    def flag(self, settings, name, default):
        try:
            return _flag(settings[name]) if name in settings else default
        except ValueError as problem:
            self.complain(name, f"{name}: {problem}")
            return default

    def choice(self, settings, name, choices, default):
        value = settings.get(name, default)
        if value != default and value not in choices:
            self.complain(name, f"{name}: '{shown(value)}' is not one of {', '.join(choices)}.")
        return value


def _flag(text):
    found = FLAGS.get(text.strip().lower())
    if found is None:
        raise ValueError(f"'{shown(text)}' is neither yes nor no. Write 1 or 0.")
    return found


def _number(text):
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise ValueError(f"'{shown(text)}' is not a number.")
    found = Decimal(text)
    if found == found.to_integral_value() and abs(found) < 2**63:
        return int(found)  # so that an index on whole numbers is used
    return found
