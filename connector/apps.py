"""The roof as a Django app: its checks, its beat entries and its note of which workers live."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConnectorConfig(AppConfig):
    name = "connector"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from connector import beat, celery, checks  # noqa: F401 (celery and checks register themselves)
        from connector.runtime import liveness  # noqa: F401 (so does it)

        post_migrate.connect(beat.install, dispatch_uid="beat entries")
