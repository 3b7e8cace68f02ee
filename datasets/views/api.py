"""The API tab: lines to copy, with this installation's address and this dataset's name, and a token made in place."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from connector.accounts.models import SignedInRequest
from datasets.access import access_log, tokens
from datasets.formats.index import FORMATS
from datasets.models import Dataset
from datasets.serving.http.response_format import absolute
from datasets.views.dataset import page_of
from datasets.views.lookup import find_dataset, look
from datasets.views.snippets import snippets


def _context(request: SignedInRequest, dataset: Dataset) -> dict[str, Any]:
    path = reverse("export", args=[dataset.slug, "csv"]).removesuffix("/export.csv")
    base = absolute(request, path)
    seen = look(request, dataset)
    found = snippets(
        seen, export=f"{base}/export", host=base.removesuffix(path), odata=absolute(request, reverse("odata"))
    )
    return page_of(
        request,
        dataset,
        "dataset-api",
        snippets=found,
        base=base,
        format_names=list(FORMATS),
        readers=access_log.latest(dataset, seen.policy),
    )


@require_GET
@login_required
def api(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET /datasets/<slug>/api"""
    dataset = find_dataset(request, slug)
    return render(request, "datasets/dataset_api.html", _context(request, dataset))


@never_cache
@require_POST
@login_required
def make_token(request: SignedInRequest, slug: str) -> HttpResponse:
    """A token or a link that reads this dataset and nothing else; the answer is the only page that ever shows it."""
    dataset = find_dataset(request, slug)
    name = request.POST.get("name", "").strip()
    context = _context(request, dataset)
    if request.POST.get("kind") == "link":
        made, text = tokens.issue_link(request.user, dataset, name or f"{dataset.name}, link")
        text = f"{context['base']}/export.csv?token={text}"
    else:
        name = name or f"{dataset.name}, reading"
        made, text = tokens.issue(request.user, name, scopes=["data:read"], datasets=[dataset])
    return render(request, "datasets/dataset_api.html", context | {"made": made, "text": text})
