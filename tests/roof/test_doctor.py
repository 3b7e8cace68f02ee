"""The doctor says what is wrong and how to fix it, a line each."""

import io

import pytest
from django.core.management import call_command

from connector.runtime import liveness

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


def examine():
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", stdout=out)
    except SystemExit as ended:
        code = ended.code
    lines = out.getvalue().splitlines()
    return code, {line[4:].partition(":")[0]: line for line in lines}


@pytest.fixture
def healthy(settings):
    settings.LWA_CLIENT_ID = "amzn1.application-oa2-client.sample"
    liveness.report("worker@here", busy=0, took=1.0, ticked=1.0)


def test_a_healthy_installation_has_nothing_to_mend(healthy):
    code, lines = examine()

    assert code == 0
    assert all(line.startswith("ok  ") for line in lines.values()), lines


def test_what_is_wrong_is_named_with_its_fix(healthy, settings):
    settings.LWA_CLIENT_ID = ""
    settings.HTTPS, settings.PUBLIC_HOST, settings.PUBLIC_URL = False, "data.example.com", "http://data.example.com"
    liveness.report("worker@here", busy=0, took=1.0, ticked=300.0)

    code, lines = examine()

    assert code == 1
    assert "LWA_CLIENT_ID" in lines["Amazon application"]
    assert "https" in lines["public address"]
    assert "celery -A connector beat" in lines["beat"]
    assert lines["database"] == "ok  database"


def test_no_worker_is_told(settings):
    _, lines = examine()

    assert lines["worker"].startswith("FIX worker: No worker is running")


def test_keys_that_others_can_read_are_told(healthy, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    (tmp_path / "field_keys").write_text("x")
    (tmp_path / "field_keys").chmod(0o644)

    code, lines = examine()

    assert code == 1
    assert f"chmod 600 {tmp_path / 'field_keys'}" in lines["keys"]
