"""Report documents: an address for five minutes, and the all-orders files behind it."""

import gzip
from collections import Counter
from decimal import Decimal

import pytest

from connector.simulator.flat_file import COLUMNS
from tests.simulator.caller import BY_LAST_UPDATE, BY_ORDER_DATE, DOCUMENTS

START, END = "2026-08-01T07:00:00Z", "2026-08-10T06:59:59Z"


@pytest.fixture
def address(amazon):
    return amazon.document_address(amazon.create_report(START, END))


def read(amazon, address, charset="utf-8"):
    reply = amazon.send("GET", address)
    assert reply.status == 200, reply.body
    lines = gzip.decompress(reply.body).decode(charset).split("\r\n")
    assert lines.pop() == ""
    header = lines[0].split("\t")
    return [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]


def test_the_document_says_how_it_is_compressed(amazon):
    document_id = amazon.report(amazon.create_report(START, END))["reportDocumentId"]
    content = amazon.get(f"{DOCUMENTS}/{document_id}").json
    assert set(content) == {"reportDocumentId", "url", "compressionAlgorithm"}
    assert content["compressionAlgorithm"] == "GZIP"
    amazon.control("settings", {"compress": False})
    content = amazon.get(f"{DOCUMENTS}/{document_id}").json
    assert "compressionAlgorithm" not in content
    assert amazon.send("GET", content["url"]).body.startswith(b"amazon-order-id\t")


def test_the_address_works_for_five_minutes(amazon, address):
    amazon.advance(seconds=290)
    assert amazon.send("GET", address).status == 200
    amazon.advance(seconds=15)
    reply = amazon.send("GET", address)
    assert reply.status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired" in reply.body
    assert reply.headers["content-type"] == "application/xml"


@pytest.mark.parametrize("header", ["Authorization", "x-amz-access-token"])
def test_credentials_beside_the_address_are_refused(amazon, address, header):
    reply = amazon.send("GET", address, headers={header: "Bearer x"})
    assert reply.status == 400
    assert b"Only one auth mechanism allowed" in reply.body


@pytest.mark.parametrize("change", [("Expires=300", "Expires=9999"), ("Signature=", "Signature=0"), ("5000", "5001")])
def test_a_changed_address_is_refused(amazon, address, change):
    assert change[0] in address
    reply = amazon.send("GET", address.replace(*change))
    assert (reply.status, b"SignatureDoesNotMatch" in reply.body) == (403, True)


def test_content_encoding_is_sent_when_asked_for(amazon):
    report_id = amazon.create_report(START, END)
    plain = amazon.send("GET", amazon.document_address(report_id))
    encoded = amazon.send("GET", amazon.document_address(report_id, enableContentEncodingUrlHeader="true"))
    assert "content-encoding" not in plain.headers
    assert encoded.headers["content-encoding"] == "gzip"
    assert encoded.body == plain.body


def test_a_download_goes_on_from_a_byte(amazon, address):
    whole = amazon.send("GET", address)
    rest = amazon.send("GET", address, headers={"Range": "bytes=100-", "If-Range": whole.headers["etag"]})
    assert (rest.status, rest.body) == (206, whole.body[100:])
    changed = amazon.send("GET", address, headers={"Range": "bytes=100-", "If-Range": '"other"'})
    assert (changed.status, changed.body) == (200, whole.body)


def test_the_columns_are_the_documented_ones(amazon, address):
    rows = read(amazon, address)
    assert tuple(rows[0]) == COLUMNS
    assert len(COLUMNS) == 31


def test_the_order_item_id_is_a_column_when_switched_on(amazon):
    amazon.control("settings", {"flat_file_order_item_id": True})
    rows = read(amazon, amazon.document_address(amazon.create_report(START, END)))
    assert tuple(rows[0]) == (*COLUMNS, "order-item-id")
    assert len({row["order-item-id"] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("report_type", "by", "date"),
    [(BY_ORDER_DATE, "created", "purchase-date"), (BY_LAST_UPDATE, "last_updated", "last-updated-date")],
)
def test_the_file_equals_the_truth_day_by_day(amazon, report_type, by, date):
    rows = read(amazon, amazon.document_address(amazon.create_report(START, END, report_type)))
    truth = amazon.truth("2026-08-01", "2026-08-09", "flat_file", by=by, zone="America/Los_Angeles")
    assert len(rows) == truth["rows"] > 100
    assert {row["amazon-order-id"] for row in rows} == {i for day in truth["days"].values() for i in day["ids"]}
    sums = Counter()
    for row in rows:
        sums[row["currency"]] += Decimal(row["item-price"] or 0)
    assert {currency: total for currency, total in sums.items() if currency} == {
        currency: Decimal(total) for currency, total in truth["item_prices"].items()
    }
    assert min(row[date] for row in rows) >= "2026-08-01T07:00:00+00:00"


def test_the_file_holds_the_whole_region_unless_switched_off(amazon):
    channels = {row["sales-channel"] for row in read(amazon, amazon.document_address(amazon.create_report(START, END)))}
    assert {"Amazon.com", "Amazon.ca", "Amazon.com.mx"} <= channels
    amazon.control("settings", {"reports_regional": False})
    channels = {row["sales-channel"] for row in read(amazon, amazon.document_address(amazon.create_report(START, END)))}
    assert channels <= {"Amazon.com", "Non-Amazon US"}


def test_breaks_and_tabs_inside_a_value_are_spaces_and_quotes_stay(amazon):
    rows = read(amazon, amazon.document_address(amazon.create_report("2026-07-10T00:00:00Z", "2026-08-08T00:00:00Z")))
    titles = {row["sku"]: row["product-name"] for row in rows}
    assert titles["RACK-19"] == '19" rack shelf, 2U, "deep"'
    assert titles["SOAP-CRLF"] == "Laurel soap  small batch"
    assert titles["TWINE-TAB"] == "Garden twine green"
    assert titles["CALC-EQ"].startswith("=HYPERLINK(")
    assert "000123" in titles


def test_some_lines_cannot_be_told_apart_without_the_item_id(amazon):
    rows = read(amazon, amazon.document_address(amazon.create_report("2026-07-10T00:00:00Z", "2026-08-08T00:00:00Z")))
    assert max(Counter(tuple(row.values()) for row in rows).values()) > 1


def test_japans_file_is_in_its_own_alphabet(amazon):
    seller = "Atzr|simulator-seller-fe"
    report_id = amazon.create_report(START, END, marketplaces=["A1VC38T7YXB528"], seller=seller)
    reply = amazon.send("GET", amazon.document_address(report_id, seller))
    assert reply.headers["content-type"] == "text/plain; charset=Shift_JIS"
    plain = gzip.decompress(reply.body)
    assert "東京都" in plain.decode("cp932")
    with pytest.raises(UnicodeDecodeError):
        plain.decode("utf-8")


def test_elsewhere_it_is_utf_8(amazon, address):
    assert amazon.send("GET", address).headers["content-type"] == "text/plain; charset=UTF-8"


def test_a_fatal_reports_document_says_why(amazon):
    wide = amazon.create_report("2026-06-01T00:00:00Z", "2026-08-01T00:00:00Z")
    reply = amazon.send("GET", amazon.document_address(wide))
    assert "maximum of 30 days" in gzip.decompress(reply.body).decode()


def test_a_report_shows_the_world_as_it_was_when_asked_for(amazon):
    report_id = amazon.create_report("2026-08-14T00:00:00Z", "2026-08-15T12:00:00Z")
    first = read(amazon, amazon.document_address(report_id))
    amazon.advance(days=9)
    amazon.forget_tokens()
    assert read(amazon, amazon.document_address(report_id)) == first
    assert "Pending" in {row["order-status"] for row in first}


def test_the_newest_orders_are_missing_while_the_report_lags(amazon):
    whole = read(amazon, amazon.document_address(amazon.create_report("2026-08-13T00:00:00Z", "2026-08-15T12:00:00Z")))
    amazon.control("settings", {"report_lag_seconds": 86400})
    behind = read(amazon, amazon.document_address(amazon.create_report("2026-08-13T00:00:00Z", "2026-08-15T12:00:00Z")))
    assert 0 < len(behind) < len(whole)
    assert max(row["purchase-date"] for row in behind) <= "2026-08-14T12:00:00+00:00"


def test_an_unknown_document_is_not_found(amazon):
    assert amazon.get(f"{DOCUMENTS}/amzn1.spdoc.1.4.na.1.T2SIMULATED").status == 404
