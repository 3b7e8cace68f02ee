"""An answer of Amazon's that serves several datasets: it is asked for once, fetched once, and read once."""

import shutil
import threading
from contextlib import ExitStack
from datetime import date, timedelta

import orjson
import pytest
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from connector.accounts.models import RefusedMarketplace
from connector.catalogue import index
from connector.database.clock import database_now
from connector.spapi import documents
from datasets.backfill import engine, housekeeping, land, lifecycle, runs
from datasets.backfill.answers import parsed
from datasets.backfill.answers.placing import day_finder
from datasets.models import Answer, Day, Request, Run
from datasets.raw_files import raw_folder
from datasets.storage import columns
from tests.backfill.conftest import finish
from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

BY_ORDER_DATE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}


def calls(simulator, operation):
    return simulator.control("/simulator/counts")["requests"].get(operation, 0)


def test_a_second_dataset_over_the_same_source_costs_nothing(make_dataset, fill, simulator, check):
    orders = make_dataset(start="today-12", end="yesterday")
    fill(orders)
    before = simulator.control("/simulator/counts")["requests"]

    items = make_dataset("order_items", start="today-12", end="yesterday")
    run = fill(items)

    assert run.state == "succeeded", run.message
    assert simulator.control("/simulator/counts")["requests"] == before
    truth = check(items).truth(day_before(12), day_before(1))
    assert {day: sum(found.values()) for day, found in check(items).orders_by_day().items()} == {
        day: so["items"] for day, so in truth.items() if so["items"]
    }


@pytest.mark.parametrize("kind", ["cancelled", "done_without_document"])
def test_that_amazon_has_nothing_is_an_answer_for_both(make_dataset, fill, simulator, kind):
    simulator.control("/simulator/faults", {"operation": "createReport", "kind": kind, "nth": 1})
    first, second = (
        make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="yesterday", end="yesterday")
        for _ in range(2)
    )
    fill(first)
    before = simulator.control("/simulator/counts")["requests"]

    fill(second)

    assert simulator.control("/simulator/counts")["requests"] == before
    assert [day.state for day in (first.days.get(), second.days.get())] == ["empty", "empty"]


def test_datasets_that_begin_at_the_same_moment_ask_once(make_dataset, simulator):
    """Two of one schedule, and Amazon takes a while to say that it has understood."""
    simulator.control("/simulator/faults", {"operation": "createReport", "kind": "delay", "seconds": 0.5})
    made = [
        make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-9", end="yesterday")
        for _ in range(2)
    ]
    started = [runs.start(dataset, Run.Trigger.MANUAL, now=database_now()) for dataset in made]
    both = threading.Barrier(2, timeout=60)

    def work(run):
        try:
            both.wait()
            finish(run)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=[run]) for run in started]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [run.state for run in started] == ["succeeded", "succeeded"]
    assert calls(simulator, "createReport") == len({(first, last) for first, last in _windows(made)}) == 2


def _windows(datasets):
    return Request.objects.filter(dataset__in=datasets).values_list("first_day", "last_day")


def test_a_report_that_amazon_is_slow_to_build_is_not_asked_for_by_a_second_dataset(make_dataset, fill, simulator):
    """However long it takes, where its days had settled when it was asked for."""
    simulator.control("/simulator/faults", {"operation": "createReport", "kind": "stuck", "seconds": 36000, "nth": 1})
    first, second = (
        make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-20", end="today-20")
        for _ in range(2)
    )
    for dataset in (first, second):
        run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        engine.advance(run.pk)
    Answer.objects.filter(requests__dataset=first).update(asked_at=database_now() - timedelta(hours=2))
    Request.objects.filter(dataset=second).update(not_before=None)
    Run.objects.filter(pk=run.pk).update(not_before=None)

    engine.advance(run.pk)

    assert calls(simulator, "createReport") == 1


def test_nobody_takes_over_an_answer_that_is_older_than_what_is_in(make_dataset, fill, fast_amazon):
    """Today is read again with each run: a neighbour's look of this morning is no news after one of noon."""
    fast_amazon.control(
        "/simulator/clock", {"run": True}
    )  # windows end by Amazon's clock: one that stands would not get on
    first, second = (make_dataset(start="yesterday", end="today") for _ in range(2))
    fill(first)
    fill(second, Run.Trigger.RELOAD)
    before = second.days.get(day=day_before(0)).read_until

    fill(second)

    assert second.days.get(day=day_before(0)).read_until >= before


def test_an_answer_from_just_after_midnight_that_lacks_the_last_minutes_serves_nobody_for_ever(
    make_dataset, fill, simulator
):
    first, second = (make_dataset(start="today-20", end="today-20") for _ in range(2))
    fill(first)
    asked = first.requests.get().answer
    asked_at = database_now() - timedelta(hours=2)
    Answer.objects.update(until_at=asked.until_at - timedelta(minutes=3), asked_at=asked_at)
    before = calls(simulator, "searchOrders")

    fill(second)

    assert calls(simulator, "searchOrders") == before + 1
    assert second.days.get().read_until == asked.until_at


def test_datasets_that_ask_something_else_share_nothing(make_dataset, fill, simulator, check):
    fill(make_dataset(start="today-3", end="yesterday"))
    before = calls(simulator, "searchOrders")

    fill(make_dataset(start="today-3", end="yesterday", options={"query_date_type": "last_updated"}))

    assert calls(simulator, "searchOrders") > before


def test_a_reload_asks_amazon_anew_whatever_others_have(make_dataset, fill, fast_amazon, simulator):
    first, second = make_dataset(start="today-3", end="yesterday"), make_dataset(start="today-3", end="yesterday")
    fill(first)
    fill(second)
    before = calls(simulator, "searchOrders")

    finish(runs.reload(second, day_before(2), day_before(2), now=database_now()))

    assert calls(simulator, "searchOrders") > before  # one, or on a busy day three


# Read once


@pytest.fixture
def busy_day(simulator):
    """The latest day of which Amazon has several rows: on some there was no order, and then there is no document."""
    zone = "America/Los_Angeles"
    truth = simulator.control(f"/simulator/truth/flat_file?from={day_before(9)}&to={day_before(1)}&zone={zone}")["days"]
    return date.fromisoformat(max(day for day, so in truth.items() if so["rows"] > 2))


@pytest.fixture
def two(make_dataset, busy_day):
    """Two datasets that ask the same, of the busy day alone or of nine, of which the second has yet to be filled."""

    def two(report="create_and_download_report", *, days=9, mode="append", **fields):
        fields = {"options": BY_ORDER_DATE if report == "create_and_download_report" else {}} | fields
        first, last = (day_before(9), day_before(1)) if days == 9 else (busy_day, busy_day)
        edges = {"start": first.isoformat(), "end": last.isoformat()}
        return [make_dataset(report, **edges, mode=each, **fields) for each in ("append", mode)]

    return two


def rows_of(dataset, *names):
    """The rows in an order of their own, as the table has them."""
    with land.cursor() as c:
        c.execute(f"SELECT _day, {', '.join(names)} FROM data.ds_{dataset.pk} ORDER BY 1, 2, 3")
        return c.fetchall()


def spoil(answer):
    """What Amazon sent is of no use from now on."""
    for file in answer.folder.iterdir():
        if file.is_file() and not file.name.startswith("parsed-"):
            file.write_bytes(b"spoiled")


@pytest.mark.parametrize(
    ("report", "names", "mode"),
    [
        ("create_and_download_report", ("amazon_order_id", "sku"), "append"),
        ("order_details", ("amazon_order_id", "last_update_date"), "append"),
        ("order_details", ("amazon_order_id", "last_update_date"), "merge"),
    ],
)
def test_an_answer_belongs_to_both_and_is_read_once(two, fill, simulator, report, names, mode):
    first, second = two(report, mode=mode)
    fill(first)
    before = simulator.control("/simulator/counts")["requests"]
    for answer in Answer.objects.all():
        spoil(answer)

    run = fill(second)

    assert run.state == "succeeded", run.message
    assert simulator.control("/simulator/counts")["requests"] == before
    assert {request.answer_id for request in second.requests.all()} <= {each.pk for each in Answer.objects.all()}
    assert Answer.objects.count() == first.requests.count()
    assert rows_of(first, *names) == rows_of(second, *names) != []
    assert list(first.days.order_by("day").values_list("checksum", "rows", "read_until")) == list(
        second.days.order_by("day").values_list("checksum", "rows", "read_until")
    )


def test_a_dataset_with_other_options_reads_the_same_answer_in_its_own_way(two, fill, simulator):
    first, second = two()
    second.options |= {"csv_report_quote_character": "null"}
    second.save()
    fill(first)
    before = simulator.control("/simulator/counts")["requests"]

    assert fill(second).state == "succeeded"

    assert simulator.control("/simulator/counts")["requests"] == before
    answer = second.requests.first().answer
    assert len(list(answer.folder.glob("parsed-*.json"))) == 2
    assert rows_of(first, "amazon_order_id", "sku") == rows_of(second, "amazon_order_id", "sku")


def test_a_table_with_columns_of_other_types_takes_over_nothing_that_was_not_made_for_it(two, fill):
    first, second = two()
    fill(first)
    fill(second)
    with land.cursor() as c:
        columns.widen(c, second.pk, 1, "quantity")
    Day.objects.filter(dataset=second).delete()

    assert fill(second).state == "succeeded"

    kept = [
        orjson.loads(file.read_bytes()) for each in Answer.objects.all() for file in each.folder.glob("parsed-*.json")
    ]
    assert {each["types"]["quantity"] for each in kept} == {"text"}
    found = [(day, order, int(quantity)) for day, order, quantity in rows_of(second, "amazon_order_id", "quantity")]
    assert sorted(found) == rows_of(first, "amazon_order_id", "quantity")


def test_what_was_made_of_an_answer_and_is_damaged_is_made_again(two, fill):
    """Power fails, and the disk has lost the end of a file."""
    first, second = two()
    fill(first)
    damaged = [file for answer in Answer.objects.all() for file in answer.folder.glob("days-*/*.copy")]
    for number, file in enumerate(damaged):
        file.write_bytes(file.read_bytes()[: -20 * (number % 2)] or b"\0" * 40) if number % 3 else file.unlink()

    assert fill(second).state == "succeeded"

    assert rows_of(first, "amazon_order_id", "sku") == rows_of(second, "amazon_order_id", "sku") != []


def test_what_another_version_of_the_program_has_made_of_an_answer_is_made_again(two, fill, monkeypatch):
    """Its reader may have been mended since."""
    first, second = two(days=1)
    fill(first)
    (manifest,) = Answer.objects.get().folder.glob("parsed-*.json")
    manifest.write_bytes(orjson.dumps(orjson.loads(manifest.read_bytes()) | {"staged": {}}))
    monkeypatch.setattr(parsed, "_code", lambda: "of the next version")

    assert fill(second).state == "succeeded"

    assert rows_of(first, "amazon_order_id", "sku") == rows_of(second, "amazon_order_id", "sku") != []


def test_an_answer_that_another_worker_reads_at_this_moment_is_waited_for(two, fill):
    first, second = two()
    fill(first)
    answers = list(Answer.objects.all())
    run = runs.start(second, Run.Trigger.MANUAL, now=database_now())
    with ExitStack() as reading:
        for answer in answers:
            reading.enter_context(parsed.alone(answer.folder, "somebody"))
        for _ in range(4):
            engine.advance(run.pk)
            Run.objects.update(not_before=None)
            Request.objects.update(not_before=None)
        waiting = list(second.requests.filter(state="collected"))
        assert waiting and "fetching or reading the same answer" in waiting[0].message
        assert waiting[0].failures == waiting[0].attempts == 0

    assert finish(run).state == "succeeded"
    assert [request.message for request in second.requests.all()] == [""] * len(answers)  # it waits no more


def test_what_was_made_of_an_answer_is_forgotten_when_it_is_fetched_again(two, fill, fast_amazon):
    """So it is where a database that was restored gives an id once more, and the folder of that id is still there."""
    first, second = two(days=1)
    fill(first)
    answer = Answer.objects.get()
    manifest = next(answer.folder.glob("parsed-*.json"))
    told = orjson.loads(manifest.read_bytes())
    manifest.write_bytes(orjson.dumps(told | {"staged": {}, "doubt": ""}))  # of another answer, which had no row
    (answer.folder / "document").unlink()

    assert fill(second).state == "succeeded"

    assert rows_of(first, "amazon_order_id", "sku") == rows_of(second, "amazon_order_id", "sku") != []


def test_nobody_waits_for_a_worker_that_stands_still_and_has_lost_its_run(two, fill):
    first, second = two(days=1)
    fill(first)
    answer, over = Answer.objects.get(), first.runs.get()

    with parsed.alone(answer.folder, over.mark(over.fence)):
        assert fill(second).state == "succeeded"

    assert rows_of(first, "amazon_order_id", "sku") == rows_of(second, "amazon_order_id", "sku") != []


def test_a_replay_reads_what_amazon_sent_and_not_what_was_made_of_it(two, fill, busy_day):
    first, _ = two(days=1)
    fill(first)
    document = Answer.objects.get().folder / "document"
    text = b"".join(documents.open_bytes(document))
    header, line = text.split(b"\n")[:2]
    document.write_bytes(header + b"\n" + line + b"\n")

    assert finish(lifecycle.replay(first, busy_day, busy_day, now=database_now())).state == "succeeded"

    assert first.days.get().rows == len(rows_of(first, "amazon_order_id", "sku")) == 1


# What stays of it, and for how long


def made_of(answer):
    return sorted({file.name.partition("-")[0] for file in answer.folder.iterdir() if "-" in file.name})


def test_what_was_made_of_an_answer_goes_at_once_where_nobody_could_take_it_over(make_dataset, fill, busy_day):
    edges = {"start": busy_day.isoformat(), "end": busy_day.isoformat()}
    fill(make_dataset("create_and_download_report", options=BY_ORDER_DATE, **edges))

    assert made_of(Answer.objects.get()) == []
    assert (Answer.objects.get().folder / "document").exists()


def test_and_else_after_an_hour_unless_somebody_is_about_to_use_it(two, fill):
    first, second = two(days=1)
    fill(first)
    answer, now = Answer.objects.get(), database_now()
    assert made_of(answer) == ["days", "parsed"]

    housekeeping.clean(now + timedelta(minutes=50))
    assert made_of(answer) == ["days", "parsed"]
    waiting = Request.objects.create(
        dataset=second,
        generation=1,
        first_day=answer.first_day,
        last_day=answer.last_day,
        answer=answer,
        state="collected",
    )
    housekeeping.clean(now + timedelta(minutes=70))
    assert made_of(answer) == ["days", "parsed"]
    waiting.delete()
    housekeeping.clean(now + timedelta(minutes=70))
    assert made_of(answer) == []
    assert (answer.folder / "document").exists()


def test_an_answer_stays_as_long_as_one_dataset_has_it(two, fill):
    first, second = two()
    fill(first)
    fill(second)
    # Amazon's word that there is nothing, of a day without orders, leaves none.
    folders = [answer.folder for answer in Answer.objects.all() if answer.folder.is_dir()]

    lifecycle.remove(first)
    housekeeping.clean(database_now())
    assert folders and all(folder.is_dir() for folder in folders)
    assert finish(lifecycle.replay(second, day_before(9), day_before(1), now=database_now())).state == "succeeded"

    lifecycle.clear(second)
    housekeeping.clean(database_now())
    assert not Answer.objects.exists()
    assert not any(folder.exists() for folder in folders)


def test_a_request_that_starts_over_leaves_the_answer_to_the_others(two, fill):
    first, second = two(days=1)
    fill(first)
    fill(second)
    request, answer = second.requests.get(), Answer.objects.get()

    request.start_over(None, cause=Request.Cause.DOCUMENT, message="")

    assert first.requests.get().answer == answer and answer.amazon_id
    assert request.answer != answer and request.answer.question == answer.question
    assert (request.answer.asked_at, request.answer.amazon_id, request.answer.progress) == (None, "", {})


# Requests of the version before


def test_requests_of_before_keep_their_answers_and_their_files(two, fill, busy_day):
    """Each had one of its own, in a folder of its dataset's."""
    first, _ = two(days=1)
    fill(first)
    request = first.requests.select_related("answer").get()
    asked = Answer.objects.values().get()
    executor = MigrationExecutor(connection)
    try:
        executor.migrate([("datasets", "0016_rows_out_of_window")])
        before = executor.loader.project_state([("datasets", "0016_rows_out_of_window")]).apps
        was = before.get_model("datasets", "Request").objects.get()
        assert (was.amazon_id, was.from_at, was.cursor) == (asked["amazon_id"], asked["from_at"], asked["progress"])
        there = raw_folder(f"{first.pk}/{request.pk}")
        there.parent.mkdir(parents=True)
        request.answer.folder.rename(there)
    finally:
        MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())

    answer = Answer.objects.values().get()
    changed = {name for name, value in answer.items() if value != asked[name]}
    assert changed <= {"id", "place", "created_at", "collected_at"} and answer["collected_at"] is not None
    assert Answer.objects.get().folder == there
    housekeeping.clean(database_now())
    replay = finish(lifecycle.replay(first, busy_day, busy_day, now=database_now()))
    assert replay.state == "succeeded", replay.message
    Answer.objects.create(  # ids go on after those of before
        account_id=answer["account_id"], kind="report", first_day=busy_day, last_day=busy_day
    )


# What each of them is without, and what does not fit, is its own


def test_each_dataset_knows_itself_which_of_its_marketplaces_are_refused(account, make_dataset, fill):
    """One that asks for US and CA asks, while CA is refused, the very question of one that asks for US alone."""
    type(account).objects.filter(pk=account.pk).update(marketplaces=["US", "CA"])
    account.refresh_from_db()
    report = "order_details"
    RefusedMarketplace.remember(account, "CA", index.get(report).source.subject, "No.")
    of_us, of_both = (
        make_dataset(report, start="today-2", end="yesterday", options={"marketplaces": countries})
        for countries in (["US"], ["US", "CA"])
    )
    for order in ((of_us, of_both), (of_both, of_us)):
        Answer.objects.update(asked_at=database_now() - timedelta(days=9))
        for dataset in order:
            Day.objects.filter(dataset=dataset).delete()
            fill(dataset)
        assert of_us.requests.latest("pk").answer == of_both.requests.latest("pk").answer
        assert {tuple(day.lacking) for day in of_us.days.all()} == {()}
        assert {tuple(day.lacking) for day in of_both.days.all()} == {("CA",)}


def test_a_value_of_a_day_that_a_dataset_does_not_want_makes_none_of_its_columns_text(two, fill, fast_amazon):
    """Its days come first, and the odd value stands in an older one."""
    first, second = two()
    fill(first)
    widest = max(Answer.objects.all(), key=lambda answer: answer.last_day - answer.first_day)
    document = widest.folder / "document"
    lines = b"".join(documents.open_bytes(document)).decode().splitlines()
    titles = lines[0].split("\t")
    oldest = min(lines[1:], key=lambda line: line.split("\t")[titles.index("purchase-date")])
    cells = oldest.split("\t")
    cells[titles.index("quantity")] = "a dozen"
    document.write_text("\n".join("\t".join(cells) if line is oldest else line for line in lines) + "\n")
    parsed.forget(widest.folder)
    find = day_finder(widest.first_day, widest.last_day, widest.zone)
    second.start = (find(cells[titles.index("purchase-date")]) + timedelta(days=1)).isoformat()
    second.save()

    assert fill(second).state == "succeeded"

    assert widest in {request.answer for request in second.requests.all()}
    types = {column["name"]: column["type"] for column in second.columns}
    assert types["quantity"] == "bigint"


def test_two_workers_that_fetch_the_same_document_again_fetch_it_once(two, fill, simulator):
    first, second = two(days=1)
    fill(first)
    fill(second)
    answer = Answer.objects.get()
    run = runs.start(second, Run.Trigger.MANUAL, now=database_now())
    request = second.requests.get()
    request.keep(state="ready")
    Day.objects.filter(dataset=second).update(state="asked", request=request)
    before = calls(simulator, "getReportDocument")
    with parsed.alone(answer.folder, "somebody"):
        for _ in range(3):
            engine.advance(run.pk)
            Run.objects.update(not_before=None)
            Request.objects.update(not_before=None)
        request.refresh_from_db()
        assert request.state == "ready" and "fetching or reading" in request.message
        assert calls(simulator, "getReportDocument") == before

    assert finish(run).state == "succeeded"
    assert calls(simulator, "getReportDocument") == before + 1


def test_a_reading_never_writes_into_the_files_of_an_earlier_one(two, fill):
    """Another dataset may have these on their way into the database."""
    first, second = two(days=1)
    fill(first)
    answer = Answer.objects.get()
    (file,) = answer.folder.glob("days-*/*.copy")
    content, at = file.read_bytes(), file.stat().st_mtime_ns
    parsed.forget(answer.folder)

    assert fill(second).state == "succeeded"

    assert (file.read_bytes(), file.stat().st_mtime_ns) == (content, at)
    assert len(list(answer.folder.glob("days-*/*.copy"))) == 2


# Files that are gone, or that are none of ours


@pytest.mark.parametrize("report", ["order_details", "create_and_download_report"])
def test_an_answer_whose_files_are_gone_is_asked_for_again(two, fill, simulator, report):
    """Somebody has tidied up: the folders are there, and empty."""
    first, second = two(report)
    fill(first)
    for answer in Answer.objects.all():
        for file in answer.folder.iterdir() if answer.folder.is_dir() else ():
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    simulator.control("/simulator/reports", method="DELETE")  # nor does Amazon have its documents any more

    run = fill(second)

    assert run.state == "succeeded", run.message
    assert dict(second.days.values_list("day", "rows")) == dict(first.days.values_list("day", "rows"))
    assert sum(sum(request.failures_by.values()) for request in second.requests.all()) == 0
    with pytest.raises(lifecycle.NothingToReplay, match="not stored on this machine"):
        lifecycle.replay(first, day_before(9), day_before(1), now=database_now())


def test_a_document_that_goes_after_the_answer_was_taken_and_amazon_no_longer_knows_is_asked_for_again(
    two, fill, simulator
):
    first, second = two(days=1)
    fill(first)
    run = runs.start(second, Run.Trigger.MANUAL, now=database_now())
    with parsed.alone(Answer.objects.get().folder, "somebody"):
        while not second.requests.filter(state="collected").exists():
            engine.advance(run.pk)
            Run.objects.update(not_before=None)
            Request.objects.update(not_before=None)
    shared = Answer.objects.get()
    parsed.drop(shared.folder)
    (shared.folder / "document").unlink()
    simulator.control("/simulator/reports", method="DELETE")

    assert finish(run).state == "succeeded", run.message

    assert second.requests.get().answer != shared
    assert second.days.get().rows == first.days.get().rows > 0


@pytest.mark.parametrize("odd", [b"{}", b"[]", b"", b'{"types": 1, "columns": 2}'])
def test_a_manifest_that_is_none_of_ours_counts_as_none(two, fill, odd):
    first, second = two(days=1)
    fill(first)
    for manifest in Answer.objects.get().folder.glob("parsed-*.json"):
        manifest.write_bytes(odd)

    assert fill(second).state == "succeeded"


def test_a_folder_that_cannot_be_used_is_waited_for_and_named(two, fill, settings):
    first, _ = two(days=1)
    run = runs.start(first, Run.Trigger.MANUAL, now=database_now())
    while not Answer.objects.exclude(amazon_id="").exists():
        engine.advance(run.pk)
        Run.objects.update(not_before=None)
    folder = Answer.objects.get().folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_bytes(b"in the way")
    while "cannot be used on this machine" not in (first.requests.get().message or ""):
        engine.advance(run.pk)
        Run.objects.update(not_before=None)
        Request.objects.update(not_before=None)
    run.refresh_from_db()
    assert run.state == "waiting" and str(folder) in first.requests.get().message
    folder.unlink()

    assert finish(run).state == "succeeded"
    assert (first.requests.get().failures, first.requests.get().interruptions) == (0, 0)
