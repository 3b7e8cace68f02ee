"""Who calls the API and what they may do: access tokens, or the session of the browser that is signed in.

A token is `bh_<8 id>_<43 secret>`. Only its SHA-256 is kept (256 random bits need no slow hash), so it is shown once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from connector.accounts.models import Account, User
from datasets.access import limits
from datasets.access.compiled_queryset import CompiledQueryset
from datasets.models import AccessToken, Dataset
from datasets.problems import BadParameters, Forbidden, Unauthenticated, nearest, printable
from datasets.rows import controls, query

SCOPES = {
    "data:read": "read datasets, their rows, runs and days",
    "datasets:write": "create, change and delete datasets",
    "runs:write": "start, cancel and reload",
    "accounts:read": "see the connected accounts, never their secrets",
    "accounts:write": "connect accounts",
    "tokens:write": "create and revoke tokens with at most this token's permissions",
}
LIFE = timedelta(days=365)
NOTED_EVERY = timedelta(minutes=1)  # last use is written no more often
SHAPE = re.compile(r"bh_([0-9a-z]{8})_[A-Za-z0-9_-]{43}")
LINK_SHAPE = re.compile(r"bh_link_([0-9a-z]{8})_[A-Za-z0-9_-]{43}")
LOOKED_AT = (
    "token_id",
    "secret_hash",
    "scopes",
    "kind",
    "limited",
    "link_query",
    "expires_at",
    "revoked_at",
    "last_used_at",
    "owner__is_active",
)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def words_of(scopes: Iterable[str]) -> list[str]:
    """What a token with these scopes may do, for people. One of a scope that is no longer there shows its name."""
    return [SCOPES.get(scope, scope) for scope in scopes]


def issue(
    owner: User,
    name: str = "",
    *,
    scopes: Iterable[str] | None = None,
    datasets: Iterable[Dataset] | None = None,
    life: timedelta | None = LIFE,
    now: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A new token's row and its text, which cannot be shown again. `datasets`: only these; None: all that the owner
    may see."""
    now = now or timezone.now()
    scopes = check_scopes(SCOPES if scopes is None else scopes)
    name = name.strip() or f"Token of {now:%Y-%m-%d %H:%M}"
    return _make(owner, name, AccessToken.Kind.API, scopes, datasets, life, now)


def issue_link(
    owner: User,
    dataset: Dataset,
    name: str = "",
    *,
    fixed: str = "",
    life: timedelta | None = LIFE,
    now: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A token for use in a URL as `?token=`: it reads this one dataset, restricted to the query `fixed`.

    Raises BadParameters where `fixed` says how files are written in a way that no format has.
    """
    controls.check_link(query.pairs_of(fixed))
    now = now or timezone.now()
    name = name.strip() or f"Link of {now:%Y-%m-%d %H:%M}"
    return _make(owner, name, AccessToken.Kind.LINK, ["data:read"], [dataset], life, now, fixed)


def _make(
    owner: User,
    name: str,
    kind: AccessToken.Kind,
    scopes: Sequence[str],
    datasets: Iterable[Dataset] | None,
    life: timedelta | None,
    now: datetime,
    fixed: str = "",
) -> tuple[AccessToken, str]:
    key = secrets.token_hex(4)
    text = f"{'bh_link' if kind == AccessToken.Kind.LINK else 'bh'}_{key}_{secrets.token_urlsafe(32)}"
    token = AccessToken.objects.create(
        owner=owner,
        kind=kind,
        name=name[:200],
        token_id=key,
        secret_hash=_hash(text),
        scopes=scopes,
        limited=datasets is not None,
        link_query=fixed,
        expires_at=now + life if life else None,
    )
    if datasets is not None:
        token.datasets.set(datasets)
    return token, text


def revoke(token: AccessToken, now: datetime | None = None) -> None:
    """The token stops working immediately."""
    AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now or timezone.now())


def check_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes in canonical order, without duplicates; raises BadParameters for one that does not exist."""
    wrong = [
        (
            "scopes",
            f"There is no scope '{printable(scope)}'.{nearest(str(scope), SCOPES)} There are: {', '.join(SCOPES)}.",
        )
        for scope in scopes
        if scope not in SCOPES
    ]
    if wrong:
        raise BadParameters(wrong)
    return [scope for scope in SCOPES if scope in scopes]


@dataclass(frozen=True)
class Caller:
    """Who asks: a person through a token, or through the browser's session (token None)."""

    user: User
    token: AccessToken | None = None

    @property
    def key(self) -> str:
        """Names the caller where limits are counted."""
        return f"token {self.token.pk}" if self.token else f"user {self.user.pk}"

    @property
    def fixed(self) -> str:
        """What a link is fixed to, as a raw query string; nothing for everybody else."""
        return self.token.link_query if self.token else ""

    @property
    def defaults(self) -> Sequence[tuple[str, str]]:
        """How a link writes files where the address does not say otherwise: (name, value) of its parameters."""
        return query.pairs_of(self.fixed) if self.fixed else ()

    def may(self, scope: str) -> bool:
        """Whether the caller has the scope, one of SCOPES; a session has all."""
        return self.token is None or scope in self.token.scopes

    def datasets(self) -> QuerySet[Dataset]:
        """What the caller may see; everything else is treated as not existing."""
        found = Dataset.objects.of(self.user)
        if self.token is not None and self.token.limited:
            found = found.filter(pk__in=self.token.datasets.values("pk"))
        return found

    def accounts(self) -> QuerySet[Account]:
        """The accounts that the caller may know of."""
        if self.token is not None and self.token.limited:
            return Account.objects.none()  # a token for some datasets says nothing of the accounts behind them
        return Account.objects.of(self.user)

    def tokens(self) -> QuerySet[AccessToken]:
        """The caller's own tokens."""
        return AccessToken.objects.filter(owner=self.user)

    def check_unlimited(self) -> None:
        """For what concerns more than the datasets that a limited token names."""
        if self.token is not None and self.token.limited:
            raise Forbidden("This token is limited to certain datasets. Use one without that limit.")


def caller(request: HttpRequest, scope: str, *, link: str | None = None, now: datetime | None = None) -> Caller:
    """The Caller of this request, who has the scope. Raises Unauthenticated or Forbidden.

    An Authorization header decides alone, then a `link` (the value of `?token=`, where the call takes one): a wrong
    token never falls back to the browser's session.
    """
    now = now or timezone.now()
    header = request.headers.get("Authorization", "")
    if header or link is not None:
        try:
            if header:
                found = _by_token(_presented(header), AccessToken.Kind.API, SHAPE, request, now)
            else:
                found = _by_token(_linked(link or ""), AccessToken.Kind.LINK, LINK_SHAPE, request, now)
        except Unauthenticated:
            limits.note_wrong_token(request)
            raise
    else:
        found = _by_session(request)
    if not found.may(scope):
        raise Forbidden(f"This token lacks the scope {scope} ({SCOPES[scope]}). Create one that has it.")
    return found


def reader(request: HttpRequest) -> tuple[Caller, list[tuple[str, str]]]:
    """The Caller who reads rows, and the parameters without the link's token where one is given."""
    pairs = query.pairs_of(request.META.get("QUERY_STRING", ""))
    links = [value for name, value in pairs if name == "token"]
    if len(links) > 1:
        raise BadParameters([("token", "token is given more than once.")])
    found = caller(request, "data:read", link=links[0] if links else None)
    return found, [(name, value) for name, value in pairs if name != "token"] if links else pairs


def presented_caller(
    request: HttpRequest, secret: str | None = None, now: datetime | None = None
) -> tuple[Caller, str]:
    """The Caller behind an access token that came as a client's secret, in the header or apart from it, and the token's text."""
    header = request.headers.get("Authorization", "")
    try:
        text = _presented(header) if header or not secret else secret
        if not SHAPE.fullmatch(text):
            raise Unauthenticated("The client secret is not an access token. Create one on the Tokens page.")
        return _by_token(text, AccessToken.Kind.API, SHAPE, request, now or timezone.now()), text
    except Unauthenticated:
        limits.note_wrong_token(request)
        raise


def _by_token(text: str, kind: AccessToken.Kind, shape: re.Pattern[str], request: HttpRequest, now: datetime) -> Caller:
    shaped = shape.fullmatch(text)
    token = BY_ID.first(shaped[1], kind) if shaped else None
    if token is None or not hmac.compare_digest(bytes(token.secret_hash), _hash(text)):
        raise Unauthenticated("This access token does not exist here. Create a new one on the Tokens page.")
    check_alive(token, now)
    found = Caller(token.owner, token)
    limits.note_request(found)
    note_use(token, request, now)
    return found


BY_ID = CompiledQueryset(
    lambda key, kind: AccessToken.objects.select_related("owner").only(*LOOKED_AT).filter(token_id=key, kind=kind)[:1],
    "the id",
    "the kind",
)


def check_alive(token: AccessToken, now: datetime) -> None:
    """Raises Unauthenticated where the token was revoked, has expired or belongs to somebody who is no longer
    active."""
    if token.revoked_at is not None:
        raise Unauthenticated("This access token has been revoked. Create a new one on the Tokens page.")
    if token.expires_at is not None and token.expires_at <= now:
        raise Unauthenticated(
            f"This access token expired on {token.expires_at:%Y-%m-%d}. Create a new one on the Tokens page."
        )
    if not token.owner.is_active:
        raise Unauthenticated("The owner of this access token is no longer active here.")


def note_use(token: AccessToken, request: HttpRequest, now: datetime) -> None:
    """Records time and client, at most once a minute, so that reads cause few writes."""
    if token.last_used_at is None or token.last_used_at <= now - NOTED_EVERY:
        client = printable(request.headers.get("User-Agent", ""), 200)
        AccessToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY), pk=token.pk).update(
            last_used_at=now, last_used_by=client
        )


def _by_session(request: HttpRequest) -> Caller:
    user = request.user
    if not user.is_authenticated:
        raise Unauthenticated("Send an access token: Authorization: Bearer bh_…, or as the password of HTTP Basic.")
    if request.method not in SAFE_METHODS and (reason := _CsrfCheck().refusal(request)):
        raise Forbidden(f"A change made from the browser needs the page's CSRF token. {reason}", code="csrf_failed")
    return Caller(user)


def _presented(header: str) -> str:
    """The token's text out of an Authorization header: Bearer, or Basic with the token in either slot."""
    kind, _, value = header.partition(" ")
    value = value.strip()
    if kind.lower() == "bearer":
        found = [value]
    elif kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise Unauthenticated("The Basic credentials could not be read. Send the token as the password.") from None
        found = [password, user]
    else:
        raise Unauthenticated("Send the access token as Authorization: Bearer, or as the password of HTTP Basic.")
    for text in found:
        if SHAPE.fullmatch(text):
            return text
    raise Unauthenticated(
        "This is not an access token. One looks like bh_1a2b3c4d_… and is created on the Tokens page."
    )


def _linked(text: str) -> str:
    """A link's token as it stands in a URL. Other tokens are refused there, because URLs end up in logs and
    histories."""
    if SHAPE.fullmatch(text):
        raise Unauthenticated(
            "An access token does not belong in a URL. Send it as a header, or create a link for this dataset."
        )
    if not LINK_SHAPE.fullmatch(text):
        raise Unauthenticated(
            "This is not a link's token. One looks like bh_link_1a2b3c4d_… and is created for one dataset."
        )
    return text


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, asked as a question."""

    def __init__(self) -> None:
        super().__init__(HttpResponse)  # which is never asked for: a check answers by itself

    def refusal(self, request: HttpRequest) -> str | None:
        self.process_request(request)
        found: Any = self.process_view(request, HttpResponse, (), {})
        return found

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason
