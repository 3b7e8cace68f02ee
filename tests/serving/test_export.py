"""Exports: the whole result, faithful to the last byte, in one moment."""

import csv
import io
import json

import pytest

from tests.serving import shop

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def rows():
    return shop.orders(200)


@pytest.fixture(scope="module")
def nothing(make):
    return make.dataset("nothing_yet")


def start(client, path, bearer, **headers):
    """The answer as it begins; whoever takes it reads it or leaves."""
    return client.get(f"/api/v1/datasets/{path}", headers=bearer | headers)


def leave(response):
    """Reads the first chunk and goes."""
    content = response._iterator
    next(content)
    content.close()


def get(client, path, bearer, **headers):
    """The answer, read to its end."""
    response = start(client, path, bearer, **headers)
    response.whole = b"".join(response.streaming_content) if response.streaming else response.content
    return response


def body(response):
    return response.whole


def as_text(value, kind):
    if value is None:
        return ""
    if kind == "timestamptz":
        return value.isoformat().replace("+00:00", "").rstrip("0" if value.microsecond else "") + "Z"
    if kind == "boolean":
        return "true" if value else "false"
    return str(value)


def test_csv_holds_every_row_and_every_cell_as_it_was(client, orders, rows, bearer):
    response = get(client, "orders_us/export.csv", bearer)

    found = list(csv.DictReader(io.StringIO(body(response).decode(), newline="")))
    assert response.status_code == 200
    assert len(found) == len(rows)
    for row, wanted in zip(found, rows, strict=True):
        for column in shop.COLUMNS:
            assert row[column["name"]] == as_text(wanted[column["name"]], column["type"])
        assert row["_day"] == wanted["_day"].isoformat()
        assert row["_batch_last_run"].endswith("Z")


def test_csv_ends_records_with_crlf_and_quotes_only_where_needed(client, orders, bearer):
    text = body(get(client, "orders_us/export.csv?_select=amazon_order_id,quantity&_limit=3", bearer))

    assert text.startswith(b"amazon_order_id,quantity\r\n113-0000000-")
    assert text.count(b"\r\n") == 4
    assert b'"' not in text


def test_an_empty_text_and_no_value_can_be_told_apart_in_csv(client, orders, rows, bearer):
    text = body(get(client, "orders_us/export.csv?_select=amazon_order_id,title&_header=off", bearer)).decode()

    assert text.count(',""\r\n') == sum(row["title"] == "" for row in rows)
    assert text.count(",\r\n") == sum(row["title"] is None for row in rows)


def test_a_single_column_never_makes_an_empty_line(client, orders, rows, bearer):
    text = body(get(client, "orders_us/export.csv?_select=quantity&_header=off", bearer))

    assert len(text.split(b"\r\n")) - 1 == len(rows)
    assert b"\r\n\r\n" not in text


def test_tsv_is_csv_with_tabs(client, orders, rows, bearer):
    response = get(client, "orders_us/export.tsv", bearer)

    found = list(csv.DictReader(io.StringIO(body(response).decode(), newline=""), delimiter="\t"))
    assert [row["title"] for row in found] == [row["title"] or "" for row in rows]
    assert response["Content-Type"].startswith("text/tab-separated-values")


@pytest.mark.parametrize("suffix", ["json", "ndjson"])
def test_json_keeps_types_and_text(client, orders, rows, bearer, suffix):
    text = body(get(client, f"orders_us/export.{suffix}", bearer))

    found = json.loads(text) if suffix == "json" else [json.loads(line) for line in text.splitlines()]
    assert len(found) == len(rows)
    for row, wanted in zip(found, rows, strict=True):
        assert row["title"] == wanted["title"]
        assert row["quantity"] == wanted["quantity"]
        assert row["is_business_order"] is wanted["is_business_order"]
        assert row["item_price"] == (None if wanted["item_price"] is None else float(wanted["item_price"]))
        assert (row["purchase_date"] or "") == as_text(wanted["purchase_date"], "timestamptz")


def test_decimals_come_as_text_on_request(client, orders, rows, bearer):
    found = json.loads(body(get(client, "orders_us/export.json?_decimals=string&_select=item_price", bearer)))

    assert [row["item_price"] for row in found] == [
        None if row["item_price"] is None else str(row["item_price"]) for row in rows
    ]


def test_columns_come_in_the_order_of_the_report_then_ours(client, orders, bearer):
    header = body(get(client, "orders_us/export.csv", bearer)).split(b"\r\n")[0].decode().split(",")

    assert header == [column["name"] for column in shop.COLUMNS] + ["_batch_id", "_batch_last_run", "_day"]


def test_filters_select_sort_and_limit_shape_the_file(client, orders, rows, bearer):
    found = json.loads(
        body(
            get(
                client,
                "orders_us/export.json?quantity__gte=1&_select=quantity,amazon_order_id&_sort=-quantity&_limit=5",
                bearer,
            )
        )
    )

    wanted = sorted((row for row in rows if (row["quantity"] or 0) >= 1), key=lambda row: -row["quantity"])[:5]
    assert found == [{"quantity": row["quantity"], "amazon_order_id": row["amazon_order_id"]} for row in wanted]


def test_formula_cells_are_neutralised_on_request_and_numbers_are_not(client, orders, bearer):
    text = body(get(client, "orders_us/export.csv?_safe=1&_select=title,quantity&_header=off", bearer)).decode()

    found = list(csv.reader(io.StringIO(text, newline="")))
    titles = {row[0] for row in found}
    assert {"'=1+1", "'@SUM(A1)", "'-5", "'  =cmd()"} <= titles
    assert not {"=1+1", "@SUM(A1)", "-5"} & titles
    assert "-4" in {row[1] for row in found}


def test_the_byte_order_mark_comes_on_request_only(client, orders, bearer):
    assert body(get(client, "orders_us/export.csv?_bom=1", bearer)).startswith(b"\xef\xbb\xbfamazon_order_id")
    assert body(get(client, "orders_us/export.csv", bearer)).startswith(b"amazon_order_id")


def test_headers_tell_what_the_file_is(october, client, orders, bearer):
    response = get(client, "orders_us/export.csv?_dl=1", bearer)

    assert response["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert response["Content-Disposition"].startswith('attachment; filename="orders_us_20')
    assert response["ETag"].startswith('"v1-')
    assert response["X-Row-Count"] == "200"
    assert response["X-Data-Complete-Through"] == "2026-09-30"
    assert response["X-Dataset-Version"] == "v1"
    assert response["Cache-Control"] == "private, no-cache"
    assert response["Accept-Ranges"] == "none"
    assert response["Vary"] == "Authorization, Cookie, Accept-Encoding"
    assert "Last-Modified" in response
    assert "Content-Length" not in response


def test_a_filtered_file_does_not_claim_the_row_count(client, orders, bearer):
    response = get(client, "orders_us/export.csv?quantity=1", bearer)

    assert "X-Row-Count" not in response


def test_what_has_not_changed_is_304_in_any_compression(client, orders, bearer):
    etag = get(client, "orders_us/export.csv", bearer, **{"Accept-Encoding": "gzip"})["ETag"]

    assert etag.endswith('-gzip"')
    assert get(client, "orders_us/export.csv", bearer, **{"If-None-Match": etag}).status_code == 304
    assert get(client, "orders_us/export.csv", bearer, **{"If-None-Match": f'"other", W/{etag}'}).status_code == 304
    assert get(client, "orders_us/export.csv?_limit=1", bearer, **{"If-None-Match": etag}).status_code == 200
    assert get(client, "orders_us/export.tsv", bearer, **{"If-None-Match": etag}).status_code == 200


def test_another_state_than_if_match_names_is_412(client, orders, bearer):
    """RFC 9110, 13.1.1: the comparison is strong, so that a weak tag and the tag of another compression match nothing."""
    for path in ("orders_us/export.csv", "orders_us/rows.json", "orders_us/query.csv?sql=SELECT title FROM table"):
        etag = get(client, path, bearer)["ETag"]

        for wanted in (etag, f'"other", {etag}', "*"):
            assert get(client, path, bearer, **{"If-Match": wanted}).status_code == 200, (path, wanted)
        for wanted in ('"x"', f"W/{etag}", "x", ""):
            refused = get(client, path, bearer, **{"If-Match": wanted})
            assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed"), (path, wanted)
        both = {"If-Match": '"x"', "If-None-Match": etag}
        assert get(client, path, bearer, **both).status_code == 412


def test_the_etag_changes_with_the_rows(client, make, bearer):
    dataset = make.dataset("growing", rows=shop.orders(3))
    before = get(client, "growing/export.csv", bearer)["ETag"]

    make.rows(dataset, shop.orders(2, seed=9))

    assert get(client, "growing/export.csv", bearer, **{"If-None-Match": before}).status_code == 200


def test_a_relative_day_is_part_of_the_etag(client, orders, bearer, time_machine):
    time_machine.move_to("2026-10-01T12:00:00Z", tick=False)
    first = client.head("/api/v1/datasets/orders_us/export.csv?purchase_date__gte=today-7", headers=bearer)["ETag"]
    time_machine.move_to("2026-10-02T12:00:00Z", tick=False)
    second = client.head("/api/v1/datasets/orders_us/export.csv?purchase_date__gte=today-7", headers=bearer)["ETag"]

    assert first != second


def test_head_answers_like_get_without_a_row(october, client, orders, bearer):
    get_response = get(client, "orders_us/export.csv", bearer)
    head = client.head("/api/v1/datasets/orders_us/export.csv", headers=bearer)

    assert head.status_code == 200
    assert head.getvalue() == b""
    for name in ("ETag", "Content-Type", "X-Row-Count", "X-Data-Complete-Through", "Last-Modified", "Vary"):
        assert head[name] == get_response[name]


def test_a_dataset_without_rows_has_its_header_line(client, nothing, bearer):
    found = body(get(client, "nothing_yet/export.csv", bearer))

    assert found.startswith(b"amazon_order_id,")
    assert found.endswith(b"_batch_id,_batch_last_run,_day\r\n")
    assert found.count(b"\r\n") == 1
    assert body(get(client, "nothing_yet/export.json", bearer)) == b"[]\n"
    assert body(get(client, "nothing_yet/export.ndjson", bearer)) == b""


def test_a_filter_that_nothing_meets_is_an_empty_file(client, orders, bearer):
    assert body(get(client, "orders_us/export.json?quantity=77", bearer)) == b"[]\n"
    assert body(get(client, "orders_us/export.csv?quantity=77&_select=quantity", bearer)) == b"quantity\r\n"


def test_the_uuid_works_as_well_as_the_slug(client, orders, bearer):
    assert get(client, f"{orders.uuid}/export.csv", bearer).status_code == 200


def test_a_stranger_finds_nothing_and_nobody_is_asked_who_they_are(client, orders, make, bob):
    stranger = {"Authorization": f"Bearer {make.token(bob)}"}

    assert get(client, "orders_us/export.csv", stranger).status_code == 404
    answer = get(client, "orders_us/export.csv", {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Basic realm=")
    assert "Bearer" in answer["WWW-Authenticate"]
    assert answer["Content-Type"] == "application/problem+json"


def test_an_unknown_format_names_the_nearest(client, orders, bearer):
    answer = get(client, "orders_us/export.csvv", bearer)

    assert answer.status_code == 404
    assert "Did you mean 'csv'?" in answer.json()["detail"]


def test_a_change_of_method_is_refused(client, orders, bearer):
    answer = client.post("/api/v1/datasets/orders_us/export.csv", headers=bearer)

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"


def test_too_many_downloads_of_one_caller_wait(client, orders, bearer, settings):
    settings.EXPORTS_PER_CALLER = 2
    held = [start(client, "orders_us/export.csv", bearer) for _ in range(2)]

    refused = start(client, "orders_us/export.csv", bearer)
    leave(held.pop())
    granted = start(client, "orders_us/export.csv", bearer)

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0
    assert granted.status_code == 200
    for response in (*held, granted):
        leave(response)


def test_whoever_stops_reading_gives_place_and_connection_back(client, orders, bearer):
    from datasets.access.export_slots import EXPORT_SLOTS

    leave(start(client, "orders_us/export.csv", bearer))

    assert EXPORT_SLOTS.taken() == 0
