"""Page chains that go wrong at their start, in their middle and at their end: E1 to E11, E21 to E23, E26, E31, E36 and E37.

After each the rows are Amazon's truth to the last order and cent, or the day has failed with a plain reason.
"""

import os
from datetime import timedelta

import pytest

from connector.accounts.models import Quota
from connector.database.clock import database_now
from datasets.backfill import runs
from datasets.models import Day, Request
from tests.faults.driving import Drive, begin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

LONG = bool(os.environ.get("MALFORMED"))


def failed_days(dataset):
    return {day.day: day.message for day in Day.objects.filter(dataset=dataset, state=Day.State.FAILED)}


def assert_goes_on(chain, place, run, *, calls=None):
    """It was only a hitch: the run succeeded, the rows are the truth, and not one request too many went out."""
    assert (run.state, failed_days(chain.dataset)) == ("succeeded", {}), f"{place}: {run.message}"
    assert chain.assert_whole() == chain.dataset.rows > 0, place
    if calls is not None:
        assert chain.amazon.calls("searchOrders") == calls, place


def test_a_chain_has_a_start_a_middle_and_an_end(chain):
    """The ground the others stand on."""
    assert_goes_on(chain, "all well", chain.drive(), calls=chain.pages)
    assert chain.pages >= 3


def test_a_429_with_a_rate_is_waited_out_without_a_worker_and_teaches_the_rate(chain):
    """E1."""
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "429", nth=number, header="3.5")

        run = chain.drive()

        assert_goes_on(chain, place, run, calls=chain.pages + 1)
        [(message, seconds)] = run.waits
        assert "pause" in message and seconds > 0
    assert Quota.objects.get(bucket__endswith="searchOrders").header_rate != 3.5  # later answers said otherwise

    chain.again()
    chain.amazon.fault("searchOrders", "429", header="3.5")
    chain.drive_until_it_waits()
    assert Quota.objects.get(bucket__endswith="searchOrders").header_rate == 3.5


def test_a_hundred_429s_in_a_row_are_a_hundred_waits_and_no_failure(chain, settings):
    """E2: in the suite only ten at the start and at the end, in the long form a hundred everywhere."""
    settings.SPAPI_RATE_FACTOR = 1e6
    chain.amazon.set(rate_factor=1e6)
    for place, number in chain.places():
        chain.again()
        times = 100 if LONG or place == "middle" else 10
        chain.amazon.fault("searchOrders", "429", after=number - 1, count=times)

        run = chain.drive()

        assert_goes_on(chain, place, run, calls=chain.pages + times)
        assert len(run.waits) == times, "each time the worker is free, however short the wait"
        assert Request.objects.get(dataset=chain.dataset).failures == 0


def test_an_outage_is_waited_out_and_is_nobodys_fault(chain):
    """E3."""
    kinds = ("500", "502", "503", "504", "408", "no_answer")
    for place, number in chain.places():
        chain.again()
        for kind in kinds:
            chain.amazon.fault("searchOrders", kind, after=number - 1, count=1)

        run = chain.drive()

        assert_goes_on(chain, place, run, calls=chain.pages + len(kinds))
        assert [seconds > 0 for _, seconds in run.waits] == [True] * len(kinds)
        assert all("Nothing was lost" in message for message, _ in run.waits)
        assert Request.objects.get(dataset=chain.dataset).failures == 0


def test_an_expired_access_token_is_renewed_once_and_the_same_page_read(chain):
    """E4."""
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "expired_token", nth=number)

        run = chain.drive()

        assert_goes_on(chain, place, run, calls=chain.pages + 1)
        assert (chain.amazon.calls("token"), run.waits) == (1, []), place


@pytest.mark.parametrize("kind", ["forbidden", "revoked_token"])
def test_a_403_that_stays_stops_the_run_with_the_reason_and_without_a_storm(chain, kind):
    """E5: one request is given up, not one after the other for every day of the history."""
    chain.dataset.start = (chain.last - timedelta(days=4)).isoformat()
    chain.dataset.save()
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", kind, after=number - 1)

        run = chain.drive()

        assert run.state in ("failed", "partial"), place
        assert "lacks the role" in run.message and "re-authorise" in run.message
        tries = (
            2 if kind == "revoked_token" else 1
        )  # of each look: with another access token, where this one is refused
        assert chain.amazon.calls("searchOrders") - (number - 1) == 2 * tries, place
        assert chain.amazon.calls("token") == (2 if kind == "revoked_token" else 0), place
        assert Request.objects.filter(dataset=chain.dataset, state="failed").count() == 1

    chain.amazon.heal()
    assert chain.drive().state == "succeeded"


def test_a_page_token_that_dies_halves_the_window(chain):
    """E6."""
    for kind, (place, number) in zip(("token_died", "400", "token_died"), chain.places(first=2), strict=True):
        chain.again()
        chain.amazon.fault("searchOrders", kind, paging=True, nth=number - 1)

        run = chain.drive()

        assert_goes_on(chain, place, run)
        assert chain.amazon.calls("searchOrders") <= 2 * chain.pages + 2, place


def test_page_tokens_that_always_die_fail_the_days_and_the_next_run_mends_it(chain):
    """E6, without end."""
    chain.amazon.fault("searchOrders", "token_died")

    run = chain.drive()

    assert run.state in ("failed", "partial")
    assert "page tokens expired" in run.message
    assert chain.amazon.calls("searchOrders") <= 24
    chain.amazon.heal()
    assert_goes_on(chain, "next run", chain.drive())


def test_a_page_that_is_none_is_read_again_and_never_taken_for_the_end(chain):
    """E7 and E22, and E17 for pages: an empty payload, an empty body, an HTML page with 200, broken JSON, a cut line."""
    kinds = ("empty_payload", "empty_body", "html", "invalid_json", "truncated_json", "cut")
    for place, number in chain.places():
        chain.again()
        for kind in kinds:
            chain.amazon.fault("searchOrders", kind, after=number - 1, count=1)

        run = chain.drive()

        assert_goes_on(chain, place, run, calls=chain.pages + len(kinds))
        assert len(run.waits) == len(kinds), place
        assert all("Nothing was lost" in message for message, _ in run.waits)


def test_a_page_that_stays_unreadable_is_waited_for_and_lands_nothing(chain):
    """E22, without end: the run waits, and says what for."""
    chain.amazon.fault("searchOrders", "html", after=chain.pages - 1)
    run = chain.drive_until_it_waits(8)

    assert (run.state, Day.objects.filter(dataset=chain.dataset, state="landed").count()) == ("waiting", 0)
    assert run.run.not_before is not None
    assert "could not be read" in run.message
    assert chain.amazon.calls("searchOrders") == chain.pages - 1 + 8


def test_a_page_larger_than_amazon_sends_is_asked_for_in_smaller_ones(chain):
    """E8."""
    size = chain.page_size
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "too_big", after=number - 1, most=size // 2)

        run = chain.drive(turns=2000)

        assert_goes_on(chain, place, run)
        assert Request.objects.filter(dataset=chain.dataset).latest("pk").answer.progress["page_size"] < size


def test_a_page_that_stays_too_large_fails_the_days_after_few_requests(chain):
    """E8, without end."""
    chain.amazon.fault("searchOrders", "413")

    run = chain.drive()

    assert run.state == "failed"
    assert "larger than Amazon sends" in run.message
    assert chain.amazon.calls("searchOrders") <= 8


def test_a_token_that_comes_again_is_a_circle_and_the_days_fail_with_that_reason(chain):
    """E9."""
    for place, number in chain.places(first=2):
        chain.again()
        chain.amazon.fault("searchOrders", "repeat_token", nth=number)

        run = chain.drive()

        assert run.state == "failed", place
        assert "does not end" in run.message
        assert chain.amazon.calls("searchOrders") <= chain.pages
        assert chain.dataset.rows == 0

        chain.amazon.heal()
        assert_goes_on(chain, place, chain.drive())


@pytest.mark.parametrize("is_reversed", [False, True])
def test_pages_that_never_end_are_left(chain, is_reversed):
    """E9: ever new tokens, and the same page again and again, in the same order or not."""
    chain.amazon.fault("searchOrders", "same_page", reversed=is_reversed)

    run = chain.drive()

    assert run.state == "failed"
    assert "the same page twice" in run.message
    assert (chain.amazon.calls("searchOrders"), chain.dataset.rows) == (2, 0)


@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_an_order_that_comes_on_two_pages_is_one_row(make_chain, mode):
    """E10."""
    chain = make_chain(mode=mode)
    for place, number in chain.places(first=2):
        chain.again()
        chain.amazon.fault("searchOrders", "repeat_rows", nth=number)

        run = chain.drive()

        assert_goes_on(chain, f"{mode}, {place}", run, calls=chain.pages)


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_of_an_order_that_changed_between_two_pages_the_last_update_wins(make_chain, mode):
    """E10: an order moved by its update."""
    chain = make_chain(mode=mode)
    for place, number in chain.places(first=2):
        chain.again()
        chain.amazon.fault("searchOrders", "repeat_rows", nth=number, changed="2099-01-01T00:00:00Z")

        run = chain.drive()

        assert_goes_on(chain, f"{mode}, {place}", run, calls=chain.pages)
        newest = chain.checker.link.execute(f"SELECT max(last_update_date) FROM {chain.checker.table()}").fetchone()[0]
        assert newest.year == 2099


def test_pages_in_another_order_make_the_same_rows(chain):
    """E11."""
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "shuffled", nth=number)

        assert_goes_on(chain, place, chain.drive(), calls=chain.pages)


def test_an_order_that_shows_up_late_is_in_after_its_day_was_read_again(chain):
    """E31: left out of one page."""
    for share, (place, number) in zip((0, 0.5, 1), chain.places(), strict=True):
        chain.again()
        chain.amazon.fault("searchOrders", "row_missing", nth=number, at=share)
        assert chain.drive().state == "succeeded", place
        early = chain.dataset.rows

        run = Drive(runs.reload(chain.dataset, chain.first, chain.last, now=database_now())).to_end()

        chain.dataset.refresh_from_db()
        assert_goes_on(chain, place, run, calls=2 * chain.pages)
        assert chain.dataset.rows == early + 1, place


def test_characters_that_no_database_keeps_are_replaced_and_counted(make_chain):
    """E26, in JSON."""
    chain = make_chain("order_items")
    for kind, (place, number) in zip(("nul", "lone_surrogate", "nul"), chain.places(), strict=True):
        chain.again()
        chain.amazon.fault("searchOrders", kind, nth=number)

        run = chain.drive()

        assert (run.state, chain.amazon.calls("searchOrders")) == ("succeeded", chain.pages), f"{place}: {run.message}"
        rows = chain.checker.link.execute(
            f"SELECT count(*) FILTER (WHERE strpos(title, '\ufffd') > 0), count(DISTINCT amazon_order_id), "
            f"(SELECT string_agg(DISTINCT message, ' ') FROM datasets_day WHERE dataset_id = %s) "
            f"FROM {chain.checker.table()}",
            [chain.dataset.pk],
        ).fetchone()
        assert rows[0] > 0, place
        assert rows[1] == sum(len(day["ids"]) for day in chain.checker.truth(chain.first, chain.last).values())
        assert f"{rows[0]} characters that the database cannot store" in rows[2], place


def test_fields_of_tomorrow_are_kept_and_disturb_nothing(chain):
    """E23, in JSON."""
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "unknown_fields", nth=number)

        assert_goes_on(chain, place, chain.drive(), calls=chain.pages)
        kept = chain.checker.link.execute(
            f"SELECT count(*) FROM {chain.checker.table()} WHERE other_fields LIKE '%anotherFieldOfTomorrow%'"
        )
        assert kept.fetchone()[0] > 0, place


def test_a_redirect_is_not_followed(chain, simulator):
    """E36: not even to an address of this machine itself."""
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "redirect", nth=number, location=f"{simulator.url}/trap")

        run = chain.drive()

        assert run.state == "failed", place
        assert "points to another address" in run.message
        assert chain.amazon.calls("unknown") == 0
        chain.amazon.heal()
        assert_goes_on(chain, place, chain.drive())


def test_headers_and_chunks_without_measure_are_dropped_and_the_worker_lives(chain):
    """E37."""
    kinds = ("many_headers", "big_header", "bad_chunks", "wrong_length")
    for place, number in chain.places():
        chain.again()
        for kind in kinds:
            chain.amazon.fault("searchOrders", kind, after=number - 1, count=1)

        assert_goes_on(chain, place, chain.drive(), calls=chain.pages + len(kinds))


def test_a_chain_comes_to_its_end_although_machines_with_folders_of_their_own_take_turns(chain, settings, tmp_path):
    """Each began again what the other had begun: a chain of more pages than a turn reads never came to its end."""
    chain.amazon.fault("searchOrders", "429", every=2)
    run = begin(chain.dataset)
    for turn in range(60):
        settings.DATA_DIR = tmp_path / str(turn % 2)
        if not run.turn():
            break
        run.hurry()

    assert run.state == "succeeded", run.message
    assert chain.amazon.calls("searchOrders") <= 2 * chain.pages
    chain.assert_whole()


def test_a_chain_whose_machine_is_gone_is_read_again_by_another(chain, settings, tmp_path):
    chain.amazon.fault("searchOrders", "429", nth=3)
    run = chain.drive_until_it_waits()
    settings.DATA_DIR = tmp_path / "another"

    run.to_end()

    assert run.state == "succeeded", run.message
    assert chain.amazon.calls("searchOrders") == 3 + chain.pages
    chain.assert_whole()


def test_an_answer_that_drips_is_over_at_the_deadline(chain, monkeypatch):
    """E21: the whole exchange has a deadline, not only each read."""
    from connector.spapi.client import Client

    monkeypatch.setitem(Client.__init__.__kwdefaults__, "call_seconds", 0.5)
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "drip", nth=number, bytes=64, seconds=0.05)

        run = chain.drive()

        assert_goes_on(chain, place, run, calls=chain.pages + 1)
        assert "did not answer in time" in run.waits[0][0]
