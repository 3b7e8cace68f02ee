"""Files that people upload, and what the columns of datasets hold."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models

from connector.accounts.models import User


class ColumnProfile(models.Model):
    """What the columns of a dataset hold, counted over a sample of its newest days; rebuilt after a run that changed
    rows."""

    dataset = models.OneToOneField("datasets.Dataset", on_delete=models.CASCADE, related_name="profile")
    version = models.BigIntegerField()  # of the dataset, when the sample was taken
    rows = models.BigIntegerField()  # of the sample
    rows_total = models.BigIntegerField()  # of the dataset at that version
    first_day = models.DateField(null=True)  # of the sample, both included; null where there was no row
    last_day = models.DateField(null=True)
    columns = models.JSONField()  # as tabular.profile gives them
    made_at = models.DateTimeField()
    message = models.TextField(blank=True)  # why there is no profile, for people


class UploadedFileQuerySet(models.QuerySet):
    def of(self, user: User) -> Self:
        """The files this person may see; those of others are treated as not existing."""
        return self.filter(owner=user)


class UploadedFile(models.Model):
    """A spreadsheet that a person has uploaded, read and kept as a table of texts."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploaded_files")
    name = models.CharField(max_length=200)
    sheet = models.CharField(max_length=200, blank=True)
    rows = models.PositiveIntegerField()
    columns = models.JSONField()  # [{"title", "filled", "examples"}]
    notes = models.JSONField(default=list)  # sentences on what was odd about it
    preview = models.JSONField(default=list)  # the first rows, as lists of texts
    content = models.BinaryField()  # Parquet
    uploaded_at = models.DateTimeField()

    objects = UploadedFileQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name
