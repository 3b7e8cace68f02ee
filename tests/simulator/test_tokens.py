"""Login with Amazon: three grants, one-time codes, exact error codes."""

import base64

import pytest

from tests.simulator.caller import APPLICATION_ID, CLIENT_ID, CLIENT_SECRET, ORDERS, SELLER

RETURN = "http://localhost:8000/accounts/callback"


@pytest.fixture
def code(amazon):
    return amazon.control("codes", {"application_id": APPLICATION_ID, "redirect_uri": RETURN})["spapi_oauth_code"]


def exchange(amazon, code, **form):
    return amazon.token_request(**{"grant_type": "authorization_code", "code": code, "redirect_uri": RETURN} | form)


def assert_error(reply, status, error):
    assert (reply.status, reply.json["error"]) == (status, error)
    assert reply.json["error_description"]


def works(amazon, access_token):
    query = "?createdAfter=2026-08-14T00:00:00Z"
    return amazon.send("GET", ORDERS + query, headers={"x-amz-access-token": access_token}).status == 200


def test_a_code_buys_an_access_token_and_a_refresh_token(amazon, code):
    reply = exchange(amazon, code)
    assert reply.status == 200
    assert set(reply.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert reply.json["access_token"].startswith("Atza|")
    assert reply.json["refresh_token"].startswith("Atzr|")
    assert (reply.json["token_type"], reply.json["expires_in"]) == ("bearer", 3600)
    assert len(reply.json["access_token"]) <= 2048
    assert works(amazon, reply.json["access_token"])


def test_a_refresh_token_from_a_code_goes_on_working_and_stays_the_same(amazon, code):
    refresh_token = exchange(amazon, code).json["refresh_token"]
    reply = amazon.token_request(grant_type="refresh_token", refresh_token=refresh_token)
    assert reply.json["refresh_token"] == refresh_token
    assert works(amazon, reply.json["access_token"])


def test_a_code_works_once(amazon, code):
    assert exchange(amazon, code).status == 200
    reply = exchange(amazon, code)
    assert_error(reply, 400, "invalid_grant")
    assert reply.json["error_description"] == "The request has an invalid grant parameter : code"


def test_a_code_lives_five_minutes(amazon, code):
    amazon.advance(seconds=298)
    fresh = amazon.control("codes", {"application_id": APPLICATION_ID, "redirect_uri": RETURN})["spapi_oauth_code"]
    amazon.advance(seconds=3)
    assert_error(exchange(amazon, code), 400, "invalid_grant")
    assert exchange(amazon, fresh).status == 200


def test_a_code_is_bound_to_its_redirect_uri(amazon, code):
    assert_error(exchange(amazon, code, redirect_uri="http://localhost:8000/elsewhere"), 400, "invalid_grant")


def test_a_code_asked_for_with_a_redirect_uri_is_not_given_out_without_it(amazon, code):
    assert_error(exchange(amazon, code, redirect_uri=None), 400, "invalid_grant")


def test_a_code_is_bound_to_its_client(amazon, code):
    amazon.control("applications", {"client_id": "other", "client_secret": "s", "application_id": "amzn1.other"})
    assert_error(exchange(amazon, code, client_id="other", client_secret="s"), 400, "invalid_grant")


def test_an_unknown_code_is_refused(amazon):
    assert_error(exchange(amazon, "ANnothing"), 400, "invalid_grant")


@pytest.mark.parametrize("missing", ["grant_type", "refresh_token", "client_id", "client_secret"])
def test_a_missing_parameter_is_named(amazon, missing):
    form = {"grant_type": "refresh_token", "refresh_token": SELLER} | {missing: None}
    reply = amazon.token_request(**form)
    assert_error(reply, 400, "invalid_request")
    assert reply.json["error_description"] == f"The request is missing a required parameter : {missing}"


def test_an_unknown_grant_is_refused(amazon):
    assert_error(amazon.token_request(grant_type="password"), 400, "unsupported_grant_type")


@pytest.mark.parametrize("wrong", [{"client_secret": "wrong"}, {"client_id": "amzn1.application-oa2-client.nobody"}])
def test_a_wrong_client_is_refused_with_401(amazon, wrong):
    reply = amazon.token_request(grant_type="refresh_token", refresh_token=SELLER, **wrong)
    assert_error(reply, 401, "invalid_client")
    assert reply.json["error_description"] == "Client authentication failed"


def test_client_credentials_may_come_by_http_basic(amazon):
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    body = "grant_type=refresh_token&refresh_token=Atzr%7Csimulator-seller"
    assert amazon.send("POST", "/auth/o2/token", body, headers).status == 200


def test_a_body_that_is_no_form_is_refused(amazon):
    reply = amazon.send("POST", "/auth/o2/token", "{}", {"Content-Type": "application/json"})
    assert_error(reply, 400, "invalid_request")


def test_an_unknown_refresh_token_is_refused_in_amazons_words(amazon):
    reply = amazon.token_request(grant_type="refresh_token", refresh_token="Atzr|nobody")
    assert_error(reply, 400, "invalid_grant")
    assert reply.json["error_description"] == (
        "The request has an invalid grant parameter : refresh_token. "
        "User may have revoked or didn't grant the permission."
    )


def test_another_clients_refresh_token_is_refused(amazon, code):
    refresh_token = exchange(amazon, code).json["refresh_token"]
    amazon.control("applications", {"client_id": "other", "client_secret": "s", "application_id": "amzn1.other"})
    reply = amazon.token_request(
        grant_type="refresh_token", refresh_token=refresh_token, client_id="other", client_secret="s"
    )
    assert_error(reply, 400, "unauthorized_client")


def test_both_secrets_work_after_a_rotation(amazon):
    application = {"client_id": CLIENT_ID, "application_id": APPLICATION_ID}
    amazon.control("applications", application | {"client_secrets": ["new", CLIENT_SECRET]})
    form = {"grant_type": "refresh_token", "refresh_token": SELLER}
    assert amazon.token_request(**form).status == amazon.token_request(**form, client_secret="new").status == 200
    amazon.control("applications", application | {"client_secrets": ["new"]})
    assert_error(amazon.token_request(**form), 401, "invalid_client")


def test_client_credentials_speak_for_nobody(amazon):
    reply = amazon.token_request(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
    assert reply.status == 200
    assert "refresh_token" not in reply.json
    assert not works(amazon, reply.json["access_token"])


def test_a_wrong_scope_is_refused(amazon):
    assert_error(amazon.token_request(grant_type="client_credentials", scope="everything"), 400, "invalid_scope")
    reply = amazon.token_request(grant_type="refresh_token", refresh_token=SELLER, scope="everything")
    assert_error(reply, 400, "invalid_scope")


def test_revoked_consent_ends_refresh_tokens_and_access_tokens(amazon):
    access_token = amazon.access_token()
    amazon.control("revoke", {"selling_partner_id": "A2DEMOSELLER01"})
    assert_error(amazon.token_request(grant_type="refresh_token", refresh_token=SELLER), 400, "invalid_grant")
    assert not works(amazon, access_token)


def test_new_consent_heals_a_revoked_one(amazon):
    amazon.control("revoke", {"selling_partner_id": "A2DEMOSELLER01"})
    code = amazon.control("codes", {"application_id": APPLICATION_ID, "redirect_uri": RETURN})["spapi_oauth_code"]
    assert works(amazon, exchange(amazon, code).json["access_token"])


def test_an_access_token_lives_an_hour(amazon):
    access_token = amazon.access_token()
    amazon.advance(seconds=3590)
    assert works(amazon, access_token)
    amazon.advance(seconds=15)
    reply = amazon.get(ORDERS, {"createdAfter": "2026-08-14T00:00:00Z"})
    assert reply.status == 403
    assert reply.error == {
        "code": "Unauthorized",
        "message": "Access to requested resource is denied.",
        "details": "The access token you provided has expired.",
    }


@pytest.mark.parametrize("token", [None, "", "Atza|nonsense", "nonsense"])
def test_a_call_without_a_valid_access_token_is_refused(amazon, token):
    headers = {} if token is None else {"x-amz-access-token": token}
    reply = amazon.send("GET", ORDERS + "?createdAfter=2026-08-14T00:00:00Z", headers=headers)
    assert (reply.status, reply.error["code"]) == (403, "Unauthorized")
    assert "x-amzn-ratelimit-limit" not in reply.headers
    assert reply.headers["x-amzn-requestid"]


def test_the_request_log_hides_secrets_and_keeps_the_rest(amazon, code):
    exchange(amazon, code)
    body = amazon.requests("token")[-1]["body"]
    assert body["client_secret"] == body["code"] == "[hidden]"
    assert (body["grant_type"], body["redirect_uri"]) == ("authorization_code", RETURN)
