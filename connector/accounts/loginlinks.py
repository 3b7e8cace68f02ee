"""One-time sign-in links: 256 bits, valid for 24 hours, stored hashed, used by pressing a button (a mail scanner only
fetches them)."""

import secrets
from datetime import datetime

from django.db import connection, transaction
from django.urls import reverse

from connector.accounts.models import LINK_LIFE, LoginLink, User, digest

FIRST_ADMIN_LOCK = 0x0BAC_0001  # any number that nothing else locks


def issue(user: User | None, now: datetime) -> str:
    """The path of a fresh link that signs this user in; without a user, one that makes the first administrator."""
    token = secrets.token_urlsafe(32)
    LoginLink.objects.create(token_hash=digest(token), user=user, created_at=now, expires_at=now + LINK_LIFE)
    return reverse("login-link" if user else "first-admin", args=[token])


def look(token: str, now: datetime) -> LoginLink | None:
    """The link, if it could still be used."""
    return LoginLink.objects.filter(token_hash=digest(token)).open(now).select_related("user").first()


def use(token: str, now: datetime) -> User | None:
    """The link's user, once; None for a link that is unknown, old or used, or whose user may not sign in."""
    link = LoginLink.objects.filter(token_hash=digest(token), user__is_active=True).use(now)
    return link.user if link else None


def nobody_is_here() -> bool:
    """No user exists yet: this installation waits for its first administrator."""
    return not User.objects.exists()


def make_first_admin(token: str, email: str, password: str, now: datetime) -> User | None:
    """The first administrator; None if the link is no longer valid or someone else was faster."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FIRST_ADMIN_LOCK])
        if not nobody_is_here() or LoginLink.objects.filter(token_hash=digest(token), user=None).use(now) is None:
            return None
        return User.objects.create_superuser(username=email, email=email, password=password)
