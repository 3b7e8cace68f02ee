"""Login with Amazon: what is sent, and what each answer asks of us."""

from urllib.parse import parse_qs

import pytest

from connector.spapi import tokens
from connector.spapi.errors import ConsentLost, SecretRejected, SignInRefused, Throttled, Unreachable
from connector.spapi.transport import Transport
from tests.spapi.wire import answer, cut_after

GOOD = {"access_token": "Atza|a+b", "refresh_token": "Atzr|r", "token_type": "bearer", "expires_in": 3600}


@pytest.fixture
def transport():
    one = Transport()
    yield one
    one.close()


@pytest.fixture
def refresh(wire, transport):
    return lambda: tokens.refresh("id", "s/e+c=r&et", "Atzr|r+/=", url=f"{wire.url}/auth/o2/token", transport=transport)


def form(sent):
    return {name: values[0] for name, values in parse_qs(sent.body.decode(), keep_blank_values=True).items()}


def test_a_refresh_token_becomes_an_access_token(wire, refresh):
    wire.says(answer(GOOD))

    got = refresh()

    assert (got.access_token, got.refresh_token, got.expires_in) == ("Atza|a+b", "Atzr|r", 3600)
    sent = wire.requests[0]
    assert form(sent) == {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|r+/=",
        "client_id": "id",
        "client_secret": "s/e+c=r&et",
    }
    assert sent.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert "authorization" not in sent.headers and "?" not in sent.target
    assert sent.headers["user-agent"].startswith("Backhaul/")


def test_a_code_becomes_both_tokens(wire, transport):
    wire.says(answer(GOOD))

    got = tokens.exchange_code("id", "secret", "code+1", "https://me.example/cb", url=wire.url, transport=transport)

    assert got.refresh_token == "Atzr|r"
    assert form(wire.requests[0]) == {
        "grant_type": "authorization_code",
        "code": "code+1",
        "redirect_uri": "https://me.example/cb",
        "client_id": "id",
        "client_secret": "secret",
    }


def test_an_application_gets_a_token_of_its_own(wire, transport):
    wire.says(answer({"access_token": "Atza|x", "expires_in": "3600"}))

    got = tokens.client_credentials(
        "id", "secret", "sellingpartnerapi::notifications", url=wire.url, transport=transport
    )

    assert (got.access_token, got.refresh_token) == ("Atza|x", "")
    assert form(wire.requests[0])["scope"] == "sellingpartnerapi::notifications"


def test_tokens_are_not_shown(wire, refresh):
    wire.says(answer(GOOD))

    assert "Atz" not in repr(refresh())


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("400 Bad Request", "invalid_grant", ConsentLost),
        ("400 Bad Request", "unauthorized_client", ConsentLost),
        ("401 Unauthorized", "invalid_client", SecretRejected),
        ("400 Bad Request", "invalid_client", SecretRejected),
        ("400 Bad Request", "invalid_scope", SignInRefused),
        ("400 Bad Request", "invalid_request", SignInRefused),
        ("400 Bad Request", "unsupported_grant_type", SignInRefused),
        ("400 Bad Request", "a_new_word", SignInRefused),
        ("500 Oops", "server_error", Unreachable),
        ("503 Oops", "temporarily_unavailable", Unreachable),
        ("400 Bad Request", "temporarily_unavailable", Unreachable),
        ("429 Too Many", "too_many_requests", Throttled),
        ("400 Bad Request", "slow_down", Throttled),
    ],
)
def test_each_error_is_one_thing_to_do(wire, refresh, status, code, error):
    wire.says(answer({"error": code, "error_description": "The words of Amazon", "request_id": "x"}, status=status))

    with pytest.raises(error) as problem:
        refresh()

    assert type(problem.value) is error
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(b"<html>", status="502 Bad Gateway"), Unreachable),
        (answer(b"<html>", status="429 Slow"), Throttled),
        (answer(b"<html>", status="403 No"), SignInRefused),
        (answer(b"", status="302 Found", headers=[("Location", "http://169.254.169.254/")]), Unreachable),
        (answer(b"<html>"), Unreachable),
        (answer(b""), Unreachable),
        (answer([1]), Unreachable),
        (answer({}), Unreachable),
        (answer({"access_token": 5, "expires_in": 3600}), Unreachable),
        (answer({"access_token": "x", "expires_in": "soon"}), Unreachable),
        (answer(b" " * 300_000), Unreachable),
        (cut_after(b""), Unreachable),
    ],
)
def test_an_answer_of_any_shape_is_borne(wire, refresh, said, error):
    wire.says(said)

    with pytest.raises(error):
        refresh()

    assert len(wire.requests) == 1


def test_no_secret_is_in_what_is_raised(wire, refresh):
    for said in (answer({"error": "invalid_client"}), answer(b"", status="500 x"), cut_after(b"")):
        wire.says(said)
        with pytest.raises(Exception) as problem:  # noqa: B017, PT011 whichever it is, it must not tell
            refresh()
        chain, shown = problem.value, ""
        while chain is not None:
            shown += f"{chain!r} {vars(chain)}"
            chain = chain.__cause__ if chain.__cause__ or chain.__suppress_context__ else chain.__context__
        assert "s/e+c=r&et" not in shown and "Atzr" not in shown
