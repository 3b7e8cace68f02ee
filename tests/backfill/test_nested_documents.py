"""Reports as JSON and XML documents, from asking to rows: whole weeks and months, dates as Amazon reads them, nothing lost."""

import base64
import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from connector.catalogue import index
from connector.catalogue.number_date_format import NumberDateFormat
from connector.catalogue.outline import FOLDER, parse
from connector.catalogue.report import Aligned
from connector.database.clock import database_now
from connector.simulator.analytics import search_terms
from connector.simulator.marketplaces import BY_COUNTRY
from datasets.backfill import engine, runs
from datasets.models import Answer, Change, Day, Request
from datasets.storage.table import MAX_COLUMNS
from tests.backfill.conftest import finish
from tests.days import day_before, last_periods

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

SALES, TERMS = "GET_SALES_AND_TRAFFIC_REPORT", "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT"
XML = "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
FLAT = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
WEEK = Aligned("week")


@pytest.fixture
def of_type(make_dataset):
    """A dataset of one of the report types."""

    def of_type(report_type, *, first, last, mode="append", **options):
        return make_dataset(
            "create_and_download_report",
            start=str(first),
            end=str(last),
            mode=mode,
            options={"report_type": report_type, **options},
        )

    return of_type


def rows(check, dataset, columns, behind=""):
    checker = check(dataset)
    return checker.link.execute(f"SELECT {columns} FROM {checker.table()} {behind} ORDER BY 1, 2").fetchall()


def asked(simulator):
    """(first date, last date, options) of each report that Amazon was asked for, newest first."""
    found = simulator.control("/simulator/requests?operation=createReport")["requests"]
    bodies = [entry["body"] for entry in found]
    return [(so["dataStartTime"], so["dataEndTime"], so.get("reportOptions", {})) for so in bodies]


def states(dataset):
    return dict(Day.objects.filter(dataset=dataset).values_list("day", "state"))


def last_week():
    """The newest week of which Amazon has the figures."""
    [found] = last_periods(WEEK, 1)
    return found


def test_orders_from_xml_equal_amazons_truth_and_the_flat_file(of_type, make_dataset, fill, check):
    first, last = day_before(5), day_before(2)
    dataset = of_type(XML, first=first, last=last, marketplaces=["US"])
    flat = make_dataset(
        "create_and_download_report",
        start=str(first),
        end=str(last),
        options={"report_type": FLAT, "marketplaces": ["US"]},
    )

    run = fill(dataset)
    fill(flat)

    assert run.state == "succeeded", run.message
    truth = check(dataset).truth(first, last, file=True)
    got = Counter(str(day) for (day, _) in rows(check, dataset, "_day, _id"))
    assert got == {day: so["rows"] for day, so in truth.items() if so["rows"]}
    both = "amazon_order_id, sku, quantity, item_price, item_tax, currency, ship_city, promotion_ids, is_business_order, _day"
    assert sorted(map(str, rows(check, dataset, both))) == sorted(map(str, rows(check, flat, both)))
    assert {column["name"] for column in dataset.columns} >= {"item_price", "gift_wrap_price_currency"}


def test_sales_and_traffic_by_date_have_a_row_for_each_day_that_is_over(of_type, fill, check, simulator):
    first, last = day_before(9), day_before(0)
    dataset = of_type(SALES, first=first, last=last)

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    newest = max(states(dataset))
    assert newest < day_before(0) and set(states(dataset).values()) == {"landed"}
    truth = check(dataset).truth(first, newest)
    got = {str(day): units for day, units in rows(check, dataset, "date, units_ordered")}
    assert got == {day: so["units"] for day, so in truth.items()}
    assert rows(check, dataset, "count(*), count(*) FILTER (WHERE _day = date)") == [(len(truth), len(truth))]
    assert {options["dateGranularity"] for _, _, options in asked(simulator)} == {"DAY"}
    assert {column["name"]: column["type"] for column in dataset.columns}["ordered_product_sales_amount"] == "numeric"


def test_sales_and_traffic_by_asin_ask_for_each_day_by_itself(of_type, fill, check, simulator):
    first, last = day_before(4), day_before(2)
    dataset = of_type(SALES, first=first, last=last, rows="by_asin", asin_granularity="SKU")

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    bounds = [(start[:10], end[:10]) for start, end, _ in asked(simulator)]
    assert sorted(bounds) == [(str(first + timedelta(days=n)),) * 2 for n in range(3)]
    truth = check(dataset).truth(first, last)
    got = dict(rows(check, dataset, "DISTINCT _day::text, sum(units_ordered) OVER (PARTITION BY _day)"))
    assert got == {day: so["units"] for day, so in truth.items() if so["units"]}
    assert rows(check, dataset, "count(*) FILTER (WHERE start_date <> _day OR sku IS NULL), 0") == [(0, 0)]


def test_a_document_of_many_days_never_serves_a_single_one_whose_rows_bear_no_date(of_type, fill, simulator):
    first, last = day_before(4), day_before(2)
    by_date = of_type(SALES, first=first, last=last)
    by_asin = of_type(SALES, first=last, last=last, rows="by_asin")
    fill(by_date)

    run = fill(by_asin)

    assert run.state == "succeeded", run.message
    assert (str(last), str(last)) in [(start[:10], end[:10]) for start, end, _ in asked(simulator)]


def test_search_terms_come_by_whole_weeks_and_only_by_those_that_are_over(of_type, fill, check, simulator):
    first, last = last_week()
    dataset = of_type(TERMS, first=first - timedelta(days=3), last=day_before(0))  # from the middle of a week to today

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    before = first - timedelta(days=7)
    assert {(start[:10], end[:10]) for start, end, _ in asked(simulator)} == {
        (str(first), str(last)),
        (str(before), str(before + timedelta(days=6))),
    }
    known = states(dataset)
    assert (min(known), max(known)) == (before, last)
    assert {day for day, state in known.items() if state == "landed"} == {before, first}
    assert all("as a whole" in day.message for day in Day.objects.filter(dataset=dataset, state="empty"))
    truth = [
        (day, so["departmentName"], so["searchTerm"], so["clickedAsin"], Decimal(str(so["clickShare"])))
        for day in (before, first)
        for so in search_terms(1, BY_COUNTRY["US"], day, day + timedelta(days=6))
    ]
    got = rows(check, dataset, "_day, department_name, search_term, clicked_asin, click_share")
    assert sorted(got) == sorted(truth)
    assert rows(check, dataset, "DISTINCT end_date - start_date, _day - start_date") == [(6, 0)]


def test_a_week_is_read_again_as_a_whole_whichever_of_its_days_is_reloaded(of_type, fill, simulator):
    first, last = last_week()
    dataset = of_type(TERMS, first=first, last=last)
    fill(dataset)
    before = states(dataset)
    assert fill(dataset).days_total == 0

    wednesday = first + timedelta(days=3)
    run = finish(runs.reload(dataset, wednesday, wednesday, now=database_now()))

    assert (run.state, run.days_total) == ("succeeded", 7)
    assert len(asked(simulator)) == 2
    assert states(dataset) == before
    assert not Change.objects.filter(dataset=dataset)


def test_a_quarter_is_one_request_and_its_first_day_carries_the_rows(of_type, fill, simulator):
    quarters = last_periods(Aligned("quarter"), 3)
    within = {"first": quarters[0][0] + timedelta(days=40), "last": quarters[2][1] - timedelta(days=70)}
    dataset = of_type(TERMS, **within, report_period="QUARTER")

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    told = [(date.fromisoformat(start[:10]), date.fromisoformat(end[:10])) for start, end, _ in asked(simulator)]
    assert told in (quarters, quarters[::-1])
    landed = {day for day, state in states(dataset).items() if state == "landed"}
    assert landed == {first for first, _ in quarters}
    assert run.days_total == (quarters[2][1] - quarters[0][0]).days + 1


def test_a_field_that_amazon_adds_becomes_a_column_of_text(of_type, fill, check, simulator):
    dataset = of_type(SALES, first=day_before(3), last=day_before(2))
    old, new = '"unitsOrdered": ', '"brandNew": {"figure": 1.50, "words": ["a", "b"]}, "unitsOrdered": '
    simulator.control(
        "/simulator/faults", {"operation": "downloadDocument", "kind": "rewritten", "old": old, "new": new}
    )

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    found = "sales_by_date_brand_new_figure, sales_by_date_brand_new_words, units_ordered IS NOT NULL"
    assert rows(check, dataset, f"_day, {found}") == [
        (day_before(3), "1.50", '["a","b"]', True),
        (day_before(2), None, None, True),
    ]


@pytest.mark.parametrize(
    ("report_type", "fault", "said"),
    [
        (SALES, {"kind": "cut_text", "characters": 900}, "cut off or damaged"),
        (
            SALES,
            {"kind": "rewritten", "old": '"salesAndTrafficByDate"', "new": '"other"'},
            "has no salesAndTrafficByDate",
        ),
        (
            SALES,
            {"kind": "rewritten", "old": '"CHILD"', "new": '"SKU"'},
            "its reportOptions.asinGranularity is SKU, and CHILD was requested",
        ),
        *(
            (report_type, {"kind": "rewritten", "old": f'"{member}": {old}', "new": f'"{member}": {new}'}, said)
            for report_type, member, old, new, said in (
                (SALES, "reportType", f'"{SALES}"', '"GET_OTHER"', f"its reportType is GET_OTHER, and {SALES}"),
                (SALES, "marketplaceIds", "[", '["A2EUQ1WTGCTBG2", ', "its marketplaceIds is A2EUQ1WTGCTBG2, ATV"),
                (SALES, "dataStartTime", '"2', '"1', "its dataStartTime is 1"),
                (TERMS, "dataEndTime", '"2', '"1', "its dataEndTime is 1"),
            )
        ),
        (SALES, {"kind": "truncated_gzip"}, "ends too early"),
        (XML, {"kind": "cut_text", "characters": 3000}, "cut off"),
        (XML, {"kind": "rewritten", "old": "<AmazonEnvelope", "new": "<!DOCTYPE a><AmazonEnvelope"}, "DOCTYPE"),
        (XML, {"kind": "empty_document"}, "cut off"),
    ],
)
def test_a_document_that_is_broken_is_never_a_short_day(of_type, fill, check, simulator, report_type, fault, said):
    first, last = last_week() if report_type == TERMS else (day_before(3), day_before(2))
    dataset = of_type(report_type, first=first, last=last)
    simulator.control("/simulator/faults", {"operation": "downloadDocument", **fault})

    run = fill(dataset)

    assert run.state == "failed" and said in run.message, run.message
    assert set(states(dataset).values()) == {"failed"}
    assert rows(check, dataset, "count(*), 0") == [(0, 0)]


def test_a_document_of_another_marketplace_is_no_empty_one(of_type, fill, simulator):
    """It had no rows, and the day was called empty."""
    dataset = of_type(SALES, first=day_before(3), last=day_before(2))
    specification = {"reportType": SALES, "marketplaceIds": ["A2EUQ1WTGCTBG2"]}
    content = {"salesAndTrafficByDate": [], "salesAndTrafficByAsin": [], "reportSpecification": specification}
    body = base64.b64encode(json.dumps(content).encode()).decode()
    simulator.control("/simulator/faults", {"operation": "downloadDocument", "kind": "body", "body": body})

    run = fill(dataset)

    assert run.state == "failed" and "its marketplaceIds is A2EUQ1WTGCTBG2" in run.message


@pytest.mark.parametrize(
    ("report_type", "said", "words"),
    [
        (FLAT, {"reportId": "1"}, "answered about another one: 1"),
        (FLAT, {"reportType": "GET_OTHER"}, "its reportType is GET_OTHER"),
        (FLAT, {"marketplaceIds": ["A2EUQ1WTGCTBG2"]}, "its marketplaceIds is A2EUQ1WTGCTBG2"),
        (FLAT, {"dataStartTime": "2001-01-01T00:00:00Z"}, "its dataStartTime is 2001-01-01T00:00:00Z"),
        (SALES, {"dataEndTime": "2001-01-01T00:00:00Z"}, "its dataEndTime is 2001-01-01T00:00:00Z"),
    ],
)
def test_a_report_that_says_it_is_another_one_is_refused(of_type, fill, simulator, said, words, report_type):
    dataset = of_type(report_type, first=day_before(3), last=day_before(2))
    report = {"reportType": report_type, "createdTime": "2026-11-01T00:00:00+00:00"}
    body = base64.b64encode(json.dumps(report | {"processingStatus": "DONE", "reportDocumentId": "D1"} | said).encode())
    fault = {"operation": "getReport", "kind": "body", "body": body.decode()}
    simulator.control("/simulator/faults", fault)

    run = fill(dataset)

    assert run.state == "failed" and words in run.message, run.message
    assert set(states(dataset).values()) == {"failed"}


def test_what_no_database_keeps_is_replaced_and_said(of_type, fill, check, simulator):
    dataset = of_type(SALES, first=day_before(3), last=day_before(2))
    new = '"note": "half \\ud83d and \\u0000", "date": '
    simulator.control(
        "/simulator/faults", {"operation": "downloadDocument", "kind": "rewritten", "old": '"date": ', "new": new}
    )

    assert fill(dataset).state == "succeeded"

    assert rows(check, dataset, "_day, note")[0] == (day_before(3), "half \ufffd and \ufffd")
    assert "2 characters" in Day.objects.filter(dataset=dataset).first().message


def test_a_request_that_was_created_and_never_written_down_is_found_by_its_dates(of_type, fill, simulator):
    first, last = last_week()
    dataset = of_type(TERMS, first=first, last=last)
    run = runs.start(dataset, "manual", now=database_now())
    engine.advance(run.pk)
    Answer.objects.update(amazon_id="")
    Request.objects.update(state="planned", not_before=None)  # a worker died before the answer was kept

    run.refresh_from_db()
    finish(run)

    assert run.state == "succeeded", run.message
    assert len(asked(simulator)) == 1


def test_fields_beyond_what_a_table_holds_are_kept_as_json(of_type, fill, check, simulator):
    dataset = of_type(SALES, first=day_before(3), last=day_before(2))
    new = "".join(f'"field{number}": {{"a": "{number}"}}, ' for number in range(1000)) + '"date": '
    simulator.control(
        "/simulator/faults", {"operation": "downloadDocument", "kind": "rewritten", "old": '"date": ', "new": new}
    )

    assert fill(dataset).state == "succeeded"

    extra = "_extra->>'field999.a', (SELECT count(*) FROM jsonb_object_keys(_extra))"
    more = 1000 + len(index.effective(dataset.report, dataset.options).columns) - MAX_COLUMNS
    assert rows(check, dataset, f"_day, field0_a, {extra}") == [
        (day_before(3), "0", "999", more),
        (day_before(2), None, None, 0),
    ]


def test_rows_from_other_days_are_counted_and_said(of_type, fill, check, simulator):
    dataset = of_type(SALES, first=day_before(5), last=day_before(2))
    old, new = f'"date": "{day_before(4)}"', '"date": "2001-01-01"'
    simulator.control(
        "/simulator/faults", {"operation": "downloadDocument", "kind": "rewritten", "old": old, "new": new}
    )

    assert fill(dataset).state == "succeeded"

    assert states(dataset)[day_before(4)] == "empty"
    stray = Request.objects.get(dataset=dataset, out_of_window=1)
    assert stray.last_day >= day_before(4) >= stray.first_day
    assert "1 row is of days outside this request" in Day.objects.get(dataset=dataset, day=day_before(4)).message


class TestAFileOfAnotherCountry:
    """Its numbers have commas and its titles another language, and the report declares both."""

    @pytest.fixture
    def report(self, monkeypatch):
        plain = index.effective("create_and_download_report", {"report_type": FLAT})
        shape = parse(
            (FOLDER / "all_orders.txt").read_text().replace("item-price ", 'item-price numeric also "Preis" #')
        )
        source = replace(
            plain.source, shape=shape, format=NumberDateFormat(decimal=",", dates="dmy"), format_countries=("US",)
        )
        made = replace(plain, key="another_country", source=source, variants={}, options=())
        monkeypatch.setitem(index._BY_KEY, made.key, made)
        return made

    def test_commas_become_points_and_what_is_no_number_makes_the_column_text(
        self, report, make_dataset, fill, check, simulator
    ):
        simulator.control("/simulator/faults", {"operation": "downloadDocument", "kind": "strange_numbers"})
        dataset = make_dataset(report.key, start=str(day_before(3)), end=str(day_before(2)))

        assert fill(dataset).state == "succeeded"

        found = {price for price, _ in rows(check, dataset, "item_price, 0")}
        assert "1234.56" in found and not found & {"1.234,56", "1 234,50"}
        assert "1,234.56" in found  # not written as declared: kept as it came

    def test_a_title_in_another_language_is_the_same_column(self, report, make_dataset, fill, check, simulator):
        fault = {"kind": "rewritten", "old": "\titem-price\t", "new": "\tPreis\t"}
        simulator.control("/simulator/faults", {"operation": "downloadDocument", **fault})
        dataset = make_dataset(report.key, start=str(day_before(3)), end=str(day_before(2)))

        assert fill(dataset).state == "succeeded"

        sums = Counter()
        for so in check(dataset).truth(day_before(3), day_before(2), file=True, marketplaces="US,CA,MX").values():
            sums.update({currency: Decimal(total) for currency, total in so["item_prices"].items()})
        found = rows(check, dataset, "currency, sum(item_price)", "WHERE currency IS NOT NULL GROUP BY 1")
        assert dict(found) == dict(sums)
        assert "preis" not in {column["name"] for column in dataset.columns}
