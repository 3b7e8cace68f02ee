"""Applications, accounts, consent and people: who may speak to Amazon for whom. Only this file changes a state."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.http import HttpRequest
from django.urls import reverse

from connector.accounts import looks
from connector.accounts.sealing import Fresh, SealedField, tail
from connector.spapi import marketplaces
from connector.spapi.marketplaces import Marketplace

CONSENT_LIFE = timedelta(minutes=10)
LINK_LIFE = timedelta(hours=24)
LOOK_AGAIN = timedelta(days=1)  # after which a refused marketplace is asked for once more
FRESH = 0.8  # of an access token's life; from then on the next caller gets a new one


def digest(secret: str) -> bytes:
    """What is stored of a random secret that travels through a browser."""
    return hashlib.sha256(secret.encode()).digest()


class User(AbstractUser):
    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email", condition=~Q(email=""))]


class SignedInRequest(HttpRequest):
    """What a view behind `login_required` is given."""

    user: User


class OneTimeQuerySet(models.QuerySet):
    """Rows that may be used once, before they expire."""

    def open(self, now: datetime) -> Self:
        """Those that can still be used."""
        return self.filter(used_at=None, expires_at__gt=now)

    def use(self, now: datetime) -> Any:
        """Marks the one open row of this queryset as used; of several callers at the same moment, one gets it, the others None.

        The update names the row's own columns only: with a join it would become a subquery, which PostgreSQL does not
        look at again after waiting for the other caller.
        """
        row: Any = self.open(now).first()
        if row is None or not self.model._base_manager.filter(pk=row.pk, used_at=None).update(used_at=now):
            return None
        return row

    def over(self, now: datetime) -> Self:
        """Past any use."""
        return self.filter(expires_at__lte=now)


class LoginLink(models.Model):
    """A one-time way in; without a user it opens the page that makes the first administrator."""

    token_hash = models.BinaryField(unique=True)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = OneTimeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"one-time link for {self.user or 'the first administrator'}"


class LoginAttempt(models.Model):
    """A try to sign in that has not succeeded; enough of them in a while, and the next ones have to wait."""

    address = models.CharField(max_length=64)
    name_hash = models.BinaryField()  # people type their password into the wrong field
    tried_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["address", "tried_at"], name="login_attempt_by_address")]

    def __str__(self) -> str:
        return f"try from {self.address}"


class ApplicationQuerySet(models.QuerySet):
    """Applications, by who may use them."""

    def of(self, user: User) -> Self:
        """Those this person may connect accounts with: their own and the installation's default one."""
        return self.filter(Q(owner=user) | Q(owner=None))


class Application(models.Model):
    """An Amazon (SP-API) app. The one without an owner comes from the environment and is everybody's."""

    class State(models.TextChoices):
        READY = "ready"
        NEEDS_SECRET = "needs_secret"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, null=True, on_delete=models.CASCADE)
    name = models.CharField(max_length=200)
    client_id = models.CharField(max_length=255)
    client_secret = SealedField()
    application_id = models.CharField(max_length=255, blank=True)
    secret_expires_on = models.DateField(null=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.READY)
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("client_id", "owner", name="one_application_per_owner", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("application", args=[self.pk])

    @property
    def is_ready(self) -> bool:
        return self.state == self.State.READY

    @property
    def is_stored(self) -> bool:
        """Its secret is the one in the database, not one that is being tried."""
        return not self._state.adding and not isinstance(self.__dict__.get("client_secret"), Fresh)

    @property
    def cure(self) -> str:
        """What has to be done about a secret that Amazon does not take."""
        if self.owner_id is None:
            return "Set LWA_CLIENT_SECRET to the current secret and restart."
        return "Enter the current secret under Accounts, Applications."

    @property
    def doubt(self) -> str:
        """For a person who has just met a refusal that nothing has confirmed yet."""
        return (
            f"Amazon has just refused the client secret of {self.name}. If it was replaced or has expired: "
            f"{self.cure} Nothing is paused unless Amazon refuses it again, at least a minute from now."
        )

    @property
    def secret_tail(self) -> str:
        """The end of the secret, or why it cannot be read."""
        return tail(self, "client_secret")

    def describe(self, name: str, application_id: str) -> None:
        self.name, self.application_id = name, application_id
        self.save(update_fields=["name", "application_id"])

    def mark_needs_secret(self) -> None:
        """Amazon refused the secret: nothing is asked in this application's name until there is another one."""
        self.state = self.State.NEEDS_SECRET
        self.message = (
            f"Amazon does not accept the client secret of {self.name}: it was replaced or has expired. Loaded rows "
            f"are kept; nothing new is loaded for its accounts. {self.cure} All its accounts then continue "
            "automatically."
        )
        self.save(update_fields=["state", "message"])

    def mark_ready(self, client_secret: str | None = None) -> None:
        """Amazon took the secret, or there is a new one to try."""
        self.state, self.message = self.State.READY, ""
        fields = ["state", "message"]
        if client_secret is not None:
            self.client_secret = client_secret
            fields.append("client_secret")
        self.save(update_fields=fields)
        looks.clear(looks.of_secret(self))


class AccountQuerySet(models.QuerySet):
    """Accounts, by who may use them and by their names."""

    def of(self, user: User) -> Self:
        """The accounts this person may see and use."""
        return self.filter(owner=user)

    def named(self, name: str) -> Self:
        """By name, whatever its capitals."""
        return self.filter(name__iexact=name)


class Account(models.Model):
    """One selling partner's consent for one region, with its marketplaces; seller or vendor."""

    class Kind(models.TextChoices):
        SELLER = "seller"
        VENDOR = "vendor"

    class State(models.TextChoices):
        CONNECTED = "connected"
        NEEDS_CONSENT = "needs_consent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="accounts")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    region = models.CharField(max_length=2)  # NA, EU or FE
    marketplaces = ArrayField(models.CharField(max_length=2))  # Amazon's country codes, the home one first
    selling_partner_id = models.CharField(max_length=64, blank=True)
    refresh_token = SealedField()
    access_token = SealedField(blank=True)  # a cache of at most an hour, shared by all workers
    access_fresh_until = models.DateTimeField(
        null=True
    )  # 80 % of its life; from then on the next caller gets a new one
    state = models.CharField(max_length=20, choices=State.choices, default=State.CONNECTED)
    message = models.TextField(blank=True)  # what happened and what to do, for the person who reads the Accounts tab
    authorized_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("owner", Lower("name"), name="one_account_per_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("account", args=[self.pk])

    @property
    def home(self) -> Marketplace:
        """The marketplace whose clock the account's days follow."""
        return marketplaces.by_country(self.marketplaces[0])

    @property
    def zone(self) -> str:
        """The time zone in which the account's days are counted."""
        return self.home.zone

    @property
    def marketplace_ids(self) -> list[str]:
        """Amazon's ids of the marketplaces, the home one first."""
        return [marketplaces.by_country(country).id for country in self.marketplaces]

    @property
    def is_seller(self) -> bool:
        return self.kind == self.Kind.SELLER

    @property
    def needs_consent(self) -> bool:
        return self.state == self.State.NEEDS_CONSENT

    @property
    def works(self) -> bool:
        """Amazon can be asked in this account's name."""
        return not self.needs_consent and self.application.is_ready

    @property
    def state_words(self) -> str:
        """The state as pages name it."""
        if self.needs_consent:
            return "Needs re-authorisation"
        return "Connected" if self.application.is_ready else "Application's secret rejected"

    @property
    def partner(self) -> str:
        """The selling partner as pages name it."""
        shown = self.selling_partner_id
        if not shown:
            return self.kind
        return f"{self.kind} {shown[:4]}…" if len(shown) > 4 else f"{self.kind} {shown}"

    @property
    def refresh_token_tail(self) -> str:
        """The end of the refresh token, or why it cannot be read."""
        return tail(self, "refresh_token")

    @property
    def quota_name(self) -> str:
        """Whose request rate a call counts against: Amazon counts by selling partner, however often one is connected."""
        return f"{self.region}-{self.selling_partner_id}" if self.selling_partner_id else str(self.pk)

    def mark_connected(
        self, refresh_token: str, access_token: str, expires_in: int, *, now: datetime, message: str = ""
    ) -> None:
        """The selling partner has given (new) consent: the tokens are replaced; name, owner and datasets stay.
        `expires_in` is in seconds."""
        self.refresh_token = refresh_token
        self.state, self.message, self.authorized_at = self.State.CONNECTED, message, now
        self._keep(access_token, expires_in)
        fields = ["refresh_token", "access_token", "access_fresh_until", "state", "message", "authorized_at"]
        self.save(update_fields=None if self._state.adding else [*fields, "selling_partner_id", "marketplaces"])
        self.look_at_marketplaces_again()
        looks.clear(looks.of_consent(self), looks.of_sign_in(self))
        self.refresh_from_db(fields=["access_fresh_until"])

    def mark_answered(self, refresh_token: str, access_token: str, expires_in: int) -> None:
        """Amazon accepted the refresh token: earlier refusals are cleared. `expires_in` is in seconds, of the
        access token."""
        if self.needs_consent or self.access_fresh_until is None:
            self.message = ""
        self.state = self.State.CONNECTED
        self._keep(access_token, expires_in)
        fields = ["access_token", "access_fresh_until", "state", "message"]
        if refresh_token != self.refresh_token:
            self.refresh_token = refresh_token
            fields.append("refresh_token")
        self.save(update_fields=fields)
        self.refresh_from_db(fields=["access_fresh_until"])

    def mark_needs_consent(self, message: str) -> None:
        """Amazon no longer takes the refresh token: nothing is asked in this account's name until it is authorised again."""
        self.state, self.message = self.State.NEEDS_CONSENT, message
        self._keep("", 0)
        self.save(update_fields=["state", "message", "access_token", "access_fresh_until"])

    def look_at_marketplaces_again(self) -> None:
        """The account was repaired or checked: what Amazon refused of it is tried again by the next run."""
        self.refused_marketplaces.update(looked_at=None)

    def add_marketplaces(self, countries: Iterable[str]) -> None:
        """The seller takes part in more of them now. The home one stays first."""
        self.marketplaces = [*self.marketplaces, *countries]
        self.save(update_fields=["marketplaces"])

    def rename(self, name: str) -> None:
        self.name = name
        self.save(update_fields=["name"])

    def _keep(self, access_token: str, expires_in: int) -> None:
        self.access_token = access_token
        self.access_fresh_until = Now() + timedelta(seconds=FRESH * expires_in) if access_token else None


class RefusedMarketplace(models.Model):
    """A marketplace that Amazon does not answer for, among others of the account that it does answer for."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="refused_marketplaces")
    marketplace = models.CharField(max_length=2)  # Amazon's country code
    what = models.CharField(max_length=200)  # the report type, or the operation
    words = models.TextField()  # Amazon's own
    since = models.DateTimeField(db_default=Now())
    looked_at = models.DateTimeField(null=True)  # when Amazon was last asked; None: the next run is to ask

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "marketplace", "what"], name="one_refusal_of_a_marketplace")
        ]
        ordering = ["marketplace", "what"]

    def __str__(self) -> str:
        return f"{self.marketplace} for {self.what}"

    @property
    def country(self) -> str:
        """The country's name."""
        return marketplaces.by_country(self.marketplace).name

    @classmethod
    def remember(cls, account: Account, marketplace: str, what: str, words: str) -> None:
        """Amazon has refused it just now; `since` stays when it was known before."""
        cls.objects.update_or_create(
            account=account, marketplace=marketplace, what=what, defaults={"words": words, "looked_at": Now()}
        )

    def is_due(self, now: datetime) -> bool:
        """Whether Amazon is to be asked for it again."""
        return self.looked_at is None or self.looked_at <= now - LOOK_AGAIN

    def take(self) -> bool:
        """Whether this worker is the one to ask for it now."""
        mine = RefusedMarketplace.objects.filter(pk=self.pk, looked_at=self.looked_at)
        return bool(mine.update(looked_at=Now()))

    def give_back(self) -> None:
        """Amazon could not be asked: the next worker tries."""
        RefusedMarketplace.objects.filter(pk=self.pk).update(looked_at=self.looked_at)

    def note(self, words: str) -> None:
        """Refused once more."""
        RefusedMarketplace.objects.filter(pk=self.pk).update(words=words)


class Consent(models.Model):
    """One round trip to Amazon's consent page: one-time, ten minutes, bound to session and user."""

    state_hash = models.BinaryField(unique=True)  # SHA-256 of the 256-bit state that travels in the browser
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    session_hash = models.BinaryField()
    application = models.ForeignKey(Application, on_delete=models.CASCADE)
    account = models.ForeignKey(Account, null=True, on_delete=models.CASCADE)  # set when re-authorising
    kind = models.CharField(max_length=10, choices=Account.Kind.choices)
    marketplace = models.CharField(max_length=2)
    name = models.CharField(max_length=200, blank=True)
    return_to = models.TextField(blank=True)  # a path on this site: where the user came from
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = OneTimeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"consent of a {self.kind} in {self.marketplace}"


class Quota(models.Model):
    """One leaky bucket (GCRA) per limit of Amazon's, shared by all workers; written by connector.accounts.buckets."""

    bucket = models.TextField(primary_key=True)  # "application:account:operation" and what else `quota.limits_of` says
    tat = models.FloatField(default=0)  # theoretical arrival time, seconds since the epoch on the database's clock
    rate = models.FloatField()  # requests a second, as published
    header_rate = models.FloatField(null=True)  # as Amazon last stated it in a header, which then holds
    throttles = models.PositiveIntegerField(default=0)  # 429s since the last answer, each of which doubles the pause
    burst = models.FloatField()
    taken = models.BigIntegerField(db_default=0)  # requests so far, so that an answer knows how many followed its own

    class Meta:
        db_table = "quota"

    def __str__(self) -> str:
        return self.bucket


class QuotaPlace(models.Model):
    """Who stands in line for a bucket, edges before history and then by how long; written by connector.accounts.buckets."""

    pk = models.CompositePrimaryKey("bucket", "who")
    bucket = models.TextField()
    who = models.TextField()
    urgent = models.BooleanField()
    since = models.FloatField()  # seconds since the epoch on the database's clock, as is `until`
    until = models.FloatField()  # when the place is lost, if nobody comes back for it

    class Meta:
        db_table = "quota_place"

    def __str__(self) -> str:
        return f"{self.who} for {self.bucket}"


class FirstLook(models.Model):
    """Amazon refused once what would stop all of somebody's data; written by connector.accounts.looks."""

    subject = models.TextField(primary_key=True)  # whose what, as `looks` names it
    first_at = models.DateTimeField()
    fact = models.TextField()  # what Amazon did, for those who wait for the second look

    class Meta:
        db_table = "first_look"

    def __str__(self) -> str:
        return f"{self.subject} at {self.first_at:%Y-%m-%d %H:%M}"


class ServerClock(models.Model):
    """How far a clock of Amazon's is from the database's; written by connector.accounts.clocks."""

    host = models.TextField(primary_key=True)
    ahead = models.FloatField()  # seconds; less than 0 where Amazon's clock is behind
    measured_at = models.DateTimeField()

    class Meta:
        db_table = "server_clock"

    def __str__(self) -> str:
        return f"{self.host} {self.ahead:+.0f} s"
