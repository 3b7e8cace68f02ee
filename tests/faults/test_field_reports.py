"""What users of other connectors have reported in public, tried here at its smallest: docs/field-reports.md lists it."""

import base64

import pytest

from connector.simulator import flat_file
from tests.faults.test_unplaced_rows import at, by_day

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

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
