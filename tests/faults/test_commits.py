"""COMMITs whose fate a worker does not learn: the line breaks before one arrives, or after it was done.

FAULTS_COMMITS is how many are cut in each mode (7 in the suite, 334 in `make faults`).
"""

import os
import socket
import time

import pytest
from django.db import connection

from connector.database.clock import database_now
from datasets.backfill import runs
from datasets.models import Day, Run
from tests.backfill.conftest import account, fast_amazon, make_dataset  # noqa: F401
from tests.checker import Checker
from tests.days import day_before
from tests.faults.nursery import Nursery, Watch, expected
from tests.faults.proxy import Proxy
from tests.faults.test_kills import MODES, keep_busy

# ruff: noqa: F811
COMMITS = int(os.environ.get("FAULTS_COMMITS", 7))
DAYS = 10

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(120 + 6 * COMMITS),
]


def to_postgresql():
    found = connection.settings_dict
    if found["HOST"].startswith("/"):
        line = socket.socket(socket.AF_UNIX)
        line.connect(f"{found['HOST']}/.s.PGSQL.{found['PORT'] or 5432}")
        return line
    return socket.create_connection((found["HOST"] or "127.0.0.1", int(found["PORT"] or 5432)), timeout=10)


@pytest.fixture
def proxy():
    made = Proxy(to_postgresql, share=0.25, seed=COMMITS)
    yield made
    made.close()


def through(proxy):
    """DATABASE_URL by way of the proxy, in clear."""
    found = connection.settings_dict
    login = found["USER"] + (f":{found['PASSWORD']}" if found["PASSWORD"] else "")
    return f"postgresql://{login}@127.0.0.1:{proxy.port}/{found['NAME']}?sslmode=disable&gssencmode=disable"


@pytest.mark.parametrize(("report", "mode", "by"), MODES)
def test_a_commit_of_unknown_fate_loses_and_doubles_nothing(tmp_path, proxy, make_dataset, simulator, report, mode, by):
    """A3, C1."""
    dataset = make_dataset(report, start=f"today-{DAYS}", end="yesterday", mode=mode)
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1), by=by)
    began = time.monotonic()

    with Nursery(tmp_path, DATABASE_URL=through(proxy)) as nursery, Watch((dataset.pk, expected(truth))) as watch:
        nursery.fork()
        while proxy.cut < COMMITS:
            keep_busy(dataset)
            assert time.monotonic() - began < 60 + 5 * COMMITS, nursery.log.read_text()[-2000:]
            time.sleep(0.05)
        proxy.share = 0
        seconds = time.monotonic() - began
        keep_busy(dataset)
        nursery.finish()
        last = dataset.runs.latest("pk")
        if last.state != Run.State.SUCCEEDED:
            last = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            nursery.finish()

    last.refresh_from_db()
    assert last.state == Run.State.SUCCEEDED, last.message
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1), by=by) > 0
    assert watch.wrong == []
    assert set(dataset.runs.values_list("interruptions", flat=True)) == {0}  # nobody waited for a lease to run out
    assert not Day.objects.filter(dataset=dataset, generation=last.generation).exclude(state__in=Day.IN).exists()
    print(
        f"\n{mode}: {proxy.cut_before} COMMITs cut before and {proxy.cut_after} after the server had them, of {proxy.passed}, "
        f"in {seconds:.0f} s; {dataset.runs.count()} runs, {watch.looks} looks"
    )
    checker.close()
