"""Login with Amazon: the token endpoint with its three grants, and access tokens as the API reads them."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from . import partners
from .answers import Refusal, json_answer

PATH = "/auth/o2/token"
SCOPES = {
    "sellingpartnerapi::notifications",
    "sellingpartnerapi::client_credential:rotation",
    "sellingpartnerapi::shipments:track",
}


@dataclass(frozen=True)
class Caller:
    """Who an access token speaks for; a grantless one speaks for nobody."""

    client_id: str
    partner: partners.Partner | None
    expired: bool
    revoked: bool


def refused(status, error, description):
    return Refusal(
        json_answer({"error": error, "error_description": description}, status, **{"Cache-Control": "no-store"})
    )


class Tokens:
    def __init__(self, applications, signer, ticks, settings):
        self._applications = applications
        self._signer = signer
        self._ticks = ticks
        self._settings = settings
        self.reset()

    def reset(self):
        self._codes = {}
        self._revoked = set()
        self._expired_before = -1.0

    # What the consent page and tests do.

    def new_code(self, application, partner, redirect_uri, asked_for_uri):
        code = "AN" + secrets.token_urlsafe(18).replace("-", "x").replace("_", "y")
        self._codes[code] = {
            "client_id": application.client_id,
            "partner": partner.id,
            "redirect_uri": redirect_uri,
            "asked_for_uri": asked_for_uri,
            "expires": self._ticks() + self._settings.code_seconds,
        }
        return code

    def revoke(self, partner_id, client_id=None):
        """The seller withdraws consent, from one application or from all."""
        self._revoked.add((partner_id, client_id))

    def restore(self, partner_id):
        self._revoked = {each for each in self._revoked if each[0] != partner_id}

    def expire(self):
        """All access tokens that were given out until now have run out."""
        self._expired_before = self._ticks()

    def revoked(self, partner_id, client_id):
        return (partner_id, None) in self._revoked or (partner_id, client_id) in self._revoked

    # The token endpoint.

    def answer(self, request):
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method != "POST":
            raise refused(405, "invalid_request", "The request method is not supported")
        if content_type != "application/x-www-form-urlencoded":
            raise refused(400, "invalid_request", "Content type must be application/x-www-form-urlencoded")
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        form = {name: value for name, value in pairs if value}
        if len({name for name, _ in pairs}) != len(pairs):
            raise refused(400, "invalid_request", "The request repeats a parameter")
        request.note["grant_type"] = form.get("grant_type")
        grants = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
            "client_credentials": self._by_client,
        }
        grant = grants.get(_needed(form, "grant_type"))
        if grant is None:
            raise refused(
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server",
            )
        application = self._authenticated(request, form)
        return json_answer(grant(application, form), **{"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _authenticated(self, request, form):
        client_id, secret = _credentials(request, form)
        application = self._applications.by_client(client_id)
        request.note["client_id"] = client_id
        if application is None or not any(
            hmac.compare_digest(secret.encode(), each.encode()) for each in application.secrets
        ):
            raise refused(401, "invalid_client", "Client authentication failed")
        return application

    def _by_code(self, application, form):
        code = self._codes.pop(_needed(form, "code"), None)  # one try, successful or not
        sent = form.get("redirect_uri")
        if (
            code is None
            or code["client_id"] != application.client_id
            or code["expires"] <= self._ticks()
            or (sent is None and code["asked_for_uri"])
            or (sent is not None and sent != code["redirect_uri"])
        ):
            raise refused(400, "invalid_grant", "The request has an invalid grant parameter : code")
        self.restore(code["partner"])
        content = {"c": application.client_id, "p": code["partner"], "n": secrets.token_hex(8)}
        refresh_token = "Atzr|" + self._signer.seal("refresh", content)
        return {
            "access_token": self._access_token(application.client_id, code["partner"]),
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": self._settings.token_seconds,
        }

    def _by_refresh_token(self, application, form):
        refresh_token = _needed(form, "refresh_token")
        if "scope" in form:
            raise refused(400, "invalid_scope", "The request has an invalid scope : " + form["scope"])
        known = partners.BY_REFRESH_TOKEN.get(refresh_token)
        content = self._signer.open("refresh", refresh_token.removeprefix("Atzr|"))
        if known:
            partner_id = known.id
        elif content is None:
            raise self._not_granted()
        elif content["c"] != application.client_id:
            raise refused(400, "unauthorized_client", "Not authorized for requested operation")
        else:
            partner_id = content["p"]
        if self.revoked(partner_id, application.client_id):
            raise self._not_granted()
        return {
            "access_token": self._access_token(application.client_id, partner_id),
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": self._settings.token_seconds,
        }

    def _by_client(self, application, form):
        scope = _needed(form, "scope")
        if not set(scope.split()) <= SCOPES:
            raise refused(400, "invalid_scope", f"The request has an invalid scope : {scope}")
        return {
            "access_token": self._access_token(application.client_id, None),
            "token_type": "bearer",
            "expires_in": self._settings.token_seconds,
        }

    @staticmethod
    def _not_granted():
        return refused(
            400,
            "invalid_grant",
            "The request has an invalid grant parameter : refresh_token. "
            "User may have revoked or didn't grant the permission.",
        )

    def _access_token(self, client_id, partner_id):
        now = self._ticks()
        expires = now + self._settings.token_seconds
        content = {"c": client_id, "p": partner_id, "b": now, "e": expires, "n": secrets.token_hex(8)}
        return "Atza|" + self._signer.seal("access", content)

    # What the API reads.

    def caller(self, access_token):
        """Who holds that token, or None for a token that was never given out."""
        content = self._signer.open("access", access_token.removeprefix("Atza|"))
        if content is None or not access_token.startswith("Atza|"):
            return None
        return Caller(
            client_id=content["c"],
            partner=partners.BY_ID.get(content["p"]),
            expired=content["e"] <= self._ticks() or content.get("b", 0) <= self._expired_before,
            revoked=self.revoked(content["p"], content["c"]),
        )


def _needed(form, name):
    if name not in form:
        raise refused(400, "invalid_request", f"The request is missing a required parameter : {name}")
    return form[name]


def _credentials(request, form):
    """Client id and secret from the form or from HTTP Basic."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise refused(401, "invalid_client", "Client authentication failed") from None
        return unquote_plus(client_id), unquote_plus(secret)
    return _needed(form, "client_id"), _needed(form, "client_secret")
