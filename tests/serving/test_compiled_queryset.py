"""Queries compiled once: they find what the queryset finds, and nothing that it would not."""

import pytest

from connector.accounts.models import User
from datasets.access import tokens
from datasets.access.compiled_queryset import CompiledQueryset
from datasets.access.lookup import find_dataset
from datasets.models import Dataset
from datasets.problems import NotFound
from tests.serving import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(alice):
    return shop.make_dataset(alice, shop.make_account(alice), "prepared")


def fields(instance):
    return {name: value for name, value in vars(instance).items() if name != "_state"}


@pytest.mark.parametrize("times", (1, 12))  # at first as it stands, later as a prepared statement
def test_a_dataset_and_its_account_are_read_as_the_models_would_read_them(mine, alice, times):
    for _ in range(times):
        found = find_dataset(tokens.Caller(alice), "prepared")

    plain = Dataset.objects.select_related("account").defer("account__refresh_token", "account__access_token")
    expected = plain.get(pk=mine.pk)
    assert fields(found.account) == fields(expected.account)
    assert fields(found) == fields(expected)


def test_each_caller_is_answered_for_itself(mine, alice, bob):
    token, _ = tokens.issue(alice, datasets=[mine])
    elsewhere, _ = tokens.issue(alice, datasets=[])
    for name in ("prepared", str(mine.uuid)):
        assert find_dataset(tokens.Caller(alice), name) == mine
        assert find_dataset(tokens.Caller(alice, token), name) == mine
        for other in (tokens.Caller(bob), tokens.Caller(alice, elsewhere), tokens.Caller(bob, token)):
            with pytest.raises(NotFound):
                find_dataset(other, name)


def test_a_rule_that_looks_at_more_than_it_is_given_fails_loudly(mine):
    def build(user, slug):
        owner = User.from_db("default", ["id"], [user])
        found = Dataset.objects.all() if owner.is_staff else Dataset.objects.of(owner)
        return found.filter(slug=slug)[:1]

    with pytest.raises(User.DoesNotExist):
        CompiledQueryset(build, -1, "a_slug").first(mine.owner_id, "prepared")
