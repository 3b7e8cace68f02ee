"""Malformed answers by the hundred (by the thousand with MALFORMED=10000): none is an unhandled error, none lands a wrong row.

The mass goes through the real client, reader and landing without a socket; some go through a whole run over HTTP.
"""

import base64
import json
import os
from collections import Counter
from datetime import datetime
from functools import lru_cache
from itertools import islice
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import httpx2
import pytest
from django.db import connection

from connector.catalogue import index
from connector.database.clock import database_now
from connector.simulator import flat_file, partners
from connector.simulator.marketplaces import BY_COUNTRY
from connector.simulator.order_json import render
from connector.simulator.simulator import Simulator
from connector.spapi import errors
from connector.spapi.client import Client
from datasets.backfill import fetch, lease, runs
from datasets.backfill.sources.asking import Asking
from datasets.models import Day, Request, Run
from tests.days import day_before
from tests.faults import malformed
from tests.faults.driving import drive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

MASS = int(os.environ.get("MALFORMED") or 300)
OVER_HTTP = 8 if MASS <= 300 else 200
FRESH_TABLE = 25  # cases, after which columns that became text are typed again
DOCUMENT = "https://tortuga-prod-na.s3.us-west-2.amazonaws.com/D1"
INCLUDED = (
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "FULFILLMENT",
    "PACKAGES",
    "PAYMENT",
    "FULFILLMENT_ORDERS",
)


def early_orders(day):
    """Up to twelve orders of the day's first hours."""
    world, partner = Simulator(), partners.BY_ID["A2DEMOSELLERXL"]
    start = datetime(day.year, day.month, day.day, 1, tzinfo=ZoneInfo("America/Los_Angeles")).timestamp()
    return list(
        islice(world.world.created(partner, [BY_COUNTRY["US"]], start, start + 6 * 3600, world.clock.now()), 12)
    )


@lru_cache
def some_orders(days):
    """Real-looking orders of these days, as JSON and as rows of the flat file."""
    now, found = Simulator().clock.now(), [order for day in days for order in early_orders(day)]
    return [render(order, now, INCLUDED) for order in found], [
        {name: "" if value is None else str(value).translate(flat_file.BREAKS) for name, value in row.items()}
        for order in found
        for row in flat_file.lines(order, now)
    ]


class Mass:
    """One dataset, one run and one request, used for case after case."""

    def __init__(self, dataset, days):
        self.dataset, self.days, self.cases = dataset, days, 0
        self.run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        self.fence = lease.take(self.run.pk)
        self.run.refresh_from_db()
        self.report = index.effective(dataset.report, dataset.options)
        self.is_report = self.report.source.kind == "report"

    def land(self, case):
        """Takes the case as far as it goes; answers the error that ended it, or None."""
        self.cases += 1
        if self.cases % FRESH_TABLE == 0:
            self._sql(f"DROP TABLE IF EXISTS data.ds_{self.dataset.pk}")
        Request.objects.filter(dataset=self.dataset).delete()
        Day.objects.filter(dataset=self.dataset).delete()
        request = Request.plan(self.dataset, self.run.generation, *self.days, kind=self.report.source.kind, asked={})
        for day in self.days:
            Day.objects.create(
                dataset=self.dataset, generation=self.run.generation, day=day, state=Day.State.ASKED, request=request
            )
        client = Client(
            "https://amazon.example",
            lambda force_refresh=False: "token",
            lambda operation: 0,
            transport=httpx2.MockTransport(self._speaking(case)),
            sleep=lambda seconds: None,
        )
        lost = SimpleNamespace(is_set=lambda: False)
        asking = Asking(
            self.run, self.fence, self.report, self.dataset.account, self.dataset.account.zone, lost, given=client
        )
        for _ in range(8):
            try:
                fetch.step(asking, request)
            except errors.SpapiError as problem:
                assert problem.message and "\0" not in problem.message
                return problem
            request.refresh_from_db()
            if request.state == Request.State.DONE:
                return None
        return errors.Unreachable(request.message, wait=1)

    def _speaking(self, case):
        def speak(request):
            path = request.url.path
            if path.endswith("/orders"):
                token = request.url.params.get("paginationToken", "token -1")
                number = int(token.removeprefix("token ")) + 1
                content = {"content": case.bodies[number], "headers": {"Content-Type": "application/json"}}
                return httpx2.Response(case.statuses[number], **content)
            if path.endswith("/D1") and "documents" not in path:
                length = {"Content-Length": str(len(case.bodies[0]))}
                return httpx2.Response(200, stream=httpx2.ByteStream(case.bodies[0]), headers=case.headers | length)
            if path.endswith("/reports"):
                return httpx2.Response(202, json={"reportId": "1"})
            if "/documents/" in path:
                return httpx2.Response(200, json={"reportDocumentId": "D1", "url": DOCUMENT})
            return httpx2.Response(200, json={"processingStatus": "DONE", "reportDocumentId": "D1"})

        return speak

    def judge(self, case, problem):
        """No wrong row, none too many, and where nothing excuses it none too few; everything can be read back."""
        landed = set(Day.objects.filter(dataset=self.dataset, state__in=Day.IN).values_list("day", flat=True))
        rows = self.rows() if landed else []
        told = f"{case.seed}: {', '.join(case.how)}; {problem and problem.message}"
        if not case.is_whole:
            assert not landed, f"{told}: landed {landed}"
            return
        by_day, expected = {}, case.days()
        for row in rows:
            by_day.setdefault(row["_day"], Counter())[row["amazon_order_id"]] += 1
        if not case.is_checked:
            return
        for day, ids in by_day.items():
            assert day in landed, told
            assert not ids - expected.get(day, Counter()), f"{told}: {day} has {ids - expected.get(day, Counter())}"
        if problem is None and (case.is_exact or not case.how):
            assert {day: set(ids) for day, ids in by_day.items()} == {day: set(ids) for day, ids in expected.items()}, (
                told
            )
        for row in rows:
            self.judge_row(case, row, told)

    def judge_row(self, case, row, told):
        written = [cells for day, key, cells in case.rows if (day, key) == (row["_day"], row["amazon_order_id"])]
        for cells in written:
            wrong = [
                (name, value, row[self.column(name)])
                for name, value in cells.items()
                if self.column(name) in row and not self.is_same(row[self.column(name)], value)
            ]
            if not wrong:
                return
        raise AssertionError(f"{told}: {wrong}")

    def column(self, title):
        return title.replace("-", "_")

    def is_same(self, got, written):
        if malformed.is_same(got, written):
            return True
        if isinstance(written, str) and self.is_report:  # a value fenced in wholly loses its fence
            inside = written.strip("\r")
            if len(inside) > 1 and inside[0] == inside[-1] == '"':
                return malformed.is_same(got, inside[1:-1].replace('""', '"'))
            return malformed.is_same(got, inside)
        return False

    def rows(self):
        """Everything there is, read as a client would."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM data.ds_{self.dataset.pk}")
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @staticmethod
    def _sql(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.fixture
def days():
    """Two days in a row, older first, on each of which something was sold."""
    ago = next(ago for ago in range(5, 40) if all(early_orders(day_before(ago + more)) for more in (0, 1)))
    return day_before(ago + 1), day_before(ago)


def work_off(mass, cases):
    outcomes = Counter()
    for case in cases:
        if mass.cases:
            with connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass(%s)", [f"data.ds_{mass.dataset.pk}"])
                if cursor.fetchone()[0]:
                    cursor.execute(f"TRUNCATE data.ds_{mass.dataset.pk}")
        try:
            problem = mass.land(case)
            mass.judge(case, problem)
        except AssertionError:
            raise
        except Exception as bug:
            raise AssertionError(f"{case.seed}: {', '.join(case.how)}: {type(bug).__name__}: {bug}") from bug
        outcomes["landed" if problem is None else type(problem).__name__] += 1
    return outcomes


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("report", ["order_details", "order_items"])
def test_malformed_pages_land_no_wrong_row(make_dataset, days, report):
    mass = Mass(make_dataset(report), days)
    orders, _ = some_orders(days)

    cases = (malformed.pages(f"{report} {number}", orders, days) for number in range(MASS // 4))
    if report == "order_items":
        cases = (_as_items(case) for case in cases)
    outcomes = work_off(mass, cases)

    assert outcomes["landed"] > MASS // 12 and len(outcomes) >= 3, outcomes


def _as_items(case):
    """Of items the oracle knows only which orders they may belong to."""
    case.rows = [(day, key, {}) for day, key in case.anywhere for _ in range(2000)]
    case.is_exact = False
    case.how.append("items")
    return case


@pytest.mark.timeout(7200)
def test_malformed_documents_land_no_wrong_row(make_dataset, days):
    options = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
    mass = Mass(make_dataset("create_and_download_report", options=options), days)
    _, rows = some_orders(days)

    outcomes = work_off(
        mass, (malformed.document(number, flat_file.COLUMNS, rows, days) for number in range(MASS // 2))
    )

    assert outcomes["landed"] > MASS // 6 and len(outcomes) >= 2, outcomes


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["pages", "document"])
def test_malformed_answers_over_http_only_fail_or_hold_up_their_days(make_chain, make_file, amazon, kind):
    """A whole run each; what the fault spares is Amazon's truth, and the next run makes it whole."""
    subject = make_chain() if kind == "pages" else make_file()
    orders, rows = some_orders((subject.first, subject.last))
    operation = "searchOrders" if kind == "pages" else "downloadDocument"
    for number in range(OVER_HTTP):
        days = (subject.first, subject.last)
        if kind == "pages":
            case = malformed.pages(f"http {number}", orders, days)
        else:
            case = malformed.document(f"http {number}", flat_file.COLUMNS, rows, days)
        subject.again()
        for body, status in zip(case.bodies, case.statuses or [200], strict=False):
            amazon.fault(
                operation,
                "body",
                count=1,
                status=status,
                body=base64.b64encode(body).decode(),
                content_type=case.headers.get("Content-Type", "application/json"),
            )

        run = drive(subject.dataset)

        assert run.state in ("succeeded", "partial", "failed"), f"{case.seed}: {run.message}"
        assert run.state == "succeeded" or run.message, case.seed
    subject.again()
    assert drive(subject.dataset).state == "succeeded"
    subject.assert_whole()


def test_the_generator_repeats_itself(days):
    orders, rows = some_orders(days)
    for _ in range(2):
        assert malformed.pages(7, orders, days).bodies == malformed.pages(7, orders, days).bodies
        assert malformed.document(7, flat_file.COLUMNS, rows, days).bodies == (
            malformed.document(7, flat_file.COLUMNS, rows, days).bodies
        )
    assert json.dumps(orders)
