"""The management API: what people do on the pages, for programs."""

import json
import re

import pytest
from django.test import Client
from openapi_spec_validator import validate

from datasets.models import Change, Dataset, Day, Run
from datasets.serving.urls import urlpatterns
from tests.serving import shop

pytestmark = pytest.mark.django_db
NEW = {
    "name": "Orders of the US",
    "account": "shop us",
    **shop.DEFINITION,
}


@pytest.fixture
def account(alice):
    return shop.make_account(alice)


class Api:
    def __init__(self, headers):
        self.client, self.headers = Client(), headers

    def __getattr__(self, method):
        def call(path, body=None, **more):
            where = path if path.startswith("/") else f"/api/v1/{path}"
            if body is not None:
                more |= {"data": body if isinstance(body, (bytes, str)) else json.dumps(body)}
                more.setdefault("content_type", "application/json")
            return getattr(self.client, method)(where, headers=self.headers | more.pop("headers", {}), **more)

        return call


@pytest.fixture
def api(alice):
    return Api({"Authorization": f"Bearer {shop.token_for(alice)}"})


@pytest.fixture
def stranger(bob):
    return Api({"Authorization": f"Bearer {shop.token_for(bob)}"})


def wrong(answer, *params, code=None, status=400):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert [error["param"] for error in said["errors"]] == list(params)
    assert code is None or said["code"] == code
    return said


# Datasets


def test_a_dataset_is_made_found_changed_and_deleted(api, account):
    made = api.post("datasets", NEW)

    assert made.status_code == 201
    found = made.json()
    assert found["slug"] == "orders_of_the_us"
    assert made["Location"] == "/api/v1/datasets/orders_of_the_us"
    assert (found["state"], found["rows"], found["version"], found["complete_through"]) == ("new", 0, "v0", None)
    assert found["schedule"] == NEW["schedule"]
    assert found["options"]["query_date_type"] == "created"
    assert (found["start"], found["end"], found["days_total"]) == ("today-30", "yesterday", 30)
    assert found["next_run_at"].endswith("Z")
    assert found["columns"][0]["name"] == "amazon_order_id"
    assert found["links"]["csv"] == "http://testserver/api/v1/datasets/orders_of_the_us/export.csv"
    assert not Run.objects.filter(dataset__slug="orders_of_the_us").exists()

    assert api.get("datasets/orders_of_the_us").json() == found
    assert api.get(f"datasets/{found['id']}").json() == found
    assert [one["slug"] for one in api.get("datasets").json()] == ["orders_of_the_us"]

    changed = api.patch("datasets/orders_of_the_us", {"name": "Renamed", "schedule": None}).json()
    assert (changed["name"], changed["slug"], changed["schedule"]) == ("Renamed", "orders_of_the_us", None)
    assert changed["start"] == "today-30"

    assert api.delete("datasets/orders_of_the_us").status_code == 204
    assert api.get("datasets/orders_of_the_us").status_code == 404


def test_the_first_run_starts_at_once_on_request(api, account):
    assert api.post("datasets", NEW | {"run": True}).json()["state"] == "loading"


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"name": ""}, "name", "name"),
        ({"report": "order_detials"}, "report", "order_details"),
        ({"account": "nobody"}, "account", "account"),
        ({"start": "2026-13-01"}, "start", "not a day"),
        ({"start": "yesterday", "end": "today-20"}, "end", "before the start"),
        ({"end": "2099-01-01"}, "end", "future"),
        ({"mode": "sideways"}, "mode", ""),
        ({"options": {"query_date_typ": "created"}}, "query_date_typ", "query_date_type"),
        ({"options": {"query_date_type": "sometimes"}}, "query_date_type", "not one of its choices"),
        ({"schedule": {"kind": "daily", "at": "25:00"}}, "schedule.at", ""),
        ({"schedule": {"kind": "daily", "zone": "Mars/Olympus"}}, "schedule.zone", "time zone"),
        ({"schedule": {"kind": "daily", "when": "now"}}, "schedule.when", "no field"),
        ({"schedule": "daily"}, "schedule", "must be an object"),
        ({"colour": "red"}, "colour", "no field"),
        ({"name": 5}, "name", "must be text"),
        ({"name": None}, "name", "must be text"),
        ({"options": []}, "options", "must be an object"),
        ({"run": "perhaps"}, "run", "true or false"),
    ],
)
def test_what_is_wrong_with_a_dataset_is_said_at_its_field(api, account, change, param, words):
    said = wrong(api.post("datasets", NEW | change), param, code="bad_parameter")

    assert words in said["errors"][0]["detail"]
    assert not Dataset.objects.filter(owner=account.owner).exists()


def test_fields_that_are_needed_are_named_together(api, account):
    assert [error["param"] for error in api.post("datasets", {}).json()["errors"]] == ["name", "account", "report"]


def test_datasets_are_listed_in_pieces_and_by_what_they_are(api, account, alice):
    for number in range(5):
        shop.make_dataset(alice, account, f"one_{number}", mode="append")
    Dataset.objects.filter(slug="one_2").update(paused=True)

    first = api.get("datasets?_limit=2")
    second = api.get(first["Link"].partition("testserver")[2].partition(">")[0])
    assert [one["slug"] for one in first.json()] == ["one_0", "one_1"]
    assert [one["slug"] for one in second.json()] == ["one_2", "one_3"]
    assert "Link" not in api.get("datasets")
    assert [one["slug"] for one in api.get("datasets?state=paused").json()] == ["one_2"]
    assert [one["slug"] for one in api.get("datasets?state=new&_limit=1").json()] == ["one_0"]
    assert "Link" in api.get("datasets?state=new&_limit=3") and "Link" not in api.get("datasets?state=new&_limit=4")
    assert [one["slug"] for one in api.get("datasets?q=ONE_4").json()] == ["one_4"]
    assert len(api.get("datasets?account=SHOP US").json()) == 5
    assert api.get("datasets?report=order_items").json() == []
    wrong(api.get("datasets?stat=paused"), "stat", code="unknown_parameter")
    wrong(api.get("datasets?state=pausd"), "state")
    wrong(api.get("datasets?_limit=x"), "_limit")
    wrong(api.get("datasets?_cursor=x"), "_cursor")


def test_a_dataset_can_be_paused_resumed_cleared_and_copied(october, api, account, alice):
    dataset = shop.make_dataset(alice, account, "mine", rows=shop.orders(5), start="2026-09-01", end="2026-09-30")

    assert api.post("datasets/mine/pause").json()["state"] == "paused"
    assert api.post("datasets/mine/resume").json()["state"] != "paused"
    assert api.post("datasets/mine/clear").json()["rows"] == 0
    copy = api.post("datasets/mine/clone", {"name": "Mine too"})
    assert copy.status_code == 201
    assert copy.json()["slug"] == "mine_too"
    assert copy.json()["start"] == dataset.start


def test_the_schema_is_a_table_schema(api, account, alice):
    shop.make_dataset(alice, account, "mine", rows=shop.orders(2))

    found = api.get("datasets/mine/schema").json()
    assert found["name"] == "mine"
    assert {"name": "purchase_date", "title": "purchase-date", "type": "datetime"} in found["fields"]
    assert {"name": "item_price", "title": "item-price", "type": "number"} in found["fields"]


# Runs and days


def test_a_run_is_started_once_watched_and_cancelled(api, account, alice):
    shop.make_dataset(alice, account, "mine")

    started = api.post("datasets/mine/runs")
    assert started.status_code == 202
    run = started.json()
    assert (run["state"], run["rows"], run["days_done"], run["trigger"]) == ("queued", 0, 0, "manual")
    assert run["started_by"] == "alice@example.com"
    assert started["Location"] == f"/api/v1/datasets/mine/runs/{run['id']}"

    again = api.post("datasets/mine/runs")
    assert again.status_code == 409
    assert again.json()["code"] == "already_running"
    assert api.get(started["Location"]).json()["id"] == run["id"]
    assert [one["id"] for one in api.get("datasets/mine/runs").json()] == [run["id"]]
    assert api.get("datasets/mine").json()["state"] == "loading"

    assert api.post(f"datasets/mine/runs/{run['id']}/cancel").status_code == 202
    Run.objects.filter(pk=run["id"]).update(state="cancelled")
    assert api.post(f"datasets/mine/runs/{run['id']}/cancel").json()["code"] == "not_under_way"


@pytest.mark.parametrize("run", ["0", "-1", "x", "9" * 30, "1.5", "%00", "١"])
def test_a_run_that_is_not_there_is_404(api, account, alice, run):
    shop.make_dataset(alice, account, "mine")

    assert api.get(f"datasets/mine/runs/{run}").status_code == 404


def test_days_are_listed_newest_first_and_by_state(api, account, alice):
    dataset = shop.make_dataset(alice, account, "mine", rows=shop.orders(60))
    Day.objects.filter(dataset=dataset, day="2026-09-10").update(state="failed", message="Amazon said no.", attempts=3)

    days = api.get("datasets/mine/days").json()
    assert [day["day"] for day in days] == sorted((day["day"] for day in days), reverse=True)
    shape = ["day", "state", "rows", "attempts", "not_before", "again", "lacking", "run", "message", "landed_at"]
    assert list(days[0]) == shape
    failed = api.get("datasets/mine/days?state=failed").json()
    assert [(day["day"], day["message"], day["attempts"]) for day in failed] == [("2026-09-10", "Amazon said no.", 3)]
    assert len(api.get("datasets/mine/days?state=failed,landed").json()) == len(days)
    assert {day["day"] for day in api.get("datasets/mine/days?from=2026-09-29&to=2026-09-29").json()} == {"2026-09-29"}
    wrong(api.get("datasets/mine/days?state=lnded"), "state")
    wrong(api.get("datasets/mine/days?from=soon"), "from")


def test_a_day_that_failed_waits_for_its_next_try_unless_it_is_reloaded(api, account, alice, october):
    """A script that starts runs all day long asks for it no more often than the schedule would."""
    dataset = shop.make_dataset(alice, account, "mine", rows=shop.orders(60))
    days = Day.objects.filter(dataset=dataset, day="2026-09-10")
    days.update(state="failed", attempts=2, not_before="2036-09-10T12:00:00Z")

    run = api.post("datasets/mine/runs").json()

    (failed,) = api.get("datasets/mine/days?state=failed").json()
    assert (failed["attempts"], failed["not_before"]) == (2, "2036-09-10T12:00:00Z")
    Run.objects.filter(pk=run["id"]).update(state="cancelled")
    assert api.post("datasets/mine/reload", {"from": "2026-09-10", "to": "2026-09-10"}).status_code == 202
    assert days.values_list("attempts", "not_before").get() == (2, None)


def test_a_day_that_failed_and_lies_outside_of_the_dates_promises_no_next_try(api, account, alice, october):
    dataset = shop.make_dataset(alice, account, "mine", rows=shop.orders(60), start="2026-09-12", end="2026-09-30")
    failed = Day.objects.filter(dataset=dataset, day__in=("2026-09-10", "2026-09-14"))
    failed.update(state="failed", attempts=2, not_before="2036-09-10T12:00:00Z")

    told = {day["day"]: day["not_before"] for day in api.get("datasets/mine/days?state=failed").json()}

    assert told == {"2026-09-10": None, "2026-09-14": "2036-09-10T12:00:00Z"}


def test_what_amazon_restated_is_told_with_the_sums_before_and_after(api, account, alice):
    dataset = shop.make_dataset(alice, account, "mine", rows=shop.orders(3))
    Change.objects.create(
        dataset=dataset, day="2026-09-10", rows_before=3, rows_after=2,
        totals_before={"amount": "7.50", "quantity": "4"}, totals_after={"amount": "5.00", "quantity": "4"},
    )  # fmt: skip

    (change,) = api.get("datasets/mine/changes").json()

    assert (change["day"], change["rows_before"], change["rows_after"]) == ("2026-09-10", 3, 2)
    assert change["totals"] == [{"column": "amount", "before": "7.50", "after": "5.00"}]


def test_days_of_an_uploaded_file_are_not_loaded_again_from_amazon(api, account, alice):
    dataset = shop.make_dataset(alice, account, "mine", rows=shop.orders(60))
    dataset.days.update(from_file=True)

    answer = api.post("datasets/mine/reload", {"from": "2026-09-10", "to": "2026-09-12"})
    assert answer.status_code == 400
    assert "came from an uploaded file" in answer.json()["errors"][0]["detail"]
    assert not dataset.runs.filter(trigger="reload").exists()


def test_days_are_loaded_again(api, account, alice):
    shop.make_dataset(alice, account, "mine", rows=shop.orders(60))

    answer = api.post("datasets/mine/reload", {"from": "2026-09-10", "to": "2026-09-12"})
    assert answer.status_code == 202
    assert answer.json()["trigger"] == "reload"
    assert api.post("datasets/mine/reload", {"from": "2026-09-10", "to": "2026-09-12"}).status_code == 409


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"from": "2026-09-12", "to": "2026-09-10"}, "to"),
        ({"from": "2020-01-01", "to": "2020-01-02"}, "from"),
        ({"from": "soon", "to": "2020-01-02"}, "from"),
        ({"from": "2026-09-12"}, "to"),
    ],
)
def test_days_that_cannot_be_loaded_again_are_named(api, account, alice, body, param):
    shop.make_dataset(alice, account, "mine", rows=shop.orders(60))

    wrong(api.post("datasets/mine/reload", body), param)
    assert Run.objects.filter(dataset__slug="mine", trigger="reload").count() == 0


# Catalogue, accounts, tokens


def test_the_catalogue_names_every_report_with_its_options(api):
    reports = {report["key"]: report for report in api.get("reports").json()}

    assert {"order_details", "order_items", "marketplace_participations", "create_and_download_report"} <= set(reports)
    option = {option["name"]: option for option in reports["order_details"]["options"]}["query_date_type"]
    assert option["choices"] == ["created", "last_updated"]
    assert set(option) >= {"name", "type", "choices", "required"}
    assert reports["order_details"]["modes"]


def test_accounts_are_shown_without_their_secrets(api, account):
    text = api.get("accounts").content.decode()

    assert json.loads(text)[0]["name"] == "Shop US"
    assert "Atzr|secret" not in text
    assert api.get(f"accounts/{account.pk}").json() == json.loads(text)[0] == api.get("accounts/shop us").json()


def test_what_is_wrong_with_an_account_is_said_at_its_field(api):
    answer = api.post("accounts", {"name": "New", "kind": "buyer", "marketplaces": ["ZZ"], "refresh_token": "x y"})

    said = wrong(answer, "kind", "marketplaces", "refresh_token", "client_id")
    assert "x y" not in json.dumps(said)


def test_a_token_is_made_shown_once_and_revoked(api, account, alice):
    shop.make_dataset(alice, account, "mine")
    made = api.post("tokens", {"name": "Excel", "scopes": ["data:read"], "datasets": ["mine"], "days": 30})

    assert made.status_code == 201
    token = made.json()
    excel = Api({"Authorization": f"Bearer {token['token']}"})
    assert excel.get("datasets/mine").status_code == 200
    assert excel.post("datasets/mine/runs").status_code == 403
    assert excel.post("tokens", {}).status_code == 403
    listed = next(one for one in api.get("tokens").json() if one["id"] == token["id"])
    assert "token" not in listed
    assert (listed["datasets"], listed["scopes"], listed["name"]) == (["mine"], ["data:read"], "Excel")

    assert api.delete(f"tokens/{token['id']}").status_code == 204
    assert excel.get("datasets/mine").status_code == 401
    assert api.delete("tokens/zzzzzzzz").status_code == 404


def test_a_token_makes_no_token_that_may_do_more_than_itself(account, alice):
    mine, _ = (shop.make_dataset(alice, account, slug) for slug in ("mine", "other"))
    text = shop.token_for(alice, scopes=["tokens:write", "data:read"], datasets=[mine])
    weak = Api({"Authorization": f"Bearer {text}"})

    assert weak.post("tokens", {"scopes": ["datasets:write"]}).status_code == 403
    wrong(weak.post("tokens", {"datasets": ["other"]}), "datasets")
    child = weak.post("tokens", {"days": 3650}).json()
    assert (child["scopes"], child["datasets"]) == (["data:read", "tokens:write"], ["mine"])
    assert (
        child["expires_at"] <= next(one for one in weak.get("tokens").json() if one["id"] == text[3:11])["expires_at"]
    )
    assert [one["slug"] for one in weak.get("datasets").json()] == ["mine"]


# Who may


ALL_CALLS = [
    ("get", "datasets/mine", None),
    ("get", "datasets/mine/schema", None),
    ("get", "datasets/mine/runs", None),
    ("get", "datasets/mine/runs/1", None),
    ("get", "datasets/mine/days", None),
    ("get", "datasets/mine/changes", None),
    ("get", "datasets/mine/export.csv", None),
    ("get", "datasets/mine/rows.json", None),
    ("patch", "datasets/mine", {"name": "x"}),
    ("delete", "datasets/mine", None),
    ("post", "datasets/mine/runs", None),
    ("post", "datasets/mine/runs/1/cancel", None),
    ("post", "datasets/mine/reload", {"from": "2026-09-10", "to": "2026-09-12"}),
    ("post", "datasets/mine/pause", None),
    ("post", "datasets/mine/resume", None),
    ("post", "datasets/mine/clear", None),
    ("post", "datasets/mine/clone", {"name": "x"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ALL_CALLS)
def test_a_strangers_dataset_does_not_exist_and_nobody_gets_in_without_a_token(
    stranger, account, alice, method, path, body
):
    dataset = shop.make_dataset(alice, account, "mine")

    assert getattr(stranger, method)(path, body).status_code == 404
    nobody = getattr(Api({}), method)(path, body)
    assert nobody.status_code == 401
    assert nobody["WWW-Authenticate"].startswith("Basic")
    assert Dataset.objects.filter(pk=dataset.pk, name="Mine", paused=False).exists()


def test_strangers_share_no_lists(api, stranger, account, alice):
    shop.make_dataset(alice, account, "mine")

    assert stranger.get("datasets").json() == stranger.get("accounts").json() == []
    assert len(stranger.get("tokens").json()) == 1
    said = wrong(stranger.post("datasets", NEW), "account")
    assert "Shop" not in json.dumps(said)


def test_a_session_reads_and_needs_the_csrf_token_to_change(account, alice, settings):
    shop.make_dataset(alice, account, "mine")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    assert browser.get("/api/v1/datasets/mine").status_code == 200
    refused = browser.post("/api/v1/datasets/mine/pause")
    assert refused.status_code == 403
    assert refused.json()["code"] == "csrf_failed"
    browser.get("/api/docs")
    token = browser.cookies[settings.CSRF_COOKIE_NAME].value
    answer = browser.post("/api/v1/datasets/mine/pause", headers={"X-CSRFToken": token})
    assert answer.status_code == 200, answer.content


def test_head_is_get_without_a_body(api, account, alice):
    shop.make_dataset(alice, account, "mine")

    assert api.head("datasets/mine").status_code == 200
    assert api.head("datasets").status_code == 200


def test_a_method_that_is_not_there_says_which_are(api, account, alice):
    shop.make_dataset(alice, account, "mine")

    answer = api.put("datasets/mine", {})
    assert answer.status_code == 405
    assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE"}
    assert answer.json()["code"] == "method_not_allowed"


# Bodies


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"null", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"name": "a", "name": "b"}', "application/json", 400),
        (b'{"name": "a\\u0000b"}', "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b'{"name": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b'{"options": {"a": 1e400}}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"options": ' + b'{"a":' * 400 + b"1" + b"}" * 401, "application/json", 400),
        (b'{"options": {"a": ' + b"[" * 60 + b"]" * 60 + b"}}", "application/json", 400),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b"<a/>", "text/xml", 415),
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', "application/json", 413),
    ],
)
def test_no_body_breaks_the_server(api, account, body, kind, status):
    answer = api.post("datasets", body, content_type=kind)

    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"


# The description


def test_the_openapi_document_is_valid_and_names_every_call(client):
    document = client.get("/api/v1/openapi.json").json()

    validate(document)
    assert document["openapi"].startswith("3.1")
    operations = [one for item in document["paths"].values() for one in item.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) >= 45
    assert all(one.get("summary") and one["tags"] and "4XX" in one["responses"] for one in operations)


def test_every_route_that_programs_use_is_in_the_openapi_document(client):
    """A call that is not described there is one that nobody finds."""
    not_calls = {"/api/docs", "/api/v1/", "/api/v1/openapi.json", "/odata/v4", "/odata/v4/{rest}"}
    served = set()

    def walk(patterns, before):
        for one in patterns:
            path = before + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(one.pattern))
            if hasattr(one, "url_patterns"):
                walk(one.url_patterns, path)
            else:
                served.add(path)

    walk(urlpatterns, "/")

    described = {re.sub(r"{\w+}", "{}", path) for path in client.get("/api/v1/openapi.json").json()["paths"]}
    assert {re.sub(r"{\w+}", "{}", path) for path in served - not_calls} == described


def test_the_docs_page_comes_from_our_own_files(client):
    page = client.get("/api/docs")

    text = page.content.decode()
    assert page.status_code == 200
    assert "https://" not in text and "http://" not in text
    assert "<script>" not in text and "style=" not in text
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]
