"""Login with Amazon: consent codes and refresh tokens in, access tokens out."""

from dataclasses import dataclass, field
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

from connector.spapi import transport as wire
from connector.spapi.errors import ConsentLost, SecretRejected, SignInRefused, SpapiError, Throttled, Unreachable

TOKEN_URL = "https://api.amazon.com/auth/o2/token"
OPERATION = "token"  # its name in errors, beside the API's operations
SECONDS = 20.0
MAX_BYTES = 256 * 1024

_CONSENT_IS_GONE = ("invalid_grant", "unauthorized_client", "access_denied")
_LATER = ("server_error", "temporarily_unavailable")
_TOO_OFTEN = ("too_many_requests", "slow_down")


@dataclass(frozen=True)
class Tokens:
    """What Amazon's sign-in service gives out; `expires_in` is in seconds, of the access token. The refresh token
    is empty where there is none."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int


def exchange_code(
    client_id: str,
    client_secret: str,
    code: str,
    redirect_uri: str,
    *,
    url: str = TOKEN_URL,
    transport: httpx2.BaseTransport | None = None,
) -> Tokens:
    """Tokens for the code that Amazon's consent page sent back; it lives five minutes and works once.

    Raises ConsentLost where the code is not taken, SecretRejected, SignInRefused, Throttled, Unreachable.
    """
    return _ask(
        client_id, client_secret, url, transport, grant_type="authorization_code", code=code, redirect_uri=redirect_uri
    )


def refresh(
    client_id: str,
    client_secret: str,
    refresh_token: str,
    *,
    url: str = TOKEN_URL,
    transport: httpx2.BaseTransport | None = None,
) -> Tokens:
    """A new access token. Amazon answers with the same refresh token.

    Raises ConsentLost where the refresh token is not taken, SecretRejected, SignInRefused, Throttled, Unreachable.
    """
    return _ask(client_id, client_secret, url, transport, grant_type="refresh_token", refresh_token=refresh_token)


def client_credentials(
    client_id: str,
    client_secret: str,
    scope: str,
    *,
    url: str = TOKEN_URL,
    transport: httpx2.BaseTransport | None = None,
) -> Tokens:
    """A token of the application itself, for calls that need no seller's consent.

    Raises SecretRejected, ConsentLost or SignInRefused where the application may have none, Throttled,
    Unreachable.
    """
    return _ask(client_id, client_secret, url, transport, grant_type="client_credentials", scope=scope)


def _ask(
    client_id: str,
    client_secret: str,
    url: str,
    transport: httpx2.BaseTransport | None,
    *,
    grant_type: str,
    **parameters: str,
) -> Tokens:
    session = OAuth2Client(
        client_id,
        client_secret,
        token_endpoint_auth_method="client_secret_post",
        transport=wire.Bounded(transport or wire.shared(), MAX_BYTES),
        timeout=SECONDS,
        trust_env=False,
        headers={"User-Agent": wire.USER_AGENT},
    )
    host = httpx2.URL(url).host
    try:
        with wire.deadline(SECONDS):
            answer = session.fetch_token(url, grant_type=grant_type, **parameters)
    except OAuthError as problem:
        raise _meaning(problem, grant_type) from None  # its cause may hold the request, and that holds the secret
    except httpx2.HTTPStatusError as problem:
        raise _of_status(problem.response.status_code) from None
    except wire.FAILURES as problem:
        raise wire.unreachable(problem, host) from None
    except (ValueError, TypeError):
        raise _unreadable() from None
    access_token, life = answer.get("access_token"), answer.get("expires_in", 3600)
    if not isinstance(access_token, str) or not access_token or not str(life).isdigit():
        raise _unreadable()
    return Tokens(access_token, answer.get("refresh_token") or parameters.get("refresh_token") or "", int(life))


def _meaning(problem: OAuthError, grant_type: str) -> SpapiError:
    code = str(problem.error)
    facts: dict[str, Any] = {"code": code, "said": str(problem.description or "")[:300], "operation": OPERATION}
    if code in _CONSENT_IS_GONE:
        if grant_type == "authorization_code":
            fact = "Amazon does not accept the code from its consent page: it is valid for five minutes and works only once."
        else:
            fact = (
                f"Amazon does not accept the account's refresh token ({code[:60]}); the consent may have been "
                "withdrawn or may have expired."
            )
        return ConsentLost(fact=fact, **facts)
    if code == "invalid_client":
        fact = (
            "Amazon does not accept the application's client id and secret (invalid_client); the secret may have been "
            "replaced or may have expired."
        )
        return SecretRejected(fact=fact, **facts)
    if code in _TOO_OFTEN:
        return _of_status(429)
    if code in _LATER:
        return _of_status(503)
    return SignInRefused(fact=f"Amazon's sign-in service refused the request ({code[:60]}).", **facts)


def _of_status(status: int) -> SpapiError:
    facts: dict[str, Any] = {"status": status, "operation": OPERATION}
    if status == 429:
        return Throttled(fact="Amazon's sign-in service asks for a pause of a minute.", wait=60.0, **facts)
    if 400 <= status < 500:
        return SignInRefused(fact=f"Amazon's sign-in service refused the request (HTTP {status}).", **facts)
    return Unreachable(fact="Amazon's sign-in service is not working.", wait=wire.RETRY_SECONDS, **facts)


def _unreadable() -> Unreachable:
    fact = "Amazon's sign-in service gave an answer that could not be read."
    return Unreachable(fact=fact, wait=wire.RETRY_SECONDS, operation=OPERATION)
