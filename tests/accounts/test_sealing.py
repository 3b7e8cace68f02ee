import base64
import os
import pickle

import pytest
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection
from django.forms import modelform_factory
from django.forms.models import model_to_dict

from connector.accounts.models import Account, Application
from connector.accounts.sealing import CannotOpen, read_keys
from connector.runtime.env import Misconfigured

CANARY = "canary-secret-4f2a"


def new_key():
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def stored(row, column="client_secret"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {row._meta.db_table} WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


def store(row, token, column="client_secret"):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {column} = %s WHERE id = %s", [token, row.pk])


@pytest.fixture
def application(alice):
    return Application.objects.create(owner=alice, name="Mine", client_id="mine", client_secret=CANARY)


@pytest.fixture
def other(bob):
    return Application.objects.create(owner=bob, name="Other", client_id="other", client_secret="another secret")


def test_a_secret_is_stored_encrypted_and_read_as_it_was(application):
    assert CANARY not in stored(application)
    assert application.client_secret == CANARY
    assert Application.objects.get(pk=application.pk).client_secret == CANARY


def test_the_same_secret_is_never_stored_the_same_way_twice(application):
    first = stored(application)

    application.client_secret = CANARY
    application.save()

    assert stored(application) != first


def test_saving_other_columns_leaves_a_sealed_secret_untouched(application):
    before = stored(application)
    again = Application.objects.get(pk=application.pk)

    again.name = "Renamed"
    again.save()

    assert stored(application) == before


def test_a_ciphertext_copied_to_another_row_does_not_open(application, other):
    store(other, stored(application))

    with pytest.raises(CannotOpen, match="does not belong to this row"):
        _ = Application.objects.get(pk=other.pk).client_secret


def test_a_ciphertext_copied_to_another_column_does_not_open(account_like):
    store(account_like, stored(account_like, "refresh_token"), "access_token")

    with pytest.raises(CannotOpen):
        _ = Account.objects.get(pk=account_like.pk).access_token


@pytest.fixture
def account_like(alice, application):
    return Account.objects.create(
        owner=alice,
        application=application,
        name="A",
        kind="seller",
        region="NA",
        marketplaces=["US"],
        refresh_token=CANARY,
        authorized_at="2026-01-01T00:00Z",
    )


@pytest.mark.parametrize("place", [20, 40, -10])
def test_an_altered_ciphertext_does_not_open(application, place):
    token = stored(application)
    other_character = "A" if token[place] != "A" else "B"
    store(application, token[:place] + other_character + token[place + 1 :])

    with pytest.raises(CannotOpen):
        _ = Application.objects.get(pk=application.pk).client_secret


def test_plain_text_in_the_database_is_not_taken_for_a_secret(application):
    store(application, "plain")

    with pytest.raises(CannotOpen, match="not a sealed secret"):
        _ = Application.objects.get(pk=application.pk).client_secret


def test_a_missing_key_is_said_and_nothing_is_written_over(application, settings):
    before = stored(application)
    settings.FIELD_KEYS = [new_key()]
    again = Application.objects.get(pk=application.pk)

    with pytest.raises(CannotOpen, match="FIELD_KEYS does not hold"):
        _ = again.client_secret
    again.name = "Renamed with the wrong key"
    again.save()

    assert stored(application) == before


def test_a_secret_cannot_be_searched_or_updated_in_bulk(application):
    with pytest.raises(TypeError):
        Application.objects.filter(client_secret=CANARY).exists()
    with pytest.raises(TypeError):
        Application.objects.update(client_secret=CANARY)


def test_nothing_but_the_attribute_shows_a_secret(application):
    fresh = Application(client_secret=CANARY, name="Unsaved", client_id="x")
    again = Application.objects.get(pk=application.pk)

    for row in (fresh, again):
        shown = [
            repr(row),
            str(row),
            repr(vars(row)),
            repr(model_to_dict(row)),
            str(modelform_factory(Application, fields="__all__")(instance=row)),
            serializers.serialize("json", [row]),
        ]
        assert not [text for text in shown if CANARY in text]
    assert CANARY not in repr(list(Application.objects.values()))
    assert CANARY not in str(Application.objects.values_list("client_secret", flat=True).get(pk=application.pk))
    assert CANARY.encode() not in pickle.dumps(again)


def test_rotation_seals_everything_with_the_newest_key(application, account_like, settings, capsys):
    new = new_key()
    settings.FIELD_KEYS = [new, *settings.FIELD_KEYS]
    assert Application.objects.get(pk=application.pk).client_secret == CANARY

    call_command("rotate_secrets")
    settings.FIELD_KEYS = [new]

    assert Application.objects.get(pk=application.pk).client_secret == CANARY
    assert Account.objects.get(pk=account_like.pk).refresh_token == CANARY
    assert "2 secrets sealed again" in capsys.readouterr().out


def test_rotation_stopped_at_any_row_leaves_all_readable_and_goes_on(alice, settings, monkeypatch):
    for number in range(5):
        Application.objects.create(owner=alice, name="", client_id=str(number), client_secret=f"{CANARY}{number}")
    new, old = new_key(), settings.FIELD_KEYS
    settings.FIELD_KEYS = [new, *old]
    from connector.accounts.management.commands import rotate_secrets

    whole = rotate_secrets.reseal
    seen = []

    def stopping(model, pk, fields):
        seen.append(pk)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return whole(model, pk, fields)

    monkeypatch.setattr(rotate_secrets, "reseal", stopping)
    with pytest.raises(KeyboardInterrupt):
        call_command("rotate_secrets")
    monkeypatch.setattr(rotate_secrets, "reseal", whole)

    for row in Application.objects.all():
        assert row.client_secret == f"{CANARY}{row.client_id}"
    call_command("rotate_secrets")
    settings.FIELD_KEYS = [new]
    for row in Application.objects.all():
        assert row.client_secret == f"{CANARY}{row.client_id}"


def test_rotation_leaves_what_it_cannot_open_and_says_so(application, other, settings):
    settings.FIELD_KEYS = [new_key()]
    lost = Application.objects.create(owner=other.owner, name="", client_id="lost", client_secret="lost")
    new = new_key()
    before = stored(application)
    settings.FIELD_KEYS = [new, *settings.FIELD_KEYS]

    with pytest.raises(CommandError, match="2 secrets could not be opened"):
        call_command("rotate_secrets")

    assert stored(application) == before
    settings.FIELD_KEYS = [new]
    assert Application.objects.get(pk=lost.pk).client_secret == "lost"


@pytest.mark.parametrize(
    ("words", "said"),
    [([], "no key is given"), (["not base64!"], "key 1 of the list is not"), (["YWJj"], "3 bytes instead of 32")],
)
def test_malformed_keys_are_told_with_the_way_to_mend_them(words, said):
    with pytest.raises(Misconfigured, match=said) as problem:
        read_keys(words)

    assert "Make one with" in str(problem.value)
    assert problem.value.name == "FIELD_KEYS"


def test_a_malformed_key_is_never_repeated_in_its_message():
    with pytest.raises(Misconfigured) as problem:
        read_keys([new_key(), "canary-key"])

    assert "canary-key" not in str(problem.value)
    assert "key 2" in str(problem.value)
