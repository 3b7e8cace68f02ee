"""Connect data: one page with four panes that makes a dataset, and the same page to change one.

A GET shows the answers of its address; htmx asks for it with every answer and takes over the parts that follow from it.
A POST saves, or does what else its button says: look again, or go to Amazon and come back with all answers kept.
"""

import uuid
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from connector.accounts.models import Account
from datasets.backfill import tasks
from datasets.backfill.runs import AlreadyRunning
from datasets.definition import save
from datasets.definition.definition import Definition, InvalidDefinition
from datasets.models import Dataset, Run
from datasets.views.draft import MAX_ADDRESS, Draft
from datasets.views.lookup import PageRequest


@vary_on_headers("HX-Request")
@require_http_methods(["GET", "POST"])
@login_required
def new(request: PageRequest) -> HttpResponse:
    """GET, POST /datasets/new"""
    return _answer(request, None)


@vary_on_headers("HX-Request")
@require_http_methods(["GET", "POST"])
@login_required
def edit(request: PageRequest, slug: str) -> HttpResponse:
    """GET, POST /datasets/<slug>/edit"""
    found = Dataset.objects.of(request.user).select_related("account")
    return _answer(request, get_object_or_404(found, slug=slug))


def _answer(request: PageRequest, dataset: Dataset | None) -> HttpResponse:
    wish = request.POST.get("go", "") if request.method == "POST" else "look"
    if wish == "preview" or wish == "connect" or wish.startswith("reauthorize"):
        return _leave(request, dataset, wish)
    if wish == "look":
        return _look(request, dataset)
    return _save(request, dataset, wish)


def _look(request: PageRequest, dataset: Dataset | None) -> HttpResponse:
    draft = Draft(request.user, request.GET, dataset=dataset, now=timezone.now())
    if not request.htmx or request.htmx.history_restore_request:
        return _page(request, draft)
    is_other = request.GET.get("shown") != draft.shown  # another report or account asks other questions
    response = render(request, "datasets/_live.html", _context(request, draft) | {"live": True, "is_other": is_other})
    address = draft.address()
    if len(address) <= MAX_ADDRESS:
        response.headers["HX-Push-Url" if is_other else "HX-Replace-Url"] = address
    return response


def _leave(request: PageRequest, dataset: Dataset | None, wish: str) -> HttpResponse:
    """Away from here, or to this page again, with everything typed."""
    draft = Draft(request.user, request.POST, dataset=dataset, now=timezone.now())
    address = draft.address()
    if wish == "preview":
        return redirect(address) if len(address) <= MAX_ADDRESS else _page(request, draft)
    if len(address) > MAX_ADDRESS:
        address = draft.address(without="description")
        messages.warning(request, "The description was too long to keep: please enter it again.")
    target = reverse("account-connect")
    if wish != "connect":
        account = Account.objects.of(request.user).filter(pk=_uuid(wish.partition(":")[2])).first()
        target = reverse("account-reauthorize", args=[account.pk]) if account else target
    return redirect(f"{target}?{urlencode({'return_to': address})}")


def _save(request: PageRequest, dataset: Dataset | None, wish: str) -> HttpResponse:
    draft = Draft(request.user, request.POST, dataset=dataset, is_sent=True, now=timezone.now())
    try:
        definition = draft.review.checked()
        return _change(request, draft, definition, wish) if dataset else _create(request, draft, definition, wish)
    except InvalidDefinition as invalid:
        draft.refuse(invalid.errors)
        return _page(request, draft, status=422)


def _create(request: PageRequest, draft: Draft, definition: Definition, wish: str) -> HttpResponse:
    """The dataset, made and perhaps begun; a form that is sent twice in a row makes one."""
    with transaction.atomic():
        made = save.define(request.user, definition, key=_uuid(request.POST.get("key")), now=draft.now)
        if made.is_new and wish != "create":
            tasks.start(made.dataset, Run.Trigger.CREATED, request.user)
    if made.is_new:
        begun = (
            "Press Run now to load its first days."
            if wish == "create"
            else "Its first run has started, newest day first."
        )
        messages.success(request, f"{made.dataset.name} is made. {begun}")
    return redirect("dataset", made.dataset.slug)


def _change(request: PageRequest, draft: Draft, definition: Definition, wish: str) -> HttpResponse:
    try:
        changed = cast(Dataset, draft.dataset)  # there is one to change
        dataset = save.change(changed, definition, now=draft.now)
    except Dataset.DoesNotExist:
        raise Http404 from None
    begun = "The next run uses the change."
    if wish == "save_and_run":
        try:
            tasks.start(dataset, Run.Trigger.MANUAL, request.user)
            begun = "A run has started."
        except AlreadyRunning:
            begun = "A run is already in progress; the next one uses the change."
    messages.success(request, f"{dataset.name} was changed. {begun}")
    return redirect("dataset", dataset.slug)


def _page(request: PageRequest, draft: Draft, status: int = 200) -> HttpResponse:
    return render(request, "datasets/edit.html", _context(request, draft), status=status)


def _context(request: PageRequest, draft: Draft) -> dict[str, Any]:
    key = _uuid(request.POST.get("key")) if request.method == "POST" else None
    suggested = request.POST.get("suggested", "") if draft.refused is not None else draft.suggested
    return {
        "draft": draft,
        "form": draft.form,
        "dataset": draft.dataset,
        "key": key or uuid.uuid4(),
        "suggested": suggested,
    }


def _uuid(text: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None
