"""Rows came and belong to no day that was asked for: "empty" is Amazon's word only, and a day is never called so by us."""

import base64
from datetime import UTC, timedelta

import pytest

from connector.simulator import flat_file
from datasets import calendar
from datasets.models import Day, Request
from tests.days import ZONE, day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

SALES = "GET_SALES_AND_TRAFFIC_REPORT"
XML = "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
US_FORM = "11/25/2026 10:00:00 AM PST"


def states(subject):
    return set(Day.objects.filter(dataset=subject.dataset).values_list("state", flat=True))


def by_day(subject):
    return dict(Day.objects.filter(dataset=subject.dataset).values_list("day", "state"))


def at(day, hours, form="%Y-%m-%dT%H:%M:%S+00:00"):
    """So many hours after the day's beginning, as UTC."""
    return (calendar.bounds(day, ZONE)[0] + timedelta(hours=hours)).astimezone(UTC).strftime(form)


def all_dates(file, cell):
    file.amazon.fault("downloadDocument", "all_cells", column="purchase-date", cell=cell)
    return file.drive()


@pytest.mark.parametrize("cell", [US_FORM, "05.11.2026 10:00", ""])
def test_a_file_of_which_no_row_has_a_readable_day_fails_its_days(file, cell):
    """E30."""
    run = all_dates(file, cell)

    assert run.state == "failed", run.message
    assert states(file) == {"failed"} and file.dataset.rows == 0
    assert f"no readable purchase_date (the first is {repr(cell) if cell else 'empty'})" in run.message
    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


@pytest.mark.parametrize("cell", ["2001-01-01T00:00:00+00:00", "2001-01-01 18:00:00 UTC"])
def test_a_file_whose_rows_are_all_of_other_days_fails_its_days(file, cell):
    """E30: as UTC, and in a form that takes the thorough way."""
    run = all_dates(file, cell)

    assert run.state == "failed", run.message
    assert states(file) == {"failed"} and file.dataset.rows == 0
    assert "rows of Amazon's answer are of other days than" in run.message and f"'{cell}'" in run.message


def test_a_day_without_rows_is_not_called_empty_while_rows_without_a_day_are_there(file):
    """E30: days with rows land."""
    file.amazon.fault("downloadDocument", "all_cells", column="purchase-date", cell=at(file.last, 12), first=US_FORM)

    run = file.drive()

    assert run.state == "partial", run.message
    assert by_day(file) == {file.first: "failed", file.last: "landed"}
    messages = dict(Day.objects.filter(dataset=file.dataset).values_list("day", "message"))
    said = f"1 row of Amazon's answer has no readable purchase_date (the first is '{US_FORM}')"
    assert said in messages[file.first] and "not marked empty" in messages[file.first]
    assert said in messages[file.last] and "cannot be assigned to a day" in messages[file.last]
    assert file.dataset.rows == sum(so["rows"] for so in file.truth().values()) - 1


def test_a_day_without_rows_is_not_called_empty_while_lines_are_set_aside(file):
    """E28."""
    row = dict.fromkeys(flat_file.COLUMNS, "x") | {"purchase-date": at(file.last, 12)}
    lines = ["\t".join(flat_file.COLUMNS), "\t".join(row[name] for name in flat_file.COLUMNS), "cut\toff"]
    body = base64.b64encode("\r\n".join(lines).encode()).decode()
    file.amazon.fault("downloadDocument", "body", body=body, content_type="text/plain; charset=UTF-8")

    run = file.drive()

    assert run.state == "partial", run.message
    assert by_day(file) == {file.first: "failed", file.last: "landed"}
    assert "1 row of Amazon's answer could not be read and had to be set aside" in run.message
    assert "the first is line 3" in file.notes()


def test_a_header_that_comes_again_is_no_row_without_a_day(file):
    """E28: as where Amazon joins files."""
    row = dict.fromkeys(flat_file.COLUMNS, "x") | {"purchase-date": at(file.last, 12)}
    header, line = "\t".join(flat_file.COLUMNS), "\t".join(row[name] for name in flat_file.COLUMNS)
    body = base64.b64encode("\r\n".join([header, line, header, line]).encode()).decode()
    file.amazon.fault("downloadDocument", "body", body=body, content_type="text/plain; charset=UTF-8")

    run = file.drive()

    assert run.state == "succeeded", run.message
    assert by_day(file) == {file.first: "empty", file.last: "landed"} and file.dataset.rows == 2
    assert "1 line repeats the header of Amazon's file and was skipped; the first is line 3." in file.notes()


def test_a_day_that_amazon_has_no_rows_for_is_empty(file):
    run = all_dates(file, at(file.last, 12))

    assert run.state == "succeeded", run.message
    assert by_day(file) == {file.first: "empty", file.last: "landed"}


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%S.000Z", "%b %d, %Y %I:%M:%S %p UTC"])
def test_every_form_of_an_instant_that_has_one_meaning_finds_its_day(file, form):
    """E30: `2026-11-25 18:00:00 UTC` fits the column's type, and was dropped by the finder of days."""
    run = all_dates(file, at(file.last, 22, form))

    assert run.state == "succeeded", run.message
    assert by_day(file) == {file.first: "empty", file.last: "landed"}
    assert file.dataset.rows == sum(so["rows"] for so in file.truth().values())


def test_a_row_at_the_very_end_of_the_window_fails_nothing(file):
    """Amazon includes the end: the row is the next day's, which brings it itself."""
    run = all_dates(file, at(file.last + timedelta(days=1), 0))

    assert run.state == "succeeded", run.message
    assert states(file) == {"empty"}
    assert Request.objects.get(dataset=file.dataset).out_of_window == sum(so["rows"] for so in file.truth().values())


@pytest.mark.parametrize("fault", [{}, {"value": US_FORM}, {"value": None}])
def test_orders_without_a_creation_time_fail_their_days(chain, fault):
    """E30, in pages."""
    chain.amazon.fault("searchOrders", "without_field", field="createdTime", **fault)

    run = chain.drive()

    assert run.state == "failed", run.message
    assert states(chain) == {"failed"} and chain.dataset.rows == 0
    assert "no readable purchase_date" in run.message
    chain.amazon.heal()
    assert chain.drive().state == "succeeded"
    chain.assert_whole()


def test_orders_of_another_day_fail_their_days(chain):
    """E30, in pages."""
    chain.amazon.fault("searchOrders", "without_field", field="createdTime", value="2001-01-01T00:00:00Z")

    run = chain.drive()

    assert run.state == "failed", run.message
    assert "are of other days than" in run.message


class TestNested:
    """JSON and XML."""

    @pytest.fixture
    def of_type(self, make_dataset):
        def of_type(report_type, **options):
            return make_dataset(
                "create_and_download_report",
                start=str(day_before(4)),
                end=str(day_before(2)),
                options={"report_type": report_type, **options},
            )

        return of_type

    def test_dates_that_carry_a_midnight_stay_their_days_and_their_type(self, of_type, fill, amazon, check):
        new = 'T00:00:00Z", "salesByDate"'
        amazon.fault("downloadDocument", "rewritten", old='", "salesByDate"', new=new, all=True)
        dataset = of_type(SALES)

        run = fill(dataset)

        assert run.state == "succeeded", run.message
        checker = check(dataset)
        rows = checker.link.execute(f"SELECT _day, date FROM {checker.table()} ORDER BY 1").fetchall()
        assert rows == [(day_before(ago), day_before(ago)) for ago in (4, 3, 2)]
        assert {column["name"]: column["type"] for column in dataset.columns}["date"] == "date"

    @pytest.mark.parametrize(("report_type", "old", "new"), [
        (SALES, '"date": "', '"date": "on '),
        (SALES, '"date": "2', '"day": "2'),
        (XML, "<PurchaseDate>", "<PurchaseDate>on "),
    ])  # fmt: skip
    def test_records_without_a_readable_day_fail_their_days(self, of_type, fill, amazon, report_type, old, new):
        amazon.fault("downloadDocument", "rewritten", old=old, new=new, all=True)
        dataset = of_type(report_type)

        run = fill(dataset)

        assert run.state == "failed", run.message
        assert set(Day.objects.filter(dataset=dataset).values_list("state", flat=True)) == {"failed"}
        assert "no readable" in run.message

    def test_messages_that_hold_no_order_are_no_empty_document(self, of_type, fill, amazon):
        amazon.fault("downloadDocument", "rewritten", old="Order>", new="SalesOrder>", all=True)
        dataset = of_type(XML)

        run = fill(dataset)

        assert run.state == "failed", run.message
        assert "has no AmazonEnvelope.Message.Order" in run.message
