"""Who calls the API and what they may do: access tokens, or the session of the browser that is signed in.

A token is `bh_<8 id>_<43 secret>`. Only its SHA-256 is kept (256 random bits need no slow hash), so it is shown once.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from connector.accounts.models import Account
from datasets.access import limits
from datasets.access.compiled_queryset import CompiledQueryset
from datasets.models import AccessToken, Dataset
from datasets.problems import BadParameters, Forbidden, Unauthenticated, nearest, shown
from datasets.rows import controls, query

SCOPES = {
    "data:read": "read datasets, their rows, runs and days",
    "datasets:write": "create, change and delete datasets",
    "runs:write": "start, cancel and reload",
    "accounts:read": "see the connected accounts, never their secrets",
    "accounts:write": "connect accounts",
    "tokens:write": "make and revoke tokens that may do no more than this one",
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


def issue(owner, name="", *, scopes=None, datasets=None, life=LIFE, now=None):
    """A new token's row and its text, which nobody can show again. `datasets`: only these; None: all that the owner may see."""
    now = now or timezone.now()
    scopes = check_scopes(SCOPES if scopes is None else scopes)
    name = name.strip() or f"Token of {now:%Y-%m-%d %H:%M}"
    return _make(owner, name, AccessToken.Kind.API, scopes, datasets, life, now)


def issue_link(owner, dataset, name="", *, fixed="", life=LIFE, now=None):
    """A token that may stand in a URL as `?token=`: it reads this one dataset, and of that only what `fixed` leaves.

    Raises BadParameters where `fixed` says how files are written in a way that no format has.
    """
    controls.check_link(query.pairs_of(fixed))
    now = now or timezone.now()
    name = name.strip() or f"Link of {now:%Y-%m-%d %H:%M}"
    return _make(owner, name, AccessToken.Kind.LINK, ["data:read"], [dataset], life, now, fixed)


def _make(owner, name, kind, scopes, datasets, life, now, fixed=""):
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


def revoke(token, now=None):
    """From this moment on the token opens nothing."""
    AccessToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now or timezone.now())


def check_scopes(scopes):
    """The scopes in the house's order, each once; raises BadParameters for one that does not exist."""
    wrong = [
        ("scopes", f"There is no scope '{shown(scope)}'.{nearest(str(scope), SCOPES)} There are: {', '.join(SCOPES)}.")
        for scope in scopes
        if scope not in SCOPES
    ]
    if wrong:
        raise BadParameters(wrong)
    return [scope for scope in SCOPES if scope in scopes]


@dataclass(frozen=True)
class Caller:
    """Who asks: a person through a token, or through the browser's session (token None)."""

    user: object
    token: AccessToken | None = None

    @property
    def key(self):
        """Names the caller where limits are counted."""
        return f"token {self.token.pk}" if self.token else f"user {self.user.pk}"

    @property
    def fixed(self):
        """What a link is fixed to, as a raw query string; nothing for everybody else."""
        return self.token.link_query if self.token else ""

    @property
    def defaults(self):
        """How a link writes files where the address does not say otherwise: (name, value) of its parameters."""
        return query.pairs_of(self.fixed) if self.fixed else ()

    def may(self, scope):
        return self.token is None or scope in self.token.scopes

    def datasets(self):
        """What the caller may know of; the rest is as if it did not exist."""
        found = Dataset.objects.of(self.user)
        if self.token is not None and self.token.limited:
            found = found.filter(pk__in=self.token.datasets.values("pk"))
        return found

    def accounts(self):
        if self.token is not None and self.token.limited:
            return Account.objects.none()  # a token for some datasets says nothing of the accounts behind them
        return Account.objects.of(self.user)

    def tokens(self):
        return AccessToken.objects.filter(owner=self.user)

    def check_unlimited(self):
        """For what concerns more than the datasets that a limited token names."""
        if self.token is not None and self.token.limited:
            raise Forbidden("This token is limited to certain datasets. Use one that is not.")


def caller(request, scope, *, link=None, now=None):
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
                found = _by_token(_linked(link), AccessToken.Kind.LINK, LINK_SHAPE, request, now)
        except Unauthenticated:
            limits.note_wrong_token(request)
            raise
    else:
        found = _by_session(request)
    if not found.may(scope):
        raise Forbidden(f"This token lacks the scope {scope} ({SCOPES[scope]}). Make one that has it.")
    return found


def reader(request):
    """The Caller who reads rows, and the parameters without the link's token where one is given."""
    pairs = query.pairs_of(request.META.get("QUERY_STRING", ""))
    links = [value for name, value in pairs if name == "token"]
    if len(links) > 1:
        raise BadParameters([("token", "token is given more than once.")])
    found = caller(request, "data:read", link=links[0] if links else None)
    return found, [(name, value) for name, value in pairs if name != "token"] if links else pairs


def presented_caller(request, secret=None, now=None):
    """The Caller behind an access token that came as a client's secret, in the header or apart from it, and the token's text."""
    header = request.headers.get("Authorization", "")
    try:
        text = _presented(header) if header or not secret else secret
        if not SHAPE.fullmatch(text):
            raise Unauthenticated("The client's secret is not an access token. Make one on the Tokens page.")
        return _by_token(text, AccessToken.Kind.API, SHAPE, request, now or timezone.now()), text
    except Unauthenticated:
        limits.note_wrong_token(request)
        raise


def _by_token(text, kind, shape, request, now):
    token = BY_ID.first(shape.fullmatch(text)[1], kind)
    if token is None or not hmac.compare_digest(bytes(token.secret_hash), _hash(text)):
        raise Unauthenticated("This access token is not known here. Make a new one on the Tokens page.")
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


def check_alive(token, now):
    if token.revoked_at is not None:
        raise Unauthenticated("This access token has been revoked. Make a new one on the Tokens page.")
    if token.expires_at is not None and token.expires_at <= now:
        raise Unauthenticated(
            f"This access token expired on {token.expires_at:%Y-%m-%d}. Make a new one on the Tokens page."
        )
    if not token.owner.is_active:
        raise Unauthenticated("The person this access token belongs to is no longer active here.")


def note_use(token, request, now):
    """Remembers when and by what program, once a minute at the most: reading must not become writing."""
    if token.last_used_at is None or token.last_used_at <= now - NOTED_EVERY:
        client = shown(request.headers.get("User-Agent", ""), 200)
        AccessToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY), pk=token.pk).update(
            last_used_at=now, last_used_by=client
        )


def _by_session(request):
    user = request.user
    if not user.is_authenticated:
        raise Unauthenticated("Send an access token: Authorization: Bearer bh_…, or as the password of HTTP Basic.")
    if request.method not in SAFE_METHODS and (reason := _CsrfCheck().refusal(request)):
        raise Forbidden(f"A change from the browser needs the page's CSRF token. {reason}", code="csrf_failed")
    return Caller(user)


def _presented(header):
    """The token's text out of an Authorization header: Bearer, or Basic with the token in either slot."""
    kind, _, value = header.partition(" ")
    value = value.strip()
    if kind.lower() == "bearer":
        found = [value]
    elif kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise Unauthenticated("The Basic credentials cannot be read. Send the token as the password.") from None
        found = [password, user]
    else:
        raise Unauthenticated("Send the access token as Authorization: Bearer, or as the password of HTTP Basic.")
    for text in found:
        if SHAPE.fullmatch(text):
            return text
    raise Unauthenticated("This is not an access token. One looks like bh_1a2b3c4d_… and is made on the Tokens page.")


def _linked(text):
    """A link's token as it stands in a URL. Any other token has no business there: URLs end up in logs and histories."""
    if SHAPE.fullmatch(text):
        raise Unauthenticated(
            "An access token does not belong in a URL. Send it as a header, or make a link for this dataset."
        )
    if not LINK_SHAPE.fullmatch(text):
        raise Unauthenticated(
            "This is not a link's token. One looks like bh_link_1a2b3c4d_… and is made for one dataset."
        )
    return text


def _hash(text):
    return hashlib.sha256(text.encode()).digest()


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, asked as a question."""

    def __init__(self):
        super().__init__(lambda request: None)

    def refusal(self, request):
        self.process_request(request)
        return self.process_view(request, None, (), {})

    def _reject(self, request, reason):
        return reason
