"""One call to Amazon: what goes over the wire, and what each kind of answer means."""

import json
import time

import pytest

from connector.spapi.errors import AccessDenied, AmazonRefused, AnswerTooLarge, PageTokenDied, Throttled, Unreachable
from tests.spapi.wire import answer, cut_after, drip

TOKEN = "a+b/c=d e,ü%2B"


def amazon_error(status, code="InvalidInput", message="no", details=""):
    return answer({"errors": [{"code": code, "message": message, "details": details}]}, status=status)


# What goes out


def test_a_get_carries_token_and_user_agent_and_no_body(wire, desk):
    wire.says(answer({"orders": []}))

    desk().call("searchOrders", query={"createdAfter": "2026-01-01T00:00:00Z"})

    sent = wire.requests[0]
    assert sent.method == "GET"
    assert sent.headers["x-amz-access-token"] == "Atza|first"
    assert sent.headers["user-agent"].startswith("Backhaul/0.1 (Language=Python/3.")
    assert len(sent.headers["user-agent"]) < 500
    assert not {"content-length", "transfer-encoding", "content-type", "authorization", "cookie"} & set(sent.headers)
    assert sent.body == b""


def test_lists_are_joined_by_commas_and_odd_characters_encoded_exactly_once(wire, desk):
    wire.says(answer({"orders": []}))

    desk().call(
        "searchOrders",
        query={
            "paginationToken": TOKEN,
            "marketplaceIds": ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"],
            "maxResultsPerPage": 100,
        },
    )

    assert wire.requests[0].target == (
        "/orders/2026-01-01/orders?paginationToken=a%2Bb%2Fc%3Dd%20e%2C%C3%BC%252B"
        "&marketplaceIds=ATVPDKIKX0DER,A2EUQ1WTGCTBG2&maxResultsPerPage=100"
    )


def test_a_path_parameter_cannot_leave_its_place(wire, desk):
    wire.says(answer({"order": {}}))

    desk().call("getOrder", path={"orderId": "../x?y=1#z"})

    assert wire.requests[0].target == "/orders/2026-01-01/orders/..%2Fx%3Fy%3D1%23z"


def test_a_post_carries_json(wire, desk):
    wire.says(answer({"reportId": "1"}, status="202 Accepted"))

    desk().call("createReport", body={"reportType": "X", "marketplaceIds": ["A"]})

    sent = wire.requests[0]
    assert sent.method == "POST"
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.body) == {"reportType": "X", "marketplaceIds": ["A"]}


# Quota


def test_a_long_wait_is_told_and_nothing_is_sent(wire, desk):
    one = desk()
    one.waits = [180.0]

    with pytest.raises(Throttled) as problem:
        one.call("searchOrders")

    assert problem.value.wait == 180.0
    assert "3 min" in problem.value.message
    assert wire.requests == [] and one.slept == []


def test_a_wait_below_a_second_is_slept_through(wire, desk):
    wire.says(answer({"orders": []}))
    one = desk()
    one.waits = [0.4, 0.3]

    one.call("searchOrders")

    assert one.slept == [0.4, 0.3] and len(wire.requests) == 1


def test_short_waits_do_not_add_up_beyond_a_second(wire, desk):
    one = desk()
    one.waits = [0.6, 0.6]

    with pytest.raises(Throttled):
        one.call("searchOrders")

    assert one.slept == [0.6] and wire.requests == []


def test_the_rate_in_the_header_is_passed_on(wire, desk):
    wire.says(answer({"orders": []}, headers=[("x-amzn-RateLimit-Limit", "0.0167")]))
    one = desk()

    one.call("searchOrders")

    assert one.rates == [("searchOrders", 0.0167)]


def test_a_rate_that_is_no_number_is_passed_over(wire, desk):
    wire.says(answer({"orders": []}, headers=[("x-amzn-RateLimit-Limit", "soon")]))
    one = desk()

    one.call("searchOrders")

    assert one.rates == []


def test_a_429_empties_the_bucket_and_asks_to_come_back(wire, desk):
    wire.says(amazon_error("429 Too Many Requests", "QuotaExceeded"))
    one = desk()

    with pytest.raises(Throttled) as problem:
        one.call("searchOrders")

    assert one.throttled[0][0] == "searchOrders"
    assert 178 <= one.throttled[0][1] <= 225
    assert problem.value.wait == one.throttled[0][1]
    assert len(wire.requests) == 1


# 403: an old token, or no permission


def test_an_expired_token_is_replaced_once_and_the_call_repeated(wire, desk):
    wire.says(
        amazon_error(
            "403 Forbidden",
            "Unauthorized",
            "Access to requested resource is denied.",
            "The access token you provided has expired.",
        ),
        answer({"orders": []}),
    )
    one = desk()

    one.call("searchOrders", query={"createdAfter": "x"})

    assert one.forced == [False, True]
    assert [sent.headers["x-amz-access-token"] for sent in wire.requests] == ["Atza|first", "Atza|fresh"]
    assert wire.requests[0].target == wire.requests[1].target
    assert one.taken == ["searchOrders", "searchOrders"]


def test_a_token_that_stays_refused_ends_after_two_calls(wire, desk):
    wire.says(amazon_error("403 Forbidden", "Unauthorized", None, "The access token you provided is revoked."))

    with pytest.raises(AmazonRefused):
        desk().call("searchOrders")

    assert len(wire.requests) == 2


def test_a_missing_role_is_refused_at_once_with_what_amazon_said(wire, desk):
    said = amazon_error("403 Forbidden", "Unauthorized", "Access to requested resource is denied.", "No role.")
    wire.says(said.replace(b"\r\n\r\n", b"\r\nx-amzn-RequestId: abc-2\r\n\r\n", 1))

    with pytest.raises(AccessDenied) as problem:
        desk().call("searchOrders")

    assert len(wire.requests) == 1
    assert problem.value.facts == {
        "status": 403,
        "code": "Unauthorized",
        "said": "Access to requested resource is denied.",
        "details": "No role.",
        "request_id": "abc-2",
        "operation": "searchOrders",
    }
    assert problem.value.words_of_amazon == "403, Unauthorized, Access to requested resource is denied., No role."


# Other answers


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "503 Unavailable", "504 Timeout", "408 Timeout"])
def test_amazons_own_trouble_is_no_alarm(wire, desk, status):
    wire.says(answer(b"<html>oops</html>", status=status))

    with pytest.raises(Unreachable) as problem:
        desk().call("searchOrders")

    assert problem.value.status == int(status[:3]) and problem.value.wait > 0


@pytest.mark.parametrize(
    "status", ["400 Bad", "404 Not Found", "405 No", "409 No", "410 Gone", "413 Large", "415 No", "422 No"]
)
def test_a_wrong_request_is_refused_whatever_its_code_says(wire, desk, status):
    wire.says(amazon_error(status, "InternalFailure", "the words of Amazon"))

    with pytest.raises(AmazonRefused) as problem:
        desk().call("searchOrders")

    assert type(problem.value) is AmazonRefused
    assert "the words of Amazon" in problem.value.message
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("413 Large", "The request size exceeded the maximum accepted size."),
        ("400 Bad", "The response exceeds the maximum size of 10 MB; request fewer results per page."),
        ("400 Bad", "Response payload too large"),
    ],
)
@pytest.mark.parametrize("token", [{}, {"paginationToken": "t"}])
def test_a_page_that_is_too_large_is_told_apart(wire, desk, status, words, token):
    wire.says(amazon_error(status, "InvalidInput", words))

    with pytest.raises(AnswerTooLarge):
        desk().call("searchOrders", query={"createdAfter": "x", "maxResultsPerPage": 100, **token})


def test_amazons_words_bear_no_nul(wire, desk):
    wire.says(amazon_error("400 Bad", "Invalid\0Input", "a\0b"))

    with pytest.raises(AmazonRefused) as problem:
        desk().call("searchOrders")

    assert "\0" not in problem.value.message + problem.value.code
    assert "a\ufffdb" in problem.value.message


def test_a_400_on_a_page_token_says_that_the_token_died(wire, desk):
    wire.says(amazon_error("400 Bad Request"))

    with pytest.raises(PageTokenDied):
        desk().call("searchOrders", query={"createdAfter": "x", "paginationToken": "t"})


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors":[{"code":"InvalidInput","message":null,"details":null}]}',
        b'[{"code":"x","message":"y"}]',
        b'{"errors":null}',
        b'{"errors":["x"]}',
        b"<html>",
        b"",
        b"null",
    ],
)
def test_error_bodies_of_any_shape_are_borne(wire, desk, body):
    wire.says(answer(body, status="400 Bad Request"))

    with pytest.raises(AmazonRefused):
        desk().call("searchOrders")


def test_errors_alone_in_a_200_are_a_refusal(wire, desk):
    wire.says(answer({"payload": None, "errors": [{"code": "InvalidInput", "message": "not you"}]}))

    with pytest.raises(AmazonRefused, match="not you"):
        desk().call("getMarketplaceParticipations")


def test_a_redirect_is_not_followed(wire, desk):
    wire.says(answer(b"", status="302 Found", headers=[("Location", "http://169.254.169.254/latest")]))

    with pytest.raises(AmazonRefused):
        desk().call("searchOrders")

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"<html>hello</html>", b'{"orders": [', b'"text"', b"7", b"null", b"NaN", b"[" * 100_000, b"\xff\xfe"],
)
def test_a_200_that_cannot_be_read_is_asked_for_again(wire, desk, body):
    wire.says(answer(body))

    with pytest.raises(Unreachable) as problem:
        desk().call("searchOrders")

    assert "hello" not in problem.value.details


def test_a_cancelled_report_answers_with_nothing(wire, desk):
    wire.says(answer(b""))

    assert desk().call("cancelReport", path={"reportId": "1"}).json is None
    assert wire.requests[0].method == "DELETE"


def test_nul_and_half_surrogates_are_replaced_and_counted(wire, desk):
    wire.says(answer(b'{"orders":[{"a":"x\\u0000y","b":["\\ud800z"],"c":"\\ud83d\\ude00"}]}'))

    got = desk().call("searchOrders")

    assert got.json == {"orders": [{"a": "x�y", "b": ["�z"], "c": "😀"}]}
    assert got.replaced == 2


def test_the_request_id_is_kept_for_the_log(wire, desk):
    wire.says(answer(b"", status="404 Not Found", headers=[("x-amzn-RequestId", "abc-1")]))

    with pytest.raises(AmazonRefused) as problem:
        desk().call("searchOrders")

    assert problem.value.request_id == "abc-1"


# The line


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"this is no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(5000)) + b"Content-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
    ],
)
def test_a_broken_line_or_garbage_is_asked_again_later(wire, desk, said):
    wire.says(cut_after(said))

    with pytest.raises(Unreachable):
        desk().call("searchOrders")


def test_an_endless_answer_is_cut_off(wire, desk, monkeypatch):
    monkeypatch.setattr("connector.spapi.client.MAX_ANSWER", 1 << 20)
    wire.says(answer(b"[" + b" " * (2 << 20) + b"]"))

    with pytest.raises(Unreachable):
        desk().call("searchOrders")


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000],
)
def test_a_drip_is_over_at_the_deadline_in_headers_and_body(wire, desk, said):
    wire.says(drip(said, 0.05))
    began = time.monotonic()

    with pytest.raises(Unreachable, match="did not answer in time"):
        desk(call_seconds=0.6).call("searchOrders")

    assert time.monotonic() - began < 3


def test_nobody_at_home_is_told_apart_from_a_name_that_is_not_known(wire, desk):
    from connector.spapi.client import Client

    wire.close()
    with pytest.raises(Unreachable, match="no connection"):
        desk().call("searchOrders")

    nowhere = Client("http://no-such-host.invalid", lambda **_: "t", lambda operation: 0)
    with pytest.raises(Unreachable, match="name no-such-host.invalid could not be found"):
        nowhere.call("searchOrders")


def test_the_token_is_in_no_message(wire, desk):
    wire.says(cut_after(b""))

    with pytest.raises(Unreachable) as problem:
        desk().call("searchOrders")

    shown = f"{problem.value!r} {problem.value.message} {problem.value.details} {problem.value.__cause__!r}"
    assert "Atza" not in shown
