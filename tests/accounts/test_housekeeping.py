from datetime import timedelta

import pytest
from django.utils import timezone

from connector.accounts import connect, housekeeping, loginlinks, throttle
from connector.accounts.models import Consent, LoginAttempt, LoginLink


@pytest.mark.parametrize(("hours", "left"), [(0, 1), (0.3, 1), (23, 1), (25, 0)])
def test_a_consent_is_kept_for_a_day_after_it_ran_out(alice, application, hours, left):
    connect.begin(alice, "session", application, "seller", "US", now=timezone.now())

    housekeeping.sweep(timezone.now() + timedelta(hours=hours))

    assert Consent.objects.count() == left


def test_old_links_and_tries_go(alice):
    now = timezone.now()
    loginlinks.issue(alice, now)
    throttle.note_try("alice", "192.0.2.1", now)

    housekeeping.sweep(now + timedelta(minutes=14))
    assert (LoginLink.objects.count(), LoginAttempt.objects.count()) == (1, 1)

    housekeeping.sweep(now + timedelta(hours=49))
    assert (LoginLink.objects.count(), LoginAttempt.objects.count()) == (0, 0)
