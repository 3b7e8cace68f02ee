"""Every published answer goes through reader, storage and export, and comes out unchanged where it should."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
import pytest
from django.db import connection, transaction
from psycopg import sql

from connector.catalogue import index
from connector.spapi import reports
from connector.spapi.client import Client
from connector.spapi.errors import AmazonRefused, NothingThere, NotReady, SpapiError
from datasets.storage import modes, read, stage, table
from tests import models
from tests.contract.official import Recorder, cases

pytestmark = pytest.mark.skipif(models.folder() is None, reason="Amazon's API models are not on this machine")

ORDERS = [case for case in cases("searchOrders", "getOrder") if case.status == 200]
PARTICIPATIONS = [case for case in cases("getMarketplaceParticipations") if case.status == 200]
EVERYTHING = {"include_buyer_and_address_data": True}


def orders_of(case):
    return case.answer["orders"] if case.operation == "searchOrders" else [case.answer["order"]]


def name_of(case):
    return f"{case.operation}-{case.parameters.get('orderId') or case.parameters.get('createdAfter') or 'example'}"


def leaves(value, path=""):
    """(path, value) of everything in it that holds nothing else."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def at(value, path):
    for step in path.split("."):
        value = value[step]
    return value


def not_in(row, columns, thing, *, but=()):
    """Paths of the thing that no column of the row holds as they are, itself or within JSON."""
    missing = []
    for path, leaf in leaves(thing):
        if path.split(".")[0] in but:
            continue
        holders = [
            c for c in columns if c.source == path or path.startswith(c.source + ".") or c.source.startswith(path + ".")
        ]
        if not any(holds(row[c.name], c, thing, path, leaf) for c in holders):
            missing.append(path)
    return missing


def holds(kept, column, thing, path, leaf):
    if isinstance(leaf, list) and not leaf and kept is None:
        return True  # an empty list has nothing to keep
    if kept == leaf:
        return True
    if not isinstance(kept, str):
        return False
    if isinstance(leaf, list) and kept == ",".join(
        item.get("promotionId", "?") if isinstance(item, dict) else item for item in leaf
    ):
        return True
    try:
        return json.loads(kept) == at(thing, column.source)
    except (ValueError, KeyError):
        return False


@pytest.mark.parametrize("case", ORDERS, ids=name_of)
def test_every_field_of_every_published_order_has_its_column(case):
    details = index.effective("order_details", EVERYTHING)
    items = index.effective("order_items", EVERYTHING)
    page = {"orders": orders_of(case)}
    order_rows = [dict(zip([c.name for c in details.columns], row, strict=True)) for row in details.source.rows(page)]
    item_rows = iter([dict(zip([c.name for c in items.columns], row, strict=True)) for row in items.source.rows(page)])

    assert len(order_rows) == len(page["orders"])
    for order, row in zip(page["orders"], order_rows, strict=True):
        assert not_in(row, details.columns, order, but=("orderItems",)) == []
        assert row["other_fields"] is None
        for item in order["orderItems"]:
            item_row = next(item_rows)
            assert item_row["amazon_order_id"] == order["orderId"]
            assert not_in(item_row, items.columns, {"orderItems": item}) == []
            assert item_row["other_fields"] is None
    assert next(item_rows, None) is None


def test_the_check_itself_notices_a_lost_field():
    report = index.effective("order_details", EVERYTHING)
    order = orders_of(ORDERS[0])[0]
    row = dict(zip([c.name for c in report.columns], next(report.source.rows({"orders": [order]})), strict=True))

    assert not_in(row | {"shipping_address_city": None}, report.columns, order, but=("orderItems",))
    assert not_in(row, report.columns, order | {"brandNew": "x"}, but=("orderItems",)) == ["brandNew"]


@pytest.mark.parametrize("case", PARTICIPATIONS)
def test_every_field_of_every_published_participation_has_its_column(case):
    report = index.get("marketplace_participations")
    entries = case.answer["payload"] if isinstance(case.answer, dict) else case.answer

    got = [dict(zip([c.name for c in report.columns], row, strict=True)) for row in report.source.rows(case.answer)]

    assert len(got) == len(entries) > 0
    for entry, row in zip(entries, got, strict=True):
        assert not_in(row, report.columns, entry) == []


# Storage and export


@pytest.fixture
def stored(db):
    """Lands rows of a report in a table of its own; gives the table's rows back, typed and as CSV."""

    def store(report, rows):
        columns = [{"name": c.name, "title": c.title or c.name, "type": c.type} for c in report.columns]
        names = [c.name for c in report.columns]
        connection.ensure_connection()
        with transaction.atomic(), psycopg.Cursor(connection.connection) as cursor:
            table.create(cursor, 1, 1, columns)
            cursor.execute(
                "SELECT set_config('backhaul.day', '2026-01-01', true), set_config('backhaul.batch', '1', true)"
            )
            lines = [stage.line(row).encode() + b"\n" for row in rows]
            modes.MODES["append"](cursor, 1, 1, names, (), None, lines, stage.NULL)
            chosen = sql.SQL("SELECT {} FROM {} ORDER BY _id").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), read.table(1, 1)
            )
            cursor.execute(chosen)
            typed = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            with cursor.copy(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(chosen)) as copy:
                exported = list(csv.DictReader(io.StringIO(b"".join(map(bytes, copy)).decode(), newline="")))
        return typed, exported

    return store


def same(column, sent, kept):
    if sent is None or kept is None:
        return sent is kept
    if column.type == "timestamptz":
        return datetime.fromisoformat(sent) == kept
    if column.type == "numeric":
        return Decimal(str(sent)) == kept and str(kept) == str(sent)
    return sent == kept and type(sent) is type(kept)


@pytest.mark.parametrize("key", ["order_details", "order_items"])
def test_published_orders_come_out_of_storage_and_export_as_they_went_in(stored, key):
    report = index.effective(key, EVERYTHING)
    rows = [row for case in ORDERS for row in report.source.rows({"orders": orders_of(case)})]

    typed, exported = stored(report, rows)

    assert len(typed) == len(exported) == len(rows)
    for sent, kept, written in zip(rows, typed, exported, strict=True):
        for column, value in zip(report.columns, sent, strict=True):
            assert same(column, value, kept[column.name]), column.name
            if column.type == "text" and value is not None:
                assert written[column.name] == value
            if column.type in ("numeric", "bigint") and value is not None:
                assert written[column.name] == str(value)


def test_published_participations_come_out_of_storage_and_export_as_they_went_in(stored):
    report = index.get("marketplace_participations")
    rows = [row for case in PARTICIPATIONS for row in report.source.rows(case.answer)]

    typed, exported = stored(report, rows)

    assert [tuple(row.values()) for row in typed] == rows
    assert [row["store_name"] for row in exported] == [row[6] for row in rows]


# What the client makes of the published answers


def client(case):
    return Client("https://example.com", lambda **_: "t", lambda _: 0, transport=Recorder(case.answer, case.status))


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in cases("searchOrders", "getOrder", "getReports", "getReport", "createReport")
        if case.status >= 400
    ],
    ids=lambda case: f"{case.operation}-{case.status}",
)
def test_published_refusals_are_refusals_with_amazons_words(case):
    with pytest.raises(AmazonRefused) as problem:
        client(case).call(
            case.operation,
            path={"orderId": "x", "reportId": "x"},
            query={} if case.operation != "createReport" else None,
            body=case.parameters.get("body") if case.operation == "createReport" else None,
        )

    assert problem.value.status == case.status and problem.value.code


def test_published_reports_answers_are_understood():
    done = cases("createReport", "getReport", "getReports", "getReportDocument")
    for case in (case for case in done if case.status < 300):
        if case.operation == "createReport":
            body = case.parameters["body"]
            start = datetime.fromisoformat(body["dataStartTime"])
            assert (
                reports.create(client(case), body["reportType"], body["marketplaceIds"], start)
                == case.answer["reportId"]
            )
        elif case.operation == "getReport":
            with pytest.raises((NotReady, NothingThere)):
                reports.check(client(case), "ID323")
        elif case.operation == "getReports":
            told = case.answer["reports"][0]
            transport = Recorder({"reports": case.answer["reports"]})
            found = reports.find(
                Client("https://example.com", lambda **_: "t", lambda _: 0, transport=transport),
                told["reportType"],
                [],
                datetime.fromisoformat(told["dataStartTime"]),
                datetime.fromisoformat(told["dataEndTime"]),
            )
            assert found == [
                reports.FoundReport(
                    told["reportId"], told["processingStatus"], datetime(2024, 3, 10, 13, 47, 20, 677000, tzinfo=UTC)
                )
            ]
        else:
            answer = client(case).call("getReportDocument", path={"reportDocumentId": "x"}).json
            assert answer["url"].startswith("https://")


def test_every_published_answer_is_borne():
    for case in cases(
        "searchOrders", "getOrder", "getMarketplaceParticipations", "getReport", "getReports", "createReport"
    ):
        try:
            client(case).call(case.operation, path={"orderId": "x", "reportId": "x"})
        except SpapiError as problem:
            assert problem.message


def test_nothing_here_passes_for_want_of_cases():
    assert len(ORDERS) == 8 and len(PARTICIPATIONS) == 2
