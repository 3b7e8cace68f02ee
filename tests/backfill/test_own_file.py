"""A report file that a person uploads fills days that Amazon was not asked for; what Amazon gave stays as it is."""

import csv
import io
import json

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from connector.spapi import documents
from datasets.backfill import land, lifecycle, runs
from datasets.backfill.sources.file import CannotLoad
from datasets.backfill.span import asked_for
from datasets.definition import checks
from datasets.definition.definition import Definition, InvalidDefinition
from datasets.definition.payload import read_payload
from datasets.models import Day, Run
from datasets.storage import columns
from datasets.storage.table import MAX_COLUMNS
from datasets.uploads import keeping, loading
from tests.backfill.conftest import finish
from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

FLAT_FILE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
NOW = timezone.now


@pytest.fixture
def older(make_dataset, fill):
    """A dataset that Amazon has filled: two days of the file of all orders."""
    dataset = make_dataset("create_and_download_report", options=FLAT_FILE, start="today-4", end="today-3")
    assert fill(dataset).state == Run.State.SUCCEEDED
    return dataset


@pytest.fixture
def recent(make_dataset, fill):
    """The same report from the day after these on."""
    dataset = make_dataset("create_and_download_report", options=FLAT_FILE, start="today-2")
    assert fill(dataset).state == Run.State.SUCCEEDED
    return dataset


def raw_file(dataset):
    """What Amazon sent, as a person may have it from Seller Central."""
    return b"".join(documents.open_bytes(dataset.requests.get().answer.folder / "document"))


def upload(alice, content, name="orders.txt"):
    return keeping.keep(alice, SimpleUploadedFile(name, content), now=NOW())


def load(dataset, kept, alice):
    started = loading.load(dataset, kept, alice, now=NOW())
    run = finish(started.run)
    dataset.refresh_from_db()
    return started, run


def filled(dataset):
    """The days on which the dataset has rows."""
    return set(dataset.days.filter(rows__gt=0).values_list("day", flat=True))


def rows(checker, first, last):
    """The rows of these days, whatever run brought them in."""
    own = "'{_id,_batch_id,_batch_last_run}'::text[]"
    statement = f"SELECT (to_jsonb(t) - {own})::text FROM {checker.table()} AS t WHERE _day BETWEEN %s AND %s"
    return sorted(row for (row,) in checker.link.execute(statement, [first, last]))


def test_older_days_come_in_from_the_file_and_stay_as_newer_ones_do(alice, simulator, older, recent, fill, check):
    asked, before = len(simulator.control("/simulator/requests")["requests"]), filled(recent)
    days, newer = (day_before(4), day_before(3)), (day_before(2), day_before(1))
    amazons = rows(check(recent), *newer)
    kept = upload(alice, raw_file(older))

    started, run = load(recent, kept, alice)

    assert (run.state, run.trigger, started.days) == ("succeeded", "file", len(filled(older)))
    assert len(simulator.control("/simulator/requests")["requests"]) == asked, "Amazon was asked"
    assert rows(check(recent), *days) == rows(check(older), *days)
    assert rows(check(recent), *newer) == amazons
    told = dict(recent.days.values_list("day", "message"))
    assert {day for day, said in told.items() if said.startswith("From the uploaded file orders.txt.")} == filled(older)
    assert filled(recent) == before | filled(older)

    assert fill(recent).state == Run.State.SUCCEEDED
    assert rows(check(recent), *days) == rows(check(older), *days)
    with pytest.raises(
        CannotLoad, match=r"of orders.txt \(.*\) are already in Made, or it loads them from Amazon itself"
    ):
        loading.load(recent, kept, alice, now=NOW())
    assert not recent.runs.open().exists()


def test_rows_of_a_file_are_not_given_up_for_what_amazon_says_of_days_so_old(alice, older, recent, fill, check):
    days = day_before(4), day_before(3)
    load(recent, upload(alice, raw_file(older)), alice)

    recent.read_all_again()  # as after a change of the answers
    assert fill(recent).state == Run.State.SUCCEEDED

    assert rows(check(recent), *days) == rows(check(older), *days)
    assert set(recent.days.filter(from_file=True).values_list("day", "again")) == {
        (day, False) for day in filled(older)
    }


def test_a_workbook_of_the_same_report_does_as_well(alice, older, make_dataset, check):
    dataset = make_dataset("create_and_download_report", options=FLAT_FILE, start="today-2", slug="second")

    _, run = load(dataset, upload(alice, as_workbook(raw_file(older)), "orders.xlsx"), alice)

    assert run.state == "succeeded", run.message
    days = day_before(4), day_before(3)
    assert rows(check(dataset), *days) == rows(check(older), *days)


def as_workbook(content):
    """The file as Excel keeps it when every column is imported as text."""
    book, packed = openpyxl.Workbook(), io.BytesIO()
    for number, line in enumerate(content.decode().splitlines(), 1):
        for place, value in enumerate(line.split("\t"), 1):
            if value:
                cell = book.active.cell(number, place, value)
                cell.data_type = "s"  # =1+1 is no formula
    book.save(packed)
    return packed.getvalue()


def test_a_run_whose_file_is_deleted_says_so(alice, older, recent):
    kept = upload(alice, raw_file(older))
    started = loading.load(recent, kept, alice, now=NOW())
    kept.delete()

    run = finish(started.run)

    assert run.state == "failed"
    assert "The uploaded file was deleted before its rows were loaded. Upload it again." in run.message


def test_a_file_without_the_days_column_is_refused_with_its_name(alice, recent):
    with pytest.raises(CannotLoad, match="orders.txt has no column purchase-date, which gives the day of each row"):
        loading.load(recent, upload(alice, b"amazon-order-id\tsku\n1\tA\n"), alice, now=NOW())


def test_a_row_without_a_day_is_refused_and_nothing_is_loaded(alice, recent):
    content = b"amazon-order-id\tpurchase-date\n1\t2024-05-05T10:00:00+00:00\n2\tlast week\n"

    with pytest.raises(CannotLoad, match="orders.txt has rows whose purchase-date is 'last week', which is not a date"):
        loading.load(recent, upload(alice, content), alice, now=NOW())
    assert not recent.days.filter(day__year=2024).exists()


def test_a_replace_takes_no_file(alice, make_dataset):
    dataset = make_dataset("create_and_download_report", options=FLAT_FILE, mode="replace")

    assert not loading.takes_files(dataset)
    with pytest.raises(CannotLoad, match=r"Made does not accept files: it is a replace.* in append mode and load"):
        loading.load(dataset, upload(alice, b"purchase-date\n2024-05-05\n"), alice, now=NOW())


def test_a_report_of_pages_takes_no_file(alice, make_dataset):
    dataset = make_dataset()

    assert not loading.takes_files(dataset)
    with pytest.raises(
        CannotLoad, match="Made does not accept files: only flat-file reports .*, and Order Details.* is not one."
    ):
        loading.load(dataset, upload(alice, b"purchase-date\n2024-05-05\n"), alice, now=NOW())


def test_a_dataset_that_is_cleared_meanwhile_keeps_nothing_of_the_file(alice, older, recent):
    started = loading.load(recent, upload(alice, raw_file(older)), alice, now=NOW())

    lifecycle.clear(recent)

    started.run.refresh_from_db()
    assert started.run.state == "cancelled"
    assert not Day.objects.filter(dataset=recent).exists()


def test_a_run_of_a_file_that_is_cancelled_says_how_to_come_by_the_rest(alice, older, recent):
    started = loading.load(recent, upload(alice, raw_file(older)), alice, now=NOW())
    runs.cancel(started.run)

    run = finish(started.run)

    assert run.state == "cancelled"
    assert run.message == "Cancelled. Days already loaded are kept; load the file again for the others."


def test_a_value_that_a_line_cannot_hold_is_kept_by_quotes(alice, recent):
    day = day_before(40)
    content = f'amazon-order-id,purchase-date,product-name\n1,{day}T20:00:00+00:00,"a ""b""\tc"\n'.encode()

    _, run = load(recent, upload(alice, content, "mine.csv"), alice)

    assert run.state == "succeeded", run.message


def spoiled(alice, dataset):
    """A run of a file whose upload is deleted before it is read: its days fail."""
    kept = upload(alice, f"amazon-order-id\tpurchase-date\n1\t{day_before(40)}T20:00:00+00:00\n".encode())
    started = loading.load(dataset, kept, alice, now=NOW())
    kept.delete()
    return finish(started.run)


def test_a_failed_day_of_a_file_promises_no_next_try(alice, recent, fill):
    """No run loads a file again by itself; its days waited for a next try that never came."""
    run = spoiled(alice, recent)

    assert run.message.startswith(
        "1 of 1 days could not be loaded; no run loads a file by itself, so fix it and load it again."
    )
    failed = recent.days.get(day=day_before(40))
    assert (failed.state, failed.attempts, failed.not_before) == ("failed", 1, None)
    assert not asked_for(recent, NOW())(failed)
    assert fill(recent).state == "succeeded"
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.run_id) == ("failed", 1, run.pk)


def test_a_dataset_with_days_of_files_cannot_become_a_replace(alice, older, recent):
    """The next replace dropped them, and called that a success."""
    _, run = load(recent, upload(alice, raw_file(older)), alice)
    assert run.state == "succeeded", run.message

    with pytest.raises(InvalidDefinition) as refused:
        checks.check(read_payload(alice, {"mode": "replace"}, Definition.of(recent)), dataset=recent, now=NOW())

    assert refused.value.errors == {"mode": [checks.ROWS_OF_FILES]}


def test_a_failed_day_of_a_file_is_amazons_once_the_datasets_dates_reach_it(alice, recent, fill):
    spoiled(alice, recent)
    recent.start = "today-41"
    recent.save()

    assert asked_for(recent, NOW())(recent.days.get(day=day_before(40)))
    assert fill(recent).state == "succeeded"
    assert recent.days.get(day=day_before(40)).state in Day.IN


def test_rows_of_a_file_that_another_run_lands_are_the_files(alice, older, recent, fill):
    """The file's run came to the end of its time, and the next run took its request over: the day was put down as Amazon's."""
    started = loading.load(recent, upload(alice, raw_file(older)), alice, now=NOW())
    Run.objects.filter(pk=started.run.pk).update(started_at=NOW(), deadline=NOW())
    assert finish(started.run).state == "partial"

    assert fill(recent).state == "succeeded"

    days = recent.days.filter(day__in=(day_before(4), day_before(3)), rows__gt=0)
    assert days.count() == started.days and set(days.values_list("from_file", flat=True)) == {True}


def test_what_is_odd_about_a_file_is_said_of_the_file(alice, recent):
    """It was said of Amazon's file, and of days that Amazon was not asked for."""
    days = [day_before(41), day_before(40), day_before(1)]
    lines = [f"{n}\t{day}T20:00:00+00:00" for n, day in enumerate(days)]
    content = "\n".join(["amazon-order-id\tpurchase-date", *lines]).encode()

    _, run = load(recent, upload(alice, content), alice)

    assert run.state == "succeeded", run.message
    told = recent.days.get(day=day_before(40)).message
    assert "The uploaded file has no " in told and "Amazon's file" not in told
    assert "of days that are already loaded or that Amazon provides" in told and "outside this request" not in told


def test_a_value_that_would_make_a_column_text_is_refused_and_nothing_is_loaded(alice, recent):
    day = day_before(40)
    content = f"amazon-order-id;purchase-date;item-price\n1;{day}T20:00:00+00:00;9.99\n2;{day}T21:00:00+00:00;12,50\n"

    with pytest.raises(
        CannotLoad,
        match=r"Row 2 of mine.csv has '12,50' in item-price, where the dataset holds numbers, such as 1234.56",
    ):
        loading.load(recent, upload(alice, content.encode(), "mine.csv"), alice, now=NOW())

    assert not recent.days.filter(day=day).exists()
    assert not recent.runs.open().exists()


def test_what_fits_a_column_that_is_text_by_now_is_loaded(alice, recent, simulator, check):
    day = day_before(40)
    with land.cursor() as c:
        columns.widen(c, recent.pk, recent.generation, "item_price")
    recent.columns = [each | {"type": "text"} if each["name"] == "item_price" else each for each in recent.columns]
    recent.save(update_fields=["columns"])

    content = f"amazon-order-id;purchase-date;item-price\n2;{day}T21:00:00+00:00;12,50\n"
    _, run = load(recent, upload(alice, content.encode(), "mine.csv"), alice)

    assert run.state == "succeeded", run.message


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_an_export_of_ours_comes_back_as_it_was(alice, older, make_dataset, check, client, suffix):
    client.force_login(alice)
    exported = client.get(f"/api/v1/datasets/{older.slug}/export.{suffix}")
    dataset = make_dataset("create_and_download_report", options=FLAT_FILE, start="today-2", slug="second")

    _, run = load(dataset, upload(alice, b"".join(exported.streaming_content), f"mine.{suffix}"), alice)

    assert run.state == "succeeded", run.message
    assert [column["name"] for column in dataset.columns] == [column["name"] for column in older.columns]
    days = day_before(4), day_before(3)
    assert rows(check(dataset), *days) == rows(check(older), *days)


def test_times_without_a_zone_are_refused_since_they_may_be_of_another_day(alice, older, recent, client):
    client.force_login(alice)
    exported = client.get(f"/api/v1/datasets/{older.slug}/export.xlsx")  # whose times are dates of Excel, in UTC

    with pytest.raises(CannotLoad, match="a time without its zone, which may be of another day than it names"):
        loading.load(recent, upload(alice, b"".join(exported.streaming_content), "mine.xlsx"), alice, now=NOW())


def test_a_title_that_is_a_name_of_the_databases_own_is_a_column_like_others(alice, recent):
    content = f"amazon-order-id\tpurchase-date\tctid\ttableoid\n1\t{day_before(40)}T20:00:00+00:00\tx\ty\n"

    _, run = load(recent, upload(alice, content.encode()), alice)

    assert run.state == "succeeded", run.message
    assert {"c_ctid", "c_tableoid"} <= {column["name"] for column in recent.columns}


def test_what_finds_no_column_is_a_column_of_the_dataset_once_it_has_landed(alice, recent, client):
    titles = "\t".join(f"more-{number}" for number in range(390))
    values = "\t".join(["x"] * 390)
    address = f"/api/v1/datasets/{recent.slug}/export.csv?_day={day_before(40)}"
    client.force_login(alice)
    before = [column["name"] for column in recent.columns]
    assert "_extra" not in before

    content = f"amazon-order-id\tpurchase-date\t{titles}\n1\t{day_before(40)}T20:00:00+00:00\t{values}\n"
    _, run = load(recent, upload(alice, content.encode()), alice)

    [row] = csv.DictReader(io.StringIO(b"".join(client.get(address).streaming_content).decode(), newline=""))
    assert run.state == "succeeded", run.message
    assert [column["name"] for column in recent.columns][-1] == [*row][-1] == "_extra"
    assert json.loads(row["_extra"]) == {f"more-{number}": "x" for number in range(MAX_COLUMNS - len(before), 390)}
    assert "_extra" in recent.days.get(day=day_before(40)).message


def test_the_notes_of_a_persons_file_do_not_call_it_amazons(alice, recent):
    content = f"amazon-order-id\tpurchase-date\n1\t{day_before(40)}T20:00:00+00:00\n"

    load(recent, upload(alice, content.encode()), alice)

    note = recent.days.get(day=day_before(40)).message
    assert "The uploaded file has no " in note and "Amazon" not in note


@pytest.mark.parametrize(("count", "told"), [(1, "1 row is of sales channels"), (3, "3 rows are of sales channels")])
def test_rows_of_channels_that_nobody_chose_are_counted(alice, make_dataset, count, told):
    options = FLAT_FILE | {"marketplaces": ["US"]}
    dataset = make_dataset("create_and_download_report", options=options, start="today-2", slug="chosen")
    lines = "".join(f"{number}\t{day_before(40)}T20:00:00+00:00\tAmazon.ca\n" for number in range(count))

    load(dataset, upload(alice, f"amazon-order-id\tpurchase-date\tsales-channel\n{lines}".encode()), alice)

    day = dataset.days.get(day=day_before(40))
    assert day.state == "empty"
    assert f"{told} that the dataset did not choose and left out" in day.message
