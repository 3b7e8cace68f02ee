"""What opens something does not get into a log."""

import io
import logging

import pytest

from connector.runtime.logs import HIDDEN, Discreet, discreet


def written(*arguments, **more):
    """What a log line of ours looks like."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Discreet("{levelname} {name}: {message}", style="{"))
    logger = logging.Logger("sample")
    logger.addHandler(handler)
    logger.error(*arguments, **more)
    return stream.getvalue()


@pytest.mark.parametrize(
    "text, secret",
    [
        ("refresh Atzr|IwEBIExampleRefreshToken-x_y failed", "IwEBIExample"),
        ("header x-amz-access-token: Atza|IwEBIExampleAccess", "IwEBIExample"),
        ("secret amzn1.oa2-cs.v1.d3b07384d113edec49eaa6238ad5ff00", "d3b07384"),
        ("Authorization: Bearer bh_1a2b3c4d_abcdefghijklmnop", "abcdefghijklmnop"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNz"),
        ('{"client_secret": "hush-hush-hush", "grant_type": "refresh_token"}', "hush-hush"),
        ("{'refresh_token': 'hush-hush-hush'}", "hush-hush"),
        ("grant_type=refresh_token&refresh_token=hush%20hush&x=1", "hush%20hush"),
        ("GET https://b.s3.amazonaws.com/doc?X-Amz-Signature=0123abcd&X-Amz-Expires=300", "0123abcd"),
        ("connect to postgresql://backhaul:hunter2@db.example.com/x", "hunter2"),
        ("redis://:hunter2@broker:6379/0 is down", "hunter2"),
        ("/accounts/callback?spapi_oauth_code=ANabcdef&state=s3cr3tst4te", "ANabcdef"),
        ("/accounts/callback?spapi_oauth_code=ANabcdef&state=s3cr3tst4te", "s3cr3tst4te"),
        ("GET /login/ToOs44oIo63CENHxsk2-l_NiYRukrkLK9YY9HTEhkcQ 200", "ToOs44oIo63"),
    ],
)
def test_secrets_are_hidden(text, secret):
    assert secret not in discreet(text)
    assert HIDDEN in discreet(text)


@pytest.mark.parametrize(
    "text",
    [
        "run 17 landed 2026-11-21 with 1204 rows",
        "Seller's refresh token was refused (invalid_grant).",
        "dataset orders_us: status code 429, waiting 60 s",
        "GET /datasets/orders_us/days/2026-11-21 200",
        "run 17: state=waiting, code: QuotaExceeded",
    ],
)
def test_what_is_no_secret_stays_readable(text):
    assert discreet(text) == text


def test_arguments_and_traces_are_covered():
    try:
        raise ValueError("refused: client_secret=hush-hush-hush")
    except ValueError:
        line = written("token %s", "Atzr|IwEBIExample", exc_info=True)

    assert "IwEBIExample" not in line
    assert "hush-hush" not in line
    assert "ValueError" in line


def test_one_record_cannot_pretend_to_be_two():
    line = written("title %s", "nice\n2026-11-21 INFO root: all is well")

    assert line.count("\n") == 1


def test_the_installed_handlers_use_it(settings):
    assert settings.LOGGING["formatters"]["line"]["()"] == "connector.runtime.logs.Discreet"
    assert {handler["formatter"] for handler in settings.LOGGING["handlers"].values()} == {"line"}
