import threading

import pytest
from django.db import connections

from connector.accounts import applications
from connector.accounts.models import Application
from connector.runtime.env import Misconfigured


@pytest.mark.parametrize(
    ("client_id", "secret", "named"), [("id", "", "LWA_CLIENT_SECRET"), ("", "secret", "LWA_CLIENT_ID")]
)
def test_half_an_application_in_the_environment_stops_the_start(settings, client_id, secret, named):
    settings.LWA_CLIENT_ID, settings.LWA_CLIENT_SECRET = client_id, secret

    with pytest.raises(Misconfigured, match=named) as problem:
        applications.check_environment()

    assert problem.value.name == named
    assert "Set both, or neither" in str(problem.value)


def test_a_whole_one_or_none_is_fine(settings):
    for pair in (("id", "secret"), ("", "")):
        settings.LWA_CLIENT_ID, settings.LWA_CLIENT_SECRET = pair
        applications.check_environment()


@pytest.mark.django_db(transaction=True)
def test_the_installations_application_is_made_once_by_many_at_once(amazon):
    barrier, found = threading.Barrier(8, timeout=60), []

    def look():
        barrier.wait()
        try:
            found.append(applications.default().pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
    assert Application.objects.count() == 1


def test_a_secret_that_cannot_be_opened_is_not_written_over(application, settings):
    before = application.client_secret
    keys, settings.FIELD_KEYS = settings.FIELD_KEYS, ["A" * 43 + "="]
    settings.LWA_CLIENT_SECRET = "newer"

    applications.default()

    settings.FIELD_KEYS = keys
    assert Application.objects.get().client_secret == before
