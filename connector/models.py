"""The roof's only table: which workers live."""

from django.db import models


class Worker(models.Model):
    """One Celery worker process, as it last reported; written by connector.runtime.liveness with the database's clock."""

    name = models.CharField(max_length=255, primary_key=True)
    seen_at = models.DateTimeField()
    took_at = models.DateTimeField(null=True)  # when it last took a message from the broker
    ticked_at = models.DateTimeField(null=True)  # when that was a tick
    busy = models.PositiveIntegerField(default=0)  # tasks it was working on

    def __str__(self) -> str:
        return self.name
