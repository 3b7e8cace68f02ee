"""A shop in which every call of the API finds something to work on, and next door somebody whose rows must never be seen."""

from urllib.parse import parse_qs

from django.utils import timezone

from datasets.access import tokens
from datasets.access.tokens import Caller
from datasets.models import Change, Run
from datasets.serving.sql import saved
from tests.serving import shop

SECRET = "only-bob-may-read-this"


def furnish(make, alice, bob):
    """Makes it; answers the world that calls.visits asks for, without cursors."""
    fit = [row | {"title": "plain", "quantity": 1, "is_business_order": True} for row in shop.orders(3)]
    fit = [row | {"item_price": 5, "ship_date": row["_day"].replace(day=1)} for row in fit]
    orders = make.dataset("orders_us", rows=fit + shop.orders(20))  # row 1 is one of the fit ones
    make.rows(orders, [row | {"purchase_date": timezone.now()} for row in fit])
    for slug in ("orders_spare", "orders_gone"):
        make.dataset(slug, start="today-30", end="yesterday")
    under_way = make.dataset("under_way")
    make.dataset(
        "bobs_us",
        owner=bob,
        account=make.run(shop.make_account, bob, SECRET),
        rows=[row | {"title": SECRET, "amazon_order_id": SECRET} for row in shop.orders(3)],
    )
    return make.run(_rest, alice, orders, under_way)


def _rest(alice, orders, under_way):
    now, caller = timezone.now(), Caller(alice)
    fields = {"generation": 1, "trigger": "manual", "queued_at": now, "deadline": now}
    run = Run.objects.create(dataset=under_way, state="queued", **fields)
    for day in (1, 2):
        counts = {"rows_before": 1, "rows_after": 2, "totals_before": {}, "totals_after": {}}
        Change.objects.create(dataset=orders, day=f"2026-09-0{day}", **counts)
    for name in ("Kept", "Forgotten"):
        saved.keep(caller, name=name, sql="SELECT title FROM orders_us")
    return {
        "run_id": run.pk,
        "token": tokens.issue(alice, "all of it")[1],
        "token_id": tokens.issue(alice, "to be revoked")[0].token_id,
        "link": tokens.issue_link(alice, orders, "a link")[1],
        "cursors": {},
    }


def cursor_in(link, body):
    """The cursor of the next page, from a Link header or an OData feed; empty where there is none."""
    next_page = link or body.get("@odata.nextLink", "")
    found = parse_qs(next_page.partition("?")[2].partition(">")[0])
    return next((found[name][0] for name in ("_cursor", "$skiptoken") if name in found), "")
