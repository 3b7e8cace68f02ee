"""Accounts: list, read, connect by a refresh token."""

from typing import Literal

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from connector.accounts import connect
from connector.accounts.models import Account
from datasets.access.lookup import as_uuid
from datasets.problems import BadParameters, NotFound, printable
from datasets.serving.api.core import Called, Instant, Needs, Strict, utc

router = Router(tags=["accounts"])


class NewAccount(Strict):
    name: str
    kind: str = Field(description="seller or vendor")
    marketplaces: list[str] = Field(description="Amazon's country codes, the home one first")
    selling_partner_id: str | None = None
    refresh_token: str
    client_id: str | None = None
    client_secret: str | None = None


class RefusedMarketplaceAnswer(Schema):
    marketplace: str
    what: str = Field(description="the report type, or the operation of Amazon's API")
    words: str = Field(description="Amazon's own")
    since: Instant
    looked_at: Instant = Field(description="when Amazon was last asked for it; null where the next run asks")


class AccountAnswer(Schema):
    id: str
    name: str
    kind: str
    region: str
    marketplaces: list[str]
    selling_partner_id: str
    state: Literal["connected", "needs_consent"]
    message: str
    application: str
    refused_marketplaces: list[RefusedMarketplaceAnswer] = Field(
        description="those that Amazon refuses among others that load"
    )
    datasets: int
    authorized_at: Instant
    created_at: Instant


def account_json(account: Account) -> dict[str, object]:
    return {
        "id": str(account.pk),
        "name": account.name,
        "kind": account.kind,
        "region": account.region,
        "marketplaces": account.marketplaces,
        "selling_partner_id": account.selling_partner_id,
        "state": account.state,
        "message": account.message,
        "application": account.application.name,
        "refused_marketplaces": [
            {
                "marketplace": one.marketplace,
                "what": one.what,
                "words": one.words,
                "since": utc(one.since),
                "looked_at": utc(one.looked_at),
            }
            for one in account.refused_marketplaces.all()
        ],
        "datasets": account.datasets.count(),
        "authorized_at": utc(account.authorized_at),
        "created_at": utc(account.created_at),
    }


@router.get("/accounts", auth=Needs("accounts:read"), response=list[AccountAnswer])
def list_accounts(request: Called) -> list[dict[str, object]]:
    """The connected accounts. Their secrets are never shown."""
    return [account_json(account) for account in request.auth.accounts().select_related("application").order_by("name")]


@router.get("/accounts/{account_id}", auth=Needs("accounts:read"), response=AccountAnswer)
def read_account(request: Called, account_id: str) -> dict[str, object]:
    """One account, by id or name."""
    found = request.auth.accounts().select_related("application")
    key = as_uuid(account_id)
    account = found.filter(pk=key).first() if key else found.filter(name__iexact=account_id).first()
    if account is None:
        raise NotFound(f"You have no account '{printable(account_id)}'.")
    return account_json(account)


@router.post("/accounts", auth=Needs("accounts:write", has_body=True), response={201: AccountAnswer})
def create_account(request: Called, response: HttpResponse, body: NewAccount) -> Status:
    """Connects a self-authorised account by its refresh token; no browser is needed."""
    request.auth.check_unlimited()
    try:
        account = connect.paste(request.auth.user, **body.dict(), now=timezone.now())
    except connect.ConnectRefused as refused:
        raise BadParameters(list(refused.errors.items())) from None
    response["Location"] = reverse("api:read_account", args=[account.pk])
    return Status(201, account_json(account))
