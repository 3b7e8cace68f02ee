"""What the buttons of a dataset do: each one a POST, one call, and a message."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from connector.accounts.models import SignedInRequest
from datasets.backfill import lifecycle, runs, tasks
from datasets.backfill.runs import AlreadyRunning
from datasets.models import Day
from datasets.views.dataset import ReloadForm
from datasets.views.lookup import find_dataset, find_run

UNDER_WAY = "A run is already in progress, so no new run was started. Follow it here, or cancel it first."


@require_POST
@login_required
def run(request: SignedInRequest, slug: str) -> HttpResponse:
    dataset = find_dataset(request, slug)
    try:
        tasks.start(dataset, by=request.user)
        messages.success(request, "The run has started. Days are loaded newest first.")
    except AlreadyRunning:
        messages.info(request, UNDER_WAY)
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def reload(request: SignedInRequest, slug: str) -> HttpResponse:
    dataset = find_dataset(request, slug)
    form = ReloadForm(request.POST)
    if not form.is_valid():
        sentences = [str(sentence) for found in form.errors.values() for sentence in found]
        messages.error(request, "Nothing was reloaded. " + " ".join(sentences))
        return redirect("dataset", dataset.slug)
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    known = Day.objects.filter(dataset=dataset, generation=dataset.generation, day__range=(first, last)).count()
    if not known:
        messages.error(request, f"Nothing was reloaded: no day from {first} to {last} belongs to this dataset.")
        return redirect("dataset", dataset.slug)
    count = runs.reloadable(dataset, first, last).count()
    if not count:
        messages.error(
            request,
            "Nothing was reloaded: the rows of these days came from an uploaded file, so they are not requested from "
            "Amazon.",
        )
        return redirect("dataset", dataset.slug)
    try:
        tasks.reload(dataset, first, last, by=request.user)
        many = f"{count:,} days are" if count > 1 else "1 day is"
        stay = f" {known - count:,} from an uploaded file do not change." if known > count else ""
        messages.success(
            request, f"{many} being loaded again. The current rows remain until the new ones are loaded.{stay}"
        )
    except AlreadyRunning:
        messages.info(request, UNDER_WAY)
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def pause(request: SignedInRequest, slug: str) -> HttpResponse:
    dataset = find_dataset(request, slug)
    lifecycle.pause(dataset)
    messages.success(
        request, "Paused: no run is scheduled until you resume the dataset. A run in progress finishes normally."
    )
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def resume(request: SignedInRequest, slug: str) -> HttpResponse:
    dataset = find_dataset(request, slug)
    lifecycle.resume(dataset, timezone.now())
    messages.success(request, "Resumed: the schedule is active again, and the next run catches up on missed days.")
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def clear(request: SignedInRequest, slug: str) -> HttpResponse:
    dataset = find_dataset(request, slug)
    lifecycle.clear(dataset)
    messages.success(request, "All rows were deleted. The definition is kept, and the next run loads everything again.")
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def delete(request: SignedInRequest, slug: str) -> HttpResponse:
    dataset = find_dataset(request, slug)
    lifecycle.remove(dataset)
    messages.success(request, f"{dataset.name} was deleted, with its rows and its history.")
    return redirect("datasets")


@require_POST
@login_required
def cancel(request: SignedInRequest, run_id: int) -> HttpResponse:
    run = find_run(request, run_id)
    if run.is_open:
        tasks.cancel(run)
        messages.success(request, "The run stops after the current day. Days already loaded are kept.")
    else:
        messages.info(request, "The run had already ended, so there was nothing to cancel.")
    return redirect("run", run.pk)
