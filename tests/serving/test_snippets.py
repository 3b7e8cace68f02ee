"""The lines to copy, on the API tab and in the documentation, run in the programs they are for: each value arrives as it is.

The lines are taken from the page as it is rendered, and from the documentation, so that a line which changes is tried too. Excel, Power
BI, Tableau, Google Sheets and R cannot be run here: what their lines ask for is fetched, and what is known of them stands beside it.
"""

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from pyarrow import parquet

pytestmark = [pytest.mark.django_db, pytest.mark.integration]
PROJECT = Path(__file__).resolve().parents[2]
SLUG = "as_it_is"
COLUMNS = (
    {"name": "code", "title": "code", "type": "text"},
    {"name": "note", "title": "note", "type": "text"},
    {"name": "whole", "title": "whole", "type": "bigint"},
    {"name": "amount", "title": "amount", "type": "numeric"},
    {"name": "huge", "title": "huge", "type": "numeric"},
    {"name": "is_so", "title": "is so", "type": "boolean"},
    {"name": "day", "title": "day", "type": "date"},
    {"name": "at", "title": "at", "type": "timestamptz"},
)
TEXTS = (
    *("NA", "null", "None", "nan", "NaN", "N/A", "NULL", "#N/A", "", None, "inf", "-"),
    *(
        "01234",
        "1e5",
        "1/2",
        "TRUE",
        "true",
        "T",
        "1234567890123456789",
        "123456789012345678901234567890",
        "0x1F",
        "1,5",
        "+1",
    ),
    *("2026-10-01", "2026-10-01T07:00:00+02:00", "10:30", "=1+1", '=HYPERLINK("http://x")', "@x", "-5"),
    *(
        'with "quotes", and commas',
        '"',
        '""',
        "two\nlines",
        "carriage\r\nreturn",
        "tab\tinside",
        "\\N",
        "a\\b",
        "'x'",
        "x'",
    ),
    *("日本語 🛒", "\ufeffmarked", "\u00a0", " padded ", "#hash", "; semi"),
)
WHOLES = (9223372036854775807, -9223372036854775807, None, 0, 1234567890123456789)
AMOUNTS = (Decimal("1234567890123456789012345.67891"), Decimal("0.1"), None, Decimal("-0.00001"), Decimal("19.90"))
HUGE = (Decimal("1" * 30), Decimal("0.00000000000000000001"), None)  # more digits together than Parquet holds
DAYS = (date(2026, 10, 1), None, date(1999, 12, 31))
TIMES = (datetime(2026, 10, 1, 7, 0, 0, 123456, UTC), None, datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC))
NAMES = [column["name"] for column in COLUMNS]


@pytest.fixture(scope="module")
def rows():
    def pick(values, number):
        return values[number % len(values)]

    return [
        {
            "code": text,
            "note": pick((None, "", "x"), number),
            "whole": pick(WHOLES, number),
            "amount": pick(AMOUNTS, number),
            "huge": pick(HUGE, number),
            "is_so": pick((True, False, None), number),
            "day": pick(DAYS, number),
            "at": pick(TIMES, number),
        }
        for number, text in enumerate(TEXTS)
    ]


@pytest.fixture(scope="module")
def dataset(make, rows):
    return make.dataset(SLUG, rows=rows, columns=COLUMNS)


@pytest.fixture
def token(make, monkeypatch):
    token = make.token()
    monkeypatch.setenv("BACKHAUL_TOKEN", token)
    return token


@pytest.fixture
def lines(client, alice, web, dataset):
    """{program: its lines} as the page shows them at the running server's address."""
    client.force_login(alice)
    page = client.get(f"/datasets/{SLUG}/api", headers={"Host": urlsplit(web.url).netloc}).content.decode()
    found = re.findall(r'<code id="([a-z-]+)-lines">(.*?)</code>', page, re.DOTALL)
    return {key: html.unescape(text) for key, text in found}


def run(lines):
    """What the Python lines leave as `rows`."""
    names = {}
    exec(compile(lines, "lines", "exec"), names)
    return names["rows"]


def blank(value):
    """A value as what reads CSV without telling no value from an empty text has it."""
    return "" if value is None else value


def same(found, rows, number=lambda value: value):
    assert [{name: row[name] for name in NAMES} for row in found] == [
        row | {"huge": number(row["huge"])} for row in rows
    ]


def text_of(value):
    return None if value is None else format(value, "f")


def csv_of(text):
    """Rows of CSV, told exactly: no value is an empty field, an empty text is in quotes."""
    records, cell, record, at, quoted = [], "", [], 0, False
    while at < len(text):
        letter = text[at]
        if letter == '"':
            end = at + 1
            while not (text[end] == '"' and text[end + 1 : end + 2] != '"'):
                end += 2 if text[end] == '"' else 1
            cell, quoted, at = text[at + 1 : end].replace('""', '"'), True, end + 1
        elif letter == "," or text.startswith("\r\n", at):
            record.append(cell if cell or quoted else None)
            cell, quoted = "", False
            at += 1 if letter == "," else 2
            if letter != ",":
                records.append(record)
                record = []
        else:
            cell, at = cell + letter, at + 1
    names, *rest = records
    return [dict(zip(names, one, strict=True)) for one in rest]


READ = {
    "text": str,
    "bigint": int,
    "numeric": Decimal,
    "boolean": {"true": True, "false": False}.__getitem__,
    "date": date.fromisoformat,
    "timestamptz": datetime.fromisoformat,
}


def typed(records):
    kinds = {column["name"]: READ[column["type"]] for column in COLUMNS}
    return [{name: None if one[name] is None else kinds[name](one[name]) for name in NAMES} for one in records]


def test_each_program_on_the_page_is_tried_here(lines):
    assert set(lines) == {
        *("curl", "pandas", "pandas-csv", "polars", "duckdb"),
        *("excel", "tableau", "sheets", "r"),
    }


# Programs that run here


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(lines, token, rows, tmp_path):
    ran = subprocess.run(["bash", "-e", "-c", lines["curl"]], cwd=tmp_path, capture_output=True, timeout=60)

    assert ran.returncode == 0, ran.stderr
    same(parquet.read_table(tmp_path / f"{SLUG}.parquet").to_pylist(), rows, text_of)
    same(typed(csv_of((tmp_path / f"{SLUG}.csv").read_bytes().decode())), rows)
    assert (tmp_path / f"{SLUG}_30_days.csv").read_bytes().startswith(b"code,note,")


def test_pandas(lines, token, rows):
    same(_plain(run(lines["pandas"])), rows, text_of)


def test_pandas_from_csv(lines, token, rows):
    found = _plain(run(lines["pandas-csv"]))

    same(found, [row | {"code": blank(row["code"]), "note": blank(row["note"])} for row in rows])


def _plain(frame):
    import pandas as pd

    def plain(name, value):
        if value is None or value is pd.NaT or value is pd.NA:
            return None
        if isinstance(value, pd.Timestamp):
            return value.date() if name == "day" else value.to_pydatetime()
        return value

    records = {name: [plain(name, value) for value in frame[name].array] for name in NAMES}
    return [dict(zip(records, values, strict=True)) for values in zip(*records.values(), strict=True)]


def test_polars(lines, token, rows):
    pytest.importorskip("polars")
    same(run(lines["polars"]).to_dicts(), rows, text_of)


def test_duckdb(lines, token, rows):
    duckdb = pytest.importorskip("duckdb")
    httpfs = pytest.importorskip("duckdb_extension_httpfs")
    extension = next(Path(httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")  # which DuckDB would fetch by itself
    connection.execute("SET TimeZone = 'UTC'")

    found = connection.execute(lines["duckdb"].replace("bh_…", token)).to_arrow_table()

    records = found.to_pylist()
    same([record | {"amount": record["amount"] and Decimal(record["amount"])} for record in records], rows, text_of)
    assert {name: str(found.schema.field(name).type) for name in ("code", "whole", "is_so", "day", "at")} == {
        **{"code": "string", "whole": "int64", "is_so": "bool", "day": "date32[day]", "at": "timestamp[us, tz=UTC]"},
    }


# Programs that do not


def test_excel_and_power_bi_and_tableau_get_every_column_with_its_type(lines, token, rows):
    """By OData: text is text whatever it looks like, in Excel too."""
    (service,) = re.findall(r'OData\.Feed\("([^"]+)"', lines["excel"])
    assert f'Name = "{SLUG}"' in lines["excel"]
    assert lines["tableau"] == service + SLUG

    kinds = dict(re.findall(r'<Property Name="(\w+)" Type="(Edm\.\w+)"', _fetch(f"{service}$metadata", token).decode()))
    assert {name: kinds[name] for name in NAMES} == {
        **{"code": "Edm.String", "note": "Edm.String", "whole": "Edm.Int64", "amount": "Edm.Decimal"},
        **{"huge": "Edm.Decimal", "is_so": "Edm.Boolean", "day": "Edm.Date", "at": "Edm.DateTimeOffset"},
    }
    found = json.loads(_fetch(lines["tableau"], token), parse_float=Decimal)["value"]
    same(
        [
            row
            | {
                name: row[name] and read(row[name])
                for name, read in (("day", date.fromisoformat), ("at", datetime.fromisoformat))
            }
            for row in found
        ],
        rows,
    )


def test_google_sheets_is_warned_of_and_its_address_works_with_a_link(client, alice, lines, make, web, dataset, rows):
    page = html.unescape(client.get(f"/datasets/{SLUG}/api").content.decode())
    warning = re.search(r'<h3 id="sheets">.*?<p>(.*?)</p>', page, re.DOTALL)[1]
    assert "guesses types" in warning and "01234 becomes 1234" in warning and "Excel file" in warning
    (address,) = re.findall(r'=IMPORTDATA\("([^"]+)"\)', lines["sheets"])

    from datasets.access import tokens

    link = make.run(tokens.issue_link, alice, dataset)[1]
    found = csv_of(_fetch(address.replace("bh_link_…", link)).decode())

    for record, row in zip(found, rows, strict=True):
        assert (record["code"] or "").lstrip("'") == (row["code"] or "").lstrip("'")
        assert not re.match(r"[\s]*[=+@-]", record["code"] or "")  # nothing that Sheets would calculate


def test_r_reads_everything_as_text(lines, token, rows):
    (address,) = re.findall(r'url\("([^"]+)"', lines["r"])
    for setting in ('colClasses = "character"', "na.strings = character()", "check.names = FALSE"):
        assert setting in lines["r"]
    found = csv.DictReader(io.StringIO(_fetch(address, token).decode(), newline=""))
    assert [record["code"] for record in found] == [blank(row["code"]) for row in rows]


def _fetch(address, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return urlopen(Request(address, headers=headers), timeout=30).read()


# The documentation


def blocks(page):
    """The blocks of code of a page of the documentation."""
    return re.findall(r"^```\w*\n(.*?)^```", (PROJECT / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)


DEMO_SLUG = "all_orders_two_years"  # a dataset of `make demo`, whose columns `orders` has too


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("page", ["users.md", "api.md"])
def test_the_curl_lines_of_the_documentation_work(web, make, page, orders, tmp_path):
    found = [block for block in blocks(page) if "curl " in block]
    assert found
    for block in found:
        block = block.replace("http://127.0.0.1:8000", web.url).replace(DEMO_SLUG, orders.slug)
        assert web.url in block and orders.slug in block
        ran = subprocess.run(
            ["bash", "-e", "-c", block.replace("curl ", "curl -fsS ")],
            cwd=tmp_path,
            capture_output=True,
            env=os.environ | {"BACKHAUL_TOKEN": make.token()},
        )
        assert ran.returncode == 0, (block, ran.stderr)
        assert ran.stdout or list(tmp_path.iterdir())


def test_the_lines_for_scripts_written_for_domo_keep_every_value(web, token, dataset, rows):
    pytest.importorskip("pydomo")
    (block,) = [block for block in blocks("api.md") if "Domo(" in block]
    host = urlsplit(web.url).netloc
    block = block.replace('api_host="HOST"', f'api_host="{host}", use_https=False').replace("bh_…", token)
    found = run(block.replace("DATASET ID OR SLUG", SLUG))

    assert found["code"].tolist() == [blank(row["code"]) for row in rows]
    assert found["whole"].tolist() == ["" if row["whole"] is None else str(row["whole"]) for row in rows]
    assert found["huge"].tolist() == [blank(text_of(row["huge"])) for row in rows]
