"""What users of other connectors have reported in public, tried here at its smallest: docs/field-reports.md lists it."""

import base64
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from connector.simulator import flat_file
from tests.faults.driving import begin
from tests.faults.test_unplaced_rows import at, by_day

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

TOO_MANY_KEYS = base64.b64encode(
    json.dumps({"errors": [{"code": "InvalidInput", "message": "Too Many Active Keys"}]}).encode()
).decode()
PROJECT = Path(__file__).parents[2]
HEADER = "\t".join(flat_file.COLUMNS)


def line(file, **cells):
    """One order of the last day as Amazon's file has it."""
    row = dict.fromkeys(flat_file.COLUMNS, "") | {"purchase-date": at(file.last, 12), "amazon-order-id": "1"} | cells
    return "\t".join(row[name] for name in flat_file.COLUMNS)


def answered(file, text):
    """A run in which the file says this."""
    body = base64.b64encode(text.encode()).decode()
    file.amazon.fault("downloadDocument", "body", body=body, content_type="text/plain; charset=UTF-8")
    return file.drive()


def test_a_file_that_is_filled_up_at_its_end_has_no_row_that_cannot_be_read(file):
    """selling-partner-api-models #3028: its other day failed, since the filler might have been a row of it."""
    for filler in (" " * 64, "\0" * 64, "\x1a", "\t" * (len(flat_file.COLUMNS) - 1)):
        file.again()
        run = answered(file, f"{HEADER}\r\n{line(file)}\r\n{filler}")

        assert run.state == "succeeded", f"{filler!r}: {run.message}"
        assert by_day(file) == {file.first: "empty", file.last: "landed"}
        assert (file.dataset.rows, file.notes()) == (1, "")


def test_a_second_carriage_return_at_the_end_of_each_line_is_part_of_no_value(file):
    """python-amazon-sp-api #853: the values of the last column ended in one."""
    file.amazon.fault("downloadDocument", "rewritten", old="\r\n", new="\r\r\n", all=True)

    assert file.drive().state == "succeeded"

    file.assert_whole()
    last = file.dataset.columns[-1]["name"]
    assert not any("\r" in (value or "") for value in file.column(last))


def test_columns_whose_names_differ_only_far_behind_are_two(file):
    """selling-partner-api-docs #3117: headings that carry dates, longer than a database's names."""
    title = "Fulfillment Fee Discount - Goal (5/15/2026 to 6/14/2026), of the quarter before"
    run = answered(file, f"{HEADER}\t{title} one\t{title} two\r\n{line(file)}\t1\t2\r\n")

    assert run.state == "succeeded", run.message
    one, two = file.dataset.columns[-2:]
    assert (one["title"], two["title"]) == (f"{title} one", f"{title} two")
    assert (file.column(one["name"]), file.column(two["name"])) == (["1"], ["2"])


def test_headings_that_all_say_not_applicable_are_columns_of_their_own(file):
    """jlevers/selling-partner-api #525."""
    run = answered(file, f"{HEADER}\t不适用项目\t不适用项目\t不适用项目\r\n{line(file)}\t1\t2\t3\r\n")

    assert run.state == "succeeded", run.message
    names = [column["name"] for column in file.dataset.columns[-3:]]
    assert [file.column(name) for name in names] == [["1"], ["2"], ["3"]]


def test_a_file_that_is_only_a_header_is_empty(file):
    """selling-partner-api-docs #1663."""
    run = answered(file, f"{HEADER}\r\n")

    assert run.state == "succeeded", run.message
    assert set(by_day(file).values()) == {"empty"}


def test_a_row_that_is_broken_in_two_is_set_aside_and_leaves_no_day_empty(file):
    """selling-partner-api-models #5093: a line break in the midst of a row."""
    broken = line(file, **{"amazon-order-id": "2"}).replace("\t", "\r\n", 20).replace("\r\n", "\t", 19)
    run = answered(file, f"{HEADER}\r\n{line(file)}\r\n{broken}\r\n")

    assert run.state == "partial", run.message
    assert by_day(file) == {file.first: "failed", file.last: "landed"}
    assert file.dataset.rows == 1
    assert "set aside; the first is line 3" in file.notes()


def test_a_report_type_whose_quota_never_comes_back_is_named_when_the_run_ends(file):
    """selling-partner-api-models #5152: 429 for days, for one type of report only; the run said that its time was over."""
    file.amazon.fault("createReport", "429")
    run = begin(file.dataset)
    for _ in range(3):
        run.turn()
        run.hurry()
    run.pass_time(timedelta(hours=25))

    assert run.to_end().state == "partial"
    assert "its limit of 24 hours" in run.message and "a pause with createReport (429)" in run.message

    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        ("400", {}, "(400, InvalidInput, Invalid input)"),  # selling-partner-api-models #5365
        ("empty_body", {"status": 400}, "(400)"),  # python-amazon-sp-api #811
        ("html", {"status": 403}, "(403)"),  # selling-partner-api-docs #556
    ],
)
def test_a_refusal_that_passes_leaves_nothing_behind(chain, kind, rule, said):
    """Amazon refused for a day what it took before and after, with and without words of its own."""
    chain.amazon.fault("searchOrders", kind, **rule)
    run = chain.drive()

    assert run.state == "failed" and said in run.message

    chain.amazon.heal()
    assert chain.drive().state == "succeeded"
    chain.assert_whole()


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("html", {"status": 504}),  # python-amazon-sp-api #295
        ("html", {"status": 502}),  # python-amazon-sp-api #527
        ("html", {"status": 403}),
        ("body", {"status": 429, "body": TOO_MANY_KEYS}),  # selling-partner-api-docs #813
    ],
)
def test_an_answer_in_an_unexpected_shape_is_waited_out(chain, kind, rule):
    """What a gateway answers in Amazon's place, and a 429 that calls itself InvalidInput."""
    chain.amazon.fault("searchOrders", kind, count=1, **rule)
    run = chain.drive()

    assert run.state == "succeeded", run.message
    assert len(run.waits) == 1
    chain.assert_whole()


def test_every_test_that_the_page_names_is_there():
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(\w+)`", (PROJECT / "docs/field-reports.md").read_text())

    assert len(named) > 40
    assert not [(path, name) for path, name in named if not re.search(rf"def {name}\(", (PROJECT / path).read_text())]
