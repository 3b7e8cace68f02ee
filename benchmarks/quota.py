"""A backfill that only Amazon's rates hold up, on the simulator: against what the published rates allow by arithmetic.

A real worker and beat work on it. The rates, and the time that Amazon takes to build a report, all go by one factor, so
that hours become a minute; what our own work takes does not, and so counts that much more.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime

from benchmarks.ground import PROJECT, Figure

DAYS, PAGES_DAYS = 730, 365
FILE, BY_ORDER_DATE = "create_and_download_report", "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
BY_LAST_UPDATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
FILE_FACTOR, PAGES_FACTOR, QUICK = 10, 100, 1000
BUILDING = 60  # seconds that Amazon usually takes for a report


def run(ground):
    with _simulator(ground) as amazon:
        yield from _file(ground, amazon)
        yield from _pages(ground, amazon)
        yield from _single_days(ground, amazon)


def _file(ground, amazon):
    amazon.pace(FILE_FACTOR)
    dataset = amazon.dataset(ground, "file", FILE, {"report_type": BY_ORDER_DATE}, f"today-{DAYS}", "yesterday")
    seconds, forecast = _backfill(ground, dataset, FILE_FACTOR)
    calls, refill = amazon.calls("createReport"), 1 / (0.0167 * FILE_FACTOR)
    bound = (calls - 15) * refill + BUILDING / FILE_FACTOR
    yield _last_call("createReport", amazon, (calls - 15) * refill, FILE_FACTOR)
    yield _timed(
        f"{DAYS} days of the all-orders file", calls, seconds, bound, FILE_FACTOR, "the last report's building"
    )
    yield _forecast(f"{DAYS} days of the all-orders file", forecast, seconds)
    yield Figure("createReport calls for them", f"{calls}", "", "", "≤ 25", calls <= 25)
    yield _throttled("while the files came", amazon)


def _pages(ground, amazon):
    amazon.pace(PAGES_FACTOR)
    dataset = amazon.dataset(ground, "pages", "order_details", {}, f"today-{PAGES_DAYS}", "yesterday", "A2DEMOSELLER02")
    seconds, _ = _backfill(ground, dataset, PAGES_FACTOR)
    dataset.refresh_from_db()
    calls, fewest = amazon.calls("searchOrders"), math.ceil(dataset.rows / 100)
    bound = (calls - 20) / (0.0056 * PAGES_FACTOR)
    yield _last_call("searchOrders", amazon, bound, PAGES_FACTOR)
    what = f"{dataset.rows:,} orders of {PAGES_DAYS} days by pages"
    yield _timed(what, calls, seconds, bound, PAGES_FACTOR, "so many pages")
    yield Figure(
        f"pages for {dataset.rows:,} orders", f"{calls}", f"{fewest} if all were full", f"{calls / fewest:.3f}",
        "≤ 1.1 × the fewest", calls <= 1.1 * fewest,
    )  # fmt: skip
    yield _throttled("while the pages came", amazon)


def _single_days(ground, amazon):
    """One day that fails, and one of which Amazon has nothing to tell; driven from here, as only calls count."""
    amazon.pace(QUICK)
    answers = {"report_type": BY_LAST_UPDATE}  # another one than before, whose answers would be shared
    dataset = amazon.dataset(ground, "single", FILE, answers, "today-40", "today-10")
    _drive(dataset)
    for what, kind, times, goal in (
        ("the run after one failed day", "fatal", 3, 1),
        ("a day of which Amazon has nothing to tell", "cancelled", 1, 1),
    ):
        dataset.start = f"today-{int(dataset.start.removeprefix('today-')) + 1}"
        dataset.save(update_fields=["start"])
        amazon.fault("createReport", kind, count=times)
        state = _drive(dataset)
        first = amazon.calls("createReport")
        amazon.forget()
        then = _drive(dataset)
        calls = amazon.calls("createReport") if kind == "fatal" else first + amazon.calls("createReport")
        right = then == "succeeded" and state == ("failed" if kind == "fatal" else "succeeded")
        yield Figure(f"createReport calls of {what}", f"{calls}", "", "", f"= {goal}", right and calls == goal)


def _timed(what, calls, seconds, bound, factor, more):
    ratio = seconds / bound
    return Figure(
        f"{what}, {calls} calls, at {factor} times Amazon's pace", f"{seconds:.1f} s",
        f"the rates allow {bound:.1f} s with {more}", f"{ratio:.3f}", "≤ 1.05 × the bound", ratio <= 1.05,
    )  # fmt: skip


def _last_call(operation, amazon, bound, factor):
    """How well the quota is used, whatever else the machine has to do: the work after the last call is not in it."""
    moments = [entry["at"] for entry in amazon.control(f"requests?operation={operation}")["requests"]]
    seconds = max(moments) - min(moments)
    return Figure(
        f"from the first to the last of {len(moments)} calls of {operation}, at {factor} times Amazon's pace",
        f"{seconds:.1f} s", f"the rates allow {bound:.1f} s", f"{seconds / bound:.3f}", "≤ 1.05 × the bound",
        seconds <= 1.05 * bound,
    )  # fmt: skip


def _forecast(what, said, seconds):
    return Figure(
        f"time forecast for {what}", f"{said:.1f} s", f"it took {seconds:.1f} s", f"{said / seconds:.2f}",
        "within a quarter", 0.75 <= said / seconds <= 1.25,
    )  # fmt: skip


def _throttled(when, amazon):
    found = amazon.control("counts")["throttled"]
    amazon.forget()
    return Figure(f"429s {when}", f"{sum(found.values())}", "", "", "none", not found)


# Who works


def _backfill(ground, dataset, factor):
    """(seconds from the first turn of a worker to the end, as foretold) of a run that a worker and beat of their own bring to its end."""
    from django.db import connection

    from connector.catalogue import index
    from connector.database.clock import database_now
    from datasets.backfill import forecast, tasks
    from datasets.backfill.span import span_of

    report = index.effective(dataset.report, dataset.options)
    span = span_of(dataset, report, database_now())
    said = forecast.forecast(report, dataset.account, span.first, span.last)
    with _workers(ground, factor):
        run = tasks.start(dataset)
        while run.is_open:
            connection.close()
            time.sleep(0.2)
            run.refresh_from_db()
    assert run.state == "succeeded", run.message
    return (run.ended_at - run.started_at).total_seconds(), said.seconds


def _drive(dataset):
    """A run to its end in this process; answers how it ended."""
    from connector.database.clock import database_now
    from datasets.backfill import engine, runs
    from datasets.models import Run

    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    while run.is_open:
        time.sleep(min(engine.advance(run.pk) or 0.01, 1.0))
        run.refresh_from_db()
    return run.state


@contextlib.contextmanager
def _workers(ground, factor):
    """One Celery worker with two hands, and beat, as in production."""
    common = [sys.executable, "-m", "celery", "-A", "connector"]
    environment = os.environ | ground.amazon | {"SPAPI_RATE_FACTOR": str(factor)}
    with (ground.folder / "workers.log").open("ab") as log:
        started = [
            subprocess.Popen([*common, *words], cwd=PROJECT, env=environment, stdout=log, stderr=log)
            for words in (("worker", "-c", "2", "--without-gossip", "--without-mingle"), ("beat",))
        ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# Amazon


class Amazon:
    """The simulator, and the accounts that are connected to it."""

    def __init__(self, url):
        self.url = url

    def control(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/simulator/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def pace(self, factor):
        """Amazon as new, and we with it: full buckets, and all rates so many times as high."""
        from django.conf import settings

        from connector.accounts.models import Account, Quota

        settings.SPAPI_RATE_FACTOR = factor
        Quota.objects.all().delete()
        Account.objects.update(access_token="", access_fresh_until=None)
        self.control("reset", {})
        self.control("settings", {"rate_factor": factor, "processing_seconds": BUILDING / factor})

    def dataset(self, ground, slug, report, options, start, end, seller="A2DEMOSELLER01"):
        found = ground.dataset(slug, report, options, "append")
        found.account, found.start, found.end = self.accounts[seller], start, end
        found.save()
        return found

    def fault(self, operation, kind, **rule):
        self.forget()
        self.control("faults", {"operation": operation, "kind": kind, **rule})

    def forget(self):
        self.control("requests", method="DELETE")

    def calls(self, operation):
        return self.control("counts")["requests"].get(operation, 0)


@contextlib.contextmanager
def _simulator(ground):
    command = [sys.executable, "-m", "connector.simulator", "--host", "127.0.0.1"]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        amazon = Amazon(process.stdout.readline().removeprefix("listening on ").strip())
        ground.amazon = _settings(amazon.url)
        amazon.accounts = _connect(ground)
        yield amazon
    finally:
        process.terminate()
        process.wait()


def _settings(url):
    """What makes the simulator our Amazon: for this process, and as the environment of others."""
    from django.conf import settings

    environment = {f"SPAPI_ENDPOINT_{region}": url for region in ("NA", "EU", "FE")} | {
        "LWA_TOKEN_URL": f"{url}/auth/o2/token",
        "SPAPI_DOCUMENT_HOSTS": url.removeprefix("http://"),
        "LWA_CLIENT_ID": "amzn1.application-oa2-client.simulator",
        "LWA_CLIENT_SECRET": "simulator-secret",
        "SPAPI_APPLICATION_ID": "amzn1.sellerapps.app.simulator",
    }
    settings.SPAPI_ENDPOINTS = dict.fromkeys(("NA", "EU", "FE"), url)
    for name, value in environment.items():
        if not name.startswith("SPAPI_ENDPOINT_"):
            setattr(settings, name, [value] if name == "SPAPI_DOCUMENT_HOSTS" else value)
    return environment


def _connect(ground):
    """{seller: account} of two of the simulator's sellers."""
    from connector.accounts import connect

    owner, now = ground.account.owner, datetime.now(UTC)
    tokens = {"A2DEMOSELLER01": "Atzr|simulator-seller", "A2DEMOSELLER02": "Atzr|simulator-seller-2"}
    return {
        seller: connect.paste(owner, seller, "seller", ["US"], seller, token, now=now)
        for seller, token in tokens.items()
    }
