"""Who has read a dataset last: told on its API tab, written once a minute at most."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasets.access import access_log, tokens
from datasets.models import Reading
from datasets.rows.policy import Policy
from tests.serving import shop

pytestmark = pytest.mark.django_db
WHERE = "/api/v1/datasets/orders_us"


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(5))


@pytest.fixture(autouse=True)
def _new_process():
    access_log.forget()


def read(client, path, headers):
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_the_api_tab_says_who_has_read_the_dataset_when_and_with_what(client, orders, alice):
    _, excel = tokens.issue(alice, "Power BI, finance")
    _, link = tokens.issue_link(alice, orders, "Sheets")
    client.force_login(alice)
    assert b"Nobody has read it from a program yet." in client.get("/datasets/orders_us/api").content

    read(client, "/odata/v4/orders_us", {"Authorization": f"Bearer {excel}", "User-Agent": "Microsoft.Data.Mashup"})
    read(client, f"{WHERE}/export.csv?token={link}", {"User-Agent": "<b>Sheets</b>"})
    read(client, f"{WHERE}/rows.json", {"User-Agent": ""})

    page = client.get("/datasets/orders_us/api").content.decode()
    for said in ("Power BI, finance", excel[:11], "OData", "Microsoft.Data.Mashup", "Sheets", link[:16], "export.csv"):
        assert said in page
    assert "alice in the browser" in page and "rows.json" in page
    assert "<b>Sheets" not in page and "&lt;b&gt;Sheets" in page
    assert [one.what for one in access_log.latest(orders, Policy("a test"))] == ["rows.json", "export.csv", "OData"]


@pytest.mark.parametrize("path", ["export.xlsx", "export.parquet", "rows.csv", "/v1/datasets/orders_us/data"])
def test_every_way_of_reading_counts(client, orders, alice, path):
    _, text = tokens.issue(alice)

    read(client, path if path.startswith("/") else f"{WHERE}/{path}", {"Authorization": f"Bearer {text}"})

    assert access_log.latest(orders, Policy("a test"))[0].token.token_id == text[3:11]


def test_looking_at_what_a_dataset_is_does_not_count(client, orders, alice):
    headers = {"Authorization": f"Bearer {tokens.issue(alice)[1]}"}

    read(client, WHERE, headers)
    client.head(f"{WHERE}/export.csv", headers=headers)

    assert not Reading.objects.exists()


def test_it_is_written_once_a_minute(client, orders, alice, time_machine):
    headers = {"Authorization": f"Bearer {tokens.issue(alice)[1]}"}

    def written():
        with CaptureQueriesContext(
            connection,
        ) as asked:
            read(client, f"{WHERE}/rows.json", headers)
        return sum("datasets_reading" in one["sql"] for one in asked)

    first = written()
    row = Reading.objects.get()

    assert (first, written(), written()) == (1, 0, 0)
    access_log.forget()  # another process
    assert written() == 1
    assert Reading.objects.get().at == row.at  # it sees that the minute is not over


def test_a_revoked_or_forgotten_reader_leaves_no_trace_and_no_error(client, orders, alice, rf):
    token, _ = tokens.issue(alice)
    caller = tokens.Caller(alice, token)
    token_key = token.pk
    token.delete()
    token.pk = token_key

    access_log.note(rf.get("/"), caller, orders, "export.csv")

    assert not Reading.objects.exists()
