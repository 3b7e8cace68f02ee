"""The Columns tab shows what the kept profile says, and what it was made from."""

from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from datasets.models import ColumnProfile
from datasets.profiles import tasks

pytestmark = pytest.mark.django_db


def text(response):
    return " ".join(unescape(response.content.decode()).split())


@pytest.fixture
def profile(dataset):
    columns = [
        {
            "name": "order_status",
            "filled": 999,
            "distinct": 2,
            "smallest": "Pending",
            "largest": "Shipped",
            "frequent": [["Shipped", 990], ["Pending", 9]],
        },
    ]
    return ColumnProfile.objects.create(
        dataset=dataset,
        version=dataset.version,
        rows=1000,
        rows_total=5000,
        first_day="2026-11-20",
        last_day="2026-11-27",
        columns=columns,
        made_at=timezone.now() - timedelta(minutes=5),
    )


def test_what_was_counted_and_over_which_rows(page, dataset, profile):
    shown = text(page.get(f"/datasets/{dataset.slug}/columns"))

    assert "Counted over 1,000 of 5,000 rows, those of 20 Nov 2026 to 27 Nov 2026" in shown
    assert "99.9 %" in shown and "Shipped" in shown and "(990)" in shown
    assert "<button>Refresh the profile</button>" in shown
    assert "rows have changed since" not in shown


def test_an_old_profile_says_so(page, dataset, profile):
    ColumnProfile.objects.update(version=profile.version - 1)

    assert "rows have changed since" in text(page.get(f"/datasets/{dataset.slug}/columns"))


def test_without_a_profile_the_columns_are_listed(page, dataset):
    shown = text(page.get(f"/datasets/{dataset.slug}/columns"))

    assert "These columns have no profile yet" in shown
    assert "date and time (UTC)" in shown
    assert "<button>Make the profile</button>" in shown  # there is none yet to refresh


def test_a_worker_makes_it_anew_when_asked(page, dataset, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.profile, "apply_async", lambda **told: sent.append(told))

    page.post(f"/datasets/{dataset.slug}/columns")

    assert sent == [{"kwargs": {"dataset_id": dataset.pk}, "countdown": None, "queue": "interactive"}]


def test_a_strangers_columns_do_not_exist(client, bob, dataset):
    client.force_login(bob)

    assert client.get(f"/datasets/{dataset.slug}/columns").status_code == 404
    assert client.post(f"/datasets/{dataset.slug}/columns").status_code == 404
