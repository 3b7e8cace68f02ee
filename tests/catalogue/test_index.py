"""The catalogue as a whole: each declaration is complete and agrees with itself."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.catalogue import index, outline
from connector.catalogue.names import safe_name
from connector.catalogue.report import MODES, Aligned, Days, Pages, moment
from connector.catalogue.shape import TYPES
from connector.spapi.operations import OPERATIONS

FROM, UNTIL = datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 31, 8, tzinfo=UTC)
FLAT = "create_and_download_report"
BY_ORDER_DATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
BY_LAST_UPDATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"

each_report = pytest.mark.parametrize("report", index.REPORTS, ids=lambda report: report.key)


def test_keys_are_the_names_that_people_script_against():
    assert {report.key for report in index.REPORTS} >= {
        "order_details",
        "order_items",
        "orders_list_orders_upsert",
        "marketplace_participations",
        "create_and_download_report",
    }
    for report in index.REPORTS:
        assert report.key == safe_name(report.title)


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(KeyError, match="order_details"):
        index.get("order_detail")
    for odd in (None, 7, "", "x" * 1000, ["order_details"]):
        with pytest.raises(KeyError):
            index.get(odd)


@each_report
def test_columns_are_safe_typed_and_different(report):
    names = [column.name for column in report.columns]

    assert len(set(names)) == len(names)
    assert all(safe_name(name) == name for name in names)
    assert all(column.type in TYPES for column in report.columns)


@each_report
def test_what_a_report_points_at_is_among_its_columns(report):
    names = {column.name: column.type for column in report.columns}

    for name in (*report.key_columns, *filter(None, (report.version_column, report.day_column, report.channel_column))):
        assert name in names
    if report.day_column:
        assert names[report.day_column] in ("timestamptz", "date")
    assert report.has_dates == (report.day_column is not None) == isinstance(report.window, Days)


@each_report
def test_modes_are_possible(report):
    assert report.modes and set(report.modes) <= set(MODES)
    assert report.forced_mode in (None, *report.modes)
    if "merge" in report.modes:
        assert report.key_columns


@each_report
def test_option_names_are_their_labels(report):
    for option in report.options:
        assert option.name == safe_name(option.label)


@each_report
def test_a_report_describes_itself_as_json(report):
    told = json.loads(json.dumps(report.as_json()))

    assert told["key"] == report.key
    assert {"title", "group", "modes", "options", "columns"} <= set(told)
    for option in told["options"]:
        assert {"name", "type", "choices", "required"} <= set(option)


@each_report
def test_operations_are_known_and_the_burst_of_a_report_is_the_published_one(report):
    operation = OPERATIONS[report.source.call]

    assert operation.burst == getattr(report.source, "burst", operation.burst)


def test_an_answer_may_change_only_what_a_report_has():
    with pytest.raises(ValueError, match="order_items: rows = x changes widow"):
        replace(index.get("order_items"), variants={"rows": {"x": {"widow": 1}}})


def test_the_date_type_chooses_window_and_day():
    created = index.effective("order_details", {"query_date_type": "created"})
    updated = index.effective("order_details", {"query_date_type": "last_updated"})

    assert (created.day_column, updated.day_column) == ("purchase_date", "last_update_date")
    assert {"createdAfter", "createdBefore"} <= set(created.request(FROM, UNTIL, ["M"], {}))
    sent = updated.request(FROM, UNTIL, ["M"], {})
    assert sent["lastUpdatedAfter"] == "2026-01-01T08:00:00Z" and sent["lastUpdatedBefore"] == "2026-01-31T08:00:00Z"
    assert not {"createdAfter", "createdBefore"} & set(sent)


def test_answers_become_parameters():
    report = index.effective("order_items", {})

    sent = report.request(FROM, UNTIL, ["M1", "M2"], {"select_statuses": ["SHIPPED"], "marketplaces": ["US"]})

    assert sent["fulfillmentStatuses"] == ["SHIPPED"] and sent["marketplaceIds"] == ["M1", "M2"]
    assert "fulfillmentStatuses" not in report.request(FROM, UNTIL, ["M1"], {"select_statuses": []})
    assert report.request(FROM, UNTIL, ["M1"], {}) == report.request(FROM, UNTIL, ["M1"], {})


def test_status_is_always_asked_for_and_buyers_only_on_demand():
    for key in ("order_details", "order_items", "orders_list_orders_upsert"):
        quiet = index.effective(key, {}).request(FROM, UNTIL, [], {})["includedData"]
        asked = index.effective(key, {"include_buyer_and_address_data": True}).request(FROM, UNTIL, [], {})[
            "includedData"
        ]
        assert "FULFILLMENT" in quiet and "FULFILLMENT" in asked
        assert not {"BUYER", "RECIPIENT", "TAX"} & set(quiet)
        assert {"BUYER", "RECIPIENT", "TAX"} <= set(asked)


def test_date_type_and_buyers_go_together():
    both = index.effective("order_details", {"query_date_type": "last_updated", "include_buyer_and_address_data": True})
    sent = both.request(FROM, UNTIL, [], {})

    assert "lastUpdatedAfter" in sent and "BUYER" in sent["includedData"]


@pytest.mark.parametrize(
    ("report_type", "day_column"), [(BY_ORDER_DATE, "purchase_date"), (BY_LAST_UPDATE, "last_updated_date")]
)
def test_a_report_type_chooses_document_and_day(report_type, day_column):
    report = index.effective(FLAT, {"report_type": report_type})

    assert report.day_column == day_column
    assert report.request(FROM, UNTIL, ["M"], {}) == {
        "report_type": report_type,
        "marketplace_ids": ["M"],
        "start": FROM,
        "end": UNTIL,
        "options": {},
    }
    assert report.source.reading({"csv_report_quote_character": "null"}) == {"quote": "null"}
    assert report.source.reading({}) == {"quote": "double"}


def test_a_month_with_a_clock_change_does_not_fit_into_thirty_days_of_24_hours():
    window = index.effective(FLAT, {"report_type": BY_ORDER_DATE}).window

    assert window.fits(FROM, UNTIL)
    assert not window.fits(FROM, UNTIL + timedelta(hours=1))


def test_moments_are_written_in_utc():
    assert moment(FROM) == "2026-01-01T08:00:00Z"
    assert moment(FROM.replace(microsecond=123456)) == "2026-01-01T08:00:00.123Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment(datetime.fromisoformat("2026-07-01T00:00:00-07:00")))
    assert moment(datetime.fromisoformat("2026-07-01T00:00:00-07:00")) == "2026-07-01T07:00:00Z"


def test_the_catalogue_speaks_no_word_of_amazons_client():
    import ast
    from pathlib import Path

    import connector.catalogue

    for path in Path(connector.catalogue.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(
                name.startswith(("django", "connector.spapi", "datasets", "connector.accounts")) for name in names
            )


SALES, TERMS = "GET_SALES_AND_TRAFFIC_REPORT", "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT"


@pytest.mark.parametrize(
    ("answers", "window", "day_column"),
    [
        ({"report_type": SALES}, Days(30, completed_only=True), "date"),
        ({"report_type": SALES, "date_granularity": "WEEK"}, Aligned("week", 4), "date"),
        ({"report_type": SALES, "rows": "by_asin"}, Days(1, completed_only=True), None),
        ({"report_type": SALES, "rows": "by_asin", "date_granularity": "MONTH"}, Aligned("month"), None),
        ({"report_type": TERMS}, Aligned("week"), None),
        ({"report_type": TERMS, "report_period": "QUARTER"}, Aligned("quarter"), None),
    ],
)
def test_an_answer_may_bring_questions_whose_answers_decide_in_their_turn(answers, window, day_column):
    cleaned = index.check_answers(FLAT, answers)
    report = index.effective(FLAT, cleaned)

    assert (report.window, report.day_column) == (window, day_column)
    assert not report.regional and report.channel_column is None
    names = {column.name for column in report.columns}
    assert len(names) == len(report.columns) and all(safe_name(name) == name for name in names)
    assert report.has_dates and (day_column is None or day_column in names)


@pytest.mark.parametrize("report_type", dict(index.get(FLAT).option("report_type").choices))
def test_each_report_type_declares_columns_that_are_safe_typed_and_different(report_type):
    report = index.effective(FLAT, index.check_answers(FLAT, {"report_type": report_type}))

    names, sources = ([getattr(column, what) for column in report.columns] for what in ("name", "source"))
    assert len(set(names)) == len(names) and all(safe_name(name) == name for name in names)
    assert len(set(sources)) == len(sources) and all(sources)
    assert report.names_of(sources) == names
    assert all(column.type in TYPES for column in report.columns)
    assert report.source.report_type == report_type


def test_questions_of_one_report_type_are_unknown_to_another():
    with pytest.raises(index.Invalid, match="no option 'report_period'"):
        index.check_answers(FLAT, {"report_type": SALES, "report_period": "WEEK"})
    with pytest.raises(index.Invalid, match="no option 'csv_report_quote_character'"):
        index.check_answers(FLAT, {"report_type": TERMS, "csv_report_quote_character": "double"})
    with pytest.raises(index.Invalid, match="at most 1"):
        index.check_answers(FLAT, {"report_type": TERMS, "marketplaces": ["US", "CA"]})


def test_marketplaces_are_asked_for_only_where_rows_can_be_told_apart_by_them():
    returns = {"report_type": "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA", "marketplaces": ["US"]}

    with pytest.raises(index.Invalid, match="no option 'marketplaces'"):
        index.check_answers(FLAT, returns)
    assert index.check_answers(FLAT, returns | {"report_type": BY_ORDER_DATE})["marketplaces"] == ["US"]


def test_report_options_are_amazons_and_one_marketplace_is_asked_for():
    answers = index.check_answers(FLAT, {"report_type": SALES, "asin_granularity": "SKU"})

    sent = index.effective(FLAT, answers).request(FROM, UNTIL, ["M1", "M2"], answers)

    assert sent["options"] == {"dateGranularity": "DAY", "asinGranularity": "SKU"}
    assert sent["marketplace_ids"] == ["M1"]


def test_a_shape_that_pages_cannot_have_is_refused_when_it_is_declared():
    """And not by a worker, on the first page that Amazon sends."""
    with pytest.raises(ValueError, match="Pages have no values outside of their records"):
        Pages("searchOrders", outline.parse("asOf  date\norders[]:\n    orderId"))
