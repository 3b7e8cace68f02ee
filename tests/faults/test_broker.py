"""A broker that dies, forgets, is full or carries rubbish: what is due runs again, since the database knows what has to be done.

FAULTS_BROKER_RESTARTS is how often it is killed (2 in the suite, 100 in `make faults`); one time in five it has forgotten
everything, one time in five there are messages in it that nobody can read.
"""

import base64
import json
import os
import random
import shutil
import signal
import time

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from connector.celery import app
from connector.database.clock import database_now
from connector.runtime.broker import patience
from connector.runtime.embedded.services import Services
from datasets.backfill import runs
from datasets.models import Run
from tests.backfill.conftest import account, fast_amazon, fill, make_dataset  # noqa: F401
from tests.faults.nursery import Nursery
from tests.living import Installation, wait_until

# ruff: noqa: F811
RESTARTS = int(os.environ.get("FAULTS_BROKER_RESTARTS", 2))
TIMEOUT = 60 if RESTARTS > 10 else 150  # seconds; a suite's machine may be busy

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(180 + 60 * RESTARTS),
]


class Broker:
    """A Valkey of this test's own."""

    def __init__(self, folder):
        self.services = Services(folder, database=False, broker=True).start("a test")
        (self.valkey,) = self.services.servers
        self.url = self.valkey.url

    @property
    def process(self):
        return self.services.processes["valkey"]

    def start(self):
        self.services.processes["valkey"] = self.valkey.launch()
        self.valkey.wait_until_ready(self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.services.stop()

    def forget(self):
        shutil.rmtree(self.valkey.folder / "appendonlydir", ignore_errors=True)

    @property
    def line(self):
        return redis.Redis(unix_socket_path=str(self.valkey.socket))


@pytest.fixture
def broker(tmp_path_factory):
    made = Broker(tmp_path_factory.mktemp("b"))
    yield made
    made.stop()


class OverThisBroker(Installation):
    def __init__(self, folder, url):
        super().__init__(folder)
        self.broker_url = url

    def environment(self):
        return super().environment() | {"BROKER_URL": self.broker_url}


@pytest.fixture
def installation(broker, tmp_path, fast_amazon):
    living = OverThisBroker(tmp_path, broker.url)
    living.start("beat")
    living.start("worker")
    yield living
    living.stop()


def is_over(run):
    run.refresh_from_db()
    return not run.is_open


def message(task, body, kind="application/json"):
    """An envelope as Celery puts it on a list of Redis'."""
    delivery = {"exchange": "backfill", "routing_key": "backfill"}
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": kind,
            "headers": {"task": task, "id": task, "lang": "py"},
            "properties": {
                "delivery_tag": task + kind,
                "delivery_info": delivery,
                "delivery_mode": 2,
                "priority": 0,
                "body_encoding": "base64",
                "correlation_id": task,
            },
        }
    )


RUBBISH = (
    message("nobody.knows.this", b"[[], {}, {}]"),
    message("datasets.tasks.advance", b"{ this is no JSON"),
    message("datasets.tasks.advance", b'[["a", "b"], {"x": 1}, {}]'),
    message("datasets.tasks.advance", b'[[], {"run_id": "none"}, {}]'),
    message("datasets.tasks.advance", b"cos\nsystem\n(S'true'\ntR.", "application/x-python-serialize"),
)


def broken():
    """What stands in the queue and is no message: no JSON, no envelope, or one with something missing or odd."""
    yield from (b"garbage", b"\x80\x04\x95\xff", "[]", "5", "null", "{}")
    whole = json.loads(message("nobody.knows.this", b"[[], {}, {}]"))
    for part in whole:
        yield from (json.dumps({**whole, part: odd}) for odd in (None, 5, "###", [], {}))
        yield json.dumps({name: value for name, value in whole.items() if name != part})
    for part in ("properties", "headers"):
        for name in whole[part]:
            yield from (json.dumps({**whole, part: {**whole[part], name: odd}}) for odd in (None, 5, ["a"], "rot13"))


def test_a_worker_outlives_what_is_no_message(installation, broker, make_dataset, fill):
    """B6."""
    dataset = make_dataset("order_details", start="yesterday", end="yesterday")
    for rubbish in ((), broken()):
        for each in rubbish:
            broker.line.lpush("backfill", each)
        run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        wait_until(lambda run=run: is_over(run), seconds=TIMEOUT, every=0.1)
        assert run.state == Run.State.SUCCEEDED, run.message

    wait_until(lambda: not broker.line.llen("backfill") and not broker.line.hlen("unacked"), seconds=60)
    assert installation.processes["worker"].poll() is None


def test_a_worker_hears_what_operators_ask_of_it(installation, broker):
    """celery inspect and control speak over the same broker, in envelopes that carry no task."""
    answers = []
    with Celery(broker=broker.url, set_as_current=False) as operator:
        wait_until(lambda: answers.extend(operator.control.inspect(timeout=2).ping() or ()) or answers, seconds=30)

    assert len(answers) == 1 and answers[0].startswith("celery@")


def test_what_is_due_runs_again_after_the_broker_died_forgot_or_carried_rubbish(
    installation, broker, make_dataset, fill
):
    """B1, B4, B6: within a minute; the supervisor starts again what fell over."""
    chance = random.Random(RESTARTS)
    dataset = make_dataset("order_details", start="yesterday", end="yesterday")
    assert fill(dataset).state == "succeeded"
    waits, empty = [], 0

    for number in range(RESTARTS):
        broker.kill()
        if number % 5 == 1:
            broker.forget()
            empty += 1
        run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        time.sleep(chance.uniform(0.0, 1.0))
        broker.start()
        if number % 5 == 0:
            broker.line.lpush("backfill", *RUBBISH)
        began = time.monotonic()
        wait_until(lambda run=run: installation.supervise() or is_over(run), seconds=TIMEOUT, every=0.1)
        waits.append(time.monotonic() - began)
        assert run.state == Run.State.SUCCEEDED, run.message

    waits.sort()
    middle = waits[len(waits) // 2]
    print(f"\n{RESTARTS} restarts, {empty} empty: due work ran after {middle:.1f} s, at most {waits[-1]:.1f} s")


@pytest.fixture
def nursery(broker, tmp_path):
    with Nursery(tmp_path, BROKER_URL=broker.url) as nursery:
        yield nursery


def test_a_broker_that_takes_nothing_keeps_nobody_from_starting_a_run(nursery, broker, make_dataset):
    """B2, B3, B5: the run is written down, the hint is given up, and the tick tells again once there is somebody to tell."""

    def start(why):
        dataset = make_dataset("order_details", start="yesterday", end="yesterday")
        nursery.wait_for(nursery.fork(starts=dataset.pk), seconds=60)
        assert nursery.errors() == [], why
        assert nursery.log.read_text().count("the tick will") == Run.objects.count(), why
        assert dataset.runs.get().state == Run.State.QUEUED, why

    broker.line.config_set("maxmemory", 1)
    start("full")
    broker.process.send_signal(signal.SIGSTOP)
    start("hanging")
    broker.kill()
    start("gone")


def test_what_people_start_does_not_wait_behind_a_stock_of_what_the_schedule_has(
    nursery, broker, tmp_path, make_dataset, fast_amazon
):
    stock, dataset = 300, make_dataset(start="yesterday", end="yesterday")
    page = Celery("page", set_as_current=False, broker=broker.url)
    for _ in range(stock):
        page.send_task("datasets.tasks.tick", queue="backfill", serializer="json")
    nursery.wait_for(nursery.fork(starts=dataset.pk), seconds=60)

    living = OverThisBroker(tmp_path, broker.url)
    living.start("worker")
    try:
        wait_until(lambda: dataset.runs.filter(started_at__isnull=False).exists(), seconds=60, every=0.01)
        assert broker.line.llen("backfill") > stock / 2
    finally:
        living.stop()


def test_a_broker_that_hangs_costs_a_page_five_seconds_at_most_and_one_that_came_back_nothing(broker):
    """B3: over a line that was in use already, as a web server has it, and over a new one."""
    page = Celery("page", set_as_current=False)
    page.conf.update({**app.conf.changes, "broker_url": broker.url} | patience(broker.url))
    page.send_task("datasets.tasks.tick", queue="backfill")
    broker.process.send_signal(signal.SIGSTOP)

    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(OperationalError):
            page.send_task("datasets.tasks.tick", queue="backfill")
        assert time.monotonic() - began < 5

    broker.process.send_signal(signal.SIGCONT)
    page.send_task("datasets.tasks.tick", queue="backfill")
    broker.kill()
    broker.forget()
    broker.start()
    page.send_task("datasets.tasks.tick", queue="backfill")
    assert broker.line.llen("backfill") == 1
