"""The pages of datasets, runs and access tokens."""

from django.urls import path

from datasets.views import actions, api, columns, dataset, files, listing, query, rows, run, tokens, wizard

list_urls = [
    path("", listing.datasets, name="datasets"),
    path("datasets", listing.datasets),
]

wizard_urls = [  # before the datasets, so no dataset can be named new
    path("datasets/new", wizard.new, name="dataset-new"),
    path("datasets/<slug:slug>/edit", wizard.edit, name="dataset-edit"),
]

dataset_urls = [
    path("datasets/<slug:slug>", dataset.overview, name="dataset"),
    path("datasets/<slug:slug>/data", rows.data, name="dataset-data"),
    path("datasets/<slug:slug>/columns", columns.columns, name="dataset-columns"),
    path("datasets/<slug:slug>/query", query.query, name="dataset-query"),
    path("datasets/<slug:slug>/query/<slug:query>/delete", query.forget, name="dataset-query-forget"),
    path("datasets/<slug:slug>/history", dataset.history, name="dataset-history"),
    path("datasets/<slug:slug>/api", api.api, name="dataset-api"),
    path("datasets/<slug:slug>/token", api.make_token, name="dataset-token"),
    path("datasets/<slug:slug>/settings", dataset.settings, name="dataset-settings"),
    path("datasets/<slug:slug>/days", dataset.days, name="dataset-days"),
    path("datasets/<slug:slug>/days/<str:day>", dataset.day, name="dataset-day"),
    path("datasets/<slug:slug>/run", actions.run, name="dataset-run"),
    path("datasets/<slug:slug>/reload", actions.reload, name="dataset-reload"),
    path("datasets/<slug:slug>/pause", actions.pause, name="dataset-pause"),
    path("datasets/<slug:slug>/resume", actions.resume, name="dataset-resume"),
    path("datasets/<slug:slug>/clear", actions.clear, name="dataset-clear"),
    path("datasets/<slug:slug>/delete", actions.delete, name="dataset-delete"),
]

run_urls = [
    path("runs/<int:run_id>", run.run, name="run"),
    path("runs/<int:run_id>/cancel", actions.cancel, name="run-cancel"),
]

file_urls = [
    path("files", files.files, name="files"),
    path("files/<int:file_id>", files.file, name="file"),
    path("files/<int:file_id>/load", files.load, name="file-load"),
    path("files/<int:file_id>/delete", files.delete, name="file-delete"),
]

token_urls = [
    path("tokens", tokens.tokens, name="tokens"),
    path("tokens/<str:token_id>/revoke", tokens.revoke, name="token-revoke"),
]

urlpatterns = [
    *list_urls,
    *wizard_urls,
    *dataset_urls,
    *run_urls,
    *file_urls,
    *token_urls,
]
