"""What browsers are told about us, on every kind of answer."""

import pytest

from connector.headers import build_policy


@pytest.mark.parametrize("path", ["/login", "/there/is/no/such/page", "/api/v1/datasets", "/static/nothing.css"])
def test_every_answer_carries_the_policy(client, db, path):
    answer = client.get(path)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] in ("same-origin", "strict-origin", "no-referrer")
    assert path.startswith("/api/") or answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_forms_may_lead_to_amazons_consent_pages_and_nowhere_else(client, db):
    targets = client.get("/login").headers["Content-Security-Policy"].split("form-action ")[1].split()

    assert targets[0] == "'self'"
    assert "https://sellercentral.amazon.com" in targets
    assert "https://vendorcentral.amazon.co.jp" in targets
    assert all(target.endswith(("'self'", ".in")) or ".amazon." in target for target in targets)


def test_a_replaced_consent_host_replaces_them_all(client, db, settings):
    settings.SELLER_CENTRAL_URL = settings.VENDOR_CENTRAL_URL = "http://127.0.0.1:9100"

    assert client.get("/login").headers["Content-Security-Policy"].endswith("form-action 'self' http://127.0.0.1:9100")


def test_a_policy_is_written_as_browsers_read_it():
    assert (
        build_policy({"default-src": ["'self'"], "img-src": ["'self'", "data:"]})
        == "default-src 'self'; img-src 'self' data:"
    )
