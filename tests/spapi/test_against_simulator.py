"""The client against Amazon's stand-in: whole conversations over real HTTP, and every fault it knows."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from connector.accounts.buckets import Buckets, Limit
from connector.catalogue import index
from connector.catalogue.names import safe_names
from connector.catalogue.readers import flat_file
from connector.spapi import errors, pages, reports, tokens
from connector.spapi.client import Client
from connector.spapi.documents import open_text
from connector.spapi.marketplaces import by_country
from connector.spapi.operations import OPERATIONS, Further
from connector.spapi.transport import Transport
from tests.accounts.test_buckets import connection

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
]  # for the database to be there; the quota comes by connections of its own

CLIENT, SECRET = "amzn1.application-oa2-client.simulator", "simulator-secret"
NOON = datetime(2026, 8, 15, 12, tzinfo=UTC)
US = by_country("US").id
BY_ORDER_DATE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
FAST = 5000


@pytest.fixture
def amazon(simulator):
    """Noon of a summer's day that lasts, at a speed that lets tests end."""
    simulator.control("/simulator/clock", {"now": NOON.isoformat()})
    simulator.control("/simulator/settings", {"rate_factor": FAST, "processing_seconds": 0.0})
    return simulator


@pytest.fixture
def seller(amazon, settings):
    """A client in a seller's name, with its quota in the database."""
    opened = []

    def make(name="seller", *, factor=FAST, has_further=True, **options):
        local = threading.local()

        def connect():
            if not hasattr(local, "connection"):
                local.connection = connection()
                opened.append(local.connection)
            return local.connection

        quota, transport = Buckets(connect, factor), Transport()
        opened.append(transport)
        state = SimpleNamespace(token=None, refreshed=0)

        def token(force_refresh=False):
            if force_refresh or state.token is None:
                state.refreshed += 1
                state.token = refresh(settings, f"Atzr|simulator-{name}").access_token
            return state.token

        def limits(call):
            operation, bucket = call.operation, f"{name}:{call.name}"
            further = operation.further_for(call.kind) if has_further else ()
            return [
                Limit(bucket, operation.rate, operation.burst, stated=True),
                *(Limit(f"{bucket}:{limit.of}:{limit.kind}", limit.rate, limit.burst) for limit in further),
            ]

        def take(call):
            call.taken = quota.take(limits(call))
            return call.taken.wait

        client = Client(
            amazon.url,
            token,
            take,
            on_throttled=lambda call, seconds: quota.drain(limits(call), seconds),
            on_answered=lambda call, rate, is_well: quota.answered(limits(call), call.taken, rate, is_well=is_well),
            document_hosts=settings.SPAPI_DOCUMENT_HOSTS,
            transport=transport,
            **options,
        )
        client.state = state
        return client

    yield make
    with connection() as db:
        db.execute("DELETE FROM quota")
    for one in opened:
        one.close()


def refresh(settings, refresh_token, client_id=CLIENT, secret=SECRET):
    return tokens.refresh(client_id, secret, refresh_token, url=settings.LWA_TOKEN_URL)


def fault(amazon, kind, operation="*", **rule):
    amazon.control("/simulator/faults", {"kind": kind, "operation": operation, **rule})


def no_faults(amazon):
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{amazon.url}/simulator/faults", method="DELETE")).close()


def window(days, until=date(2026, 8, 10), zone="America/Los_Angeles"):
    from zoneinfo import ZoneInfo

    end = datetime.combine(until, datetime.min.time(), ZoneInfo(zone))
    return end - timedelta(days=days), end, until - timedelta(days=days), until - timedelta(days=1)


def truth(amazon, what, first, last, **more):
    query = "&".join(f"{key}={value}" for key, value in {"from": first, "to": last, **more}.items())
    return amazon.control(f"/simulator/truth/{what}?{query}")


def patient(step, *, most=500):
    """Does the step again as long as it is only told to come back."""
    for _ in range(most):
        try:
            return step()
        except errors.ComeBackLater as later:
            time.sleep(min(later.wait, 0.05))
    raise AssertionError("it never came to an end")


def read_chain(client, query, cursor=None):
    found = []
    chain = {"cursor": cursor}

    def step():
        for page, chain["cursor"] in pages.pages(client, "searchOrders", query, chain["cursor"]):  # noqa: B007, B020
            found.append(page)

    patient(step)
    return found


def orders_query(days, key="order_details", places=(US,), page_size=20, **answers):
    begin, end, *_ = window(days)
    report = index.effective(key, answers)
    return report.request(begin, end, places, answers) | {"maxResultsPerPage": page_size}


# Whole conversations


@pytest.mark.parametrize("by", ["created", "last_updated"])
def test_thirty_days_of_orders_equal_the_truth(amazon, seller, by):
    report = index.effective("order_details", {"query_date_type": by})
    _, _, first, last = window(30)

    found = read_chain(seller(), orders_query(30, query_date_type=by))
    rows = [
        dict(zip([c.name for c in report.columns], row, strict=True))
        for page in found
        for row in report.source.rows(page)
    ]

    so = truth(amazon, "orders", first, last, by=by, marketplaces="US")
    assert so["orders"] > 200
    assert sorted(row["amazon_order_id"] for row in rows) == sorted(
        order_id for day in so["days"].values() for order_id in day["ids"]
    )
    totals = Counter()
    for row in rows:
        if row["order_total_amount"]:
            totals[row["order_total_currency"]] += Decimal(row["order_total_amount"])
    assert {currency: str(amount) for currency, amount in totals.items()} == so["totals"]
    assert Counter(row["order_status"] for row in rows) == so["statuses"]


def test_thirty_days_of_items_equal_the_truth(amazon, seller):
    report = index.effective("order_items", {})
    _, _, first, last = window(30)

    found = read_chain(seller(), orders_query(30, "order_items"))
    rows = [
        dict(zip([c.name for c in report.columns], row, strict=True))
        for page in found
        for row in report.source.rows(page)
    ]

    so = truth(amazon, "orders", first, last, marketplaces="US")
    assert len(rows) == so["items"] and sum(row["quantity_ordered"] for row in rows) == so["units"]
    prices = sum(Decimal(row["item_price_amount"]) for row in rows if row["item_price_amount"])
    taxes = sum(Decimal(row["item_tax_amount"]) for row in rows if row["item_tax_amount"])
    assert str(prices) == so["item_prices"]["USD"] and str(taxes) == so["item_taxes"]["USD"]


def fetch_rows(client, folder, begin, end, quote="double", places=(US,)):
    """A report from the first call to its rows."""
    report = index.effective("create_and_download_report", BY_ORDER_DATE)
    report_id = patient(lambda: reports.create(client, **report.request(begin, end, places, BY_ORDER_DATE)))
    document_id = patient(lambda: reports.check(client, report_id))
    got = patient(lambda: reports.fetch_document(client, document_id, folder / "document"))
    ragged = []
    with open_text(got.path, got.content_type, "US") as text:
        header, rows = flat_file(text, quote, lambda number, cells: ragged.append(number))
        names = safe_names(header)
        found = [dict(zip(names, row, strict=True)) for row in rows]
    # Amazon's windows hold both their ends: an order of the very last moment belongs to the next day.
    return (
        [row for row in found if row.get("purchase_date") != f"{end.astimezone(UTC).isoformat()}"],
        ragged,
        text.charset,
    )


@pytest.mark.parametrize("quote", ["double", "single", "null"])
def test_a_month_of_the_all_orders_file_equals_the_truth(amazon, seller, tmp_path, quote):
    begin, end, first, last = window(30)

    rows, ragged, charset = fetch_rows(seller(), tmp_path, begin, end, quote)

    so = truth(amazon, "flat_file", first, last, zone="America/Los_Angeles")
    assert ragged == [] and charset == "utf-8"
    assert len(rows) == so["rows"] and sum(int(row["quantity"]) for row in rows) == so["units"]
    assert {row["amazon_order_id"] for row in rows} == {i for day in so["days"].values() for i in day["ids"]}
    assert any('"' in row["product_name"] for row in rows)
    declared = {column.name for column in index.get("create_and_download_report").columns}
    assert set(rows[0]) == declared


def test_a_seller_who_sold_nothing_has_an_empty_chain_and_a_cancelled_report(seller):
    client = seller("seller-empty")
    begin, end, *_ = window(5)

    assert [page["orders"] for page in read_chain(client, orders_query(5))] == [[]]
    report_id = reports.create(client, BY_ORDER_DATE["report_type"], [US], begin, end)
    with pytest.raises(errors.ReportCancelled):
        patient(lambda: reports.check(client, report_id))


def test_an_orphaned_report_is_found_again_among_many(seller):
    client = seller()
    begin, end, *_ = window(3)
    wanted = patient(lambda: reports.create(client, BY_ORDER_DATE["report_type"], [US], begin, end))
    for days in range(4, 16):
        other, *_ = window(days)
        patient(lambda other=other: reports.create(client, BY_ORDER_DATE["report_type"], [US], other, end))

    found = patient(
        lambda: reports.find(client, BY_ORDER_DATE["report_type"], [US], begin, end, NOON - timedelta(hours=1))
    )

    assert [report.report_id for report in found] == [wanted]


def test_participations_name_every_marketplace(seller):
    report = index.get("marketplace_participations")

    rows = list(report.source.rows(seller().call("getMarketplaceParticipations").json))

    assert {row[2] for row in rows} == {"US", "CA", "MX", "BR"}


def test_a_vendor_is_forbidden_what_is_a_sellers(seller):
    with pytest.raises(errors.AccessDenied, match="getMarketplaceParticipations to this account"):
        seller("vendor").call("getMarketplaceParticipations")


# Tokens


def test_a_withdrawn_consent_and_a_wrong_secret_are_told_apart(amazon, settings):
    with pytest.raises(errors.SecretRejected):
        refresh(settings, "Atzr|simulator-seller", secret="wrong")
    with pytest.raises(errors.ConsentLost):
        refresh(settings, "Atzr|unknown")
    amazon.control("/simulator/revoke", {"selling_partner_id": "A2DEMOSELLER01"})
    with pytest.raises(errors.ConsentLost):
        refresh(settings, "Atzr|simulator-seller")


def test_a_code_is_good_once(amazon, settings):
    code = amazon.control(
        "/simulator/codes",
        {
            "application_id": "amzn1.sellerapps.app.simulator",
            "selling_partner_id": "A2DEMOSELLER01",
            "redirect_uri": "http://127.0.0.1:8000/accounts/callback",
        },
    )["spapi_oauth_code"]
    asked = (CLIENT, SECRET, code, "http://127.0.0.1:8000/accounts/callback")

    got = tokens.exchange_code(*asked, url=settings.LWA_TOKEN_URL)

    assert got.refresh_token and 3500 < got.expires_in <= 3600
    with pytest.raises(errors.ConsentLost):
        tokens.exchange_code(*asked, url=settings.LWA_TOKEN_URL)


# Faults, at the start, in the middle and at the end of a chain of pages

CHAIN = orders_query(4, page_size=20)
TRANSIENT = [
    "429", "500", "502", "503", "504", "408", "html", "empty_body", "empty_payload", "truncated_json", "invalid_json",
    "cut", "no_answer", "wrong_length", "bad_chunks", "many_headers", "big_header",
]  # fmt: skip


@contextmanager
def positions(amazon, client):
    """The request numbers at the start, in the middle and at the end of the chain."""
    whole = read_chain(client, CHAIN)
    assert len(whole) >= 3
    yield whole, {1, len(whole) // 2 + 1, len(whole)}


def ids_of(chain):
    return [order["orderId"] for page in chain for order in page["orders"]]


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_passes_is_waited_out_and_no_order_is_lost_or_doubled(amazon, seller, kind):
    client = seller(call_seconds=3)
    with positions(amazon, client) as (whole, places):
        for place in places:
            fault(amazon, kind, "searchOrders", nth=place, count=1)
            assert ids_of(read_chain(client, CHAIN)) == ids_of(whole), place
            no_faults(amazon)


@pytest.mark.parametrize("kind", ["expired_token", "revoked_token"])
def test_a_token_that_expires_in_the_middle_is_renewed_once(amazon, seller, kind):
    client = seller()
    with positions(amazon, client) as (whole, places):
        for place in places:
            before = client.state.refreshed
            fault(amazon, kind, "searchOrders", nth=place, count=1)
            assert ids_of(read_chain(client, CHAIN)) == ids_of(whole)
            assert client.state.refreshed == before + 1
            no_faults(amazon)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("400", errors.AmazonRefused),
        ("404", errors.AmazonRefused),
        ("413", errors.AmazonRefused),
        ("415", errors.AmazonRefused),
        ("forbidden", errors.AmazonRefused),
        ("redirect", errors.AmazonRefused),
    ],
)
def test_what_stays_is_refused_wherever_it_comes(amazon, seller, kind, error):
    client = seller()
    with positions(amazon, client) as (_, places):
        for place in places:
            fault(amazon, kind, "searchOrders", nth=place)
            with pytest.raises(error) as problem:
                read_chain(client, CHAIN)
            assert isinstance(problem.value, errors.PageTokenDied) == (kind == "400" and place > 1)
            no_faults(amazon)


def test_a_page_token_that_dies_says_so(amazon, seller):
    fault(amazon, "token_died", "searchOrders", nth=2)

    with pytest.raises(errors.PageTokenDied):
        read_chain(seller(), CHAIN)


def test_a_chain_that_runs_in_circles_is_left(amazon, seller):
    fault(amazon, "repeat_token", "searchOrders")

    with pytest.raises(errors.AmazonRefused, match="does not end"):
        read_chain(seller(), CHAIN)


@pytest.mark.parametrize("kind", ["unknown_fields", "nul", "lone_surrogate", "shuffled", "empty_page", "repeat_rows"])
def test_odd_pages_are_read_and_every_row_is_a_row(amazon, seller, kind):
    client = seller()
    whole = ids_of(read_chain(client, CHAIN))
    fault(amazon, kind, "searchOrders", nth=2, count=1)
    report = index.effective("order_items", {})

    chain = read_chain(client, CHAIN)

    assert set(ids_of(chain)) <= set(whole)
    if kind not in ("empty_page", "repeat_rows"):
        assert sorted(ids_of(chain)) == sorted(whole)
    for page in chain:
        for row in report.source.rows(page):
            assert len(row) == len(report.columns)
            assert not any(
                isinstance(value, str) and ("\0" in value or not value.isprintable() and "\ud800" in value)
                for value in row
            )


def test_a_drip_ends_at_the_deadline(amazon, seller):
    fault(amazon, "drip", "searchOrders", seconds=0.2, bytes=1)

    with pytest.raises(errors.Unreachable, match="in time"):
        seller(call_seconds=1).call("searchOrders", query=CHAIN)


# Reports and documents gone wrong


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("fatal", errors.ReportFailed),
        ("fatal_without_document", errors.ReportFailed),
        ("cancelled", errors.ReportCancelled),
        ("done_without_document", errors.NothingThere),
        ("stuck", errors.NotReady),
        ("stuck_in_progress", errors.NotReady),
    ],
)
def test_each_end_of_a_report_is_one_thing_to_do(amazon, seller, kind, error):
    fault(amazon, kind, "createReport")
    client, (begin, end, *_) = seller(), window(2)
    report_id = reports.create(client, BY_ORDER_DATE["report_type"], [US], begin, end)

    with pytest.raises(error) as problem:
        reports.check(client, report_id)

    if kind.startswith("fatal"):
        assert bool(problem.value.document_id) == (kind == "fatal")


def test_the_reason_of_a_failed_report_can_be_fetched(amazon, seller, tmp_path):
    fault(amazon, "fatal", "createReport", text="The period is not available yet.")
    client, (begin, end, *_) = seller(), window(2)
    report_id = reports.create(client, BY_ORDER_DATE["report_type"], [US], begin, end)
    with pytest.raises(errors.ReportFailed) as problem:
        reports.check(client, report_id)

    got = reports.fetch_document(client, problem.value.document_id, tmp_path / "reason")

    with open_text(got.path, got.content_type) as text:
        assert "not available yet" in text.read()


@pytest.mark.parametrize("kind", ["truncated_gzip", "corrupt_gzip", "trailing_garbage", "bomb"])
def test_a_broken_document_is_refused_and_gives_no_row(amazon, seller, tmp_path, kind):
    fault(amazon, kind, "downloadDocument")
    begin, end, *_ = window(30)

    with pytest.raises(errors.DocumentRefused):
        fetch_rows(seller(), tmp_path, begin, end)


@pytest.mark.parametrize("kind", ["cut", "wrong_length", "503", "no_answer", "bad_chunks"])
def test_a_broken_download_is_made_good(amazon, seller, tmp_path, kind):
    begin, end, *_ = window(10)
    whole, *_ = fetch_rows(seller(), tmp_path, begin, end)
    fault(amazon, kind, "downloadDocument", count=2)

    rows, *_ = fetch_rows(seller(), tmp_path, begin, end)

    assert rows == whole


def test_an_address_that_runs_out_is_asked_for_again(amazon, seller, tmp_path):
    begin, end, *_ = window(3)
    fault(amazon, "expired", "downloadDocument", count=2)

    rows, *_ = fetch_rows(seller(), tmp_path, begin, end)

    assert rows


@pytest.mark.parametrize(
    "kind",
    ["two_members", "not_compressed", "bom", "unix_lines", "no_last_line_break", "trailing_tab", "reordered_columns"],
)
def test_an_unusual_document_has_the_usual_rows(amazon, seller, tmp_path, kind):
    begin, end, *_ = window(10)
    whole, *_ = fetch_rows(seller(), tmp_path, begin, end)
    fault(amazon, kind, "downloadDocument")

    rows, ragged, _ = fetch_rows(seller(), tmp_path, begin, end)

    assert rows == whole and ragged == []


@pytest.mark.parametrize("quote", ["double", "single", "null"])
@pytest.mark.parametrize(
    "kind", ["ragged", "line_break_in_cell", "nul_in_cell", "huge_cell", "duplicate_header", "extra_column"]
)
def test_a_spoilt_line_shifts_no_other(amazon, seller, tmp_path, kind, quote):
    begin, end, *_ = window(10)
    whole, *_ = fetch_rows(seller(), tmp_path, begin, end)
    fault(amazon, kind, "downloadDocument")

    rows, ragged, _ = fetch_rows(seller(), tmp_path, begin, end, quote)

    kept = {(row["amazon_order_id"], row["sku"], row["quantity"]) for row in rows}
    lost = [row for row in whole if (row["amazon_order_id"], row["sku"], row["quantity"]) not in kept]
    assert len(lost) <= len(ragged)
    assert all(row["purchase_date"].startswith("2026-") for row in rows)


@pytest.mark.parametrize(("charset", "label"), [("cp1252", "Cp1252"), ("cp1252", ""), ("utf-8", "UTF-8")])
def test_a_document_in_another_charset_keeps_its_letters(amazon, seller, tmp_path, charset, label):
    begin, end, *_ = window(10)
    fault(amazon, "charset", "downloadDocument", charset=charset, label=label)

    rows, ragged, chosen = fetch_rows(seller(), tmp_path, begin, end)

    assert ragged == [] and rows and not any("�" in row["product_name"] for row in rows)


# Quota


def test_a_hurried_worker_meets_no_429_of_its_own_making(amazon, seller):
    """The simulator counts by its own buckets, at the same published rates times the same factor."""
    amazon.control("/simulator/settings", {"rate_factor": 400})
    amazon.control("/simulator/clock", {"run": True})
    client = seller(factor=400)

    for _ in range(30):
        patient(lambda: client.call("getReports", query={"reportTypes": ["X"]}))

    counts = amazon.control("/simulator/counts")
    assert "429" not in str(counts.get("statuses", counts).get("getReports", ""))


@pytest.fixture
def limited(amazon, monkeypatch):
    """Ten times the published rates, and on top of them one report type may be asked for twice, then once every 300 ms."""
    kind, rate, burst = BY_ORDER_DATE["report_type"], 0.3, 2
    amazon.control("/simulator/settings", {"rate_factor": 10})
    amazon.control("/simulator/clock", {"run": True})
    limit = {"operation": "createReport", "rate": rate, "burst": burst, "report_type": kind}
    amazon.control("/simulator/limits", limit)
    further = (Further(rate, burst, kind=kind),)
    monkeypatch.setitem(OPERATIONS, "createReport", replace(OPERATIONS["createReport"], further=further))
    return SimpleNamespace(kind=kind, another="GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL")


def ask_for(client, kind):
    begin, end, *_ = window(2)
    return reports.create(client, kind, [US], begin, end)


def test_a_report_types_own_limit_is_kept_and_others_are_not_held_up(amazon, seller, limited):
    slept = []
    client = seller(factor=10, sleep=lambda seconds: (slept.append(seconds), time.sleep(seconds)))

    for _ in range(4):
        ask_for(client, limited.kind)
    waits = list(slept)
    ask_for(client, limited.another)

    assert sum(waits) > 0.4 and slept == waits
    assert amazon.control("/simulator/counts")["throttled"] == {}


def test_whoever_does_not_know_a_report_types_limit_meets_it_as_a_429(amazon, seller, limited):
    client = seller(factor=10, has_further=False)

    with pytest.raises(errors.Throttled):
        for _ in range(4):
            ask_for(client, limited.kind)

    assert amazon.control("/simulator/counts")["throttled"] == {"createReport": 1}


def test_the_rates_in_the_headers_are_the_ones_we_keep(amazon, seller):
    seller().call("getReports", query={"reportTypes": ["X"]})

    with connection() as db:
        rate, header = db.execute("SELECT rate, header_rate FROM quota WHERE bucket = 'seller:getReports'").fetchone()
    assert header == pytest.approx(rate, rel=0.01)
