"""Deletes expired data: used consents and one-time links, old sign-in attempts, ended sessions, abandoned queue
places, old refusals."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session

from connector.accounts import throttle
from connector.accounts.models import Consent, FirstLook, LoginAttempt, LoginLink, QuotaPlace

KEPT = timedelta(days=1)  # so that a user who returns late still sees why it is too late


def sweep(now: datetime) -> None:
    """Deletes them. `now` is the database's clock."""
    Consent.objects.over(now - KEPT).delete()
    LoginLink.objects.over(now - KEPT).delete()
    LoginAttempt.objects.filter(tried_at__lt=now - throttle.WHILE).delete()
    QuotaPlace.objects.filter(until__lt=(now - KEPT).timestamp()).delete()
    FirstLook.objects.filter(first_at__lt=now - KEPT).delete()
    Session.objects.filter(expire_date__lt=now).delete()
