"""Scripts written for Domo: the real pydomo against a running server, with another host and nothing else changed."""

import base64
import csv
import io
import json
from urllib.parse import urlsplit

import pytest
from pydomo import Domo

from tests.serving import shop

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def rows():
    return shop.orders(200)


@pytest.fixture(scope="module")
def orders(make, rows):
    return make.dataset("orders_us", rows=rows, description="Orders of the shop")


@pytest.fixture(scope="module")
def token(make):
    return make.token()


@pytest.fixture
def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def domo(web, orders, token):
    return Domo("any client", token, api_host=urlsplit(web.url).netloc, use_https=False)


def basic(secret):
    return {"Authorization": "Basic " + base64.b64encode(f"any:{secret}".encode()).decode()}


@pytest.mark.integration
class TestPydomo:
    def test_lists_datasets_page_by_page(self, domo, orders, make):
        make.dataset("a_second_one")

        found = domo.ds_list(df_output=False, per_page=1)

        assert {"Orders Us", "A Second One"} <= {each["name"] for each in found}
        assert [each["id"] for each in domo.ds_list(df_output=False, name_like="orders u")] == [str(orders.uuid)]

    def test_reads_the_schema(self, domo, orders, rows):
        found = domo.ds_meta(str(orders.uuid))

        types = {column["name"]: column["type"] for column in found["schema"]["columns"]}
        assert found["rows"] == len(rows)
        assert (types["amazon_order_id"], types["purchase_date"], types["ship_date"]) == ("STRING", "DATETIME", "DATE")
        assert (types["quantity"], types["item_price"], types["is_business_order"]) == ("LONG", "DECIMAL", "STRING")

    def test_reads_the_rows_as_a_frame_with_the_schemas_types(self, domo, orders, rows, capsys):
        frame = domo.ds_get(str(orders.uuid))

        assert capsys.readouterr().out == ""  # it says so where it cannot use the schema
        assert list(frame["amazon_order_id"]) == [row["amazon_order_id"] for row in rows]
        assert str(frame["quantity"].dtype) == "Int64"
        assert frame["quantity"].sum() == sum(row["quantity"] or 0 for row in rows)
        assert str(frame["ship_date"].dtype).startswith("datetime64")

    def test_exports_with_and_without_a_header_line(self, domo, orders, rows):
        with_header = domo.datasets.data_export(str(orders.uuid), True)
        without = domo.datasets.data_export(str(orders.uuid), False)

        assert with_header.split("\r\n", 1)[1] == without
        assert len(list(csv.reader(io.StringIO(without, newline="")))) == len(rows)

    def test_a_wrong_secret_is_told_so(self, web, orders):
        with pytest.raises(Exception, match="access token"):
            Domo("any client", "wrong", api_host=urlsplit(web.url).netloc, use_https=False)

    def test_asks_by_sql(self, domo, orders, rows):
        frame = domo.ds_query(str(orders.uuid), "SELECT * FROM table")

        assert list(frame["amazon_order_id"]) == [row["amazon_order_id"] for row in rows]
        assert frame["quantity"].sum() == sum(row["quantity"] or 0 for row in rows)

    def test_asks_by_sql_as_its_own_example_does(self, domo, orders, rows):
        wish = {
            "sql": "SELECT `ship_date`, count(*) AS orders FROM table WHERE table.quantity > 0 GROUP BY `ship_date` LIMIT 2"
        }

        found = domo.ds_query(str(orders.uuid), wish, return_data=False)

        assert found["datasource"] == str(orders.uuid)
        assert found["columns"] == ["ship_date", "orders"]
        assert [each["type"] for each in found["metadata"]] == ["DATE", "LONG"]
        assert (found["numRows"], found["numColumns"], len(found["rows"])) == (2, 2, 2)

    def test_is_told_what_is_wrong_with_the_sql(self, domo, orders):
        with pytest.raises(Exception, match='column \\\\"nothing\\\\" does not exist'):
            domo.ds_query(str(orders.uuid), "SELECT nothing FROM table")


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_token_that_comes_back_opens_the_other_calls(client, orders, token, method):
    wish = {"grant_type": "client_credentials", "scope": "data"}

    response = getattr(client, method)("/oauth/token", wish, headers=basic(token))

    found = response.json()
    assert response.status_code == 200
    assert found["token_type"] == "bearer"
    assert 0 < found["expires_in"] <= 365 * 86400
    assert "data:read" in found["scope"]
    assert response["Cache-Control"] == "no-store"
    again = client.get("/v1/datasets", headers={"Authorization": f"bearer {found['access_token']}"})
    assert str(orders.uuid) in {each["id"] for each in again.json()}


def test_the_secret_may_stand_in_the_form_but_not_in_the_address(client, token):
    wish = {"grant_type": "client_credentials", "client_id": "any", "client_secret": token}

    assert client.post("/oauth/token", wish).status_code == 200
    assert client.get("/oauth/token", wish).status_code == 401


@pytest.mark.parametrize("wish", [{}, {"grant_type": "password"}, {"grant_type": "refresh_token"}])
def test_other_grants_are_refused(client, token, wish):
    response = client.post("/oauth/token", wish, headers=basic(token))

    assert response.status_code == 400
    assert response.json()["code"] == "unsupported_grant_type"


def test_a_browsers_session_gets_no_token(client, alice):
    client.force_login(alice)

    assert client.post("/oauth/token", {"grant_type": "client_credentials"}).status_code == 401


@pytest.mark.parametrize("secret", ["", "wrong", "bh_00000000_" + "x" * 43, "\x00", "ü"])
def test_a_wrong_secret_is_401(client, secret):
    wish = {"grant_type": "client_credentials", "client_secret": secret}

    assert client.post("/oauth/token", wish).status_code == 401
    assert client.post("/oauth/token", wish, headers=basic(secret)).status_code == 401


def test_a_token_limited_to_a_dataset_lists_only_that(client, make, orders):
    other = make.dataset("other_one", rows=shop.orders(3))
    limited = {"Authorization": f"Bearer {make.token(datasets=[other])}"}

    assert [each["id"] for each in client.get("/v1/datasets", headers=limited).json()] == [str(other.uuid)]
    assert client.get(f"/v1/datasets/{orders.uuid}/data", headers=limited).status_code == 404


@pytest.mark.parametrize("path", ["", "/data"])
def test_a_strangers_dataset_is_not_there(client, make, people, orders, path):
    stranger = {"Authorization": f"Bearer {make.token(people[1])}"}

    assert client.get(f"/v1/datasets/{orders.uuid}{path}", headers=stranger).status_code == 404
    assert client.get("/v1/datasets", headers=stranger).json() == []
    assert client.get(f"/v1/datasets/{orders.uuid}{path}").status_code == 401


def test_data_takes_our_filters_and_a_file_name(client, orders, bearer):
    address = (
        f"/v1/datasets/{orders.uuid}/data?includeHeader=true&fileName=my%22%0d%0afile.csv&quantity=2&_select=quantity"
    )

    response = client.get(address, headers=bearer)

    assert set(b"".join(response.streaming_content).split(b"\r\n")) == {b"quantity", b"2", b""}
    assert response["Content-Disposition"] == 'attachment; filename="my_file.csv"'


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("?limit=x", 400),
        ("?offset=-1", 400),
        ("?limit=50&offset=999999999", 200),
        ("?limit=1000", 400),
        ("?limit=1&limit=2", 400),
        ("?fields=all", 400),
        ("/orders_us?fields=all", 400),
        ("/orders_us/data?_header=1", 400),
        ("/orders_us/data?includeHeader=true&includeHeader=false", 400),
        ("?nameLike=%00", 400),
        ("?nameLike=%25", 200),
        ("?sort=-lastUpdated", 200),
        ("?sort=cardCount", 400),
        ("/orders_us/data?includeHeader=perhaps", 400),
        ("/orders_us/data?nonsense=1", 400),
        ("/not-there", 404),
        ("/query", 404),
    ],
)
def test_odd_requests_are_answered_not_broken(client, orders, bearer, path, status):
    assert client.get(f"/v1/datasets{path}", headers=bearer).status_code == status


@pytest.fixture
def execute(client, orders):
    def execute(body, headers, dataset=orders):
        address = f"/v1/datasets/query/execute/{dataset.uuid}"
        response = client.post(address, json.dumps(body), content_type="application/json", headers=headers)
        whole = b"".join(response.streaming_content) if response.streaming else response.content
        return response.status_code, json.loads(whole)

    return execute


def test_sql_answers_in_domos_shape(execute, bearer):
    sql = """SELECT 1 AS a, 1.5 AS b, 'x"y' AS c, NULL::text AS d, true AS e, '2026-10-01T07:00Z'::timestamptz AS f, '{1,2}'::int[] AS g"""

    status, found = execute({"sql": sql}, bearer)

    assert status == 200
    assert found["rows"] == [[1, 1.5, 'x"y', None, True, "2026-10-01T07:00:00Z", [1, 2]]]
    assert [each["type"] for each in found["metadata"]] == [
        "LONG",
        "DOUBLE",
        "STRING",
        "STRING",
        "STRING",
        "DATETIME",
        "STRING",
    ]
    assert found["fromcache"] is False


def test_sql_without_rows_is_an_empty_list(execute, bearer):
    found = execute({"sql": "SELECT title FROM table WHERE false"}, bearer)[1]

    assert (found["rows"], found["numRows"], found["columns"]) == ([], 0, ["title"])


@pytest.mark.parametrize(
    "body", [{}, [], {"sql": 5}, {"sql": {"sql": None}}, {"sql": ""}, {"sql": "DELETE FROM table"}]
)
def test_a_body_without_a_select_is_refused(execute, bearer, body):
    assert execute(body, bearer)[0] == 400


def test_sql_on_a_strangers_dataset_is_not_there(execute, make, people):
    status, said = execute({"sql": "SELECT 1"}, {"Authorization": f"Bearer {make.token(people[1])}"})

    assert (status, said["code"]) == (404, "not_found")
