"""Access tokens, and links that read one dataset."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from datasets.access import tokens
from datasets.access.lookup import find_dataset
from datasets.access.policies import look
from datasets.access.tokens import Caller
from datasets.models import AccessToken, Dataset
from datasets.problems import BadParameters, Forbidden, NotFound, printable
from datasets.rows import controls, query
from datasets.serving.api.core import Called, Instant, Needs, Strict, utc
from datasets.serving.http.response_format import absolute

router = Router(tags=["tokens"])


class NewToken(Strict):
    name: str = ""
    scopes: list[str] | None = Field(None, description="all that the caller has if omitted")
    datasets: list[str] | None = Field(None, description="slugs or ids; without them all that the owner may see")
    days: int | None = Field(None, ge=1, le=3650, description="how many days it is valid, 365 if omitted")


class TokenAnswer(Schema):
    id: str
    name: str
    kind: str
    scopes: list[str]
    datasets: list[str] | None = Field(description="slugs it is limited to; null for no limit")
    query: str = Field(description="what a link is fixed to")
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant
    last_used_at: Instant
    last_used_by: str


class FreshToken(TokenAnswer):
    token: str = Field(description="shown this once")


class NewLink(Strict):
    name: str = ""
    query: str = Field("", description="what the link is fixed to, as in an address: _select=a,b&_day__gte=today-30")
    days: int | None = Field(None, ge=1, le=3650, description="how many days it is valid, 365 if omitted")


class FreshLink(FreshToken):
    url: str = Field(description="the whole address")


def token_json(token: AccessToken) -> dict[str, object]:
    return {
        "id": token.token_id,
        "name": token.name,
        "kind": token.kind,
        "scopes": token.scopes,
        "datasets": [dataset.slug for dataset in token.datasets.all()] if token.limited else None,
        "query": token.link_query,
        "created_at": utc(token.created_at),
        "expires_at": utc(token.expires_at),
        "revoked_at": utc(token.revoked_at),
        "last_used_at": utc(token.last_used_at),
        "last_used_by": token.last_used_by,
    }


@router.get("/tokens", auth=Needs("tokens:write"), response=list[TokenAnswer])
def list_tokens(request: Called) -> list[dict[str, object]]:
    """Your tokens, newest first, without their text."""
    return [token_json(token) for token in request.auth.tokens().prefetch_related("datasets")]


@router.post("/tokens", auth=Needs("tokens:write", has_body=True), response={201: FreshToken})
def create_token(request: Called, response: HttpResponse, body: NewToken) -> Status:
    """A new token, whose text is shown this once. A token cannot make one that may do more, or lives longer, than itself."""
    caller, now = request.auth, timezone.now()
    own = caller.token
    scopes = tokens.check_scopes(body.scopes if body.scopes is not None else (own.scopes if own else tokens.SCOPES))
    if own and (beyond := [scope for scope in scopes if scope not in own.scopes]):
        raise Forbidden(f"This token lacks {', '.join(beyond)}, so it cannot create one that has it.")
    datasets = None
    if body.datasets is not None:
        datasets = [_dataset(caller, name) for name in body.datasets]
    elif own and own.limited:
        datasets = list(caller.datasets())
    life = _life(caller, body.days, now)
    token, text = tokens.issue(caller.user, body.name, scopes=scopes, datasets=datasets, life=life, now=now)
    response["Cache-Control"] = "no-store"
    return Status(201, token_json(token) | {"token": text})


def _life(caller: Caller, days: int | None, now: datetime) -> timedelta:
    life = timedelta(days=days or tokens.LIFE.days)
    own = caller.token
    return min(life, own.expires_at - now) if own and own.expires_at else life


def _dataset(caller: Caller, name: str) -> Dataset:
    try:
        return find_dataset(caller, name)
    except NotFound as problem:
        raise BadParameters([("datasets", problem.detail)]) from None


@router.post("/datasets/{slug}/links", auth=Needs("tokens:write", has_body=True), response={201: FreshLink})
def create_link(request: Called, response: HttpResponse, slug: str, body: NewLink) -> Status:
    """A link that reads this dataset without a header, for programs that can only take an address. Its query is fixed:
    whoever holds the link sees no other rows and columns."""
    caller, now = request.auth, timezone.now()
    if not caller.may("data:read"):
        raise Forbidden("This token lacks data:read, so it cannot make a link that reads.")
    dataset = find_dataset(caller, slug)
    fixed = body.query.removeprefix("?")
    pairs = query.pairs_of(fixed.encode().decode("latin-1"))
    seen = look(caller, dataset, now=now)
    query.parse(pairs, seen.columns, zone=seen.zone, now=now)
    token, text = tokens.issue_link(
        caller.user, dataset, body.name, fixed=urlencode(pairs), life=_life(caller, body.days, now), now=now
    )
    path = reverse("export", args=[dataset.slug, controls.formats_of(pairs)[0]])
    response["Cache-Control"] = "no-store"
    return Status(201, token_json(token) | {"token": text, "url": absolute(request, f"{path}?token={text}")})


@router.delete("/tokens/{token_id}", auth=Needs("tokens:write"), response={204: None})
def revoke_token(request: Called, token_id: str) -> Status:
    """From now on the token opens nothing."""
    found = request.auth.tokens().filter(token_id=token_id).first() if token_id.isalnum() else None
    if found is None:
        raise NotFound(f"You have no token '{printable(token_id)}'.")
    own = request.auth.token
    if own and own.limited and not found.limited:
        raise Forbidden("This token is limited to certain datasets. Use one without that limit.")
    tokens.revoke(found)
    return Status(204, None)
