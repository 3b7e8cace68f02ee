"""A policy holds on every surface: what it hides is in no answer, page, count, sum, column list or message.

The surfaces are walked from the OpenAPI document and the URL map, so that a new one is tried from its first day: a call whose
parameters have no value in calls.py is a KeyError, and so is a page whose address needs something that PLACES lacks.
"""

import base64
import csv
import gzip
import io
import json
import re
import zipfile
from urllib.parse import unquote, urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pyarrow import parquet

from datasets.access import policies, tokens
from datasets.formats.index import FORMATS
from datasets.models import Change, ColumnProfile, Day, Run
from datasets.profiles import making
from datasets.rows.policy import SILENCE, Hashed, Last, Policy, Rule
from datasets.uploads import keeping
from datasets.views.urls import urlpatterns
from tests.serving import calls, probed, shop
from tests.serving.test_injection import OPERATIONS, ask, visits_of

pytestmark = pytest.mark.django_db

HIDDEN_ROWS = 1211
WHERE = "/api/v1/datasets/orders_us"
RULE = Rule(hidden=frozenset({"amazon_order_id"}), rows=((("title", "plain"),),))
# What nobody under the rule may read: cells of hidden rows, of the hidden column, its name, counts and sums of all rows.
MARKS = {
    "a hidden row": re.compile("HIDDEN-ROW"),
    "a hidden cell": re.compile(r"113-\d{7}-\d{7}"),
    "a hidden column": re.compile("amazon[_-]order[_-]id"),
    "a count": re.compile(r"(?<![\w.,:+-])1,?2(?!34)[1-4]\d(?![\w.:-])"),  # the lines to copy name 1234
    "a sum": re.compile("98,?76[56]"),
}
# What Amazon's reports have for columns is no secret of a dataset.
OF_THE_CATALOGUE = {"list_reports", "dataset-new", "dataset-edit"}
# Where the marks are when nothing is hidden: these surfaces tell of rows.
TELL = {
    "export", "rows", "read_dataset", "list_datasets", "read_schema", "list_runs", "list_days", "list_changes",
    "query", "query_posted", "query_file", "dataset_query", "dataset_query_posted", "export_query", "odata_rows",
    "odata_row", "odata_count", "odata_metadata", "domo_datasets", "domo_dataset", "domo_data", "domo_query", "datasets", "dataset",
    "dataset-data", "dataset-columns", "dataset-api", "dataset-query", "dataset-history", "dataset-settings", "dataset-days", "dataset-day", "run",
}  # fmt: skip
# More than calls.py asks for: whole answers, and all there is.
ALL_OF_IT = {
    "export": [f"{WHERE}/export.{name}" for name in FORMATS],
    "rows": [f"{WHERE}/rows.{rest}" for rest in ("json?_count=exact", "json?_count=estimated", "json?_limit=2000", "ndjson?_limit=2000", "csv?_limit=2000")],
    "read_dataset": [WHERE],
    "read_schema": [f"{WHERE}/schema"],
    "list_runs": [f"{WHERE}/runs"],
    "list_days": [f"{WHERE}/days"],
    "list_changes": [f"{WHERE}/changes"],
    "query": ["/api/v1/query?sql=SELECT * FROM orders_us", "/api/v1/query?sql=SELECT count(*), sum(item_price) FROM orders_us"],
    "query_file": [f"/api/v1/query.{name}?sql=SELECT * FROM orders_us" for name in FORMATS],
    "query_posted": ["/api/v1/query"],
    "dataset_query_posted": [f"{WHERE}/query.csv"],
    "dataset_query": [f"{WHERE}/query?sql=SELECT * FROM table"],
    "dataset_query_file": [f"{WHERE}/query.{name}?sql=SELECT * FROM table" for name in FORMATS],
    "export_query": [f"/api/v1/queries/kept/export.{name}" for name in FORMATS],
    "odata_rows": ["/odata/v4/orders_us", "/odata/v4/orders_us?$count=true&$top=3"],
    "odata_row": [f"/odata/v4/orders_us(1)?$format=json;odata.metadata={level}" for level in ("minimal", "full")],
    "odata_count": ["/odata/v4/orders_us/$count"],
    "domo_data": ["/v1/datasets/orders_us/data?includeHeader=true"],
    "domo_datasets": ["/v1/datasets"],
    "domo_dataset": ["/v1/datasets/orders_us"],
}  # fmt: skip
PACKED = {"Accept-Encoding": "gzip"}
STATEMENT = "SELECT * FROM orders_us"
PLACES = {"slug": "orders_us", "day": "2026-09-15", "query": "kept"}


@pytest.fixture(scope="module")
def world(make, people):
    found = probed.furnish(make, *people)
    return make.run(_more, make, found)


def _more(make, world):
    from datasets.models import Dataset

    orders = Dataset.objects.get(slug="orders_us")
    row = {"amazon_order_id": "113-7777777-7777777", "title": "HIDDEN-ROW", "quantity": 1, "item_price": 98765}
    make.rows(orders, [row] * HIDDEN_ROWS)
    run = orders.runs.order_by("-pk").first()
    Run.objects.filter(dataset=orders).update(
        rows=HIDDEN_ROWS,
        message="HIDDEN-ROW did not fit.",
        state="partial",
        ended_at=timezone.now(),
        started_at=timezone.now(),
    )
    Day.objects.filter(dataset=orders, day="2026-09-15").update(message="HIDDEN-ROW did not fit.")
    Change.objects.create(
        dataset=orders,
        run=run,
        day="2026-09-15",
        rows_before=1217,
        rows_after=1218,
        totals_before={"item_price": "98765.10", "quantity": "98765"},
        totals_after={"item_price": "98766.10", "quantity": "98766"},
    )
    making.make(orders, timezone.now())
    file = keeping.keep(orders.owner, SimpleUploadedFile("own.csv", b"title\nplain\n"), now=timezone.now())
    return world | {"orders": orders, "run_of_orders": run.pk, "rows": orders.rows, "file": file.pk}


@pytest.fixture
def hide(monkeypatch):
    """Puts the rule on everybody's datasets; its rows only where the column is."""

    def rule(caller, dataset):
        return RULE if dataset.slug == "orders_us" else Rule(hidden=RULE.hidden)

    return lambda: monkeypatch.setattr(policies, "RULES", (*policies.RULES[:1], rule, *policies.RULES[1:]))


def text_of(name, whole):
    """What a file says, unpacked."""
    if whole[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(whole)) as book:
            return book.read("xl/worksheets/sheet1.xml").decode()
    if whole[:4] == b"PAR1":
        return "\n".join(map(str, parquet.read_table(io.BytesIO(whole)).to_pylist()))
    return whole.decode()


def told(client, world, people):
    """(name of the surface, address, status, everything that is said there, headers too) of every surface; compressed on the way
    where all of it is asked for, and on pages."""
    headers = {"Authorization": f"Bearer {world['token']}"}
    for operation in OPERATIONS:
        for visit in visits_of(client, operation, world) or [calls.Visit(operation, "address", operation.path)]:
            status, whole, response = ask(client, world, visit)
            assert status < 300, (visit.name, status, whole[:300])
            yield operation.name, visit.plain()[0], status, _all(whole, response)
        for address in ALL_OF_IT.get(operation.name, ()):
            asked = (
                {"data": {"sql": STATEMENT}, "content_type": "application/json"} if "posted" in operation.name else {}
            )
            response = (client.post if asked else client.get)(address, headers=headers | PACKED, **asked)
            whole = b"".join(response.streaming_content) if response.streaming else response.content
            yield operation.name, address, response.status_code, _all(whole, response)
    client.force_login(people[0])
    for name, address, post in pages(world):
        response = client.post(address, post, headers=PACKED) if post else client.get(address, headers=PACKED)
        yield name, address, response.status_code, _all(response.content, response)


def _all(whole, response):
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items() if name != "ETag")
    unpacked = gzip.decompress(whole) if response.get("Content-Encoding") == "gzip" else whole
    return f"{headers}\n{text_of('', unpacked)}"


def pages(world):
    """(name, address, what is posted) of every page of datasets for people."""
    known = PLACES | {"run_id": world["run_of_orders"], "token_id": world["token_id"], "file_id": world["file"]}
    for one in urlpatterns:
        if hasattr(one, "url_patterns"):
            continue  # what programs use: it is in the OpenAPI document, which another test holds
        address = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(known[found[1]]), str(one.pattern))
        yield one.name, f"/{address}", None
    yield "dataset", "/datasets/orders_us?months=all", None
    yield "dataset-data", "/datasets/orders_us/data?_limit=2000", None
    for sql in ("SELECT * FROM table", "SELECT count(*), sum(item_price) FROM table"):
        yield "dataset-query", "/datasets/orders_us/query", {"sql": sql, "run": ""}
    yield "dataset-token", "/datasets/orders_us/token", {"name": "x"}


def test_what_a_policy_hides_is_told_on_no_surface(client, world, people, hide, settings):
    settings.WRONG_TOKENS_PER_MINUTE = 10_000
    hide()
    wrong, seen = [], set()

    for name, address, status, said in told(client, world, people):
        seen.add(name)
        marks = {what for what, mark in MARKS.items() if mark.search(said)}
        if name in OF_THE_CATALOGUE:
            marks -= {"a hidden column"}
        wrong += [(name, address, what, MARKS[what].search(said)[0]) for what in marks]
        assert status < 400 or status == 405, (name, address, status, said[:600])

    assert wrong == []
    assert seen >= {operation.name for operation in OPERATIONS}


def test_the_marks_are_there_where_nothing_is_hidden(client, world, people):
    """Else the test above could not fail."""
    found = {}
    for name, _, _, said in told(client, world, people):
        found.setdefault(name, set()).update(what for what, mark in MARKS.items() if mark.search(said))

    assert {name for name in TELL if not found.get(name)} == set()
    assert set().union(*found.values()) == set(MARKS)


# A hidden column is an unknown one


@pytest.mark.parametrize(
    "address",
    [
        f"{WHERE}/export.csv?{{}}=x",
        f"{WHERE}/export.csv?{{}}__ne=x",
        f"{WHERE}/export.parquet?_select={{}}",
        f"{WHERE}/export.csv?_sort=-{{}}",
        f"{WHERE}/rows.json?{{}}__isnull=1",
        f"{WHERE}/rows.csv?_select=title,{{}}",
        f"{WHERE}/rows.json?_sort={{}}",
        "/odata/v4/orders_us?$filter={} eq 'x'",
        "/odata/v4/orders_us?$orderby={}",
        "/odata/v4/orders_us?$select={}",
        "/odata/v4/orders_us/$count?$filter=startswith({},'x')",
        "/v1/datasets/orders_us/data?{}=x",
        "/api/v1/query?sql=SELECT {} FROM orders_us",
        f"{WHERE}/query?sql=SELECT title FROM table WHERE {{}} IS NULL",
        "/datasets/orders_us/data?{}=x",
    ],
)
def test_a_hidden_column_is_refused_as_one_that_does_not_exist(client, world, people, hide, address):
    hide()
    client.force_login(people[0])

    def refused(name):
        answer = client.get(address.format(name))
        assert 400 <= answer.status_code < 500, answer.content
        said = re.sub(r'"request_id": "\w+"', "", answer.content.decode())
        return answer.status_code, re.sub(r'csrf\w*" value="[^"]+"', "", said).replace(name, "…")

    def plain(answer):
        return answer[0], re.sub(r" Did you mean [^?]+\?", "", answer[1]).replace("&#x27;", "'")

    hidden = refused("amazon_order_id")
    assert plain(hidden) == plain(refused("amazing_other_id"))
    assert "amazon_order_id" not in hidden[1]


def test_a_link_cannot_be_made_of_a_hidden_column(client, world, hide):
    headers = {"Authorization": f"Bearer {world['token']}"}
    hide()

    answer = client.post(
        f"{WHERE}/links",
        json.dumps({"query": "amazon_order_id__startswith=113"}),
        content_type="application/json",
        headers=headers,
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_column")


# What is seen is exactly what the rules leave


def table(client, address):
    answer = client.get(address)
    whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert answer.status_code == 200, whole
    return list(csv.DictReader(io.StringIO(whole.decode(), newline=""))), answer


@pytest.fixture
def rules(monkeypatch):
    """A function that puts these rules on all datasets, below those of links."""

    def put(*wanted):
        found = [lambda caller, dataset, rule=rule: rule for rule in wanted]
        monkeypatch.setattr(policies, "RULES", (*policies.RULES[:1], *found, *policies.RULES[1:]))

    return put


@pytest.fixture
def signed_in(client, people):
    client.force_login(people[0])
    return client


def test_each_rule_sees_what_the_ones_below_it_leave(signed_in, world, people, rules):
    rules(RULE, Rule(rows=((("quantity__gte", "1"),),), transformed=(("title", Last(2)),)))
    _, link = tokens.issue_link(
        people[0], world["orders"], fixed=urlencode({"_select": "title,quantity", "title": "…in"})
    )

    rows, answer = table(signed_in, f"{WHERE}/export.csv?token={link}")

    assert list(rows[0]) == ["title", "quantity"] and {row["title"] for row in rows} == {"…in"}
    assert len(rows) == 6 + sum(row["title"] == "plain" and (row["quantity"] or 0) >= 1 for row in shop.orders(20))
    assert "X-Row-Count" not in answer


def test_alternatives_are_added_and_no_alternative_is_no_row(signed_in, world, rules, monkeypatch):
    every, _ = table(signed_in, f"{WHERE}/export.csv")
    kept = policies.RULES
    rules(Rule(rows=((("quantity", "2"),), (("quantity", "3"), ("_day__gte", "2026-09-01")))))
    some, _ = table(signed_in, f"{WHERE}/export.csv")
    monkeypatch.setattr(policies, "RULES", kept)
    rules(Rule(rows=()))
    none, _ = table(signed_in, f"{WHERE}/export.csv")

    assert some == [row for row in every if row["quantity"] in ("2", "3")] and some
    assert none == []


def test_changed_columns_are_compared_and_sorted_by_what_is_shown(signed_in, world, rules):
    rules(Rule(transformed=(("title", Hashed("a key")), ("item_price", Last(2)))))

    rows, _ = table(signed_in, f"{WHERE}/export.csv?_sort=title&item_price=…65")
    hashes = {row["title"] for row in rows}
    [hidden] = hashes
    page = signed_in.get(f"{WHERE}/rows.json?title={hidden}&_limit=2&_sort=-title&_count=exact").json()
    following = signed_in.get(page["next"]).json()
    schema = {each["name"]: each["type"] for each in signed_in.get(f"{WHERE}/schema").json()["fields"]}
    totals = signed_in.get(f"{WHERE}/changes").json()[0]["totals"]

    assert len(rows) == HIDDEN_ROWS == page["count"]["value"] and len(hidden) == 64
    assert {row["title"] for row in (*page["rows"], *following["rows"])} == {hidden}
    assert (schema["title"], schema["item_price"]) == ("string", "string")
    assert len(table(signed_in, f"{WHERE}/export.csv?item_price__gt=x")[0])  # a text by now
    assert [each["column"] for each in totals] == ["quantity"]
    again = signed_in.get(f"/api/v1/query.csv?sql=SELECT DISTINCT title FROM orders_us WHERE title = '{hidden}'")
    assert hidden in b"".join(again.streaming_content).decode()


def test_a_walk_through_pages_gives_each_visible_row_once_and_its_cursor_counts_nothing(signed_in, world, rules):
    rules(RULE)
    wanted, _ = table(signed_in, f"{WHERE}/export.csv?_sort=-_day")
    address, found = f"{WHERE}/rows.json?_limit=3&_sort=-_day", []
    while address:
        page = signed_in.get(address).json()
        assert page["count"] is None
        found += page["rows"]
        address = page["next"]
        if address:
            sealed = unquote(address.partition("_cursor=")[2]).rpartition(":")[2]
            assert str(world["rows"]).encode() not in base64.urlsafe_b64decode(sealed)

    assert [row["quantity"] for row in found] == [int(row["quantity"]) if row["quantity"] else None for row in wanted]


def test_a_cursor_holds_only_for_the_policy_that_it_was_given_under(signed_in, world, rules):
    begun = signed_in.get(f"{WHERE}/rows.json?_limit=3").json()["next"]
    rules(RULE)

    answer = signed_in.get(begun)

    assert answer.status_code == 400 and "belongs to other filters" in answer.json()["detail"]


def test_two_policies_have_two_etags(signed_in, world, rules):
    files = ("export.csv", "rows.json", "query.csv?sql=SELECT title FROM table")
    open_to_all = [signed_in.head(f"{WHERE}/{file}")["ETag"] for file in files]
    rules(RULE)

    assert not set(open_to_all) & {signed_in.head(f"{WHERE}/{file}")["ETag"] for file in files}


def test_words_about_rows_are_for_those_who_see_all_of_them(signed_in, world, rules):
    told = signed_in.get(f"{WHERE}/runs/{world['run_of_orders']}").json()
    rules(Rule(hidden=frozenset({"title"})))
    kept_back = signed_in.get(f"{WHERE}/runs/{world['run_of_orders']}").json()

    assert (told["message"], kept_back["message"]) == ("HIDDEN-ROW did not fit.", SILENCE)
    assert told["rows"] == kept_back["rows"] == HIDDEN_ROWS  # no row is hidden, so their number is no secret


def test_a_rule_that_no_longer_fits_the_dataset_shows_nothing_and_tells_no_rule(signed_in, world, rules):
    rules(Rule(rows=((("no_such_column", "a secret value"),),)))

    for path in ("export.csv", "rows.json", "query?sql=SELECT 1 FROM table"):
        answer = signed_in.get(f"{WHERE}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "policy_broken")
        assert "a secret value" not in answer.content.decode() and "no_such_column" not in answer.content.decode()


def test_who_does_not_own_a_dataset_has_no_policy_for_it(world, bob):
    from datasets.problems import NotFound

    with pytest.raises(NotFound):
        policies.policy_of(tokens.Caller(bob), world["orders"])
    assert policies.policy_of(tokens.Caller(world["orders"].owner), world["orders"]).is_open


# The profile of columns, which is made of all rows


def columns_tab(signed_in, column):
    """What the Columns tab says of one column, None where it is not listed, and the whole page."""
    page = signed_in.get("/datasets/orders_us/columns").content.decode()
    rows = [row for row in page.split("<tr>") if f"<code>{column}</code>" in row or f">{column}<" in row]
    return (rows[0] if rows else None), page


def test_a_profile_tells_nothing_of_columns_that_are_hidden_or_changed(signed_in, world, rules):
    shown, _ = columns_tab(signed_in, "title")
    assert "HIDDEN-ROW" in shown and "1,211" in shown
    rules(Rule(hidden=RULE.hidden, transformed=(("title", Last(2)),)))

    changed, page = columns_tab(signed_in, "title")
    hidden, _ = columns_tab(signed_in, "amazon_order_id")
    other, _ = columns_tab(signed_in, "item_price")

    assert "HIDDEN-ROW" not in page and "1,211" not in changed and "values are masked for you" in changed
    assert hidden is None and "98765" in other


def test_where_rows_are_hidden_no_profile_is_shown_and_that_is_said(signed_in, world, rules):
    rules(RULE)

    _, page = columns_tab(signed_in, "title")

    assert "The profile covers all rows of this dataset" in page and "Refresh the profile" not in page
    assert "98765" not in page and ColumnProfile.objects.filter(dataset=world["orders"]).exists()


def test_a_row_that_is_hidden_has_no_address(client, world, hide):
    headers = {"Authorization": f"Bearer {world['token']}"}
    hidden = client.get("/odata/v4/orders_us?$filter=title eq 'HIDDEN-ROW'&$top=1", headers=headers).json()
    number = hidden["value"][0]["_row_id"]
    none = client.get("/odata/v4/orders_us(999999999)", headers=headers)
    assert client.get(f"/odata/v4/orders_us({number})", headers=headers).json()["title"] == "HIDDEN-ROW"
    hide()

    answer = client.get(f"/odata/v4/orders_us({number})", headers=headers)

    def plain(answer, number):
        return answer.status_code, answer.json()["error"]["message"].replace(str(number), "…")

    assert plain(answer, number) == plain(none, 999999999) and answer.status_code == 404
    assert client.get("/odata/v4/orders_us(1)", headers=headers).json()["title"] == "plain"


# A link's first rows


def test_a_link_with_a_limit_shows_its_first_rows_in_whatever_order_they_are_read(client, world, people):
    """The rows are chosen in the link's own order; what a reader sorts or filters by changes nothing about which they are."""
    _, link = tokens.issue_link(people[0], world["orders"], fixed="_sort=-_day,quantity&_limit=5")
    wanted, _ = table(client, f"{WHERE}/export.csv?token={link}")

    def ids(rows):
        return sorted(row["amazon_order_id"] for row in rows)

    assert len(wanted) == 5 and [row["_day"] for row in wanted] == sorted((row["_day"] for row in wanted), reverse=True)
    for more in ("&_sort=_day", "&_sort=title&_limit=50", "&_day__gte=2000-01-01"):
        assert ids(table(client, f"{WHERE}/export.csv?token={link}{more}")[0]) == ids(wanted), more
    sql = client.get(f"/api/v1/query?token={link}&sql=SELECT amazon_order_id FROM orders_us")
    assert ids(json.loads(b"".join(sql.streaming_content))["rows"]) == ids(wanted)
    address, found = f"{WHERE}/rows.json?token={link}&_limit=2&_sort=title", []
    while address:
        page = client.get(address).json()
        found, address = found + page["rows"], page["next"]
    assert ids(found) == ids(wanted)


def test_a_link_with_a_limit_beyond_a_page_gives_all_of_it(client, world, people):
    """Red before: the walk ended with its first page, and nothing said so."""
    _, link = tokens.issue_link(people[0], world["orders"], fixed="_limit=1100")

    first = client.get(f"{WHERE}/rows.json?token={link}").json()
    second = client.get(first["next"]).json()

    assert (len(first["rows"]), len(second["rows"]), second["next"]) == (1000, 100, None)


def test_a_link_sorted_by_a_column_that_it_hides_keeps_its_order(client, world, people):
    _, link = tokens.issue_link(people[0], world["orders"], fixed="_select=title&_sort=-_day")

    rows, _ = table(client, f"{WHERE}/export.csv?token={link}")
    pages = client.get(f"{WHERE}/rows.json?token={link}&_limit=4").json()
    following = client.get(pages["next"]).json()

    assert list(rows[0]) == ["title"] == list(pages["rows"][0])
    assert [row["title"] or "" for row in pages["rows"] + following["rows"]] == [row["title"] for row in rows[:8]]
    assert client.get(f"{WHERE}/export.csv?token={link}&_sort=_day").status_code == 400


def test_a_policy_is_a_value(world):
    assert Policy("a", (RULE,)) == Policy("a").with_rule(RULE) and hash(Policy("a", (RULE,)))
