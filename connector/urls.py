"""The site map: each room brings its own."""

from django.urls import include, path

from connector import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),  # answered before it gets here, by health.Probes
    path("readyz", health.readyz, name="readyz"),
    path("", include("datasets.urls")),
    path("", include("connector.accounts.urls")),
]
