"""The only place that builds a client which speaks to Amazon in somebody's name.

Access tokens are kept sealed with the account and shared by all workers. From 80 % of a token's life on, the first one
to need it gets a new one under the account's row lock, on a connection of its own, while the others wait for it: ten
workers make one call. What was decided there (a new token, a consent that is lost) stays, whatever the caller's
transaction does. So never ask Amazon inside a transaction that has changed the account: it would wait for itself.
"""

import time
from contextlib import contextmanager

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction
from django.db.models import F
from django.db.models.functions import Now

from connector.accounts import applications, quota
from connector.accounts.models import Account
from connector.spapi import tokens
from connector.spapi.client import Client
from connector.spapi.errors import ConsentLost, SecretRejected, SpapiError, Unreachable
from connector.spapi.marketplaces import REGIONS

OWN = "accounts-own"  # the alias of the short connections of this file
LOCK_PATIENCE = 25  # seconds; a little longer than the sign-in service is waited for
COME_BACK = 15.0


def client_for(account):
    """A client in this account's name. Marks the account or its application when Amazon turns them away, and re-raises.

    Who stands in line for Amazon's quota with others sets the client's `place`; whoever does not goes first.
    """
    applications.in_step(account.application)
    return client_with(AccessToken(account.pk), account)


def client_with(access_token, account):
    """A client with a source of tokens of its own, for an account that is not saved yet."""

    def take(call):
        call.taken = quota.take(account, call)
        return call.taken.wait

    return Client(
        settings.SPAPI_ENDPOINTS.get(account.region) or REGIONS[account.region],
        access_token,
        take,
        on_throttled=lambda call, seconds: quota.drain(account, call, seconds),
        on_answered=lambda call, rate, is_well: quota.answered(account, call, rate, is_well=is_well),
        document_hosts=settings.SPAPI_DOCUMENT_HOSTS,
    )


# Tokens


class AccessToken:
    """An account's access token; forced, another one than Amazon has just refused."""

    def __init__(self, account_id, *, asked_by_person=False):
        self._account_id = account_id
        self._asked_by_person = asked_by_person  # who may want to try again what Amazon has refused before
        self._token = None
        self._until = 0.0

    def __call__(self, force_refresh=False):
        if force_refresh:
            self._renew(refused=self._token, whatever_is_stored=self._token is None)
        elif time.monotonic() >= self._until and not self._read(DEFAULT_DB_ALIAS):
            self._renew()
        return self._token

    def _read(self, using, refused=None):
        """Takes over the stored token if it is fresh, by the database's clock, and not the one that was refused."""
        fresh = Account.objects.using(using).filter(access_fresh_until__gt=Now(), state=Account.State.CONNECTED)
        account = fresh.annotate(left=F("access_fresh_until") - Now()).filter(pk=self._account_id).first()
        if account is None or account.access_token == refused:
            return False
        self._token, self._until = account.access_token, time.monotonic() + account.left.total_seconds()
        return True

    def _renew(self, refused=None, whatever_is_stored=False):
        try:
            with own_connection(), transaction.atomic(using=OWN):
                account = self._locked()
                if not whatever_is_stored and self._read(OWN, refused):
                    return  # somebody else got it while this one waited
                self._forget(account, refused)
                failure = self._ask(account)
                if failure is None:
                    self._read(OWN)
        except OperationalError as problem:
            if not isinstance(problem.__cause__, psycopg.errors.LockNotAvailable):
                raise
            raise Unreachable(
                "Amazon's sign-in service is slow, and another worker is still waiting for it. Nothing was lost; this "
                "one tries again later.",
                wait=COME_BACK,
            ) from problem
        if failure:
            raise failure

    def _forget(self, account, refused):
        """Nobody sends a token again that Amazon has refused, also while there is no other: each try is a request of the quota."""
        self._until = 0.0
        if refused is not None:
            account.access_fresh_until = None
            account.save(using=OWN, update_fields=["access_fresh_until"])

    def _locked(self):
        accounts = Account.objects.using(OWN).select_related("application")
        account = accounts.select_for_update(of=("self",), no_key=True).filter(pk=self._account_id).first()
        if account is None:
            raise ConsentLost("The account was removed here. Nothing more is loaded with it.")
        if not self._asked_by_person and account.needs_consent:
            raise ConsentLost(account.message)
        if not self._asked_by_person and not account.application.is_ready:
            raise SecretRejected(account.application.message)
        return account

    @staticmethod
    def _ask(account):
        """Stores what Amazon's sign-in service answers; a failure is given back, so that what was noted is kept."""
        application = account.application
        try:
            found = tokens.refresh(
                application.client_id, application.client_secret, account.refresh_token, url=settings.LWA_TOKEN_URL
            )
        except ConsentLost as problem:
            account.mark_needs_consent(problem.message)
            return problem
        except SecretRejected as problem:
            application.mark_needs_secret()
            return SecretRejected(application.message, code=problem.code)
        except SpapiError as problem:
            return problem
        account.mark_answered(found.refresh_token, found.access_token, found.expires_in)
        if not application.is_ready:
            application.mark_ready()
        return None


@contextmanager
def own_connection():
    """A second connection of this thread, by its alias, for as long as the block lasts."""
    own = connections[OWN] = connections[DEFAULT_DB_ALIAS].copy(alias=OWN)
    try:
        with own.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_PATIENCE}s'")
        yield own
    finally:
        own.close()
        del connections[OWN]
