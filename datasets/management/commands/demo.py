"""manage.py demo: the whole product on a simulated Amazon, with a connected account and datasets that are already
loading."""

import sys
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from connector.accounts import connect, loginlinks
from connector.accounts.models import Account, User
from connector.runtime.embedded.start_errors import StartError
from connector.runtime.installation import running, simulated
from datasets.backfill import tasks
from datasets.definition import checks, save
from datasets.definition.definition import InvalidDefinition
from datasets.definition.payload import read_payload
from datasets.models import Dataset, Run

NAME = "demo"
SELLER: dict[str, Any] = {
    "name": "Demo seller",
    "kind": "seller",
    "marketplaces": ["US", "CA", "MX"],
    "selling_partner_id": "A2DEMOSELLER01",
    "refresh_token": "Atzr|simulator-seller",
}
DAILY = {"kind": "daily", "at": "06:00"}
DATASETS = (
    {
        "name": "Orders, United States",
        "report": "order_details",
        "options": {"marketplaces": ["US"], "query_date_type": "created"},
        "start": "today-364",
        "end": "today",
        "mode": "append",
        "schedule": DAILY,
    },
    {
        "name": "Order items, United States",
        "report": "order_items",
        "options": {"marketplaces": ["US"], "query_date_type": "created"},
        "start": "today-29",
        "end": "today",
        "mode": "append",
        "schedule": DAILY,
    },
    {
        "name": "All orders, two years",
        "report": "create_and_download_report",
        "options": {
            "report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL",
            "marketplaces": ["US"],
        },
        "start": "today-729",
        "end": "today",
        "mode": "append",
        "schedule": DAILY,
    },
    {
        "name": "Marketplaces",
        "report": "marketplace_participations",
        "options": {},
        "mode": "replace",
        "schedule": DAILY,
    },
)


class Command(BaseCommand):
    help = "Runs Backhaul on a simulated Amazon, with datasets that load automatically, until Ctrl-C."
    requires_system_checks = []

    def handle(self, **options: object) -> None:
        sys.exit(
            running.run("make demo", simulator_port=simulator_port(), web_workers=1, prepare=prepare, welcome=welcome)
        )


def simulator_port() -> int:
    """manage.py chose it before settings were read."""
    return cast(int, urlsplit(settings.LWA_TOKEN_URL).port)


def prepare() -> None:
    """The demo's person, account and datasets; existing ones are left unchanged."""
    user = _person()
    simulated.claim(settings.DATA_DIR, simulator_port())
    account = Account.objects.of(user).filter(name=SELLER["name"]).first()
    if account is None:
        account = connect.paste(user, **SELLER, now=timezone.now())
    for wanted in DATASETS:
        if not Dataset.objects.of(user).filter(name=wanted["name"]).exists():
            tasks.start(_make(user, wanted | {"account": str(account.pk)}), trigger=Run.Trigger.CREATED, by=user)


def _person() -> User:
    user = User.objects.filter(username=NAME).first()
    if user is None:
        if User.objects.exists():
            raise StartError(
                "This database belongs to an installation with people of its own, and the demo would put simulated orders "
                "into it. Give the demo a folder of its own (DATA_DIR=./demo-data make demo, with DATABASE_URL unset)."
            )
        user = User(username=NAME, email="demo@example.com", is_staff=True, is_superuser=True)
        user.set_unusable_password()  # sign-in is by the one-time link
        user.save()
    return user


def _make(user: User, payload: Mapping[str, Any]) -> Dataset:
    now = timezone.now()
    try:
        definition = checks.check(read_payload(user, payload), now=now)
    except InvalidDefinition as invalid:
        raise StartError(f"The demo dataset {payload['name']!r} was refused: {invalid}") from None
    return save.define(user, definition, now=now).dataset


def welcome() -> str:
    link = settings.PUBLIC_URL + loginlinks.issue(User.objects.get(username=NAME), timezone.now())
    return "\n".join(
        [
            "",
            "  Backhaul is running, on simulated data: Amazon is a program on this machine.",
            "",
            "  Sign in with this link (it works once):",
            "",
            f"    {link}",
            "",
            f"  Address: {settings.PUBLIC_URL}    Logs: {settings.DATA_DIR / 'logs'}",
            "  Ctrl-C stops everything; the next start continues from here.",
            "",
        ]
    )
