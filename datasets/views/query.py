"""The Query tab: a SELECT over one's datasets, its first rows, the answer as a file, and queries kept under a name."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from connector.accounts.models import SignedInRequest
from datasets.access.export_slots import EXPORT_SLOTS
from datasets.access.tokens import Caller
from datasets.models import Dataset, SavedQuery
from datasets.problems import NotFound, Problem
from datasets.serving.sql import saved
from datasets.serving.sql.preview import Preview, preview
from datasets.views.dataset import page_of
from datasets.views.lookup import find_dataset

FIRST = "SELECT _day, count(*) AS rows\nFROM table\nGROUP BY _day\nORDER BY _day DESC"


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def query(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET shows the form, with `?saved=` a kept query in it; POST asks. Asking changes nothing, but a statement is too long for an address."""
    dataset = find_dataset(request, slug)
    caller = Caller(request.user)
    context = page_of(request, dataset, "dataset-query")
    context |= {
        "columns": context["seen"].columns,
        "sql": FIRST,
        "query_name": "",
        "problem": None,
    }
    context["others"] = Dataset.objects.of(request.user).exclude(pk=dataset.pk).order_by("slug")[:200]
    if kept := _kept(caller, request.GET.get("saved", "")):
        context |= {"sql": kept.sql, "kept": kept}
    if request.method == "POST":
        context["sql"] = request.POST.get("sql", "")
        context["query_name"] = request.POST.get("name", "")
        try:
            if "keep" in request.POST:
                kept = saved.keep(caller, name=context["query_name"], sql=context["sql"], dataset=dataset)
                messages.success(request, f"{kept.name} was saved. Its files now have their own addresses.")
                return redirect(reverse("dataset-query", args=[slug]) + f"?saved={kept.slug}")
            context["answer"] = _answer(caller, context["sql"], dataset)
        except Problem as problem:
            context["problem"] = problem
            position = cast("int | None", problem.more.get("position"))  # of PostgreSQL, a number
            context["place"] = _place(context["sql"], position)
    context["queries"] = saved.all_of(caller)
    return render(request, "datasets/dataset_query.html", context, status=422 if context["problem"] else 200)


@require_POST
@login_required
def forget(request: SignedInRequest, slug: str, query: str) -> HttpResponse:
    """Deletes a kept query."""
    dataset = find_dataset(request, slug)
    kept = _kept(Caller(request.user), query)
    if kept:
        kept.delete()
        messages.success(request, f"{kept.name} was deleted. No rows were changed.")
    return redirect("dataset-query", dataset.slug)


def _answer(caller: Caller, text: str, dataset: Dataset) -> Preview:
    give_back = EXPORT_SLOTS.take(caller.key)
    try:
        return preview(caller, text, dataset, timezone.now())
    finally:
        give_back()


def _kept(caller: Caller, slug: str) -> SavedQuery | None:
    try:
        return saved.find(caller, slug) if slug else None
    except NotFound:
        return None


def _place(text: str, position: int | None) -> tuple[int, int] | None:
    """(line, column) of a position, which people find more easily."""
    if not position:
        return None
    before = text[: position - 1]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
