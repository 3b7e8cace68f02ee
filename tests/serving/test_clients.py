"""The programs people use, each for real, against a running server."""

import csv
import gzip
import http.client
import io
import json
import random
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import openpyxl
import pytest
import zstandard
from pyarrow import parquet

from datasets.rows.pool import pool
from tests.serving import shop

pytestmark = [pytest.mark.django_db, pytest.mark.integration, pytest.mark.slow]
MANY = 60_000  # rows: more than all buffers between PostgreSQL and a reader who does not read


@pytest.fixture(scope="module")
def rows():
    return shop.orders(500)


@pytest.fixture(scope="module")
def big(make):
    return make.dataset("big_one", rows=shop.orders(MANY, seed=3))


@pytest.fixture(scope="module")
def novel(make):
    """Two rows with texts too long to lie in the row itself."""
    chance = random.Random(5)
    long = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=30_000))
    return make.dataset("a_novel", rows=[{"title": long}, {"title": long[::-1]}])


@pytest.fixture(scope="module")
def token(make):
    return make.token()


@pytest.fixture
def url(web, orders):
    return f"{web.url}/api/v1/datasets/orders_us"


def exporting(make):
    """Backends that are in the middle of a COPY for a reader."""

    def ask():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE query LIKE 'COPY (SELECT%%' AND state = 'active' AND datname = current_database()"
            )
            return cursor.fetchone()[0]

    return make.run(ask)


@contextmanager
def spellbound(make, dataset):
    """While this lasts, a statement that reads the dataset's long texts has begun and comes no further: PostgreSQL keeps
    long texts in a place of their own, whose index is being rebuilt here."""

    def where():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON reltoastrelid = indrelid"
                " WHERE pg_class.oid = %s::regclass",
                [f"data.ds_{dataset.pk}"],
            )
            return cursor.fetchone()[0]

    with pool().connection() as holder:
        holder.execute("BEGIN READ WRITE")
        try:
            holder.execute(f"REINDEX INDEX {make.run(where)}")
            yield
        finally:
            holder.rollback()


def eventually(check, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if check():
            return True
        time.sleep(0.05)
    return False


def curl(*arguments):
    return subprocess.run(["curl", "-sS", *arguments], capture_output=True, timeout=60)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
class TestCurl:
    def test_bearer_and_basic_give_the_same_file(self, url, token):
        by_bearer = curl("-f", "-H", f"Authorization: Bearer {token}", f"{url}/export.csv")
        by_password = curl("-f", "-u", f":{token}", f"{url}/export.csv")
        by_name = curl("-f", "-u", f"{token}:", f"{url}/export.csv")

        assert by_bearer.returncode == 0
        assert by_bearer.stdout == by_password.stdout == by_name.stdout
        assert by_bearer.stdout.count(b"\r\n") > 500

    def test_compressed_is_the_same_file(self, url, token):
        plain = curl("-f", "-u", f":{token}", f"{url}/export.csv").stdout
        zipped = curl("-f", "-u", f":{token}", "-H", "Accept-Encoding: gzip", f"{url}/export.csv").stdout
        squeezed = curl("-f", "-u", f":{token}", "-H", "Accept-Encoding: zstd, gzip", f"{url}/export.csv").stdout

        assert gzip.decompress(zipped) == plain
        assert zstandard.ZstdDecompressor().decompressobj().decompress(squeezed) == plain
        assert curl("-f", "--compressed", "-u", f":{token}", f"{url}/export.csv").stdout == plain

    def test_head_and_304(self, url, token, tmp_path):
        head = curl("-f", "-I", "-u", f":{token}", f"{url}/export.csv").stdout.decode()
        etag = tmp_path / "etag"
        curl("-f", "--etag-save", str(etag), "-u", f":{token}", f"{url}/export.csv")
        again = curl("-f", "-w", "%{http_code}", "--etag-compare", str(etag), "-u", f":{token}", f"{url}/export.csv")

        assert head.startswith("HTTP/1.1 200 OK")
        assert "X-Row-Count: 500" in head
        assert "Content-Length" not in head
        assert again.stdout == b"304"

    def test_no_token_says_how(self, url):
        answer = curl("-i", f"{url}/export.csv").stdout.decode()

        assert answer.startswith("HTTP/1.1 401")
        assert "WWW-Authenticate: Basic realm=" in answer
        assert "Location:" not in answer


def test_pandas_reads_csv_and_json(url, token, rows):
    import pandas as pd

    headers = {"Authorization": f"Bearer {token}"}
    table = pd.read_csv(f"{url}/export.csv", storage_options=headers, keep_default_na=False)
    typed = pd.read_csv(
        f"{url}/export.csv",
        storage_options=headers,
        dtype={"quantity": "Int64"},
        parse_dates=["purchase_date"],
        date_format="ISO8601",
    )
    lines = pd.read_json(f"{url}/export.ndjson", lines=True, storage_options=headers, dtype=False)

    assert table["title"].tolist() == [row["title"] or "" for row in rows]
    assert typed["quantity"].sum() == sum(row["quantity"] or 0 for row in rows)
    assert str(typed["purchase_date"].dt.tz) == "UTC"
    assert typed["purchase_date"].max() == max(row["purchase_date"] for row in rows if row["purchase_date"])
    assert [None if pd.isna(title) else title for title in lines["title"]] == [row["title"] for row in rows]


def test_duckdb_reads_over_http_with_a_secret(web, url, token, rows):
    duckdb = pytest.importorskip("duckdb")
    httpfs = pytest.importorskip("duckdb_extension_httpfs")
    extension = next(Path(httpfs.__file__).parent.rglob("httpfs.duckdb_extension"))
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"CREATE SECRET (TYPE http, BEARER_TOKEN '{token}', SCOPE '{web.url}')")

    count, total, latest = connection.execute(
        f"SELECT count(*), sum(item_price), max(purchase_date)::text FROM read_csv('{url}/export.csv')"
    ).fetchone()
    titles = connection.execute(f"SELECT title FROM read_json('{url}/export.ndjson')").fetchall()

    assert count == 500
    assert round(total, 2) == float(sum(row["item_price"] or 0 for row in rows))
    assert datetime.fromisoformat(latest) == max(row["purchase_date"] for row in rows if row["purchase_date"])
    assert [title for (title,) in titles] == [row["title"] for row in rows]


def test_openpyxl_pyarrow_and_duckdb_read_the_packed_files(url, token, rows, tmp_path):
    for suffix in ("xlsx", "parquet"):
        answer = curl("-f", "-u", f":{token}", "-o", str(tmp_path / f"orders.{suffix}"), f"{url}/export.{suffix}")
        assert answer.returncode == 0

    lines = list(openpyxl.load_workbook(tmp_path / "orders.xlsx")["Data"].iter_rows(values_only=True))
    table = parquet.read_table(tmp_path / "orders.parquet")
    duckdb = pytest.importorskip("duckdb")
    total = duckdb.sql(f"SELECT sum(item_price) FROM '{tmp_path / 'orders.parquet'}'").fetchone()[0]

    assert [line[0] for line in lines[1:]] == [row["amazon_order_id"] for row in rows]
    assert table["quantity"].to_pylist() == [row["quantity"] for row in rows]
    assert total == sum(row["item_price"] or 0 for row in rows)


def test_pythons_own_csv_reader_sees_every_newline_inside_a_cell(url, token, rows):
    text = curl("-f", "-u", f":{token}", f"{url}/export.csv?_select=title").stdout.decode()

    found = [row["title"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert found == [row["title"] or "" for row in rows]


# Streaming


def connect(web):
    parts = urlsplit(web.url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)


@pytest.mark.parametrize("encoding", ["identity", "zstd"])
def test_the_first_bytes_come_while_the_database_still_sorts(web, novel, token, make, encoding):
    asked = connect(web)
    with spellbound(make, novel):
        asked.request(
            "GET",
            "/api/v1/datasets/a_novel/export.csv?_sort=title",
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": encoding},
        )
        answer = asked.getresponse()
        first = answer.read1()
        assert eventually(lambda: exporting(make) == 1)

    rest = answer.read()
    asked.close()
    if encoding == "zstd":
        decoder = zstandard.ZstdDecompressor().decompressobj()
        first, rest = decoder.decompress(first), decoder.decompress(rest)
    assert first.startswith(b"amazon_order_id,") and first.endswith(b"\r\n")
    assert rest.count(b"\r\n") == 2


def test_a_reader_who_leaves_frees_the_connection(web, big, token, make):
    readers = []
    for _ in range(3):
        reader = connect(web)
        reader.request("GET", "/api/v1/datasets/big_one/export.json", headers={"Authorization": f"Bearer {token}"})
        reader.getresponse().read(1000)
        readers.append(reader)
    assert exporting(make) == 3

    for reader in readers:
        reader.sock.close() if reader.sock else None
        reader.close()

    assert eventually(lambda: exporting(make) == 0)


@pytest.mark.parametrize("suffix", ["ndjson", "parquet", "xlsx"])
def test_a_reader_who_leaves_before_the_first_row_stops_the_database_too(web, novel, token, make, suffix):
    reader = connect(web)
    with spellbound(make, novel):
        reader.request(
            "GET",
            f"/api/v1/datasets/a_novel/export.{suffix}?_sort=title",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert eventually(lambda: exporting(make) == 1)

        reader.sock.shutdown(socket.SHUT_RDWR)
        reader.close()

        assert eventually(lambda: exporting(make) == 0)


def test_a_reader_who_leaves_stops_a_query_too(web, big, token, make):
    sql = "SELECT count(*) FROM generate_series(1, 1000000000000)"  # thirty seconds, if nobody stops it
    reader = connect(web)
    reader.request("GET", f"/api/v1/query?sql={quote(sql)}", headers={"Authorization": f"Bearer {token}"})
    assert eventually(lambda: exporting(make) == 1)

    reader.sock.shutdown(socket.SHUT_RDWR)
    reader.close()

    assert eventually(lambda: exporting(make) == 0, seconds=20)


def test_a_reader_who_leaves_while_a_workbook_is_made_stops_the_work(web, big, token, make):
    def snapshots():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backhaul reading'"
                " AND xact_start IS NOT NULL AND datname = current_database()"
            )
            return cursor.fetchone()[0]

    left = subprocess.Popen(
        ["curl", "-sS", "-u", f":{token}", "-o", "/dev/null", f"{web.url}/api/v1/datasets/big_one/export.xlsx"]
    )
    try:
        assert eventually(lambda: make.run(snapshots) > 0)
    finally:
        left.kill()
        left.wait()

    assert eventually(lambda: make.run(snapshots) == 0)


def test_a_failure_in_the_middle_breaks_the_connection(web, big, token, make):
    """No reader takes half a file for a whole one, whichever HTTP they speak."""
    for version in (11, 10):
        reader = connect(web)
        reader._http_vsn, reader._http_vsn_str = version, f"HTTP/{version // 10}.{version % 10}"
        reader.request("GET", "/api/v1/datasets/big_one/export.csv", headers={"Authorization": f"Bearer {token}"})
        answer = reader.getresponse()
        answer.read(1000)

        def kill():
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'COPY (SELECT%%' AND datname = current_database()"
                )

        assert exporting(make) == 1
        make.run(kill)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()
        reader.close()


def test_pages_answer_while_slow_readers_hold_all_places(web, big, orders, make):
    readers = []
    for _ in range(3):
        token = make.token()
        for _ in range(4):
            reader = connect(web)
            reader.request("GET", "/api/v1/datasets/big_one/export.json", headers={"Authorization": f"Bearer {token}"})
            readers.append((reader, reader.getresponse()))
    taken = [answer.status for _, answer in readers]
    asked = connect(web)
    asked.request(
        "GET", "/api/v1/datasets/orders_us/rows.json?_limit=10", headers={"Authorization": f"Bearer {make.token()}"}
    )
    page = json.loads(asked.getresponse().read())
    for reader, answer in readers:
        answer.close()
        reader.close()

    assert taken.count(200) == 8
    assert taken.count(429) == 4
    assert len(page["rows"]) == 10


def test_the_docs_page_works_under_our_own_content_policy(web):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    sync_api = pytest.importorskip("playwright.sync_api")
    if not chromium:
        pytest.skip("Chromium is not installed")
    said = []

    def look():
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.on(
                "console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None
            )
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(f"{web.url}/api/docs")
            page.get_by_text("The whole result as a file").wait_for(timeout=20_000)
            browser.close()

    with ThreadPoolExecutor(
        1
    ) as thread:  # Playwright keeps an event loop, which Django does not want in its own thread
        thread.submit(look).result()

    assert said == []
