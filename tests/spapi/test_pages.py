"""A chain of pages: all of them, each once, and never for ever."""

from urllib.parse import parse_qs, urlsplit

import pytest

from connector.spapi import pages
from connector.spapi.errors import AmazonRefused, Unreachable
from tests.spapi.wire import answer

QUERY = {"createdAfter": "2026-01-01T00:00:00Z", "maxResultsPerPage": 100}


def page(number, token=None):
    body = {"orders": [{"orderId": str(number)}]}
    if token:
        body["pagination"] = {"nextToken": token}
    return answer(body)


def asked(sent):
    return {name: values[0] for name, values in parse_qs(urlsplit(sent.target).query).items()}


def test_each_page_is_asked_for_with_the_same_query_and_its_token(wire, desk):
    wire.says(page(1, "t/1+="), page(2, "t2"), page(3))

    got = list(pages.pages(desk(), "searchOrders", QUERY))

    assert [p["orders"][0]["orderId"] for p, _ in got] == ["1", "2", "3"]
    assert [cursor and cursor["token"] for _, cursor in got] == ["t/1+=", "t2", None]
    assert [asked(sent).get("paginationToken") for sent in wire.requests] == [None, "t/1+=", "t2"]
    assert all(asked(sent)["createdAfter"] == QUERY["createdAfter"] for sent in wire.requests)


def test_a_chain_goes_on_from_a_kept_cursor(wire, desk):
    wire.says(page(1, "t1"), page(2))
    chain = pages.pages(desk(), "searchOrders", QUERY)
    _, cursor = next(chain)

    rest = list(pages.pages(desk(), "searchOrders", QUERY, cursor))

    assert [p["orders"][0]["orderId"] for p, _ in rest] == ["2"]
    assert asked(wire.requests[1])["paginationToken"] == "t1"


def test_a_token_that_must_be_alone_is_alone(wire, desk):
    wire.says(answer({"reports": [], "nextToken": "n1"}), answer({"reports": []}))

    list(pages.pages(desk(), "getReports", {"reportTypes": ["X"], "pageSize": 100}))

    assert asked(wire.requests[1]) == {"nextToken": "n1"}


def test_an_operation_without_pages_is_one_page(wire, desk):
    wire.says(answer({"payload": []}))

    assert list(pages.pages(desk(), "getMarketplaceParticipations", {})) == [({"payload": []}, None)]


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "c", "a"]])
def test_the_same_token_twice_ends_the_chain(wire, desk, tokens):
    wire.says(*[page(number, token) for number, token in enumerate(tokens)])

    with pytest.raises(AmazonRefused, match="same page token twice"):
        list(pages.pages(desk(), "searchOrders", QUERY))

    assert len(wire.requests) == len(tokens)


def test_the_same_token_is_noticed_across_workers(wire, desk):
    wire.says(page(1, "a"))
    _, cursor = next(pages.pages(desk(), "searchOrders", QUERY))

    with pytest.raises(AmazonRefused):
        next(pages.pages(desk(), "searchOrders", QUERY, cursor))


def test_a_chain_without_end_is_left(wire, desk, monkeypatch):
    monkeypatch.setattr(pages, "MAX_PAGES", 7)
    wire.says(*[page(number, f"t{number}") for number in range(20)])

    with pytest.raises(AmazonRefused, match="more than 7 pages"):
        list(pages.pages(desk(), "searchOrders", QUERY))

    assert len(wire.requests) == 7


def test_the_same_page_under_another_token_is_a_circle(wire, desk):
    wire.says(page(1, "a"), page(2, "b"), page(1, "c"))

    with pytest.raises(AmazonRefused, match="same page twice"):
        list(pages.pages(desk(), "searchOrders", QUERY))


def test_the_same_page_in_another_order_is_a_circle(wire, desk):
    orders = [{"orderId": "1", "status": "SHIPPED"}, {"orderId": "2"}]
    mirrored = [{"orderId": "2"}, {"status": "SHIPPED", "orderId": "1"}]
    first, second = (
        answer({"orders": listed, "pagination": {"nextToken": token}})
        for listed, token in ((orders, "a"), (mirrored, "b"))
    )
    wire.says(first, second, page(3))

    with pytest.raises(AmazonRefused, match="same page twice"):
        list(pages.pages(desk(), "searchOrders", QUERY))


def test_the_same_page_at_the_end_is_a_circle_too(wire, desk):
    wire.says(page(1, "a"), page(1))

    with pytest.raises(AmazonRefused, match="same page twice"):
        list(pages.pages(desk(), "searchOrders", QUERY))


def test_empty_pages_in_a_row_are_no_circle(wire, desk):
    empty = [answer({"orders": [], "pagination": {"nextToken": token}}) for token in "ab"]
    wire.says(*empty, page(1))

    assert len(list(pages.pages(desk(), "searchOrders", QUERY))) == 3


@pytest.mark.parametrize("body", [{}, {"payload": None}, {"payload": "x"}, {"payload": [1]}, "x"])
def test_an_unpaged_answer_without_its_list_is_not_nothing(wire, desk, body):
    wire.says(answer(body))

    with pytest.raises(Unreachable):
        list(pages.pages(desk(), "getMarketplaceParticipations", {}))


@pytest.mark.parametrize("value", ["[" * 300 + "]" * 300, "9" * 400, "1e999", "-1e999", "NaN"])
def test_what_cannot_be_kept_is_asked_for_again(wire, desk, value):
    body = b'{"orders": [{"orderId": "1", "odd": %s}]}' % value.encode()
    wire.says(answer(body))

    with pytest.raises(Unreachable):
        list(pages.pages(desk(), "searchOrders", QUERY))


def test_replaced_characters_are_told(wire, desk):
    wire.says(answer(b'{"orders": [{"orderId": "a\\u0000b\\ud800"}]}'))
    told = []

    list(pages.pages(desk(), "searchOrders", QUERY, replaced=told.append))

    assert told == [2]


@pytest.mark.parametrize("body", [{}, {"payload": {}}, {"orders": None}, {"orders": {}}, {"orders": ["x"]}, []])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_page_without_its_list_is_not_the_end(wire, desk, body, where):
    chain = [page(0, "t0"), page(1, "t1"), page(2)]
    wire.says(*chain[:where], answer(body), *chain[where:])
    got = []

    with pytest.raises(Unreachable):
        for step in pages.pages(desk(), "searchOrders", QUERY):
            got.append(step)

    assert len(got) == where
    cursor = got[-1][1] if got else None
    rest = list(pages.pages(desk(), "searchOrders", QUERY, cursor))  # the same page, asked for again
    assert [p["orders"][0]["orderId"] for p, _ in got + rest] == ["0", "1", "2"]


@pytest.mark.parametrize("token", [7, {"a": 1}, ["x"], True])
def test_a_token_that_is_no_text_is_refused(wire, desk, token):
    wire.says(answer({"orders": [], "pagination": {"nextToken": token}}))

    with pytest.raises(AmazonRefused):
        list(pages.pages(desk(), "searchOrders", QUERY))


@pytest.mark.parametrize("pagination", [None, {}, {"nextToken": None}, {"nextToken": ""}, [], "x"])
def test_no_token_is_the_end(wire, desk, pagination):
    wire.says(answer({"orders": [], "pagination": pagination}))

    assert len(list(pages.pages(desk(), "searchOrders", QUERY))) == 1


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_every_order_comes_once_whatever_the_number(wire, desk, count):
    orders = [{"orderId": str(number)} for number in range(count)]
    cut = [orders[at : at + 100] for at in range(0, count, 100)] or [[]]
    wire.says(
        *[
            answer({"orders": part, "pagination": {"nextToken": f"t{at}"} if at < len(cut) - 1 else {}})
            for at, part in enumerate(cut)
        ]
    )

    got = [order for p, _ in pages.pages(desk(), "searchOrders", QUERY) for order in p["orders"]]

    assert got == orders
