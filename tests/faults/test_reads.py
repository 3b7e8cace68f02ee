"""Reads during replaces, by four kinds of readers: each sees one generation whole, never none and never two.

FAULTS_REPLACES is how often the dataset is replaced (5 in the suite, 200 in `make faults`).
"""

import csv
import http.client
import io
import json
import os
import threading
import time
import urllib.request
from collections import Counter

import psycopg
import pytest

from tests.backfill.conftest import account, fast_amazon, fill, make_dataset  # noqa: F401
from tests.checker import Checker
from tests.days import day_before
from tests.living import Installation, database_url
from tests.serving import shop

# ruff: noqa: F811
REPLACES = int(os.environ.get("FAULTS_REPLACES", 5))
READS = 50 * REPLACES  # at least, by all readers together
DAYS = 4

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(120 + 10 * REPLACES),
]


class Reader(threading.Thread):
    """Reads the whole dataset over and over; a read is a list of (order, batch)."""

    def __init__(self, name, read, truth):
        super().__init__(daemon=True)
        self.name, self.read, self.truth = name, read, truth
        self.reads, self.wrong, self.batches, self.is_over = 0, [], set(), threading.Event()

    def run(self):
        while not self.is_over.is_set():
            try:
                rows = self.read()
            except Exception as problem:
                self.wrong.append(f"{type(problem).__name__}: {problem}")
                time.sleep(0.1)
                continue
            orders, batches = Counter(order for order, _ in rows), {int(batch) for _, batch in rows}
            if orders != self.truth or len(batches) != 1:
                self.wrong.append(f"{orders.total()} of {self.truth.total()} rows, of batches {sorted(batches)}")
            self.batches |= batches
            self.reads += 1


@pytest.fixture
def web(tmp_path, fast_amazon):
    living = Installation(tmp_path, static=tmp_path)
    living.start_web()
    yield living
    living.stop()


def table_of(link, dataset_id):
    generation = link.execute("SELECT generation FROM datasets_dataset WHERE id = %s", [dataset_id]).fetchone()[0]
    return f"data.ds_{dataset_id}" + ("" if generation == 1 else f"_g{generation}")


class Readers:
    """The four kinds."""

    def __init__(self, url, token, dataset):
        self.address, self.dataset_id = f"{url}/api/v1/datasets/{dataset.slug}", dataset.pk
        self.headers = {"Authorization": f"Bearer {token}"}
        self.links = [psycopg.connect(database_url(), autocommit=True) for _ in range(2)]

    def close(self):
        for link in self.links:
            link.close()

    def _get(self, url):
        return urllib.request.urlopen(urllib.request.Request(url, headers=self.headers), timeout=30)

    def json_pages(self):
        """Page by page; the dataset may be replaced between two of them."""
        url, rows = f"{self.address}/rows.json?_limit=10&_select=amazon_order_id,_batch_id", []
        while url:
            with self._get(url) as answer:
                page = json.load(answer)
            rows += [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in page["rows"]]
            url = page["next"]
        return rows

    def csv_stream(self):
        with self._get(f"{self.address}/export.csv?_select=amazon_order_id,_batch_id") as answer:
            text = answer.read().decode("utf-8-sig")
        return [tuple(row) for row in list(csv.reader(io.StringIO(text, newline="")))[1:]]

    def old_snapshot(self):
        """What a transaction saw at first it sees to its end, however often the dataset is replaced meanwhile."""
        link = self.links[0]
        with link.transaction():
            link.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            statement = f"SELECT amazon_order_id, _batch_id FROM {table_of(link, self.dataset_id)}"
            first = link.execute(statement).fetchall()
            time.sleep(0.2)
            statement = f"SELECT amazon_order_id, _batch_id FROM {table_of(link, self.dataset_id)}"
            assert sorted(link.execute(statement).fetchall()) == sorted(first)
        return first

    def plain_sql(self):
        link = self.links[1]
        time.sleep(0.01)
        return link.execute(f"SELECT amazon_order_id, _batch_id FROM {table_of(link, self.dataset_id)}").fetchall()


def test_a_reader_during_a_replace_sees_one_generation_whole(web, alice, make_dataset, fill, simulator):
    """C12, F1."""
    dataset = make_dataset("order_details", start=f"today-{DAYS}", end="yesterday", mode="replace")
    assert fill(dataset).state == "succeeded"
    checker = Checker(dataset.pk, simulator)
    truth = Counter(order for day in checker.truth(day_before(DAYS), day_before(1)).values() for order in day["ids"])
    kinds = Readers(web.url, shop.token_for(alice), dataset)
    readers = [
        Reader(read.__name__, read, truth)
        for read in (kinds.json_pages, kinds.csv_stream, kinds.old_snapshot, kinds.plain_sql)
    ]
    for reader in readers:
        reader.start()

    batches = {dataset.runs.get().pk}
    while len(batches) <= REPLACES or sum(reader.reads for reader in readers) < READS:
        run = fill(dataset)
        assert run.state == "succeeded", run.message
        batches.add(run.pk)
    for reader in readers:
        reader.is_over.set()
    for reader in readers:
        reader.join(30)

    assert {reader.name: reader.wrong[:3] for reader in readers if reader.wrong} == {}
    assert sum(reader.reads for reader in readers) >= READS
    assert all(reader.batches <= batches and len(reader.batches) > 1 for reader in readers)
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1)) == truth.total() > 10
    told = ", ".join(f"{reader.reads} by {reader.name}" for reader in readers)
    print(f"\n{len(batches) - 1} replaces; reads: {told}; 0 empty, 0 mixed")
    checker.close()
    kinds.close()


def test_a_download_that_is_cut_short_never_looks_whole(web, alice, make_dataset, fill):
    """A17, C9, F9: the line to the database breaks, or the web server is killed, in the middle of a file."""
    dataset = make_dataset("order_details", start=f"today-{DAYS}", end="yesterday")
    assert fill(dataset).state == "succeeded"
    link = psycopg.connect(database_url(), autocommit=True)
    table = table_of(link, dataset.pk)
    columns = [
        name
        for (name,) in link.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attname <> '_id'",
            [table],
        )
    ]
    named = ", ".join(columns)
    link.execute(
        f"INSERT INTO {table} ({named}) SELECT {named} FROM {table}, generate_series(1, 200000 / (SELECT count(*) FROM {table}))"
    )
    kinds = Readers(web.url, shop.token_for(alice), dataset)

    for cut in ("database", "web"):
        with kinds._get(f"{kinds.address}/export.csv") as answer:
            answer.read(1000)
            if cut == "database":
                gone = link.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%%COPY%%' AND pid <> %s "
                    "AND datname = current_database() AND state = 'active'",
                    [link.info.backend_pid],
                ).fetchall()
                assert gone == [(True,)]
            else:
                web.kill("web")
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
    kinds.close()
    link.close()
