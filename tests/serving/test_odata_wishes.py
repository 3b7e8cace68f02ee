"""Whatever a request of OData 4.01 can say is honoured, refused in words, or a preference that is not claimed to be applied."""

import json
from decimal import Decimal
from urllib.parse import quote, unquote, urlsplit

import pytest

from datasets.problems import Problem
from datasets.serving.http import accepted
from datasets.serving.odata import formats
from tests.serving import shop
from tests.serving.test_odata import Reader, is_an_error

pytestmark = pytest.mark.django_db
LARGE = 2**53 + 1  # which a double does not hold
POWER_QUERY = (
    "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,"
    "application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7"
)


@pytest.fixture(scope="module")
def orders(make):
    rows = shop.orders(20)
    rows[0] |= {"quantity": LARGE, "item_price": Decimal("12345678901234567890.123456789"), "title": "=1+1"}
    rows[1] |= {"quantity": None, "item_price": None}
    return make.dataset("orders_us", rows=rows)


@pytest.fixture
def reader(client, make, orders):
    return Reader(client, f"Bearer {make.token()}")


def first(answer):
    """The first row with its numbers' digits as they came."""
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content, parse_float=Decimal)["value"][0]


# Formats


@pytest.mark.parametrize(
    "asked",
    [
        {"format": "application/json;IEEE754Compatible=true"},
        {"format": "json;IEEE754Compatible=TRUE;odata.metadata=minimal"},
        {"accept": "application/json;IEEE754Compatible=true"},
        {"accept": "application/json;q=0.2, application/json;odata.metadata=minimal;IEEE754Compatible=true"},
    ],
)
def test_numbers_are_text_for_readers_of_doubles(reader, asked):
    options = {"count": "true", "orderby": "_row_id"} | ({"format": asked["format"]} if "format" in asked else {})
    address = "/odata/v4/orders_us?" + "&".join(f"${name}={quote(value)}" for name, value in options.items())
    answer = reader.get(address, **({"HTTP_ACCEPT": asked["accept"]} if "accept" in asked else {}))

    assert answer["Content-Type"] == "application/json;odata.metadata=minimal;IEEE754Compatible=true"
    row = first(answer)
    assert (row["_row_id"], row["quantity"]) == ("1", str(LARGE))
    assert row["item_price"] == "12345678901234567890.123456789"
    assert row["is_business_order"] in (True, False, None)
    assert answer.json()["value"][1]["quantity"] is None
    assert answer.json()["@odata.count"] == "20"


def test_numbers_are_numbers_for_everybody_else(reader):
    for text in ("json", "application/json;IEEE754Compatible=false", "application/json;ExponentialDecimals=true"):
        answer = reader.ask("orders_us", orderby="_row_id", format=text, count="true")

        assert answer["Content-Type"] == "application/json;odata.metadata=minimal"
        row = first(answer)
        assert (row["_row_id"], row["quantity"]) == (1, LARGE)
        assert row["item_price"] == Decimal("12345678901234567890.123456789")
        assert answer.json()["@odata.count"] == 20


@pytest.mark.parametrize("name", ["odata.metadata", "metadata"])
def test_without_metadata_only_count_and_next_link_are_left(reader, name):
    answer = reader.get(
        f"/odata/v4/orders_us?$count=true&$format=application/json;{name}=none", HTTP_PREFER="maxpagesize=5"
    )

    assert answer["Content-Type"] == "application/json;odata.metadata=none"
    body = answer.json()
    assert set(body) == {"@odata.count", "value", "@odata.nextLink"}
    assert not [name for row in body["value"] for name in row if "@" in name]
    assert list(reader.ask("", format="application/json;odata.metadata=none").json()) == ["value"]
    following = reader.get(body["@odata.nextLink"])
    assert "@odata.context" not in following.json()


def test_full_metadata_says_each_rows_type_address_and_types(reader):
    answer = reader.ask("orders_us", format="application/json;odata.metadata=full", orderby="_row_id")

    assert answer["Content-Type"] == "application/json;odata.metadata=full"
    assert answer.json()["@odata.context"] == "http://testserver/odata/v4/$metadata#orders_us"
    row = first(answer)
    assert row["@odata.type"] == "#Backhaul.orders_us"
    assert row["@odata.id"] == row["@odata.readLink"] == "orders_us(1)"
    assert {name: value for name, value in row.items() if name.endswith("@odata.type") and name[0] != "@"} == {
        "_row_id@odata.type": "#Int64",
        "purchase_date@odata.type": "#DateTimeOffset",
        "ship_date@odata.type": "#Date",
        "quantity@odata.type": "#Int64",
        "item_price@odata.type": "#Decimal",
        "_batch_id@odata.type": "#Int64",
        "_batch_last_run@odata.type": "#DateTimeOffset",
        "_day@odata.type": "#Date",
    }
    plain = first(reader.ask("orders_us", orderby="_row_id"))
    assert {name: value for name, value in row.items() if "@" not in name} == plain
    assert list(plain) == [name for name in row if "@" not in name]


def test_full_metadata_goes_with_select_and_with_numbers_as_text(reader):
    text = "application/json;odata.metadata=full;IEEE754Compatible=true;odata.streaming=true"
    answer = reader.ask("orders_us", select="item_price", format=text, orderby="_row_id")

    assert answer["Content-Type"] == (
        "application/json;odata.metadata=full;odata.streaming=true;IEEE754Compatible=true"
    )
    assert first(answer) == {
        "@odata.type": "#Backhaul.orders_us",
        "@odata.id": "orders_us(1)",
        "@odata.readLink": "orders_us(1)",
        "item_price@odata.type": "#Decimal",
        "item_price": "12345678901234567890.123456789",
    }
    assert answer.content.startswith(b'{"@odata.context"')  # what streaming asks of the order


@pytest.mark.parametrize("name", ["orders_us(1)", "orders_us(_row_id=1)"])
def test_a_row_is_read_by_its_key(reader, name):
    plain = first(reader.ask("orders_us", filter="_row_id eq 1"))

    answer = reader.ask(name)
    assert answer.json()["@odata.context"] == "http://testserver/odata/v4/$metadata#orders_us/$entity"
    found = json.loads(answer.content, parse_float=Decimal)
    assert {key: value for key, value in found.items() if "@" not in key} == plain
    narrow = reader.ask(name, select="title", format="json;odata.metadata=none")
    assert narrow.json() == {"title": "=1+1"}
    full = reader.ask(name, format="json;odata.metadata=full").json()
    assert full["@odata.id"] == "orders_us(1)" and full["quantity@odata.type"] == "#Int64"


def test_a_row_by_its_key_is_nobody_elses(client, make, bob, reader):
    stranger = Reader(client, f"Bearer {make.token(bob)}")

    is_an_error(stranger.ask("orders_us(1)"), 404, "not_found")
    is_an_error(Reader(client, "").ask("orders_us(1)"), 401)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("atom", 501),
        ("application/xml", 501),
        ("application/json;odata=verbose", 501),
        ("application/json;charset=utf-16", 501),
        ("application/json;odata.metadata=some", 400),
        ("application/json;IEEE754Compatible=perhaps", 400),
        ("application/json;IEEE754Compatible", 400),
        ("application/json;charset=utf-8", 200),
        ("application/json;", 200),
        (" JSON ", 200),
    ],
)
def test_a_format_that_there_is_none_of_is_refused(reader, text, status):
    for address in ("orders_us", "orders_us(1)", ""):
        answer = reader.ask(address, format=text)
        if status == 200:
            assert answer.status_code == 200, answer.content
        else:
            is_an_error(answer, status)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "minimal"),
        ("*/*", "minimal"),
        ("application/*", "minimal"),
        (POWER_QUERY, "minimal"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "minimal"),
        ("application/json;odata.metadata=none;q=0.5, application/json;odata.metadata=full;q=0.7", "full"),
        ("application/json;metadata=none, application/json;metadata=full", "none"),
        ("application/json;q=0.1, application/json;odata.metadata=full;q=0", "minimal"),
        ("application/json;odata.metadata=full;q=0.3, */*;q=0.2", "full"),
        ("application/json;odata=verbose, application/json;q=0.1", "minimal"),
        ("application/json;odata=verbose", None),
        ("application/atom+xml, text/html", None),
        ("application/json;q=0, */*", None),
        ("application/json;q=0", None),
        ("nonsense", "minimal"),
    ],
)
def test_accept_is_weighed(reader, accept, wanted):
    answer = reader.get("/odata/v4/orders_us?$top=1", HTTP_ACCEPT=accept)

    if wanted is None:
        is_an_error(answer, 406, "not_acceptable")
    else:
        assert answer["Content-Type"] == f"application/json;odata.metadata={wanted}"
        assert "Accept" in answer["Vary"].split(", ")


def test_the_format_of_the_address_goes_before_accept(reader):
    asked = "/odata/v4/orders_us?$top=1&$format=application/json;odata.metadata=full"

    assert reader.get(asked, HTTP_ACCEPT="application/atom+xml")["Content-Type"].endswith("metadata=full")
    is_an_error(reader.get("/odata/v4/orders_us/$count", HTTP_ACCEPT="application/json"), 406)
    assert reader.get("/odata/v4/orders_us/$count", HTTP_ACCEPT="text/plain, application/json").content == b"20"


@pytest.mark.parametrize(
    "text", ["*; q=.2", "text/*;q=0.5, text/csv;q=0", 'a/b;c="x,y;z", text/csv;q=0.3', "q=1", ",;,"]
)
def test_an_accept_header_of_any_kind_can_be_read(text):
    assert 0.0 <= accepted.weight_of(text, "text/csv") <= 1.0
    for one in (text, *text.split(",")):
        try:
            assert isinstance(formats.of(None, one), formats.ODataFormat)
        except Problem as problem:
            assert problem.status == 406


# Options


@pytest.mark.parametrize("name", ["$top", "top", "TOP", "$Top"])
def test_options_may_be_written_as_4_01_has_them(reader, name):
    body = reader.get(f"/odata/v4/orders_us?{name}=3&OrderBy=_row_id%20desc&$COUNT=true").json()

    assert [row["_row_id"] for row in body["value"]] == [20, 19, 18]
    assert body["@odata.count"] == 20
    is_an_error(reader.get(f"/odata/v4/orders_us?{name}=3&$top=4"), 400)


def test_a_walk_goes_on_whichever_way_its_options_were_written(reader):
    body = reader.get("/odata/v4/orders_us?SELECT=title&Filter=_row_id%20gt%2010", HTTP_PREFER="maxpagesize=6").json()

    assert {unquote(part).partition("=")[0] for part in urlsplit(body["@odata.nextLink"]).query.split("&")} == {
        "$select",
        "$filter",
        "$skiptoken",
    }
    assert len(reader.get(body["@odata.nextLink"]).json()["value"]) == 4


@pytest.mark.parametrize(
    "option",
    [
        *("expand=x", "search=x", "apply=aggregate($count as n)", "compute=quantity mul 2 as twice", "levels=2"),
        *("index=1", "deltatoken=x", "schemaversion=2", "schemaversion=*", "id=orders_us(1)"),
    ],
)
@pytest.mark.parametrize("address", ["orders_us", "orders_us(1)", "orders_us/$count", ""])
def test_an_option_that_is_not_offered_is_never_passed_over(reader, option, address):
    for written in (f"${option}", option, f"${option[0].upper()}{option[1:]}"):
        is_an_error(reader.get(f"/odata/v4/{address}?{quote(written, safe='=$')}"), 501, "not_implemented")


def test_names_of_ones_own_and_aliases_are_refused(reader):
    is_an_error(reader.get("/odata/v4/orders_us?debug=true"), 400, "unknown_parameter")
    is_an_error(reader.get("/odata/v4/orders_us?$filter=quantity%20eq%20@p&@p=1"), 501)
    is_an_error(reader.get("/odata/v4/orders_us?$made_up=1"), 501)


def test_a_skip_beside_a_token_is_refused(reader):
    link = reader.get("/odata/v4/orders_us", HTTP_PREFER="maxpagesize=5").json()["@odata.nextLink"]

    is_an_error(reader.get(f"{link}&$skip=2"), 400)


# Headers


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("OData-MaxVersion", "4.0", 200),
        ("OData-MaxVersion", "4.01", 200),
        ("OData-MaxVersion", "5", 200),
        ("OData-MaxVersion", "3.0", 501),
        ("OData-MaxVersion", "new", 400),
        ("OData-Version", "4.0", 200),
        ("OData-Version", "4.01", 200),
        ("OData-Version", "3.0", 501),
        ("OData-Version", "5.0", 501),
        ("OData-Isolation", "snapshot", 200),
        ("Isolation", "Snapshot", 200),
        ("OData-Isolation", "serializable", 412),
    ],
)
def test_versions_and_isolation_are_kept_or_refused(reader, header, value, status):
    answer = reader.get("/odata/v4/orders_us", **{f"HTTP_{header.upper().replace('-', '_')}": value})

    if status == 200:
        assert answer.status_code == 200 and answer["OData-Version"] == "4.0"
    else:
        is_an_error(answer, status)


@pytest.mark.parametrize(
    ("prefer", "rows", "applied"),
    [
        ("odata.maxpagesize=5", 5, "odata.maxpagesize=5"),
        ("maxpagesize=5", 5, "maxpagesize=5"),
        ('MaxPageSize = "5"; x=y', 5, "maxpagesize=5"),
        ("respond-async, maxpagesize=7, wait=10", 7, "maxpagesize=7"),
        ("maxpagesize=4, maxpagesize=9", 4, "maxpagesize=4"),
        ("maxpagesize=90000000", 20, "maxpagesize=50000"),
        ("maxpagesize=0", 20, None),
        ("maxpagesize=many", 20, None),
        ("x-maxpagesize=5", 20, None),
        ('callback; url="http://x/?maxpagesize=3"', 20, None),
        ('include-annotations="a,maxpagesize=3"', 20, None),
        ("return=minimal", 20, None),
        ("omit-values=nulls", 20, None),
        ("track-changes", 20, None),
        ("odata.allow-entityreferences", 20, None),
        ('odata.include-annotations="*"', 20, None),
    ],
)
def test_what_is_said_to_be_applied_is(reader, prefer, rows, applied):
    answer = reader.get("/odata/v4/orders_us", HTTP_PREFER=prefer)

    assert len(answer.json()["value"]) == rows
    assert answer.get("Preference-Applied") == applied
    assert "Prefer" in answer["Vary"].split(", ")
    assert (
        None in first(reader.get("/odata/v4/orders_us?$orderby=quantity%20desc&$skip=19", HTTP_PREFER=prefer)).values()
    )
    assert "Preference-Applied" not in reader.get("/odata/v4/orders_us/$count", HTTP_PREFER=prefer)
