"""Makes answers of Amazon's that are wrong in ways that know their structure, and tells which rows of them may land.

All is drawn from one seed. The oracle shares no code with the product: it knows what it wrote.
"""

import gzip
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Los_Angeles")
ODD_VALUES = (
    None, True, False, 0, -1, 7, 1.5, 10**15, 10**30, -(10**20), 1e300, "", " ", "x", "NaN", "Infinity", "1,5", "--", "0x10",
    "12.30", [], {}, [1, "a", None], {"a": {"b": [{}]}}, ["x", {"type": []}], [[]], "\ufffd", "\\N", "\\.", "a\tb\nc\rd\\",
    "NUL\0here", "half \ud800 surrogate", "\U0001f600", "'; DROP TABLE x; --", "=1+1", "now", "epoch", "today", "x" * 5000,
    {"amount": "NaN", "currencyCode": 5}, {"amount": {"a": 1}}, "9" * 60, "true", "2026-01-01",
)  # fmt: skip
ODD_MOMENTS = (
    "infinity", "-infinity", "now", "today", "epoch", "0000-00-00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-08:00", "0001-01-01T00:00:00+14:00", "31/02/2026", "04.03.2023", "2026-02-30T00:00:00Z", "", " ",
    "2026-01-01 BC", "20260101", "2026-W01-1", "yesterday", "T", "Z", "+00:00", "2026-13-01T00:00:00+00:00",
)  # fmt: skip


def local_day(text):
    """The local day of an instant's text, or None."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(ZONE).date() if moment.tzinfo else moment.date()
    except (ValueError, OverflowError):
        return None


def kept(text):
    """Text as a database may keep it."""
    return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in text)


def is_same(got, written):
    """Whether what lies in a column is what Amazon wrote, whatever type the column has by now."""
    if written is None or written == "":
        return got is None or got == ""
    if isinstance(written, str):
        written = kept(written)
    if got is None:
        return False
    if isinstance(got, bool):
        return str(written).lower() in (
            ("true", "t", "1", "yes", "y", "on") if got else ("false", "f", "0", "no", "n", "off")
        )
    if isinstance(got, datetime):
        try:
            moment = datetime.fromisoformat(str(written))
        except ValueError:
            return False
        return got == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if isinstance(got, (int, Decimal)):
        try:
            return Decimal(got) == Decimal(str(written).strip())
        except InvalidOperation:
            return False
    if isinstance(written, bool):
        return got == ("t" if written else "f")
    if isinstance(written, (int, float)):
        return got == str(written) or float(got) == float(written)
    if isinstance(written, (dict, list)):
        return json.loads(got) == json.loads(json.dumps(written))
    return got == written


@dataclass
class Case:
    """An answer in several parts, and what may come of it."""

    seed: str
    bodies: list  # of pages, or the one document
    headers: dict = field(default_factory=dict)
    statuses: list = field(default_factory=list)
    is_whole: bool = True  # whether it can be read at all
    rows: list = field(default_factory=list)  # (day, id, {column: what Amazon wrote}) of each row that may land
    anywhere: list = field(
        default_factory=list
    )  # (day, id) of each order that was sent, whichever of its versions wins
    is_exact: bool = True  # every one of these rows has to be there, else some may have been set aside
    is_checked: bool = True  # False where bytes were changed at random: then only readability counts
    how: list = field(default_factory=list)

    def days(self):
        found = {}
        for day, row_id, _ in self.rows:
            found.setdefault(day, Counter())[row_id] += 1
        return found


# Pages of orders


def pages(seed, orders, days):
    """A chain of one to three pages of orders, of which something is odd."""
    chance = random.Random(f"pages {seed}")
    case = Case(f"pages {seed}", [])
    some = [json.loads(json.dumps(order)) for order in chance.sample(orders, min(len(orders), chance.randint(0, 9)))]
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        chance.choice((_odd_value, _odd_value, _odd_value, _odd_moment, _odd_id, _twin, _outside))(chance, some, case)
    cut = sorted(chance.choices(range(len(some) + 1), k=chance.randint(0, 2)))
    parts = [some[a:b] for a, b in zip([0, *cut], [*cut, len(some)], strict=True)]
    for number, part in enumerate(parts):
        page = {"orders": part, "createdBefore": "2026-01-01T00:00:00Z"}
        if number < len(parts) - 1:
            page["pagination"] = {"nextToken": f"token {number}"}
        case.bodies.append(page)
    case.statuses = [200] * len(parts)
    if chance.random() < 0.25:
        _odd_page(chance, case)
    elif chance.random() < 0.35:
        _odd_bytes(chance, case)
    case.bodies = [
        body
        if isinstance(body, bytes)
        else json.dumps(body, ensure_ascii=chance.random() < 0.5 or _has_half(body)).encode()
        for body in case.bodies
    ]
    if case.is_whole:
        _expect_orders(case, some, days)
    return case


def _has_half(body):
    return "\\ud800" in json.dumps(body)


def _walk(chance, thing, wanted=None):
    """Some place within: (what holds it, key)."""
    places = []

    def look(node):
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            places.append((node, key))
            if isinstance(value, (dict, list)):
                look(value)

    look(thing)
    return chance.choice(places) if places else None


def _odd_value(chance, orders, case):
    if orders and (place := _walk(chance, chance.choice(orders))):
        holder, key = place
        if key in ("orderId", "createdTime", "lastUpdatedTime"):
            return
        if chance.random() < 0.2 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = chance.choice(ODD_VALUES)
        case.how.append(f"{key} is odd")


def _odd_moment(chance, orders, case):
    if orders:
        order = chance.choice(orders)
        order["createdTime"] = chance.choice((*ODD_MOMENTS, *ODD_VALUES))
        case.how.append(f"createdTime {order['createdTime']!r:.40}")


def _odd_id(chance, orders, case):
    if orders:
        order = chance.choice(orders)
        order["orderId"] = chance.choice(ODD_VALUES)
        case.how.append(f"orderId {order['orderId']!r:.40}")


def _twin(chance, orders, case):
    if orders:
        order = json.loads(json.dumps(chance.choice(orders)))
        if chance.random() < 0.5:
            order["lastUpdatedTime"] = "2098-01-01T00:00:00Z"
            order.setdefault("salesChannel", {})
        orders.insert(chance.randint(0, len(orders)), order)
        case.how.append("twin")


def _outside(chance, orders, case):
    if orders:
        order = chance.choice(orders)
        order["createdTime"] = chance.choice(("2001-01-01T00:00:00Z", "2090-01-01T00:00:00+02:00"))
        case.how.append("outside")


def _odd_page(chance, case):
    """A page that is none: nothing of the chain may land."""
    number = chance.randrange(len(case.bodies))
    page = case.bodies[number]
    odd = chance.choice((
        {}, [], {"orders": None}, {"orders": {}}, {"orders": "x"}, {"orders": [1, "a"]}, {"payload": page}, None, 5,
        {**page, "orders": [*page["orders"], None]}, {**page, "pagination": {"nextToken": 7}},
        {**page, "pagination": {"nextToken": {"a": 1}}}, {"errors": [{"code": "X", "message": "a\0b"}]},
    ))  # fmt: skip
    case.bodies[number], case.is_whole = odd, False
    case.how.append(f"page {odd!r:.40}")


def _odd_bytes(chance, case):
    number = chance.randrange(len(case.bodies))
    body = json.dumps(case.bodies[number]).encode()
    kind = chance.choice(("cut", "status", "html", "empty", "latin", "deep", "literal", "comma", "big"))
    case.how.append(f"bytes {kind}")
    case.is_whole = False
    if kind == "status":
        case.statuses[number] = chance.choice((301, 400, 401, 403, 404, 408, 413, 429, 500, 503, 599))
        return
    case.bodies[number] = {
        "cut": body[: chance.randrange(max(1, len(body) - 1))],
        "html": b"<html><body>We are sorry</body></html>",
        "empty": b"",
        "latin": body[:-1] + ', "x": "é"}'.encode("latin-1"),
        "deep": body[:-1] + b', "x": ' + b"[" * 600 + b"]" * 600 + b"}",
        "literal": body[:-1] + b', "x": ' + chance.choice((b"NaN", b"Infinity", b"undefined", b"1e999")) + b"}",
        "comma": body[:-1] + b",}",
        "big": body[:-1] + b', "x": ' + b"9" * 5000 + b"}",
    }[kind]
    if kind == "cut" and case.bodies[number] == body:
        case.is_whole = True


def _expect_orders(case, orders, days):
    newest = {}
    for order in orders:
        key = order.get("orderId")
        if not isinstance(key, str) or not kept(key):
            continue
        version = order.get("lastUpdatedTime")
        case.anywhere.append((local_day(order.get("createdTime")), kept(key)))
        newest.setdefault(kept(key), []).append((version if isinstance(version, str) else "", order))
    for key, versions in newest.items():
        top = max(version for version, _ in versions)
        once = []
        for version, order in versions:
            if version == top and order not in once:
                once.append(order)
        for order in once:
            day = local_day(order.get("createdTime"))
            if day in days:
                total = (order.get("proceeds") or {}) if isinstance(order.get("proceeds"), dict) else {}
                total = total.get("grandTotal")
                fulfilment = order.get("fulfillment")
                case.rows.append((day, key, {
                    "purchase_date": order.get("createdTime"),
                    "order_total_amount": total.get("amount") if isinstance(total, dict) else None,
                    "order_status": fulfilment.get("fulfillmentStatus") if isinstance(fulfilment, dict) else None,
                }))  # fmt: skip


# Flat files


def document(seed, titles, rows, days):
    """A flat file of which something is odd. `rows` are dicts with a unique amazon-order-id."""
    chance = random.Random(f"document {seed}")
    case = Case(f"document {seed}", [], {"Content-Type": "text/plain; charset=UTF-8"}, is_exact=False)
    titles = list(titles)
    some = [dict(row) for row in chance.sample(rows, min(len(rows), chance.randint(0, 12)))]
    for number, row in enumerate(some):
        row["amazon-order-id"] = f"id-{number}"
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        change = chance.choice((_odd_cell, _odd_cell, _odd_cell, _tab, _odd_purchase, _odd_titles))
        titles = change(chance, titles, some, case)
    end = chance.choice(("\r\n", "\r\n", "\n"))
    lines = ["\t".join(titles)] + ["\t".join(row.get(title, "") for title in titles) for row in some]
    if chance.random() < 0.4:
        lines = _odd_lines(chance, lines, case)
    text = end.join(lines) + (end if chance.random() < 0.9 else "")
    charset, label = chance.choice((
        ("utf-8", "UTF-8"), ("utf-8", "UTF-8"), ("utf-8", None), ("utf-8-sig", "Cp1252"), ("utf-16", "UTF-16"),
        ("cp1252", "Cp1252"), ("cp1252", "UTF-8"), ("cp932", "Shift_JIS"),
    ))  # fmt: skip
    try:
        plain = text.encode(charset)
    except UnicodeEncodeError:
        charset, label = "utf-8", "UTF-8"
        plain = text.encode(charset, "replace" if "\ud800" in text else "strict")
    case.headers["Content-Type"] = f"text/plain; charset={label}" if label else "text/plain"
    case.bodies = [_packed(chance, plain, case)]
    if case.is_whole and "purchase-date" in titles:
        _expect_rows(case, titles, some, days)
    return case


def _odd_cell(chance, titles, rows, case):
    title = chance.choice(titles)
    if rows and title not in ("amazon-order-id", "purchase-date"):
        cell = chance.choice((
            *(value for value in ODD_VALUES if isinstance(value, str) and "\ud800" not in value), *ODD_MOMENTS,
            '"fenced"', '"', 'a "b" c', '"Best" mug', '"a\tb"', '"a\nb"', "tab\tin it", "line\nbreak", "cr\rin it", "Café Größe",
            "'single'", "\x1c\x85\u2028", "é" * 300, "\\", "ends with \\", '""', '"""', "\ufeff",
        ))  # fmt: skip
        chance.choice(rows)[title] = cell
        case.how.append(f"{title} {cell!r:.30}")
    return titles


def _tab(chance, titles, rows, case):
    """A tab within a value, which the file has no way to carry."""
    if rows:
        chance.choice(rows)[chance.choice(("product-name", "ship-city", "purchase-order-number"))] = "a\ttab"
        case.how.append("tab")
    return titles


def _odd_purchase(chance, titles, rows, case):
    if rows:
        row = chance.choice(rows)
        row["purchase-date"] = chance.choice((*ODD_MOMENTS, "2001-01-01T00:00:00+00:00", "2090-01-01T00:00:00Z"))
        case.how.append(f"purchase-date {row['purchase-date']!r}")
    return titles


def _odd_titles(chance, titles, rows, case):
    kind = chance.choice(("missing", "reversed", "twice", "new", "many", "empty", "shuffled", "renamed"))
    case.how.append(f"titles {kind}")
    titles = list(titles)
    if kind == "missing":
        titles.remove(chance.choice([title for title in titles if title != "amazon-order-id"]))
    elif kind == "reversed":
        titles.reverse()
    elif kind == "shuffled":
        chance.shuffle(titles)
    elif kind == "twice":
        titles.append(chance.choice([title for title in titles if title not in ("amazon-order-id", "purchase-date")]))
    elif kind == "new":
        titles.insert(chance.randint(0, len(titles)), chance.choice(("brand-new", "Größe", "港", "a;b--", "select")))
    elif kind == "many":
        titles += [f"column-{number}" for number in range(450)]
    elif kind == "empty":
        titles.insert(chance.randint(0, len(titles) - 1), "")
    elif kind == "renamed":
        place = titles.index("purchase-date") if "purchase-date" in titles else 0
        titles[place] = "Kaufdatum"
    return titles


def _odd_lines(chance, lines, case):
    kind = chance.choice(("ragged", "long", "blank", "twice", "half", "spaces", "quote"))
    case.how.append(f"lines {kind}")
    place = chance.randrange(1, len(lines)) if len(lines) > 1 else 0
    if place:
        if kind == "ragged":
            lines[place] = "\t".join(lines[place].split("\t")[: chance.randint(1, 20)])
        elif kind == "long":
            lines[place] += "\tmore\tand more"
        elif kind == "blank":
            lines.insert(place, chance.choice(("", "\t\t", " ")))
        elif kind == "half":
            lines[place] = lines[place][: chance.randrange(len(lines[place]))]
            case.is_checked = False  # a cut cell may still be a cell
        elif kind == "spaces":
            lines[place] = " " + lines[place]
            case.is_checked = False
        elif kind == "quote":
            lines[place] = '"' + lines[place]
            case.is_checked = False
    return lines


def _packed(chance, plain, case):
    broken = ("cut", "damaged", "garbage", "empty", "html", "flipped")
    kind = chance.choice(broken) if chance.random() < 0.25 else chance.choice(("gzip", "gzip", "plain", "members"))
    packed = gzip.compress(plain, 1, mtime=0)
    if kind not in ("gzip", "plain", "members"):
        case.how.append(f"archive {kind}")
    if kind == "plain":
        return plain
    if kind == "members":
        half = len(plain) // 2
        return gzip.compress(plain[:half]) + gzip.compress(plain[half:])
    if kind == "cut":
        case.is_whole = False
        return packed[: chance.randrange(2, len(packed))]
    if kind == "damaged":
        case.is_whole = False
        place = chance.randrange(10, len(packed))
        return packed[:place] + bytes([packed[place] ^ (1 << chance.randrange(8))]) + packed[place + 1 :]
    if kind == "garbage":
        case.is_whole = False
        return packed + b"<!-- cache -->"
    if kind == "empty":
        case.is_whole = False
        return chance.choice((b"", gzip.compress(b""), gzip.compress(b"\r\n")))
    if kind == "html":
        case.is_whole = False
        return b"<html><body>We are sorry</body></html>\n<p>x</p>"
    if kind == "flipped":
        case.is_checked = False
        place = chance.randrange(len(plain))
        return plain[:place] + bytes([chance.randrange(256)]) + plain[place + 1 :]
    return packed


def _expect_rows(case, titles, rows, days):
    for row in rows:
        day = local_day(row["purchase-date"])
        if day in days:
            cells = {}
            for title in titles:
                cells.setdefault(title, _in_one_line(row.get(title, ""), title == titles[0], title == titles[-1]))
            case.rows.append((day, row["amazon-order-id"], cells))


def _in_one_line(cell, is_first, is_last):
    """What of a cell with a line break in it is in the line that has all the other columns: a file cannot tell it apart.

    A fence around the last cell does tell; one around the first stands in a line that is no row.
    """
    if is_first:
        return cell.rpartition("\n")[2]
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell
    return cell.partition("\n")[0] if is_last else cell
