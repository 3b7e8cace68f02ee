"""The URL map: each app adds its own."""

from django.urls import include, path

from connector import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),  # answered before it gets here, by health.Probes
    path("readyz", health.readyz, name="readyz"),
    path("", include("datasets.serving.urls")),  # early: programs ask far more often than people
    path("", include("datasets.views.urls")),
    path("", include("connector.accounts.urls")),
]
