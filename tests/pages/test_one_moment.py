"""Pages read one moment: what they count agrees, however fast rows come in meanwhile."""

import threading

import pytest
from django.db import InternalError, connection, transaction

from connector.database.moment import one_moment
from datasets.models import Day

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


@pytest.fixture
def landing(dataset):
    """Days come in, on another connection, between a page's statements about days."""

    def landing(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if "datasets_day" in sql:
            worker = threading.Thread(target=land_some, args=[dataset])
            worker.start()
            worker.join()
        return found

    return landing


def land_some(dataset):
    try:
        some = Day.objects.filter(dataset=dataset, state="wanted").order_by("-day").values("pk")[:7]
        assert Day.objects.filter(pk__in=some).update(state="landed", rows=3) == 7
    finally:
        connection.close()


def test_the_head_of_a_page_and_its_calendar_count_the_same_days(page, dataset, landing):
    with connection.execute_wrapper(landing):
        response = page.get(f"/datasets/{dataset.slug}?months=all")

    facts, legend = response.context["facts"], {state: count for state, *_, count in response.context["legend"]}
    assert facts.days_done == sum(legend.get(state, 0) for state in ("landed", "empty", "open"))
    assert sum(legend.values()) == facts.days_total == 730


def test_the_filters_of_the_list_of_days_add_up_to_what_the_head_says(page, dataset, landing):
    with connection.execute_wrapper(landing):
        response = page.get(f"/datasets/{dataset.slug}/days")

    filters = dict(response.context["filters"])
    assert filters["landed"] + filters.get("empty", 0) == response.context["facts"].days_done


def test_within_a_moment_nothing_is_written():
    with pytest.raises(InternalError, match="read-only transaction"), one_moment():
        Day.objects.all().delete()


def test_a_moment_within_a_transaction_is_that_of_the_transaction(dataset):
    with transaction.atomic(), one_moment():
        assert Day.objects.filter(dataset=dataset).update(rows=1)
