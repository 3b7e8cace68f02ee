"""The catalogue, accounts and tokens."""

from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status

from connector.accounts import connect
from connector.catalogue import index
from datasets.access import tokens
from datasets.access.lookup import as_uuid, find_dataset
from datasets.access.policies import look
from datasets.problems import BadParameters, Forbidden, NotFound, shown
from datasets.rows import controls, query
from datasets.serving.api.core import Needs
from datasets.serving.api.shapes import (
    AccountAnswer,
    FreshLink,
    FreshToken,
    NewAccount,
    NewLink,
    NewToken,
    ReportAnswer,
    TokenAnswer,
    account_json,
    token_json,
)
from datasets.serving.http.response_format import absolute

router = Router()


@router.get("/reports", auth=Needs("data:read"), response=list[ReportAnswer], tags=["reports"])
def list_reports(request):
    """Every report that a dataset can be made of, with its options and columns."""
    return [report.as_json() for report in index.REPORTS if report.offered]


# Accounts


@router.get("/accounts", auth=Needs("accounts:read"), response=list[AccountAnswer], tags=["accounts"])
def list_accounts(request):
    """The connected accounts. Their secrets are never shown."""
    return [account_json(account) for account in request.auth.accounts().select_related("application").order_by("name")]


@router.get("/accounts/{account_id}", auth=Needs("accounts:read"), response=AccountAnswer, tags=["accounts"])
def read_account(request, account_id: str):
    """One account, by id or name."""
    found = request.auth.accounts().select_related("application")
    key = as_uuid(account_id)
    account = found.filter(pk=key).first() if key else found.filter(name__iexact=account_id).first()
    if account is None:
        raise NotFound(f"You have no account '{shown(account_id)}'.")
    return account_json(account)


@router.post("/accounts", auth=Needs("accounts:write", has_body=True), response={201: AccountAnswer}, tags=["accounts"])
def create_account(request, response: HttpResponse, body: NewAccount):
    """Connects a self-authorised account by its refresh token; no browser is needed."""
    request.auth.check_unlimited()
    try:
        account = connect.paste(request.auth.user, **body.dict(), now=timezone.now())
    except connect.ConnectRefused as refused:
        raise BadParameters(list(refused.errors.items())) from None
    response["Location"] = reverse("api:read_account", args=[account.pk])
    return Status(201, account_json(account))


# Tokens


@router.get("/tokens", auth=Needs("tokens:write"), response=list[TokenAnswer], tags=["tokens"])
def list_tokens(request):
    """Your tokens, newest first, without their text."""
    return [token_json(token) for token in request.auth.tokens().prefetch_related("datasets")]


@router.post("/tokens", auth=Needs("tokens:write", has_body=True), response={201: FreshToken}, tags=["tokens"])
def create_token(request, response: HttpResponse, body: NewToken):
    """A new token, whose text is shown this once. A token cannot make one that may do more, or lives longer, than itself."""
    caller, now = request.auth, timezone.now()
    own = caller.token
    scopes = tokens.check_scopes(body.scopes if body.scopes is not None else (own.scopes if own else tokens.SCOPES))
    if own and (beyond := [scope for scope in scopes if scope not in own.scopes]):
        raise Forbidden(f"This token lacks {', '.join(beyond)}, so it cannot make one that has it.")
    datasets = None
    if body.datasets is not None:
        datasets = [_dataset(caller, name) for name in body.datasets]
    elif own and own.limited:
        datasets = list(caller.datasets())
    life = _life(caller, body.days, now)
    token, text = tokens.issue(caller.user, body.name, scopes=scopes, datasets=datasets, life=life, now=now)
    response["Cache-Control"] = "no-store"
    return Status(201, token_json(token) | {"token": text})


def _life(caller, days, now):
    life = timedelta(days=days or tokens.LIFE.days)
    own = caller.token
    return min(life, own.expires_at - now) if own and own.expires_at else life


def _dataset(caller, name):
    try:
        return find_dataset(caller, name)
    except NotFound as problem:
        raise BadParameters([("datasets", problem.detail)]) from None


@router.post(
    "/datasets/{slug}/links", auth=Needs("tokens:write", has_body=True), response={201: FreshLink}, tags=["tokens"]
)
def create_link(request, response: HttpResponse, slug: str, body: NewLink):
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


@router.delete("/tokens/{token_id}", auth=Needs("tokens:write"), response={204: None}, tags=["tokens"])
def revoke_token(request, token_id: str):
    """From now on the token opens nothing."""
    found = request.auth.tokens().filter(token_id=token_id).first() if token_id.isalnum() else None
    if found is None:
        raise NotFound(f"You have no token '{shown(token_id)}'.")
    own = request.auth.token
    if own and own.limited and not found.limited:
        raise Forbidden("This token is limited to certain datasets. Use one that is not.")
    tokens.revoke(found)
    return Status(204, None)
