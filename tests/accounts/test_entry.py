"""Signing in and out, one-time links, and the first administrator."""

import re
import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connector.accounts import loginlinks, throttle
from connector.accounts.models import LoginAttempt, LoginLink, User

PASSWORD = "alice's long password"


@pytest.fixture(autouse=True)
def landing(settings):
    """Where people land after signing in is another room's affair."""
    settings.LOGIN_REDIRECT_URL = "accounts"


def sign_in(client, username="alice", password=PASSWORD, **more):
    address = more.pop("address", "192.0.2.1")
    return client.post(reverse("login"), {"username": username, "password": password} | more, REMOTE_ADDR=address)


def signed_in(client):
    return "_auth_user_id" in client.session


# With a password


@pytest.mark.parametrize("name", ["alice", "alice@example.com", "ALICE@Example.com", " alice "])
def test_people_sign_in_by_name_or_email(client, alice, name):
    assert sign_in(client, name).status_code == 302
    assert signed_in(client)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("alice\x00", PASSWORD),
        ("", ""),
        ("a" * 300, "x"),
    ],
)
def test_others_do_not(client, alice, name, password):
    response = sign_in(client, name, password)

    assert response.status_code == 200
    assert not signed_in(client)
    assert not password or f'value="{password}"' not in response.content.decode()


def test_a_wrong_name_and_a_wrong_password_look_the_same(client, alice):
    def page(name):
        return re.sub(r"csrfmiddlewaretoken.*?>|value=\"[^\"]*\"", "", sign_in(client, name, "wrong").content.decode())

    assert page("alice") == page("nobody")


def test_somebody_who_was_let_go_does_not_get_in(client, alice):
    User.objects.update(is_active=False)

    sign_in(client)

    assert not signed_in(client)


def test_a_person_goes_on_to_where_they_wanted_but_never_elsewhere(client, alice):
    assert sign_in(client, next="/datasets/orders?x=1")["Location"] == "/datasets/orders?x=1"
    for hostile in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert "evil" not in sign_in(Client(), next=hostile)["Location"]


def test_signing_in_gives_a_new_session(client, alice, settings):
    session = client.session
    session["before"] = True
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

    sign_in(client)

    assert client.cookies[settings.SESSION_COOKIE_NAME].value != session.session_key


def test_signing_out_takes_a_button_not_a_link(client, alice):
    client.force_login(alice)

    assert client.get(reverse("logout")).status_code == 405
    assert signed_in(client)
    assert client.post(reverse("logout")).status_code == 302
    assert not signed_in(client)


def test_forms_from_elsewhere_are_refused(alice):
    client = Client(enforce_csrf_checks=True)

    for name, arguments in (("login", []), ("login-link", ["x"]), ("first-admin", ["x"]), ("logout", [])):
        assert client.post(reverse(name, args=arguments)).status_code == 403


def test_an_empty_installation_says_how_to_get_in(client, db):
    assert "has no user" in client.get(reverse("login")).content.decode()


# How often


def test_the_sixth_try_has_to_wait_even_with_the_right_password(client, alice):
    for _ in range(5):
        assert sign_in(client, password="wrong").status_code == 200

    response = sign_in(client)

    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 901
    assert "The account is not locked" in response.content.decode()
    assert not signed_in(client)


def test_guessing_from_elsewhere_does_not_lock_a_person_out(client, alice):
    for _ in range(20):
        sign_in(client, password="wrong", address="203.0.113.9")

    assert sign_in(client, address="192.0.2.1").status_code == 302


def test_guessing_many_names_from_one_address_has_to_wait(client, alice):
    for number in range(throttle.TRIES_BY_ADDRESS):
        throttle.note_try(f"name{number}", "192.0.2.1", timezone.now())

    assert sign_in(client).status_code == 429


def test_a_success_starts_the_count_again(client, alice):
    for _ in range(4):
        sign_in(client, password="wrong")
    sign_in(client)

    for _ in range(5):
        assert sign_in(Client(), password="wrong").status_code == 200


def test_after_a_quarter_of_an_hour_one_may_try_again(db):
    now = timezone.now()
    for second in range(5):
        throttle.note_try("alice", "192.0.2.1", now + timedelta(seconds=second))
    for minute in range(1, 14):
        with pytest.raises(throttle.TooManyTries):
            throttle.note_try("Alice ", "192.0.2.1", now + timedelta(minutes=minute))

    throttle.note_try("alice", "192.0.2.1", now + timedelta(minutes=15, seconds=1))


def test_what_was_typed_as_a_name_is_not_kept(client, db):
    sign_in(client, "my password in the wrong field")

    assert b"wrong field" not in bytes(LoginAttempt.objects.get().name_hash)


@pytest.mark.django_db(transaction=True)
def test_of_many_simultaneous_tries_only_five_are_checked(alice):
    barrier, codes = threading.Barrier(20, timeout=60), []

    def attempt():
        barrier.wait()
        try:
            codes.append(sign_in(Client(), password="wrong").status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [200] * 5 + [429] * 15


# One-time links


def test_a_link_signs_in_once_by_its_button(client, alice):
    path = loginlinks.issue(alice, timezone.now())

    for _ in range(3):  # a mail scanner looks, and looks again
        page = client.get(path)
        assert page.status_code == 200
        assert not signed_in(client)
    assert client.post(path).status_code == 302
    assert signed_in(client)

    again = Client()
    assert again.post(path).status_code == 400
    assert again.get(path).status_code == 400
    assert not signed_in(again)


def test_a_link_leads_on_to_a_page_of_ours(client, alice):
    path = loginlinks.issue(alice, timezone.now())

    assert client.post(path, {"next": "/datasets/orders"})["Location"] == "/datasets/orders"


def test_a_link_is_stored_hashed_and_never_the_same(alice):
    paths = {loginlinks.issue(alice, timezone.now()) for _ in range(50)}

    tokens = {path.rsplit("/", 1)[1] for path in paths}
    assert len(tokens) == 50
    assert min(len(token) for token in tokens) >= 43
    kept = b"".join(bytes(link.token_hash) for link in LoginLink.objects.all())
    assert not [token for token in tokens if token.encode() in kept]


def test_a_link_runs_out_after_a_day(client, alice):
    path = loginlinks.issue(alice, timezone.now() - timedelta(hours=24, seconds=1))

    assert client.get(path).status_code == 400
    assert client.post(path).status_code == 400
    assert not signed_in(client)


def test_a_link_of_somebody_who_was_let_go_is_dead(client, alice):
    path = loginlinks.issue(alice, timezone.now())
    User.objects.update(is_active=False)

    assert client.get(path).status_code == 400
    assert client.post(path).status_code == 400


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "ü", "../login"])
def test_an_invented_link_opens_nothing(client, alice, token):
    for name in ("login-link", "first-admin"):
        path = reverse(name, args=["token"]).replace("token", token)
        assert client.get(path).status_code in (400, 404)
        assert client.post(path).status_code in (400, 404)
    assert not signed_in(client)


def test_links_are_kept_private(client, alice):
    page = client.get(loginlinks.issue(alice, timezone.now()))

    assert page["Cache-Control"] == "no-store"
    assert page["Referrer-Policy"] == "strict-origin"  # with no-referrer, browsers would send its button as a forgery


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_uses_of_a_link_one_gets_in(alice):
    path = loginlinks.issue(alice, timezone.now())
    barrier, codes = threading.Barrier(10, timeout=60), []

    def use():
        barrier.wait()
        try:
            codes.append(Client().post(path).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [302] + [400] * 9


# The first administrator


ADMIN = {"email": "Admin@example.com", "password": "a long pass phrase", "again": "a long pass phrase"}


def test_the_first_link_makes_the_first_administrator(client, db):
    path = loginlinks.issue(None, timezone.now())
    assert client.get(path).status_code == 200

    response = client.post(path, ADMIN)

    admin = User.objects.get()
    assert response["Location"] == reverse("accounts")
    assert admin.is_superuser
    assert admin.check_password(ADMIN["password"])
    assert signed_in(client)
    again = Client()
    assert sign_in(again, "admin@example.com", ADMIN["password"]).status_code == 302


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", ""),
        ("password", "short"),
        ("password", "123456789012"),
        ("password", "admin@example.com"),
        ("password", ""),
        ("again", "another pass phrase"),
        ("again", ""),
    ],
)
def test_a_weak_or_mistyped_administrator_is_refused_and_the_link_stays_good(client, db, field, value):
    path = loginlinks.issue(None, timezone.now())
    wish = ADMIN | {field: value}
    if field == "password":
        wish["again"] = value

    response = client.post(path, wish)

    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert not User.objects.exists()
    assert field == "email" or f'value="{value}"' not in response.content.decode()
    assert client.post(path, ADMIN).status_code == 302


def test_with_a_user_there_is_no_first_administrator(client, alice):
    path = loginlinks.issue(None, timezone.now())

    assert client.get(path).status_code == 400
    assert client.post(path, ADMIN).status_code == 400
    assert User.objects.count() == 1


def test_a_link_for_a_person_makes_no_administrator_and_the_reverse(client, alice):
    token = loginlinks.issue(alice, timezone.now()).rsplit("/", 1)[1]
    User.objects.exclude(pk=alice.pk).delete()

    assert client.post(reverse("first-admin", args=[token]), ADMIN).status_code == 400
    first = loginlinks.issue(None, timezone.now()).rsplit("/", 1)[1]
    assert client.post(reverse("login-link", args=[first])).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_two_first_administrators_at_once_become_one():
    paths = [loginlinks.issue(None, timezone.now()) for _ in range(4)]
    barrier, codes = threading.Barrier(4, timeout=60), []

    def become(number):
        barrier.wait()
        try:
            codes.append(Client().post(paths[number], ADMIN | {"email": f"admin{number}@example.com"}).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=become, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [302, 400, 400, 400]
    assert User.objects.count() == 1
