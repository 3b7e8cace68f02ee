"""One day of an answer that cannot be landed is that day's trouble: the others of the same answer go on."""

import orjson
import pytest

from connector.database.clock import database_now
from datasets.backfill import lifecycle
from datasets.backfill.answers.placing import day_finder
from datasets.backfill.sources.pages import page_file
from datasets.models import Day
from tests.backfill.conftest import finish
from tests.days import ZONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]


def spoil(dataset, spoiled):
    """Changes an order of the newest day of the widest kept answer; answers the request and that day."""
    request = max(dataset.requests.all(), key=lambda each: each.last_day - each.first_day)
    find = day_finder(request.first_day, request.last_day, ZONE)
    page = page_file(request.answer.folder, 0)
    content = orjson.loads(page.read_bytes())
    newest = max(content["orders"], key=lambda order: order["createdTime"])
    day = find(newest["createdTime"])
    content["orders"] += spoiled(newest)
    page.write_bytes(orjson.dumps(content))
    return request, day


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (lambda order: [order | {"salesChannel": {"marketplaceName": "Elsewhere"}}], "Use append"),
        (
            lambda order: [order | {"orderId": "".join(chr(0x100 + number) for number in range(9000))}],
            "too long for a key",
        ),
    ],
    ids=["two rows of one key", "a key that no index takes"],
)
def test_a_day_that_cannot_be_merged_holds_back_no_older_day_of_its_answer(make_dataset, fill, check, spoiled, said):
    dataset = make_dataset(start="today-14", end="yesterday", mode="merge")
    fill(dataset)
    request, bad = spoil(dataset, spoiled)
    checker = check(dataset)
    checker.link.execute(f"UPDATE {checker.table()} SET sales_channel = 'misread'")

    run = finish(lifecycle.replay(dataset, request.first_day, request.last_day, now=database_now()))

    days = (request.last_day - request.first_day).days + 1
    assert (run.state, run.days_done(), run.days_failed()) == ("partial", days - 1, 1), run.message
    assert said in run.message
    assert [day.day for day in Day.objects.filter(dataset=dataset, again=True)] == [bad]
    misread = checker.link.execute(
        f"SELECT DISTINCT _day FROM {checker.table()} WHERE sales_channel = 'misread' AND _day BETWEEN %s AND %s",
        [request.first_day, request.last_day],
    ).fetchall()
    assert misread == [(bad,)]
