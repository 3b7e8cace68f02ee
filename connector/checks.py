"""System checks: what is wrong with this installation's settings, and how to fix it."""

from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from connector.database.base import DatabaseWrapper
from connector.runtime.embedded.binaries import OLDEST_POSTGRES

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@register(Tags.database)
def postgres_is_new_enough(
    app_configs: object, databases: Sequence[str] | None = None, **_: object
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias in databases or ():
        try:
            connections[alias].ensure_connection()
            version = cast(DatabaseWrapper, connections[alias]).pg_version
        except DatabaseError:
            continue  # others say so
        if version < OLDEST_POSTGRES * 10000:
            found.append(
                Error(
                    f"DATABASE_URL: this is PostgreSQL {version // 10000}, and {OLDEST_POSTGRES} or newer is needed.",
                    hint="Upgrade the server, or point DATABASE_URL at a newer one.",
                    id="connector.E001",
                )
            )
    return found


@register(Tags.security, deploy=True)
def public_url_is_https(app_configs: object, **_: object) -> list[CheckMessage]:
    if settings.HTTPS or settings.PUBLIC_HOST in LOOPBACK:
        return []
    return [
        Warning(
            "PUBLIC_URL: it begins with http://, so passwords and rows are sent unencrypted, and Amazon refuses the "
            "consent redirect.",
            hint="Put a TLS proxy in front and set PUBLIC_URL to https://…",
            id="connector.W001",
        )
    ]


@register(Tags.security, deploy=True)
def public_url_is_given(app_configs: object, **_: object) -> list[CheckMessage]:
    if settings.HTTPS or settings.PUBLIC_HOST not in LOOPBACK or not settings.DATABASE_IS_GIVEN:
        return []
    return [
        Warning(
            f"PUBLIC_URL: it is {settings.PUBLIC_URL}, so only browsers on this machine can connect.",
            hint="Set PUBLIC_URL to the address that people type, like https://data.example.com.",
            id="connector.W002",
        )
    ]


@register(Tags.security, deploy=True)
def amazon_is_amazon(app_configs: object, **_: object) -> list[CheckMessage]:
    """A simulator's address left behind in a real installation."""
    hosts = [
        *settings.SPAPI_ENDPOINTS.values(),
        settings.LWA_TOKEN_URL,
        settings.SELLER_CENTRAL_URL,
        settings.VENDOR_CENTRAL_URL,
    ]
    strange = sorted({host for host in hosts if host and urlsplit(host).scheme != "https"})
    if not strange or not settings.HTTPS:
        return []
    return [
        Warning(
            f"SPAPI_ENDPOINT_*, LWA_TOKEN_URL, SELLER_CENTRAL_URL or VENDOR_CENTRAL_URL: {', '.join(strange)} is used "
            "without TLS.",
            hint="Unset them to use Amazon itself.",
            id="connector.W003",
        )
    ]
