"""Exports that a library makes: a workbook for Excel and Parquet, as exact as the CSV."""

import html
import io
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from openpyxl.utils.escape import unescape  # openpyxl itself does so only for shared strings
from pyarrow import parquet

from datasets.access.export_slots import EXPORT_SLOTS
from datasets.formats import parquet as our_parquet
from datasets.formats import xlsx, zip64_stream
from tests.serving import shop
from tests.serving.test_export import get, leave, start

pytestmark = pytest.mark.django_db
SUFFIXES = ("xlsx", "parquet")


@pytest.fixture(scope="module")
def rows():
    return shop.orders(1500)


@pytest.fixture(scope="module")
def odd(make):
    """Values at the edges of what the formats hold."""
    return make.dataset(
        "odd_ones",
        rows=[
            {
                "amazon_order_id": "00012345",
                "quantity": 2**62,
                "item_price": Decimal("0.125"),
                "ship_date": date(1899, 5, 1),
                "title": '=HYPERLINK("http://example.com")',
            },
            {
                "amazon_order_id": "x",
                "quantity": 999_999_999_999_999,
                "item_price": Decimal("12345678901234567890.01"),
                "title": "_x0041_x0042_ stays",
            },
            {
                "amazon_order_id": "]]> & <c r='A1'/> \ufffe\uffff \x1f",
                "item_price": Decimal("-0.0000000125"),
                "quantity": -5,
            },
        ],
    )


def workbook(response):
    assert response.status_code == 200, response.whole
    return openpyxl.load_workbook(io.BytesIO(response.whole))["Data"]


def table(response):
    assert response.status_code == 200, response.whole
    return parquet.read_table(io.BytesIO(response.whole))


def test_a_workbook_holds_every_cell_with_its_type(client, orders, rows, bearer):
    sheet = workbook(get(client, "orders_us/export.xlsx", bearer))

    lines = list(sheet.iter_rows(values_only=True))
    assert lines[0][:3] == ("amazon_order_id", "purchase_date", "ship_date")
    assert len(lines) == len(rows) + 1
    for line, wanted in zip(lines[1:], rows, strict=True):
        found = dict(zip(lines[0], line, strict=True))
        at = wanted["purchase_date"]
        assert found["amazon_order_id"] == wanted["amazon_order_id"]
        assert (found["purchase_date"] is None) == (at is None)
        if at:
            assert abs(found["purchase_date"] - at.replace(tzinfo=None)) < timedelta(milliseconds=1)
        assert (found["ship_date"].date() if found["ship_date"] else None) == wanted["ship_date"]
        assert found["quantity"] == wanted["quantity"]
        assert found["item_price"] == (None if wanted["item_price"] is None else float(wanted["item_price"]))
        assert found["is_business_order"] is wanted["is_business_order"]
        assert unescape(found["title"] or "") == (wanted["title"] or "")


def test_the_header_line_of_a_workbook_stays_in_sight(client, orders, bearer):
    assert workbook(get(client, "orders_us/export.xlsx?_limit=1", bearer)).freeze_panes == "A2"
    assert workbook(get(client, "orders_us/export.xlsx?_limit=1&_header=off", bearer)).max_row == 1


def test_what_excel_would_change_stands_as_text(client, odd, bearer):
    sheet = workbook(get(client, "odd_ones/export.xlsx", bearer))

    names = [cell.value for cell in sheet[1]]
    first, second, third = (dict(zip(names, line, strict=True)) for line in sheet.iter_rows(min_row=2))
    assert (first["amazon_order_id"].value, first["amazon_order_id"].data_type) == ("00012345", "s")
    assert (first["title"].value, first["title"].data_type) == ('=HYPERLINK("http://example.com")', "s")
    assert first["quantity"].value == str(2**62)
    assert second["quantity"].value == 999_999_999_999_999
    assert (first["item_price"].value, second["item_price"].value) == (0.125, "12345678901234567890.01")
    assert first["ship_date"].value == "1899-05-01"
    assert unescape(second["title"].value) == "_x0041_x0042_ stays"
    assert unescape(third["amazon_order_id"].value) == "]]> & <c r='A1'/> \ufffe\uffff \x1f"
    assert (third["item_price"].value, third["quantity"].value, third["title"].value) == (-0.0000000125, -5, None)


@pytest.mark.parametrize("size", [10, 3 << 32])
def test_a_workbook_may_be_larger_than_an_old_zip(size, tmp_path):
    large = zip64_stream.Part(b"xl/worksheets/sheet1.xml", 7, size, 2 * size)
    before, behind = zip64_stream.around({"small.xml": b"<small/>"}, large, datetime(2026, 11, 22, 8, 30, tzinfo=UTC))

    with (tmp_path / "sparse.zip").open("wb") as file:
        file.write(before)
        file.seek(size, io.SEEK_CUR)
        file.write(behind)

    with zipfile.ZipFile(tmp_path / "sparse.zip") as found:
        small, sheet = found.infolist()
        assert found.read("small.xml") == b"<small/>"
        assert (sheet.filename, sheet.compress_size, sheet.file_size) == (large.name.decode(), size, 2 * size)
        assert sheet.date_time == (2026, 11, 22, 8, 30, 0)
        assert sheet.header_offset + 30 + len(large.name) + (20 if size > 10 else 0) == len(before)


@pytest.mark.parametrize(("place", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_are_named_as_excel_names_them(place, letters):
    assert xlsx._letters(place) == letters


def test_more_rows_than_a_sheet_holds_are_refused_and_csv_is_named(client, orders, bearer, monkeypatch):
    monkeypatch.setattr(xlsx, "MAX_ROWS", 1499)

    whole = get(client, "orders_us/export.xlsx", bearer)
    filtered = get(client, "orders_us/export.xlsx?amazon_order_id__startswith=113", bearer)
    head = client.head("/api/v1/datasets/orders_us/export.xlsx", headers=bearer)

    assert (whole.status_code, filtered.status_code, head.status_code) == (400, 400, 400)
    assert whole.json()["code"] == filtered.json()["code"] == "too_many_rows"
    assert "export.csv" in whole.json()["detail"]
    assert get(client, "orders_us/export.xlsx?_limit=1499", bearer).status_code == 200
    assert EXPORT_SLOTS.taken() == 0


@pytest.mark.parametrize(("text", "status"), [("x" * 32_767, 200), ("x" * 32_768, 400), ("🛒" * 16_384, 400)])
def test_text_longer_than_a_cell_is_refused_never_cut(client, make, bearer, text, status):
    slug = f"long_{len(text)}"
    make.dataset(slug, rows=[{"amazon_order_id": "1", "title": text}])

    response = get(client, f"{slug}/export.xlsx", bearer)

    assert response.status_code == status
    if status == 400:
        assert response.json()["code"] == "too_long_for_excel"
        assert "title" in response.json()["detail"]
        assert get(client, f"{slug}/export.xlsx?_select=amazon_order_id", bearer).status_code == 200


def test_parquet_holds_every_value_exactly(client, orders, rows, bearer, monkeypatch):
    monkeypatch.setattr(our_parquet, "GROUP_BYTES", 4000)  # several row groups

    response = get(client, "orders_us/export.parquet", bearer)

    found = table(response)
    names = [column["name"] for column in shop.COLUMNS]
    assert parquet.ParquetFile(io.BytesIO(response.whole)).num_row_groups > 1
    assert [{name: row[name] for name in names} for row in found.to_pylist()] == [
        {name: row[name] for name in names} for row in rows
    ]
    assert {name: str(found.schema.field(name).type) for name in names} == {
        "amazon_order_id": "string",
        "purchase_date": "timestamp[us, tz=UTC]",
        "ship_date": "date32[day]",
        "quantity": "int64",
        "item_price": "decimal128(38, 2)",
        "is_business_order": "bool",
        "title": "string",
    }


def test_decimals_that_38_digits_do_not_hold_are_text_in_parquet(client, make, bearer):
    small, large = Decimal("0.00000000000000000001"), Decimal(10) ** 30
    make.dataset("wide", rows=[{"item_price": small}, {"item_price": large}])

    assert table(get(client, "wide/export.parquet", bearer))["item_price"].to_pylist() == [
        "0.00000000000000000001",
        "1" + "0" * 30,
    ]
    only_small = table(get(client, "wide/export.parquet?item_price__lt=1", bearer))
    assert only_small["item_price"].to_pylist() == [small]


def test_a_lone_column_with_missing_values_keeps_its_rows(client, orders, rows, bearer):
    found = table(get(client, "orders_us/export.parquet?_select=title", bearer))

    assert found["title"].to_pylist() == [row["title"] for row in rows]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_filters_order_and_limit_hold(client, orders, rows, bearer, suffix):
    response = get(
        client,
        f"orders_us/export.{suffix}?quantity=2&_sort=-amazon_order_id&_limit=5&_select=quantity,amazon_order_id",
        bearer,
    )

    wanted = sorted((row["amazon_order_id"] for row in rows if row["quantity"] == 2), reverse=True)[:5]
    if suffix == "xlsx":
        found = [line[1] for line in workbook(response).iter_rows(min_row=2, values_only=True)]
    else:
        found = table(response)["amazon_order_id"].to_pylist()
    assert found == wanted


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_dataset_without_rows_is_a_file_with_its_columns(client, make, bearer, suffix):
    make.dataset(f"nothing_{suffix}")

    response = get(client, f"nothing_{suffix}/export.{suffix}", bearer)

    if suffix == "xlsx":
        assert workbook(response).max_row == 1
    else:
        assert table(response).num_rows == 0
        assert "amazon_order_id" in table(response).column_names


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_head_304_and_headers_are_those_of_every_export(client, orders, rows, bearer, suffix):
    address = f"/api/v1/datasets/orders_us/export.{suffix}"
    whole = get(client, f"orders_us/export.{suffix}?_dl=1", bearer, **{"Accept-Encoding": "zstd, gzip"})
    head = client.head(f"{address}?_dl=1", headers=bearer)
    again = client.get(address, headers=bearer | {"If-None-Match": whole["ETag"]})

    assert whole["ETag"] == head["ETag"]
    assert again.status_code == 304
    assert whole["X-Row-Count"] == head["X-Row-Count"] == str(len(rows))
    assert whole["Content-Type"] == head["Content-Type"]
    assert "Content-Encoding" not in whole  # compressed in itself
    assert f'.{suffix}"' in whole["Content-Disposition"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_version_is_the_same_bytes(client, orders, bearer, suffix):
    one, other = (get(client, f"orders_us/export.{suffix}", bearer).whole for _ in range(2))

    assert one == other


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stranger_finds_no_file(client, orders, make, people, suffix):
    stranger = {"Authorization": f"Bearer {make.token(people[1])}"}

    assert get(client, f"orders_us/export.{suffix}", stranger).status_code == 404


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_reader_who_leaves_gives_everything_back(client, orders, bearer, suffix, monkeypatch):
    monkeypatch.setattr(our_parquet, "GROUP_BYTES", 1000)

    leave(start(client, f"orders_us/export.{suffix}", bearer))

    assert EXPORT_SLOTS.taken() == 0


def test_an_instant_stands_in_utc(client, make, bearer):
    make.dataset("instants", rows=[{"purchase_date": datetime(2026, 10, 1, 7, 0, tzinfo=UTC)}])

    sheet = workbook(get(client, "instants/export.xlsx?_select=purchase_date", bearer))

    assert sheet["A2"].value == datetime(2026, 10, 1, 7, 0)
    assert sheet["A2"].number_format == "yyyy-mm-dd hh:mm:ss"


@pytest.mark.parametrize("suffix", ("csv", *SUFFIXES))
def test_the_pages_of_a_dataset_lead_to_its_files(client, orders, alice, rows, suffix):
    client.force_login(alice)

    page = client.get("/datasets/orders_us").content.decode()
    part = client.get("/datasets/orders_us/data?quantity=2").content.decode()

    links = rf'href="([^"]+/export\.{suffix}\?[^"]*)"[^>]*\bdownload>'
    (whole,), (_, some) = re.findall(links, page), re.findall(links, part)
    for address, count in ((whole, len(rows)), (some, sum(row["quantity"] == 2 for row in rows))):
        answer = client.get(html.unescape(address))
        content = b"".join(answer.streaming_content)
        assert answer["Content-Disposition"].startswith("attachment; ")
        if suffix == "parquet":
            assert parquet.read_table(io.BytesIO(content)).num_rows == count
        elif suffix == "xlsx":
            assert openpyxl.load_workbook(io.BytesIO(content))["Data"].max_row == count + 1
