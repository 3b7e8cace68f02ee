"""Reading what a person or a program entered: each reader gives a clean value, or notes a sentence under the field's name."""

import re
from typing import Any

from connector.accounts import applications
from connector.accounts.models import Account, Application, User
from connector.spapi import marketplaces as amazon

MAX_NAME = 200
MAX_SECRET = 4096  # Amazon's tokens have at most 2048
PARTNER_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_ID = re.compile(r"[\x21-\x7e]{1,255}")
SECRET = re.compile(r"[\x21-\x7e]+")


def read_name(user: User, given: object, problems: dict[str, str], but: Account | None = None) -> str:
    """A name that none of this person's other accounts has: scripts find accounts by it."""
    name = given.strip() if isinstance(given, str) else ""
    if not name:
        problems["name"] = "Enter a name for the account, for example the seller's name and region."
    elif len(name) > MAX_NAME or not name.isprintable():
        problems["name"] = f"A name has at most {MAX_NAME} characters, all of them printable."
    elif Account.objects.of(user).named(name).exclude(pk=but.pk if but else None).exists():
        problems["name"] = f"You already have an account named {name}. Choose another name."
    return name


def read_kind(given: Any, problems: dict[str, str]) -> Any:
    """seller or vendor."""
    if given not in Account.Kind.values:
        problems["kind"] = "Enter seller or vendor."
    return given


def read_countries(given: object, problems: dict[str, str], field: str = "marketplaces") -> list[str]:
    """Amazon's country codes, each once, all of one region. Amazon's answers and many people say GB for UK."""
    if not isinstance(given, list | tuple) or not given or not all(isinstance(code, str) for code in given):
        problems[field] = "Enter at least one marketplace by its country code, for example US."
        return []
    countries: list[str] = []
    unknown: list[str] = []
    for code in given:
        try:
            country = amazon.by_country(code.strip()).country
        except KeyError:
            unknown.append(code.strip()[:20])
            continue
        if country not in countries:
            countries.append(country)
    if unknown:
        known = ", ".join(place.country for place in amazon.MARKETPLACES)
        problems[field] = f"Amazon has no marketplace {', '.join(unknown)}. It has: {known}."
        return []
    regions = sorted({amazon.by_country(country).region for country in countries})
    if len(regions) > 1:
        problems[field] = (
            f"These marketplaces are in different regions ({', '.join(regions)}), and a consent at Amazon covers one "
            "region. Create one account for each region."
        )
        return []
    return countries


def read_partner_id(given: object, problems: dict[str, str]) -> str:
    """Amazon's id of the seller or vendor; empty where none is given."""
    given = given or ""
    if not isinstance(given, str) or (given.strip() and not PARTNER_ID.fullmatch(given.strip())):
        problems["selling_partner_id"] = (
            "A seller's or vendor's id has up to 64 letters and digits, for example A1B2C3D4E5F6G7. Leave it empty if "
            "you do not know it."
        )
        return ""
    return given.strip()


def read_secret(given: object, field: str, words: str, problems: dict[str, str]) -> str:
    """A token or secret without the line breaks and blanks that copying brings along at its ends."""
    secret = given.strip() if isinstance(given, str) else ""
    if not secret:
        problems[field] = f"Paste the {words}."
    elif len(secret) > MAX_SECRET or not SECRET.fullmatch(secret):
        problems[field] = f"This is not a {words}: it contains spaces or line breaks, or is too long. Copy it again."
    return secret


def read_client_id(given: object, problems: dict[str, str]) -> str:
    """The client id of an application, without the blanks that copying brings along."""
    client_id = given.strip() if isinstance(given, str) else ""
    if not CLIENT_ID.fullmatch(client_id):
        problems["client_id"] = "Enter the application's client id as shown on Amazon's developer page."
    return client_id


def read_application(
    user: User, client_id: object, client_secret: object, problems: dict[str, str]
) -> Application | None:
    """The application that goes with a client id: one already known, with a new secret perhaps, or a new one, none of it saved."""
    if not client_id and not client_secret:
        application = applications.default()
        if application is None:
            problems["client_id"] = (
                "This installation has no Amazon application of its own. Enter the client id and secret of yours, or "
                "ask the operator to set LWA_CLIENT_ID and LWA_CLIENT_SECRET."
            )
        return application
    client_id = read_client_id(client_id, problems)
    if "client_id" in problems:
        return None
    known = {found.owner_id: found for found in Application.objects.of(user).filter(client_id=client_id)}
    if not client_secret:
        application = known.get(user.pk) or known.get(None)
        if application is None:
            problems["client_secret"] = "This application is new here. Enter its client secret too."
        return application
    client_secret = read_secret(client_secret, "client_secret", "client secret", problems)
    if "client_secret" in problems:
        return None
    for application in known.values():
        if application.client_secret == client_secret:
            return application
    application = known.get(user.pk) or Application(owner=user, client_id=client_id, name=client_id[-40:])
    application.client_secret = client_secret
    return application
