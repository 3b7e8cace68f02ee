"""What a request asks of a dataset, parsed from a query string: filters, columns, order, limit. Pure: text in, a Query
out.

    order_status=Shipped                 equal                      quantity__gte=2      also ne gt lt lte
    sku__in=A-1,"B,2"                    one of, as a line of CSV   title__contains=oil  also startswith; case counts
    ship_date__isnull=1                  no value                   purchase_date__gte=today-7

Repeated filters all have to hold. A date compared with an instant means that whole day in the zone `_tz`. `ne` holds for
rows without a value too: no value is not that value. Unknown names are errors: a filter that is ignored returns too much.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from datasets.formats.format import Layout
from datasets.problems import BadParameters, BadRequest, nearest, printable
from datasets.rows.filters import OPERATORS, Comparisons, Filter, flag

LAYOUT = ("_header", "_bom", "_safe", "_decimals")
CONTROLS = ("_select", "_sort", "_limit", *LAYOUT, "_dl", "_tz")
PAGE_CONTROLS = (*CONTROLS, "_cursor", "_count")
MAX_FILTERS = 50
MAX_FIELDS = 200
PAGE_ROWS = 1000
MAX_PAGE_ROWS = 50_000

ZONE_NAME = re.compile(r"[A-Za-z0-9_+\-/]{1,64}")


@dataclass(frozen=True)
class Sort:
    """An order by one column."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """What is asked for: rows that all `filters` leave, of these columns, in this order. `limit` None is all rows;
    `offset` are rows left out in front; `count` is exact, estimated, none or empty; `layout` says how values
    are written."""

    filters: tuple[Filter, ...] = ()
    select: tuple[str, ...] = ()
    sort: tuple[Sort, ...] = ()
    limit: int | None = None
    offset: int = 0
    cursor: str = ""
    count: str = ""
    layout: Layout = Layout()
    download: bool = False
    is_capped: bool = False  # the limit is for all pages together, and this page reaches it

    @property
    def is_whole(self) -> bool:
        """All rows of the dataset, whichever columns and order."""
        return not self.filters and self.limit is None

    def fingerprint(self, *also: object) -> str:
        """Equal for queries that give the same bytes; relative dates are already resolved."""
        asked = repr((replace(self, download=False, cursor="", count=""), also))
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def pairs_of(raw: str) -> list[tuple[str, str]]:
    """(name, value) of each parameter of a raw query string, as WSGI hands it over."""
    try:
        text = raw.encode("latin-1").decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeError:
        raise BadRequest("The query string is not UTF-8. Percent-encode characters outside ASCII as UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The query string has more than {MAX_FIELDS} parameters.") from None
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise BadParameters([(printable(name), f"The parameter '{printable(name)}' contains a NUL character.")])
    return pairs


def parse(
    pairs: Iterable[tuple[str, str]],
    columns: Iterable[Mapping[str, Any]],
    *,
    zone: str,
    now: datetime,
    controls: Sequence[str] = CONTROLS,
) -> Query:
    """The Query that the parameters ask for; raises BadParameters naming each one that is wrong.

    `columns` are {"name", "type"} of all that is served, in order; `zone` says whose day a date means unless `_tz` does.
    """
    return _Reader(columns, zone, now, controls).read(pairs)


def comparing(*, zone: str, now: datetime) -> Callable[[str, str, str, str], Filter]:
    """What makes one Filter of (column, type, operator, the value's text), or raises ValueError with a sentence."""
    return Comparisons(zone, now).build


class _Reader:
    def __init__(self, columns: Iterable[Mapping[str, Any]], zone: str, now: datetime, controls: Sequence[str]) -> None:
        self.types = {column["name"]: column["type"] for column in columns}
        self.zone, self.now, self.controls = zone, now, controls
        self.wrong: list[tuple[str, str, str]] = []

    def read(self, pairs: Iterable[tuple[str, str]]) -> Query:
        settings: dict[str, str] = {}
        asked: list[tuple[str, str]] = []
        for name, value in pairs:
            if name in self.types or name not in self.controls:
                asked.append((name, value))
            elif name in settings:
                self.complain(name, f"{name} is given more than once.")
            else:
                settings[name] = value
        self.read_zone(settings.get("_tz"))
        self.comparisons = Comparisons(self.zone, self.now)
        filters = tuple(found for name, value in asked if (found := self.filter(name, value)))
        if len(asked) > MAX_FILTERS:
            self.complain("", f"At most {MAX_FILTERS} filters are taken.")
        query = Query(
            filters=filters,
            select=self.select(settings.get("_select")),
            sort=self.sort(settings.get("_sort")),
            limit=self.limit(settings.get("_limit")),
            cursor=settings.get("_cursor", ""),
            count=self.choice(settings, "_count", ("exact", "estimated", "none"), ""),
            layout=Layout(
                header=self.flag(settings, "_header", True),
                bom=self.flag(settings, "_bom", False),
                safe=self.flag(settings, "_safe", False),
                decimals=self.choice(settings, "_decimals", ("number", "string"), "number"),
            ),
            download=self.flag(settings, "_dl", False),
        )
        if self.wrong:
            codes = {code for _, _, code in self.wrong}
            raise BadParameters(
                [(param, detail) for param, detail, _ in self.wrong[:20]],
                code=codes.pop() if len(codes) == 1 else "bad_parameter",
            )
        return query

    def complain(self, param: str, detail: str, code: str = "bad_parameter") -> None:
        self.wrong.append((printable(param), detail, code))

    # Filters

    def filter(self, name: str, value: str) -> Filter | None:
        found = (name, "eq") if name in self.types else self.split(name)
        if found is None:
            return None
        column, op = found
        try:
            return self.comparisons.build(column, self.types[column], op, value)
        except ValueError as problem:
            self.complain(name, f"{name}: {problem}")
            return None

    def split(self, name: str) -> tuple[str, str] | None:
        column, mark, op = name.rpartition("__")
        if mark and column in self.types:
            if op in OPERATORS:
                return column, op
            self.complain(
                name,
                f"There is no comparison '{printable(op)}'.{nearest(op, OPERATORS)} There are: {', '.join(OPERATORS)}.",
                "unknown_parameter",
            )
        elif name.startswith("_") and not (mark and column):
            known = [*self.controls, *self.types]
            self.complain(
                name, f"There is no parameter '{printable(name)}'.{nearest(name, known)}", "unknown_parameter"
            )
        else:
            wished = column if mark and op in OPERATORS else name
            self.complain(
                name, f"There is no column '{printable(wished)}'.{nearest(wished, self.types)}", "unknown_column"
            )
        return None

    # Controls

    def read_zone(self, name: str | None) -> None:
        if name is None:
            return
        try:
            if not ZONE_NAME.fullmatch(name) or name.startswith(("/", ".")):
                raise ValueError
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            self.complain("_tz", f"_tz: '{printable(name)}' is not a time zone. One looks like America/Los_Angeles.")
        else:
            self.zone = name

    def select(self, text: str | None) -> tuple[str, ...]:
        if text is None:
            return tuple(self.types)
        return tuple(self.known("_select", text.split(",")))

    def sort(self, text: str | None) -> tuple[Sort, ...]:
        if not text:
            return ()
        words = [word.strip() for word in text.split(",")]
        known = self.known("_sort", [word.removeprefix("-") for word in words])
        return tuple(Sort(name, word.startswith("-")) for name, word in zip(known, words, strict=False))

    def known(self, control: str, names: Iterable[str]) -> list[str]:
        names = [name.strip() for name in names]
        for name in names:
            if name not in self.types:
                self.complain(
                    control,
                    f"{control}: there is no column '{printable(name)}'.{nearest(name, self.types)}",
                    "unknown_column",
                )
        for name in {name for name in names if name in self.types and names.count(name) > 1}:
            self.complain(control, f"{control}: {name} is named twice.")
        return names

    def limit(self, text: str | None) -> int | None:
        most = MAX_PAGE_ROWS if "_cursor" in self.controls else 10**15
        if text is None:
            return PAGE_ROWS if "_cursor" in self.controls else None
        if not re.fullmatch(r"[0-9]{1,15}", text) or not 1 <= int(text) <= most:
            self.complain("_limit", f"_limit: a whole number from 1 to {most} is needed, not '{printable(text)}'.")
            return None
        return int(text)

    def flag(self, settings: Mapping[str, str], name: str, default: bool) -> bool:
        try:
            return flag(settings[name]) if name in settings else default
        except ValueError as problem:
            self.complain(name, f"{name}: {problem}")
            return default

    def choice(self, settings: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
        value = settings.get(name, default)
        if value != default and value not in choices:
            self.complain(name, f"{name}: '{printable(value)}' is not one of {', '.join(choices)}.")
        return value
