"""How an account is created: through Amazon's consent page, or with a pasted refresh token; and how it is renewed.

Nothing is saved unless Amazon accepted it. One exception: while Amazon cannot be reached, a pasted token is stored and
marked as not yet checked.
"""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, count
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from connector.accounts import applications, clients, sellers
from connector.accounts.input_validation import (
    PARTNER_ID,
    read_application,
    read_client_id,
    read_countries,
    read_kind,
    read_name,
    read_partner_id,
    read_secret,
)
from connector.accounts.models import CONSENT_LIFE, Account, Application, Consent, User, digest
from connector.accounts.privacy import path_of_ours
from connector.spapi import marketplaces as amazon
from connector.spapi import tokens
from connector.spapi.errors import AmazonRefused, ComeBackLater, ConsentLost, SecretRejected, SpapiError

MAX_CODE = 4096
START_AGAIN = "Nothing was saved. Start again from the Accounts page."


class ConnectRefused(Exception):
    """What was entered cannot become an account; `errors` has a sentence for each field that is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(errors.values()))
        self.errors = errors


class ConsentRefused(Exception):
    """A return from Amazon's consent page that is rejected; the message is for the user."""


# By Amazon's consent page


def begin(
    user: User,
    session_key: str,
    application: Application,
    kind: str,
    marketplace: str,
    name: str = "",
    return_to: str = "",
    account: Account | None = None,
    draft: bool = False,
    *,
    now: datetime,
) -> str:
    """The address of Amazon's consent page, with a fresh state that only this session of this user can bring back.

    `kind` is seller or vendor, `marketplace` a country code, `return_to` a path of ours; an `account` is renewed.
    Raises ConnectRefused.
    """
    problems: dict[str, str] = {}
    if not application.application_id:
        problems["application"] = (
            f"{application.name} has no application id, which Amazon's consent page requires. Add it to the "
            "application, or connect by pasting a refresh token."
        )
    elif not application.is_ready:
        problems["application"] = application.message
    home = read_countries([marketplace], problems, "marketplace")
    read_kind(kind, problems)
    if account is None and name:
        name = read_name(user, name, problems)
    if problems:
        raise ConnectRefused(problems)
    state = secrets.token_urlsafe(32)
    Consent.objects.create(
        state_hash=digest(state),
        user=user,
        session_hash=digest(session_key),
        application=application,
        account=account,
        kind=kind,
        marketplace=home[0],
        name=name,
        return_to=path_of_ours(return_to),
        created_at=now,
        expires_at=now + CONSENT_LIFE,
    )
    query = {"application_id": application.application_id, "state": state}
    if draft:
        query["version"] = "beta"
    return f"{central(kind, home[0])}/apps/authorize/consent?{urlencode(query)}"


def complete(
    user: User,
    session_key: str,
    state: str | None,
    code: str | None,
    selling_partner_id: str | None,
    *,
    now: datetime,
) -> Consent:
    """The consent with its account, new or renewed. Only the state's own row says for which application and region.

    Raises ConsentRefused where what came back is not ours, or Amazon does not take it.
    """
    if not (state and code and selling_partner_id):
        raise ConsentRefused(
            "Amazon's answer is incomplete: its state, code or seller id is missing. The address may have been "
            f"copied incompletely. {START_AGAIN}"
        )
    if not PARTNER_ID.fullmatch(selling_partner_id) or len(code) > MAX_CODE:
        raise ConsentRefused(f"Amazon's answer has an unexpected form. {START_AGAIN}")
    mine = Consent.objects.filter(state_hash=digest(state), user=user, session_hash=digest(session_key))
    consent = mine.select_related("application", "account__application", "user").use(now)
    if consent is None:
        raise ConsentRefused(f"{_why_not(user, session_key, state)} {START_AGAIN}")
    known = consent.account
    if known and known.selling_partner_id not in ("", selling_partner_id):
        raise ConsentRefused(
            f"The consent came from {selling_partner_id}, but {known.name} belongs to {known.selling_partner_id}. "
            f"The account and its datasets did not change. Sign in at Amazon as {known.selling_partner_id} and "
            "re-authorise again, or connect the other seller or vendor as a new account."
        )
    found = _exchange(consent, code)
    account = known or Account(
        owner=user,
        application=consent.application,
        kind=consent.kind,
        region=amazon.by_country(consent.marketplace).region,
        marketplaces=[consent.marketplace],
    )
    account.selling_partner_id = selling_partner_id
    seen = _look(account, found)
    note = seen.doubts(account.marketplaces)
    account.marketplaces = seen.ordered(account.marketplaces, keep_home=bool(known))
    _save(account, found, names=_names(consent.name or _suggestion(account, seen.store)), note=note, now=now)
    consent.account = account
    consent.save(update_fields=["account"])
    return consent


def _why_not(user: User, session_key: str, state: str) -> str:
    """For a user who returned with a state that is rejected. The message does not help anyone guessing states."""
    consent = Consent.objects.filter(state_hash=digest(state)).first()
    if consent is None:
        return "This return from Amazon does not belong to any connection started here."
    if consent.user_id != user.pk:
        return "This connection was started by someone else."
    if bytes(consent.session_hash) != digest(session_key):
        return "This connection was started in another browser, or before you signed in again."
    if consent.used_at:
        return "This return from Amazon has already been used; each one works only once."
    return "More than 10 minutes have passed since this connection was started."


def _exchange(consent: Consent, code: str) -> tokens.Tokens:
    application, began = consent.application, time.monotonic()
    try:
        return tokens.exchange_code(
            application.client_id, application.client_secret, code, callback_url(), url=settings.LWA_TOKEN_URL
        )
    except SecretRejected as problem:
        refusal = applications.refused(application, problem, took=time.monotonic() - began, tells_person=True)
        raise ConsentRefused(f"{refusal.message} Nothing was saved.") from problem
    except (ConsentLost, AmazonRefused) as problem:
        raise ConsentRefused(
            f"Amazon did not accept the code: it is valid for 5 minutes and works only once. {START_AGAIN}"
        ) from problem
    except ComeBackLater as problem:
        raise ConsentRefused(
            "Amazon's sign-in service did not complete the consent, because it could not be reached or is not working. "
            f"{START_AGAIN}"
        ) from problem


def callback_url() -> str:
    """The redirect address that must be registered exactly like this with the application at Amazon."""
    return settings.PUBLIC_URL + reverse("account-callback")


def central(kind: str, country: str) -> str:
    """Where sellers or vendors of this marketplace give consent."""
    place = amazon.by_country(country)
    if kind == Account.Kind.VENDOR:
        return settings.VENDOR_CENTRAL_URL or place.vendor_central
    return settings.SELLER_CENTRAL_URL or place.seller_central


def _look(account: Account, found: tokens.Tokens) -> sellers.Seen:
    """What Amazon reports about the seller, asked with a token that belongs to no account yet."""
    return sellers.look(account, clients.client_with(lambda force_refresh=False: found.access_token, account))


def _suggestion(account: Account, store: str) -> str:
    store = "".join(character for character in store if character.isprintable()).strip()
    if store:
        return f"{store[:150]} {account.region}"
    return f"{account.kind.capitalize()} {account.selling_partner_id} {account.region}"


# By a pasted refresh token


def paste(
    user: User,
    name: object,
    kind: Any,
    marketplaces: object,
    selling_partner_id: object,
    refresh_token: object,
    client_id: Any = None,
    client_secret: Any = None,
    application: Application | None = None,
    *,
    now: datetime,
) -> Account:
    """A self-authorised account, as a person or a program gives it. Raises ConnectRefused with a sentence for each
    field that is wrong."""
    problems: dict[str, str] = {}
    name = read_name(user, name, problems)
    kind = read_kind(kind, problems)
    countries = read_countries(marketplaces, problems)
    selling_partner_id = read_partner_id(selling_partner_id, problems)
    refresh_token = read_secret(refresh_token, "refresh_token", "refresh token", problems)
    if application is None:
        application = read_application(user, client_id, client_secret, problems)
    if problems or application is None:
        raise ConnectRefused(problems)
    account = Account(
        owner=user,
        application=application,
        kind=kind,
        region=amazon.by_country(countries[0]).region,
        marketplaces=countries,
        selling_partner_id=selling_partner_id,
    )
    found, note = _try(application, refresh_token)
    if found.access_token:
        note = _look(account, found).doubts(countries)
    account.application = _keep(application, checked=bool(found.access_token))
    if not _save(account, found, names=[name], note=note, now=now):
        raise ConnectRefused({"name": f"You already have an account named {name}. Choose another name."})
    return account


def replace_token(account: Account, refresh_token: object, *, now: datetime) -> None:
    """A new refresh token for a self-authorised account; the account and its datasets stay. Raises ConnectRefused."""
    problems: dict[str, str] = {}
    refresh_token = read_secret(refresh_token, "refresh_token", "refresh token", problems)
    if problems:
        raise ConnectRefused(problems)
    found, note = _try(account.application, refresh_token)
    _save(account, found, names=[account.name], note=note, now=now)


def _try(application: Application, refresh_token: str) -> tuple[tokens.Tokens, str]:
    """What Amazon gives for the token, and a note; no access token while Amazon cannot be asked."""
    began = time.monotonic()
    try:
        found = tokens.refresh(
            application.client_id, application.client_secret, refresh_token, url=settings.LWA_TOKEN_URL
        )
    except ConsentLost as problem:
        sentence = (
            "Amazon does not accept this refresh token: it is mistyped, was withdrawn, or belongs to another "
            "application. Nothing was saved. Authorise the application again in Seller or Vendor Central and paste "
            "the new token."
        )
        raise ConnectRefused({"refresh_token": sentence}) from problem
    except SecretRejected as problem:
        raise ConnectRefused(_rejected(application, problem, began)) from problem
    except AmazonRefused as problem:
        sentence = f"{problem.fact} Nothing was saved. Check the application's settings in Amazon's developer console."
        raise ConnectRefused({"refresh_token": sentence}) from problem
    except ComeBackLater:
        note = "Not checked yet: Amazon's sign-in service could not be reached. The token is checked with the first request."
        return tokens.Tokens("", refresh_token, 0), note
    return found, ""


def _save(account: Account, found: tokens.Tokens, *, names: Iterable[str], note: str, now: datetime) -> bool:
    """Stores the tokens; a new account under the first of these names that is free, or not at all."""
    others = Account.objects.of(account.owner)
    for name in names:
        if account._state.adding:
            account.name = name
            if others.named(name).exists():
                continue
        try:
            with transaction.atomic():
                account.mark_connected(found.refresh_token, found.access_token, found.expires_in, message=note, now=now)
        except IntegrityError:
            if not others.named(name).exists():
                raise
            continue  # the name was taken at the same moment
        return True
    return False


def _names(wanted: str) -> Iterator[str]:
    return chain([wanted], (f"{wanted} {number}" for number in count(2)))


# Applications


def add_application(
    user: User, name: str, client_id: object, client_secret: object, application_id: str
) -> Application:
    """Another Amazon application of this person, once Amazon takes its id and secret. Raises ConnectRefused."""
    problems: dict[str, str] = {}
    client_id = read_client_id(client_id, problems)
    client_secret = read_secret(client_secret, "client_secret", "client secret", problems)
    if not problems and Application.objects.filter(owner=user, client_id=client_id).exists():
        problems["client_id"] = "You have already added this application."
    if problems:
        raise ConnectRefused(problems)
    application = Application(
        owner=user, name=name, client_id=client_id, client_secret=client_secret, application_id=application_id
    )
    _prove(application)
    application.save()
    return application


def replace_secret(application: Application, client_secret: object) -> None:
    """A new client secret, tried before it takes the old one's place. Raises ConnectRefused."""
    problems: dict[str, str] = {}
    client_secret = read_secret(client_secret, "client_secret", "client secret", problems)
    if problems:
        raise ConnectRefused(problems)
    trial = Application(owner=application.owner, client_id=application.client_id, client_secret=client_secret)
    _prove(trial)
    application.mark_ready(client_secret)


def _keep(application: Application, *, checked: bool) -> Application:
    """Stores an application, or a new secret of one, that came with an account."""
    if application.is_stored:
        return application
    try:
        with transaction.atomic():
            if application._state.adding:
                application.save()
            elif checked:
                application.mark_ready(application.client_secret)
            else:
                sentence = (
                    "Another secret is stored for this application, and Amazon could not be reached to check the new one. "
                    "Nothing was saved. Try again later, or leave the secret out."
                )
                raise ConnectRefused({"client_secret": sentence})
    except IntegrityError:
        raise ConnectRefused({"client_id": "This application was added a moment ago. Submit the form again."}) from None
    return application


def _prove(application: Application) -> None:
    """Asks Amazon for a token of the application itself: whether it may have one or not, only a wrong secret is told so."""
    began = time.monotonic()
    try:
        tokens.client_credentials(
            application.client_id,
            application.client_secret,
            "sellingpartnerapi::notifications",
            url=settings.LWA_TOKEN_URL,
        )
    except SecretRejected as problem:
        raise ConnectRefused(_rejected(application, problem, began)) from problem
    except (ConsentLost, AmazonRefused):
        return
    except ComeBackLater as problem:
        raise ConnectRefused(
            {
                "client_secret": "Amazon's sign-in service could not be reached to check it. Nothing was saved; try again later."
            }
        ) from problem


def _rejected(application: Application, problem: SpapiError, began: float) -> dict[str, str]:
    if not application.is_stored:
        return {
            "client_secret": "Amazon does not accept this client id with this secret. Nothing was saved. Check both."
        }
    refusal = applications.refused(application, problem, took=time.monotonic() - began, tells_person=True)
    return {"client_id": f"{refusal.message} Nothing was saved."}
