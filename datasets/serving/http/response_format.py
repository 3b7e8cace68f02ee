"""How moments and addresses are written in answers."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest


def instant(at: datetime | None) -> str | None:
    """2026-11-22T06:04:11Z, or None."""
    if at is None:
        return None
    at = at.astimezone(UTC).replace(tzinfo=None)
    return at.isoformat(timespec="seconds") + "Z"


def absolute(request: HttpRequest, path: str) -> str:
    """A full address for this path: under PUBLIC_URL where the request came that way, else as the request came."""
    if request.get_host() == urlsplit(settings.PUBLIC_URL).netloc:
        return settings.PUBLIC_URL + path
    return request.build_absolute_uri(path)
