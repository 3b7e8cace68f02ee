"""Addresses that programs use."""

from django.urls import path

from datasets.serving import domo
from datasets.serving.api import accounts, datasets, queries, reports, runs, tokens
from datasets.serving.api.core import api
from datasets.serving.api.docs import docs
from datasets.serving.export import export
from datasets.serving.odata import views as odata
from datasets.serving.rows import rows
from datasets.serving.sql.answers import ask, saved_query

for router in (each.router for each in (reports, accounts, tokens, datasets, queries, runs)):
    api.add_router("", router)
    for path_view in router.path_operations.values():
        for operation in path_view.operations:
            if "GET" in operation.methods:
                operation.methods.append("HEAD")  # web servers leave out the body themselves

urlpatterns = [
    path("api/docs", docs, name="api-docs"),
    path("api/v1/datasets/<str:slug>/export.<str:suffix>", export, name="export"),
    path("api/v1/datasets/<str:slug>/rows.<str:suffix>", rows, name="rows"),
    path("api/v1/datasets/<str:slug>/query", ask, name="ask-dataset"),
    path("api/v1/datasets/<str:slug>/query.<str:suffix>", ask, name="ask-dataset-file"),
    path("api/v1/queries/<str:slug>/export.<str:suffix>", saved_query, name="saved-query"),
    path("api/v1/query", ask, name="query"),
    path("api/v1/query.<str:suffix>", ask, name="query-file"),
    path("api/v1/", api.urls),
    path("odata/v4", odata.service),
    path("odata/v4/", odata.service, name="odata"),
    path("odata/v4/$metadata", odata.describe),
    path("odata/v4/<str:name>(<str:key>)", odata.entity),
    path("odata/v4/<str:name>", odata.entities),
    path("odata/v4/<str:name>/$count", odata.count),
    path("odata/v4/<path:rest>", odata.elsewhere),
    path("oauth/token", domo.token),
    path("v1/datasets", domo.listing),
    path("v1/datasets/<str:name>", domo.described),
    path("v1/datasets/<str:name>/data", domo.data),
    path("v1/datasets/query/execute/<str:name>", domo.execute),
]
