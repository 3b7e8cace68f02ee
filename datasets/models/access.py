"""Who reads rows: access tokens and links, what each has read last, how often callers may ask, and saved queries."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F

from connector.accounts.models import User


class AccessToken(models.Model):
    """A key to the HTTP API: only a hash is kept."""

    class Kind(models.TextChoices):
        API = "api"  # speaks for its owner, as far as its scopes go
        LINK = "link"  # travels in a URL: one dataset, reading only

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="access_tokens")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.API)
    name = models.CharField(max_length=200)
    token_id = models.CharField(max_length=16, unique=True)  # the part that is no secret, to find the row by
    secret_hash = models.BinaryField()  # SHA-256 of the whole token
    scopes = ArrayField(models.CharField(max_length=30))
    limited = models.BooleanField(
        default=False
    )  # only to `datasets`; a token whose last dataset is deleted opens nothing
    datasets = models.ManyToManyField("datasets.Dataset", blank=True, related_name="+")
    link_query = models.TextField(blank=True)  # the filters and columns that a link is fixed to, as a query string
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_by = models.CharField(max_length=200, blank=True)  # the client's User-Agent

    class Meta:
        ordering = [F("created_at").desc()]


class Reading(models.Model):
    """Who has read a dataset's rows, when last, and by what program: one row for each reader."""

    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.CASCADE, related_name="readings")
    reader = models.CharField(max_length=40)  # the caller's key: a token, or a person in the browser
    token = models.ForeignKey(AccessToken, on_delete=models.CASCADE, null=True, related_name="readings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    what = models.CharField(max_length=20)  # export.csv, rows.json, OData …
    client = models.CharField(max_length=200, blank=True)  # its User-Agent

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "reader"], name="one_row_for_each_reader")]


class Allowance(models.Model):
    """A bucket that callers ask from and that refills steadily, shared by all web processes. The table is unlogged: a crash
    of the database fills all buckets, which does no harm."""

    key = models.CharField(max_length=100, primary_key=True)
    full_at = models.FloatField()  # seconds since 1970 on the database's clock


class SavedQueryQuerySet(models.QuerySet):
    def of(self, user: User) -> Self:
        """The queries this person may see; those of others are treated as not existing."""
        return self.filter(owner=user)


class SavedQuery(models.Model):
    """A SELECT that is kept under a name, to be read like a dataset; it sees what its owner may see at that moment."""

    slug = models.CharField(max_length=50)  # [a-z][a-z0-9_]*, each of an owner's its own
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_queries")
    dataset = models.ForeignKey(
        "datasets.Dataset", null=True, on_delete=models.SET_NULL, related_name="saved_queries"
    )  # what it calls `table`
    sql = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SavedQueryQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "slug"], name="one_query_of_a_slug")]

    def __str__(self) -> str:
        return self.name
