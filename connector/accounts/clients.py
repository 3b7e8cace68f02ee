"""The only place that builds a client for calls to Amazon on behalf of an account.

Access tokens are kept sealed with the account and shared by all workers. From 80 % of a token's life on, the first one
to need it gets a new one under the account's row lock, on a connection of its own, while the others wait for it: ten
workers make one call. What was decided there (a new token, a consent that is lost) stays, whatever the caller's
transaction does. So never ask Amazon inside a transaction that has changed the account: it would wait for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F
from django.db.models.functions import Now

from connector.accounts import applications, clocks, endpoints, error_texts, looks, quota
from connector.accounts.models import Account
from connector.spapi import tokens
from connector.spapi.client import Answer, Call, Client
from connector.spapi.errors import (
    AccessDenied,
    ConsentLost,
    Doubted,
    SecretRejected,
    SignInRefused,
    SpapiError,
    Unreachable,
)

OWN = "accounts-own"  # the alias of the short connections of this file
LOCK_TIMEOUT = 25  # seconds; a little longer than the sign-in service is waited for
COME_BACK = 15.0


class PatientClient(Client):
    """A client for work that can wait: nothing is forbidden to its account before Amazon has said so twice (`looks`)."""

    account: Account

    def call(
        self,
        name: str,
        path: Mapping[str, object] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """As `Client.call`; Doubted where Amazon refuses for the first time, or the second look is not due yet."""
        subject = looks.of_call(self.account, name, query or {}, body or {})
        is_second = looks.ready(subject)
        began = time.monotonic()
        try:
            answer = super().call(name, path, query, body)
        except SignInRefused:
            raise  # the access token has judged that
        except AccessDenied as problem:
            looks.judge(subject, problem, took=time.monotonic() - began)
            raise
        if is_second:
            looks.clear(subject)
        return answer


def client_for(account: Account) -> PatientClient:
    """A client in this account's name, for work that can wait.

    Marks the account or its application when Amazon refuses them a second time, and re-raises; the first time, and
    while the second look is not due, it raises Doubted. Who stands in line for Amazon's quota with others sets the
    client's `place`; whoever does not goes first.
    """
    applications.in_step(account.application)
    client = cast(PatientClient, client_with(TokenSource(account.pk), account, of=PatientClient))
    client.account = account
    return client


def client_with(access_token: Callable[..., str], account: Account, of: type[Client] = Client) -> Client:
    """A client with a source of tokens of its own, for an account that is not saved yet, or for a person who waits
    for the answer.

    `access_token(force_refresh=…)` gives the token. A refusal of Amazon's is raised at the first look.
    """

    meter = clocks.Meter(account.region)

    def take(call: Call) -> float:
        call.taken = quota.take(account, call)
        call.taken_at = time.monotonic()
        return call.taken.wait

    def date(call: Call, date: str, sent: float, received: float) -> None:
        meter.heard(date, sent=sent, received=received, taken_at=call.taken_at, database_at=call.taken.at)

    return of(
        endpoints.of_region(account.region),
        access_token,
        take,
        on_throttled=lambda call, seconds: quota.drain(account, call, seconds),
        on_answered=lambda call, rate, is_well: quota.answered(account, call, rate, is_well=is_well),
        on_date=date,
        document_hosts=settings.SPAPI_DOCUMENT_HOSTS,
    )


# Tokens


class TokenSource:
    """An account's access token; forced, another one than Amazon has just refused."""

    def __init__(self, account_id: UUID, *, asked_by_person: bool = False) -> None:
        self._account_id = account_id
        self._asked_by_person = asked_by_person  # who wants an answer now, also to what Amazon has refused before
        self._token: str | None = None
        self._until = 0.0

    def __call__(self, force_refresh: bool = False) -> str:
        if force_refresh:
            self._renew(refused=self._token, whatever_is_stored=self._token is None)
        elif time.monotonic() >= self._until and not self._read(DEFAULT_DB_ALIAS):
            self._renew()
        return cast(str, self._token)  # which has been read by now, or _renew has raised

    def _read(self, using: str, refused: str | None = None) -> bool:
        """Takes over the stored token if it is fresh, by the database's clock, and not the one that was refused."""
        fresh = Account.objects.using(using).filter(access_fresh_until__gt=Now(), state=Account.State.CONNECTED)
        account = fresh.annotate(left=F("access_fresh_until") - Now()).filter(pk=self._account_id).first()
        if account is None or account.access_token == refused:
            return False
        self._token, self._until = account.access_token, time.monotonic() + account.left.total_seconds()
        return True

    def _renew(self, refused: str | None = None, whatever_is_stored: bool = False) -> None:
        try:
            with own_connection(), transaction.atomic(using=OWN):
                account = self._locked()
                if not whatever_is_stored and self._read(OWN, refused):
                    return  # another worker got it while this one waited
                self._forget(account, refused)
                failure = self._not_yet(account) or self._ask(account)
                if failure is None:
                    self._read(OWN)
        except OperationalError as problem:
            if not isinstance(problem.__cause__, psycopg.errors.LockNotAvailable):
                raise
            raise Unreachable(
                "Amazon's sign-in service is slow, and another worker is still waiting for it. Nothing was lost; this "
                "worker tries again later.",
                wait=COME_BACK,
            ) from problem
        if failure:
            raise failure

    def _forget(self, account: Account, refused: str | None) -> None:
        """Nobody sends a token again that Amazon has refused, also while there is no other: each try is a request of the quota."""
        self._until = 0.0
        if refused is not None:
            account.access_fresh_until = None
            account.save(using=OWN, update_fields=["access_fresh_until"])

    def _locked(self) -> Account:
        accounts = Account.objects.using(OWN).select_related("application")
        account = accounts.select_for_update(of=("self",), no_key=True).filter(pk=self._account_id).first()
        if account is None:
            raise ConsentLost("The account was removed here. Nothing more is loaded for it.")
        if not self._asked_by_person and account.needs_consent:
            raise ConsentLost(account.message)
        if not self._asked_by_person and not account.application.is_ready:
            raise SecretRejected(account.application.message)
        return account

    def _not_yet(self, account: Account) -> SpapiError | None:
        """Doubted while a refusal waits for its second look: no worker asks Amazon before it is due."""
        try:
            if not self._asked_by_person:
                for subject in self._subjects(account):
                    looks.ready(subject)
        except Doubted as doubted:
            return doubted
        return None

    @staticmethod
    def _subjects(account: Account) -> tuple[str, str, str]:
        return looks.of_consent(account), looks.of_secret(account.application), looks.of_sign_in(account)

    def _ask(self, account: Account) -> SpapiError | None:
        """Stores what Amazon's sign-in service answers; a failure is given back, so that what was noted is kept."""
        began = time.monotonic()
        failure = self._exchange(account)
        if failure is None:
            looks.clear(*self._subjects(account))
            return None
        return self._judge(account, failure, took=time.monotonic() - began)

    @staticmethod
    def _exchange(account: Account) -> SpapiError | None:
        """Asks; a new token is stored, a failure given back."""
        application = account.application
        try:
            found = tokens.refresh(
                application.client_id, application.client_secret, account.refresh_token, url=settings.LWA_TOKEN_URL
            )
        except SpapiError as problem:
            return problem
        account.mark_answered(found.refresh_token, found.access_token, found.expires_in)
        if not application.is_ready:
            application.mark_ready()
        return None

    def _judge(self, account: Account, failure: SpapiError, took: float) -> SpapiError:
        """What is final of a refusal, and what waits for a second look. A user's own check is final for the user's
        account; an application may be shared by many."""
        by_person = self._asked_by_person
        if isinstance(failure, SecretRejected):
            return applications.refused(account.application, failure, took=took, tells_person=by_person)
        try:
            if isinstance(failure, ConsentLost):
                looks.judge(looks.of_consent(account), failure, took=took, is_final=by_person or account.needs_consent)
                account.mark_needs_consent(error_texts.words(failure))
                return ConsentLost(account.message, **failure.facts)
            if isinstance(failure, SignInRefused):
                looks.judge(looks.of_sign_in(account), failure, took=took, is_final=by_person)
        except Doubted as doubted:
            return doubted
        return failure


@contextmanager
def own_connection() -> Iterator[BaseDatabaseWrapper]:
    """A second connection of this thread, by its alias, for as long as the block lasts."""
    own = connections[OWN] = connections[DEFAULT_DB_ALIAS].copy(alias=OWN)
    try:
        with own.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
        yield own
    finally:
        own.close()
        del connections[OWN]
