"""Connect data: one page with four panes that makes a dataset, and the same page to change one.

A GET shows the answers of its address; htmx asks for it with every answer and takes over the parts that follow from it.
A POST saves, or does what else its button says: look again, or go to Amazon and come back with all answers kept.
"""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from connector.accounts.models import Account
from datasets.backfill import tasks
from datasets.backfill.runs import AlreadyRunning
from datasets.definition.form import payload_of
from datasets.models import Dataset, Run
from datasets.views.draft import LONGEST_ADDRESS, Draft, answers_of, first_report


@vary_on_headers("HX-Request")
@require_http_methods(["GET", "POST"])
@login_required
def new(request):
    """GET, POST /datasets/new"""
    return _answer(request, None)


@vary_on_headers("HX-Request")
@require_http_methods(["GET", "POST"])
@login_required
def edit(request, slug):
    """GET, POST /datasets/<slug>/edit"""
    found = Dataset.objects.of(request.user).select_related("account")
    return _answer(request, get_object_or_404(found, slug=slug))


def _answer(request, dataset):
    wish = request.POST.get("go", "") if request.method == "POST" else "look"
    if wish == "preview" or wish == "connect" or wish.startswith("reauthorize"):
        return _leave(request, dataset, wish)
    if wish == "look":
        return _look(request, dataset)
    draft = Draft(request.user, dataset=dataset, posted=request.POST, now=timezone.now())
    if not draft.form.is_valid():
        return _page(request, draft, status=422)
    return _change(request, draft) if dataset else _create(request, draft, wish)


def _look(request, dataset):
    draft = _draft_of(request, dataset, request.GET)
    if not request.htmx or request.htmx.history_restore_request:
        return _page(request, draft)
    is_other = request.GET.get("shown") != draft.shown  # another report or account asks other questions
    response = render(request, "datasets/_live.html", _context(request, draft) | {"live": True, "is_other": is_other})
    address = draft.address()
    if len(address) <= LONGEST_ADDRESS:
        response.headers["HX-Push-Url" if is_other else "HX-Replace-Url"] = address
    return response


def _leave(request, dataset, wish):
    """Away from here, or to this page again, with everything typed."""
    draft = _draft_of(request, dataset, request.POST)
    address = draft.address()
    if wish == "preview":
        return redirect(address) if len(address) <= LONGEST_ADDRESS else _page(request, draft)
    if len(address) > LONGEST_ADDRESS:
        del draft.form.initial["description"]
        address = draft.address()
        messages.warning(request, "The description was too long to take along: please give it again.")
    target = reverse("account-connect")
    if wish != "connect":
        account = Account.objects.of(request.user).filter(pk=_uuid(wish.partition(":")[2])).first()
        target = reverse("account-reauthorize", args=[account.pk]) if account else target
    return redirect(f"{target}?{urlencode({'return_to': address})}")


def _draft_of(request, dataset, given):
    said = answers_of(given, dataset.report if dataset else first_report().key)
    if said.get("name") and said["name"] == given.get("suggested"):
        del said["name"]  # ours, so it follows report and account
    return Draft(request.user, dataset=dataset, said=said, shown=given.get("shown", ""), now=timezone.now())


def _create(request, draft, wish):
    """The dataset, made and perhaps begun; a form that is sent twice in a row makes one."""
    wanted = payload_of(draft.form.fill(Dataset()))
    for is_last_try in (False, False, True):
        key = _uuid(request.POST.get("key"))
        twin = Dataset.objects.of(request.user).filter(uuid=key).first()
        if twin and payload_of(twin) == wanted:
            return redirect("dataset", twin.slug)
        try:
            with transaction.atomic():
                dataset = draft.form.save(key=None if Dataset.objects.filter(uuid=key).exists() else key)
                if wish != "create":
                    tasks.start(dataset, Run.Trigger.CREATED, request.user)
        except IntegrityError:  # the same form, or another of this name, a moment ago
            if is_last_try:
                raise
        else:
            break
    begun = "Run now loads its first days." if wish == "create" else "Its first run has begun, newest day first."
    messages.success(request, f"{dataset.name} is made. {begun}")
    return redirect("dataset", dataset.slug)


def _change(request, draft):
    dataset = draft.form.save()
    begun = "The next run follows it."
    if request.POST.get("go") == "save_and_run":
        try:
            tasks.start(dataset, Run.Trigger.MANUAL, request.user)
            begun = "A run has begun."
        except AlreadyRunning:
            begun = "A run is under way already; the next one follows the change."
    messages.success(request, f"{dataset.name} is changed. {begun}")
    return redirect("dataset", dataset.slug)


def _page(request, draft, status=200):
    return render(request, "datasets/edit.html", _context(request, draft), status=status)


def _context(request, draft):
    key = _uuid(request.POST.get("key")) if request.method == "POST" else None
    suggested = request.POST.get("suggested", "") if draft.form.is_bound else draft.suggested
    return {
        "draft": draft,
        "form": draft.form,
        "dataset": draft.dataset,
        "key": key or uuid.uuid4(),
        "suggested": suggested,
    }


def _uuid(text):
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None
