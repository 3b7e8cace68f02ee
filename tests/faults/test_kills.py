"""Nothing is lost, doubled or seen half done, whatever dies and whenever: the short form of `make faults`.

FAULTS_KILLS is how many kills each mode gets (6 in the suite, hundreds in `make faults`).
"""

import os
import random
import threading
import time

import psycopg
import pytest

from datasets import tasks
from datasets.backfill.engine import AlreadyRunning
from datasets.models import Dataset, Day, Run
from tests.backfill.conftest import account, day_before, fast_amazon, make_dataset  # noqa: F401
from tests.checker import Checker
from tests.living import Installation, database_url, wait_until

KILLS = int(os.environ.get("FAULTS_KILLS", 6))
DAYS = 25

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(240 + 15 * KILLS),
]


@pytest.fixture
def installation(tmp_path, fast_amazon):  # noqa: F811
    living = Installation(tmp_path)
    living.start("beat")
    living.start("worker")
    yield living
    living.stop()


class Watcher(threading.Thread):
    """A reader that looks all the time: each day is wholly there or not at all, and a replace is never empty again."""

    def __init__(self, dataset, expected):
        super().__init__(daemon=True)
        self.dataset, self.expected = dataset, expected
        self.looks, self.wrong, self.over = 0, [], threading.Event()

    def run(self):
        link = psycopg.connect(database_url())
        link.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        was_full = False
        while not self.over.is_set():
            with link.transaction():
                generation = link.execute(
                    "SELECT generation FROM datasets_dataset WHERE id = %s", [self.dataset.pk]
                ).fetchone()[0]
                table = f"data.ds_{self.dataset.pk}" + ("" if generation == 1 else f"_g{generation}")
                if link.execute("SELECT to_regclass(%s)", [table]).fetchone()[0] is None:
                    continue
                seen = dict(link.execute(f"SELECT _day::text, count(*) FROM {table} GROUP BY 1"))
            self.looks += 1
            half = {day: rows for day, rows in seen.items() if rows != self.expected.get(day)}
            if half:
                self.wrong.append(half)
            if self.dataset.mode == "replace" and was_full and len(seen) < len(self.expected):
                self.wrong.append("a replaced dataset was not whole")
            was_full = was_full or len(seen) == len(self.expected)
            time.sleep(0.01)
        link.close()

    def stop(self):
        self.over.set()
        self.join(10)


def is_over(run):
    run.refresh_from_db()
    return not run.is_open


def keep_busy(dataset):
    """The run under way, or a new one that has to write every day once more."""
    found = dataset.open_run()
    if found:
        return found
    Day.objects.filter(dataset=dataset, state__in=Day.IN).update(again=True, checksum="written again")
    try:
        return tasks.start(dataset)
    except AlreadyRunning as running:
        return running.run


@pytest.mark.parametrize(
    ("report", "mode", "by"),
    [
        ("order_details", Dataset.Mode.APPEND, "created"),
        ("order_details", Dataset.Mode.REPLACE, "created"),
        ("orders_list_orders_upsert", Dataset.Mode.MERGE, "last_updated"),
    ],
)
def test_workers_killed_at_random_lose_and_double_nothing(installation, make_dataset, simulator, report, mode, by):  # noqa: F811
    chance = random.Random(KILLS)
    dataset = make_dataset(report, start=f"today-{DAYS}", end="yesterday", mode=mode)
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1), by=by)
    watcher = Watcher(dataset, {day: so["orders"] for day, so in truth.items() if so["orders"]})
    watcher.start()

    for _ in range(KILLS):
        keep_busy(dataset)
        time.sleep(chance.uniform(0.2, 2.0))
        installation.kill("worker")
        installation.start("worker")
    run = keep_busy(dataset)
    wait_until(lambda: is_over(run), seconds=200)
    watcher.stop()

    assert run.state == Run.State.SUCCEEDED, run.message
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1), by=by) > 0
    assert watcher.looks > 0
    assert watcher.wrong == []
    checker.close()
