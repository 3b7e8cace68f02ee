"""Alice's account with two marketplaces, and what a program sends to make a dataset of it."""

import json
from datetime import UTC, datetime

import pytest
from django.test import Client

from connector.accounts.models import Account, Application
from datasets.definition import checks, save
from datasets.definition.definition import Definition
from datasets.definition.payload import read_payload
from datasets.models import Dataset, Day
from tests.serving import shop

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)


def make_account(owner, name="US seller", marketplaces=("US", "CA")):
    application, _ = Application.objects.get_or_create(
        owner=owner, client_id="c", defaults={"name": "App", "client_secret": "s"}
    )
    return Account.objects.create(
        owner=owner, application=application, name=name, kind="seller", region="NA",
        marketplaces=list(marketplaces), refresh_token="r", authorized_at=NOW,
    )  # fmt: skip


@pytest.fixture
def account(alice):
    return make_account(alice)


@pytest.fixture
def payload(account):
    return {
        "name": "Orders, US",
        "account": "us seller",
        "report": "order_details",
        "options": {"query_date_type": "created"},
        "start": "today-30",
        "end": "yesterday",
        "mode": "append",
        "schedule": {"kind": "daily", "at": "06:00"},
    }


@pytest.fixture
def errors_of(alice, payload):
    """{field: [sentence]} of the payload with these changes; of a change where a dataset is given."""

    def errors_of(dataset=None, *, user=alice, **changes):
        return checks.review(proposal_of(user, payload, dataset, changes), dataset=dataset, now=NOW).errors

    return errors_of


@pytest.fixture
def make(alice, payload):
    """A dataset of the payload with these changes; where `filled`, with a day that is in."""

    def make(*, filled=False, **changes):
        definition = checks.check(proposal_of(alice, payload, None, changes), now=NOW)
        dataset = save.define(alice, definition, now=NOW).dataset
        return fill(dataset) if filled else dataset

    return make


@pytest.fixture
def change(alice):
    """Changes a dataset as a program does; raises InvalidDefinition."""

    def change(dataset, *, now=NOW, **changes):
        proposal = proposal_of(alice, {}, dataset, changes)
        return save.change(dataset, checks.check(proposal, dataset=dataset, now=now), now=now)

    return change


def proposal_of(user, payload, dataset, changes):
    return read_payload(user, changes, Definition.of(dataset)) if dataset else read_payload(user, payload | changes)


def fill(dataset):
    Dataset.objects.filter(pk=dataset.pk).update(version=1, rows=3)
    Day.objects.create(dataset=dataset, generation=1, day=NOW.date(), state="landed", rows=3)
    dataset.refresh_from_db()
    return dataset


class Api:
    """A program with a token of its user's."""

    def __init__(self, user):
        self.client, self.headers = Client(), {"Authorization": f"Bearer {shop.token_for(user)}"}

    def send(self, method, path, body):
        call = getattr(self.client, method)
        return call(f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=self.headers)


@pytest.fixture
def api(alice):
    return Api(alice)


@pytest.fixture
def page(client, alice):
    """Alice's browser without JavaScript."""
    client.force_login(alice)
    return client
