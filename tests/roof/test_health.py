"""Probes: alive without asking anybody, ready only when everything it takes is there."""

import pytest
from django.db import connection

from connector.runtime import liveness

pytestmark = pytest.mark.integration


@pytest.fixture
def worker(db):
    """One that lives and took a tick just now."""
    liveness.report("worker@here", busy=0, took=1.0, ticked=1.0)


def checks(answer):
    return {name: check["reason"] for name, check in answer.json()["checks"].items()}


def test_healthz_asks_nobody(client):
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_answered_for_any_host_and_without_a_redirect(client, worker, settings, path):
    settings.SECURE_SSL_REDIRECT = True

    answer = client.get(path, headers={"host": "10.1.2.3"})

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_ready_when_all_is_there(client, worker):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert set(checks(answer).values()) == {""}


def test_not_ready_without_a_worker(client, db):
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert checks(answer)["worker"].startswith("No worker is running")


def test_not_ready_when_the_worker_fell_silent(client, worker):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE connector_worker SET seen_at = now() - interval '31 seconds'")

    assert client.get("/readyz").status_code == 503


def test_a_living_worker_that_takes_no_work_is_not_ready(client, worker):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE connector_worker SET took_at = now() - interval '2 minutes'")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "takes no work" in checks(answer)["worker"]


def test_a_worker_at_a_long_task_is_ready(client, db):
    liveness.report("worker@here", busy=2, took=300.0, ticked=300.0)

    assert client.get("/readyz").status_code == 200


def test_a_later_report_without_news_keeps_what_was_known(worker):
    liveness.report("worker@here", busy=0, took=None, ticked=None)

    found = liveness.ages()
    assert found.seen < 1
    assert 1 <= found.took < 5
    assert 1 <= found.ticked < 5


def test_not_ready_without_the_broker_and_without_its_password_in_the_answer(client, worker, monkeypatch):
    from connector.celery import app

    monkeypatch.setattr(app.conf, "broker_url", "redis://:hunter2hunter2@127.0.0.1:1/0")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert checks(answer)["broker"].startswith("The broker does not answer")
    assert "hunter2" not in answer.content.decode()


def test_not_ready_before_the_migrations(client, worker):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'connector'")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "manage.py migrate" in checks(answer)["migrations"]
