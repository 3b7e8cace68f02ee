"""A whole installation, driven over HTTP as a script would drive it, while its servers are killed one after another."""

import csv
import io
import json
import os
import random
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from decimal import Decimal

import pytest

from connector.embedded import children
from tests.backfill.conftest import day_before
from tests.roof.test_running import Installation, command_line, free_port, manage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

DAYS = 60


@pytest.fixture
def amazon(simulator_process):
    """The simulator, quick, its orders standing still."""
    simulator_process.reset()
    simulator_process.control("/simulator/settings", {"rate_factor": 300.0, "processing_seconds": 0.5})
    simulator_process.control("/simulator/clock", {"freeze": True})
    yield simulator_process
    simulator_process.reset()


@pytest.fixture
def installation(amazon, tmp_path, monkeypatch):
    for name, value in {
        **{f"SPAPI_ENDPOINT_{region}": amazon.url for region in ("NA", "EU", "FE")},
        "LWA_TOKEN_URL": f"{amazon.url}/auth/o2/token",
        "SPAPI_DOCUMENT_HOSTS": amazon.url.removeprefix("http://"),
        "SPAPI_RATE_FACTOR": "300",
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


class Serving(Installation):
    """`manage.py serve` against the simulator, and a script's way to speak to it."""

    token = ""

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
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def api(self, method, path, body=None):
        status, text = self.open(method, path, body)
        assert 200 <= status < 300, (status, text)
        return json.loads(text)

    def kill(self, name):
        """kill -9 of every process of a part."""
        if name in ("postgres", "valkey"):
            victims = children.working_in(self.folder / name)
        else:
            words = {"worker": ("celery", "worker"), "beat": ("celery", "beat")}[name]
            victims = [pid for pid in children.marked(self.folder) if set(words) <= set(command_line(pid))]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return len(victims)


def test_whatever_is_killed_no_row_is_lost_or_doubled(installation, amazon):
    """A7, B1, C2: worker, beat, broker and PostgreSQL, of an installation that runs as people start it."""
    login = {
        "DJANGO_SUPERUSER_USERNAME": "ana",
        "DJANGO_SUPERUSER_EMAIL": "ana@example.com",
        "DJANGO_SUPERUSER_PASSWORD": "a long enough Pass-phrase 1",
    }
    installation.manage("createsuperuser", "--noinput", **login)
    installation.token = installation.manage("access_token", "--user", "ana@example.com").splitlines()[-1]
    account = installation.api(
        "POST",
        "/api/v1/accounts",
        {
            "name": "US",
            "kind": "seller",
            "marketplaces": ["US"],
            "selling_partner_id": "A2DEMOSELLER01",
            "refresh_token": "Atzr|simulator-seller",
        },
    )
    dataset = installation.api(
        "POST",
        "/api/v1/datasets",
        {
            "name": "Orders",
            "account": account["name"],
            "report": "order_details",
            "options": {"query_date_type": "created"},
            "start": f"today-{DAYS}",
            "end": "yesterday",
            "mode": "append",
            "schedule": None,
        },
    )
    address = f"/api/v1/datasets/{dataset['slug']}"
    run = installation.api("POST", f"{address}/runs")
    chance = random.Random(7)

    for victim in ("worker", "postgres", "beat", "valkey", "worker"):
        time.sleep(chance.uniform(0.5, 2.5))
        assert installation.kill(victim), f"no process of {victim}"

    state = ""
    deadline = time.monotonic() + 240
    while state not in ("succeeded", "partial", "failed", "cancelled"):
        assert time.monotonic() < deadline, (state, "".join(installation.said))
        time.sleep(1)
        status, text = installation.open("GET", f"{address}/runs/{run['id']}")
        state = json.loads(text)["state"] if status == 200 else state

    assert state == "succeeded", text
    truth = amazon.control(
        f"/simulator/truth/orders?from={day_before(DAYS)}&to={day_before(1)}&zone=America/Los_Angeles&by=created&marketplaces=US"
    )
    status, exported = installation.open("GET", f"{address}/export.csv")
    rows = list(csv.DictReader(io.StringIO(exported, newline="")))
    assert Counter(row["amazon_order_id"] for row in rows) == Counter(
        order for day in truth["days"].values() for order in day["ids"]
    )
    total = sum(Decimal(row["order_total_amount"]) for row in rows if row["order_total_amount"])
    assert {"USD": str(total)} == truth["totals"]
    days = installation.api("GET", f"{address}/days?state=failed")
    assert not (days["days"] if isinstance(days, dict) else days)
