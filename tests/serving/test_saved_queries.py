"""Queries kept under a name: managed like datasets, read like datasets."""

import json

import pytest

from datasets.models import SavedQuery
from datasets.serving.sql import saved
from tests.serving import shop

pytestmark = pytest.mark.django_db

SQL = "SELECT count(*) AS n FROM table JOIN returns_us USING (_day)"


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(10))


@pytest.fixture(scope="module")
def returns(make):
    return make.dataset("returns_us", rows=shop.orders(5))


@pytest.fixture
def api(client, make, orders, returns):
    own = make.token()

    def api(method, path, body=None, token=own):
        response = getattr(client, method)(
            f"/api/v1/queries{path}",
            **({} if body is None else {"data": json.dumps(body), "content_type": "application/json"}),
            headers={"Authorization": f"Bearer {token}"},
        )
        response.whole = b"".join(response.streaming_content) if response.streaming else response.content
        return response

    return api


@pytest.fixture
def kept(api):
    return api("post", "", {"name": "Joined by day!", "sql": SQL, "dataset": "orders_us"}).json()


def test_a_query_is_made_found_changed_and_deleted(api, kept):
    assert (kept["slug"], kept["name"], kept["sql"], kept["dataset"]) == (
        "joined_by_day",
        "Joined by day!",
        SQL,
        "orders_us",
    )
    assert kept["links"]["csv"] == "http://testserver/api/v1/queries/joined_by_day/export.csv"
    assert api("get", "").json() == [kept]
    assert api("get", "/joined_by_day").json() == kept

    changed = api("patch", "/joined_by_day", {"name": "Other", "sql": "SELECT 1 AS one", "dataset": None}).json()
    assert (changed["slug"], changed["name"], changed["dataset"]) == ("joined_by_day", "Other", None)
    assert api("get", "/joined_by_day/export.csv").whole == b"one\r\n1\r\n"

    assert api("delete", "/joined_by_day").status_code == 204
    assert api("get", "/joined_by_day").status_code == 404


def test_its_rows_come_in_every_format_of_an_export(api, kept):
    csv = api("get", "/joined_by_day/export.csv")
    formats = {
        suffix: api("get", f"/joined_by_day/export.{suffix}") for suffix in ("tsv", "json", "ndjson", "xlsx", "parquet")
    }

    number = int(csv.whole.split(b"\r\n")[1])
    assert json.loads(formats["json"].whole) == [{"n": number}]
    assert {answer.status_code for answer in formats.values()} == {200}
    assert "joined_by_day_" in csv["Content-Disposition"]
    assert api("get", "/joined_by_day/export.xml").status_code == 404
    assert api("get", "/joined_by_day/export.csv?sql=SELECT 1").json()["code"] == "unknown_parameter"


def test_two_of_one_name_have_slugs_of_their_own(api, kept):
    assert (
        api("post", "", {"name": "Joined by day", "sql": SQL, "dataset": "orders_us"}).json()["slug"]
        == "joined_by_day_2"
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x", "sql": "SELEC 1"}, 400, "bad_sql"),
        ({"name": "x", "sql": "SELECT * FROM nothing"}, 404, "unknown_table"),
        ({"name": "x", "sql": "SELECT * FROM table"}, 400, "bad_sql"),
        ({"name": "x", "sql": "SELECT current_setting('x')"}, 400, "not_offered"),
        ({"name": "x", "sql": ""}, 400, "bad_sql"),
        ({"name": " ", "sql": "SELECT 1"}, 400, "bad_parameter"),
        ({"name": "x" * 201, "sql": "SELECT 1"}, 400, "bad_parameter"),
        ({"name": "x", "sql": "SELECT 1", "dataset": "nothing"}, 400, "bad_parameter"),
        ({"name": "x"}, 400, "bad_parameter"),
        ({"name": "x", "sql": "SELECT 1", "colour": "red"}, 400, "bad_parameter"),
    ],
)
def test_what_could_not_be_carried_out_is_not_kept(api, kept, body, status, code):
    answers = [api("post", "", body)]
    if "sql" in body and "colour" not in body:
        answers.append(api("patch", "/joined_by_day", {"dataset": None} | body))

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.whole
    assert api("get", "").json() == [kept]


def test_a_stranger_has_none_of_it(api, kept, make, people):
    stranger = make.token(people[1])

    assert api("get", "", token=stranger).json() == []
    for method, path in (("get", ""), ("delete", ""), ("get", "/export.csv")):
        assert api(method, f"/joined_by_day{path}", token=stranger).status_code == 404
    assert (
        api("post", "", {"name": "Joined by day!", "sql": "SELECT 1"}, token=stranger).json()["slug"] == "joined_by_day"
    )


def test_scopes_hold(api, kept, make):
    reader, writer = make.token(scopes=["data:read"]), make.token(scopes=["datasets:write"])

    assert api("get", "/joined_by_day/export.csv", token=reader).status_code == 200
    assert api("delete", "/joined_by_day", token=reader).json()["code"] == "forbidden_scope"
    assert api("get", "/joined_by_day", token=writer).json()["code"] == "forbidden_scope"


def test_a_token_for_some_datasets_sees_no_queries(api, kept, make, orders):
    limited = make.token(datasets=[orders])

    assert api("get", "", token=limited).json() == []
    assert api("get", "/joined_by_day/export.csv", token=limited).status_code == 404
    assert api("post", "", {"name": "x", "sql": "SELECT 1"}, token=limited).status_code == 403


def test_a_dataset_that_goes_leaves_a_query_that_says_so(api, make):
    doomed = make.dataset("doomed", rows=shop.orders(1))
    api("post", "", {"name": "q", "sql": "SELECT count(*) FROM table", "dataset": "doomed"})
    from datasets.models import SavedQuery

    SavedQuery.objects.filter(slug="q").update(dataset=None)  # what deleting it does
    answer = api("get", "/q/export.csv")

    assert doomed.slug == "doomed"
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_sql")


def test_two_who_change_one_query_at_once_keep_what_the_other_said(api, kept, monkeypatch):
    check = saved.check

    def checked_while_another_renames(*given):
        SavedQuery.objects.filter(slug=kept["slug"]).update(name="Renamed meanwhile")
        check(*given)

    monkeypatch.setattr(saved, "check", checked_while_another_renames)

    changed = api("patch", f"/{kept['slug']}", {"sql": "SELECT 1 AS one", "dataset": None}).json()

    assert (changed["name"], changed["sql"]) == ("Renamed meanwhile", "SELECT 1 AS one")


def test_a_query_that_is_deleted_while_it_is_changed_stays_deleted(api, kept, monkeypatch):
    check = saved.check

    def checked_while_another_deletes(*given):
        SavedQuery.objects.filter(slug=kept["slug"]).delete()
        check(*given)

    monkeypatch.setattr(saved, "check", checked_while_another_deletes)

    assert api("patch", f"/{kept['slug']}", {"name": "Other"}).status_code == 404
    assert not SavedQuery.objects.filter(slug=kept["slug"]).exists()
