"""A whole installation, driven over HTTP as a script would drive it, while its parts are killed one after another.

FAULTS_PART_KILLS is how many kills there are (8 in the suite: one of each kind; 200 in `make faults`).
"""

import csv
import io
import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from connector.runtime.embedded import children
from connector.runtime.embedded.services import Services
from tests.checker import Checker
from tests.days import day_before, day_of
from tests.faults.nursery import Watch, expected
from tests.living import wait_until
from tests.runtime.test_running import Installation, command_line, free_port, manage

KILLS = int(os.environ.get("FAULTS_PART_KILLS", 8))
PARTS = ("worker", "child of the worker", "beat", "web", "valkey", "postgres", "postmaster", "child of postgres")
MODES = [
    ("order_details", "append", "created"),
    ("order_details", "replace", "created"),
    ("orders_list_orders_upsert", "merge", "last_updated"),
]
DAYS = 25 if KILLS > 50 else 8
RECOVERY_TIMEOUT = 120  # seconds until days land again after a kill

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300 + 15 * KILLS)]


@pytest.fixture
def amazon(simulator_process):
    """The simulator, quick, its orders standing still."""
    simulator_process.reset()
    simulator_process.control("/simulator/settings", {"rate_factor": 1000.0})
    simulator_process.control("/simulator/clock", {"freeze": True})
    yield simulator_process
    simulator_process.reset()


@pytest.fixture
def installation(amazon, tmp_path, monkeypatch):
    for name, value in {
        **{f"SPAPI_ENDPOINT_{region}": amazon.url for region in ("NA", "EU", "FE")},
        "LWA_TOKEN_URL": f"{amazon.url}/auth/o2/token",
        "SPAPI_DOCUMENT_HOSTS": amazon.url.removeprefix("http://"),
        "SPAPI_RATE_FACTOR": "1000",
        "LWA_CLIENT_ID": "amzn1.application-oa2-client.simulator",
        "LWA_CLIENT_SECRET": "simulator-secret",
    }.items():
        monkeypatch.setenv(name, value)
    running = Serving(tmp_path / "data", free_port())
    try:
        running.wait_for_word("Ctrl-C")
        running.wait_until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


class Serving(Installation):
    """`manage.py serve` against the simulator, and a script's way to speak to it."""

    program = ("-m", "tests.faults.hasty")
    token = ""

    @property
    def database_url(self):
        return Services(self.folder, database=True, broker=True).environment()["DATABASE_URL"]

    def amazon(self):
        return {name: value for name, value in os.environ.items() if name.startswith(("SPAPI_", "LWA_"))}

    def manage(self, *arguments, **environment):
        done = manage(*arguments, DATA_DIR=self.folder, PORT=self.port, **self.amazon(), **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def open(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with suppress(OSError):
                return refused.code, refused.read().decode()
            return refused.code, ""
        except OSError:
            return 0, ""

    def api(self, method, path, body=None):
        status, text = self.open(method, path, body)
        assert 200 <= status < 300, (status, text)
        return json.loads(text)

    def processes(self, part):
        """Of a part, or of that of which it is a child."""
        server = {"postmaster": "postgres"}.get(part.split()[-1], part.split()[-1])
        if server in ("postgres", "valkey"):
            found = children.working_in(self.folder / server)
        else:
            words = {"worker": {"celery", "worker"}, "beat": {"celery", "beat"}, "web": {"gunicorn"}}[server]
            found = [pid for pid in children.marked(self.folder) if words <= set(command_line(pid))]
        if part == "postmaster":
            return [pid for pid in found if parent_of(pid) not in found]
        if part.startswith("child"):
            return [pid for pid in found if parent_of(pid) in found]
        return found

    def kill(self, part, chance):
        """kill -9 of every process of a part, or of one child; answers how many there were."""
        victims = self.processes(part)
        for pid in [chance.choice(victims)] if part.startswith("child") and victims else victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(victims)

    def sign_in(self):
        login = {
            "DJANGO_SUPERUSER_USERNAME": "ana",
            "DJANGO_SUPERUSER_EMAIL": "ana@example.com",
            "DJANGO_SUPERUSER_PASSWORD": "a long enough Pass-phrase 1",
        }
        self.manage("createsuperuser", "--noinput", **login)
        self.token = self.manage("access_token", "--user", "ana@example.com").splitlines()[-1]
        account = {
            "name": "US",
            "kind": "seller",
            "marketplaces": ["US"],
            "selling_partner_id": "A2DEMOSELLER01",
            "refresh_token": "Atzr|simulator-seller",
        }
        return self.api("POST", "/api/v1/accounts", account)["name"]


class Busy(threading.Thread):
    """Keeps every dataset at work: whenever none of its runs is open, all its days are to be written once more."""

    def __init__(self, installation, slugs):
        super().__init__(daemon=True)
        self.installation, self.slugs, self.url = installation, slugs, installation.database_url
        self.answers, self.is_over = Counter(), threading.Event()

    def run(self):
        while not self.is_over.wait(0.05):
            with suppress(psycopg.OperationalError), psycopg.connect(self.url, autocommit=True) as link:
                for slug in self.idle(link):
                    self.begin(link, slug)

    def idle(self, link):
        statement = """
            SELECT slug FROM datasets_dataset d WHERE NOT EXISTS (
                SELECT FROM datasets_run WHERE dataset_id = d.id AND state IN ('queued', 'running', 'waiting'))"""
        return [slug for (slug,) in link.execute(statement)]

    def begin(self, link, slug):
        link.execute(
            "UPDATE datasets_day SET again = true, checksum = 'written again' FROM datasets_dataset d "
            "WHERE d.id = dataset_id AND slug = %s AND state IN ('landed', 'empty')",
            [slug],
        )
        self.answers[self.installation.open("POST", f"/api/v1/datasets/{slug}/runs")[0]] += 1

    def finish(self):
        """One more run of each, undisturbed."""
        self.is_over.set()
        self.join(120)
        wait_until(lambda: landings(self.url), seconds=RECOVERY_TIMEOUT)  # the last kill may have been PostgreSQL's
        with psycopg.connect(self.url, autocommit=True) as link:
            self.wait_until_idle(link)
            for slug in self.slugs:
                self.begin(link, slug)
            self.wait_until_idle(link)

    def wait_until_idle(self, link):
        wait_until(lambda: len(self.idle(link)) == len(self.slugs), seconds=RECOVERY_TIMEOUT)


def until_days_land(url):
    """Waits for the next landing, so that a kill meets an installation at work; answers how long that took."""
    began = time.monotonic()
    before = wait_until(lambda: landings(url), seconds=RECOVERY_TIMEOUT, every=0.05)
    wait_until(lambda: (landings(url) or 0) > before, seconds=RECOVERY_TIMEOUT, every=0.05)
    return time.monotonic() - began


def landings(url):
    """How often anything landed so far, in all datasets; None while nobody can say."""
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True, connect_timeout=5) as link:
        return link.execute("SELECT sum(version) FROM datasets_dataset").fetchone()[0]


def orders_of(exported):
    return Counter(row["amazon_order_id"] for row in csv.DictReader(io.StringIO(exported, newline="")))


@pytest.fixture
def datasets(installation, amazon):
    """One of each mode, as (slug, checker, {day: what Amazon has}, the day an order counts for)."""
    account, url, made = installation.sign_in(), installation.database_url, []
    for report, mode, by in MODES:
        definition = {
            "name": mode,
            "account": account,
            "report": report,
            "options": {"query_date_type": "created"} if report == "order_details" else {},
            "start": day_of(f"today-{DAYS}"),
            "end": day_of("yesterday"),
            "mode": mode,
            "schedule": None,
        }
        slug = installation.api("POST", "/api/v1/datasets", definition)["slug"]
        with psycopg.connect(url) as link:
            (number,) = link.execute("SELECT id FROM datasets_dataset WHERE slug = %s", [slug]).fetchone()
        truth = expected(truth_of(amazon, by))
        made.append((slug, number, truth, by))
    return made


def truth_of(amazon, by):
    span = f"from={day_before(DAYS)}&to={day_before(1)}"
    zone = "zone=America/Los_Angeles&marketplaces=US"
    return amazon.control(f"/simulator/truth/orders?{span}&{zone}&by={by}")["days"]


def test_whatever_is_killed_no_row_is_lost_or_doubled(installation, datasets, amazon):
    """A7, B1, C2: of an installation that runs as people start it, each part, in any order and at any moment."""
    chance, url = random.Random(KILLS), installation.database_url
    busy = Busy(installation, [slug for slug, *_ in datasets])
    killed, waits, order, began = Counter(), [], [], time.monotonic()

    with Watch(*((number, truth) for _, number, truth, _ in datasets), url=url) as watch:
        busy.start()
        while killed.total() < KILLS:
            waits.append(until_days_land(url))
            time.sleep(chance.uniform(0.0, 0.5))
            for _ in range(chance.choice((1, 1, 1, 2))):  # now and then two at once
                order = order or chance.sample(PARTS, len(PARTS))
                if killed.total() < KILLS and installation.kill(order[-1], chance):
                    killed[order.pop()] += 1
        seconds = time.monotonic() - began
        busy.finish()

    for slug, number, _, by in datasets:
        checker = Checker(number, amazon, url)
        assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1), by=by) > 0
        truth = Counter(order for day in truth_of(amazon, by).values() for order in day["ids"])
        assert orders_of(installation.open("GET", f"/api/v1/datasets/{slug}/export.csv")[1]) == truth
        checker.close()
    with psycopg.connect(url) as link:
        runs = link.execute("SELECT state, count(*) FROM datasets_run GROUP BY 1").fetchall()
        wanting = link.execute("SELECT message FROM datasets_run WHERE state <> 'succeeded'").fetchall()
    assert wanting == []
    assert watch.wrong == []
    assert watch.looks > KILLS
    assert 500 not in busy.answers
    waits.sort()
    print(
        f"\n{killed.total()} kills in {seconds:.0f} s ({', '.join(f'{count} {part}' for part, count in killed.items())}); "
        f"days landed again after {waits[len(waits) // 2]:.1f} s, at most {waits[-1]:.1f} s; {dict(runs)}, {watch.looks} looks "
        f"({watch.whole} at all days), answers {dict(busy.answers)}, 0 lost, 0 doubled, 0 half days"
    )
