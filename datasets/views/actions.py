"""What the buttons of a dataset do: each one a POST, one call, and a message."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from datasets.backfill import lifecycle, runs, tasks
from datasets.backfill.runs import AlreadyRunning
from datasets.models import Day
from datasets.views.dataset import ReloadForm
from datasets.views.find import find_dataset, find_run

UNDER_WAY = "A run is already under way, so no other was started. Watch it here, or cancel it first."


@require_POST
@login_required
def run(request, slug):
    dataset = find_dataset(request, slug)
    try:
        tasks.start(dataset, by=request.user)
        messages.success(request, "The run has been started. Days come in newest first.")
    except AlreadyRunning:
        messages.info(request, UNDER_WAY)
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def reload(request, slug):
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
            "Nothing was reloaded: the rows of these days came from an uploaded file, and Amazon is not asked for them.",
        )
        return redirect("dataset", dataset.slug)
    try:
        tasks.reload(dataset, first, last, by=request.user)
        many = f"{count:,} days are" if count > 1 else "1 day is"
        stay = f" {known - count:,} of an uploaded file stay as they are." if known > count else ""
        whose = "Their" if count > 1 else "Its"
        messages.success(
            request, f"{many} fetched again. {whose} rows stay as they are until the new ones have come.{stay}"
        )
    except AlreadyRunning:
        messages.info(request, UNDER_WAY)
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def pause(request, slug):
    dataset = find_dataset(request, slug)
    lifecycle.pause(dataset)
    messages.success(
        request, "Paused: no run is scheduled until you resume it. A run that is under way ends by itself."
    )
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def resume(request, slug):
    dataset = find_dataset(request, slug)
    lifecycle.resume(dataset, timezone.now())
    messages.success(request, "Resumed: the schedule holds again, and the next run catches up on what was missed.")
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def clear(request, slug):
    dataset = find_dataset(request, slug)
    lifecycle.clear(dataset)
    messages.success(request, "All rows are cleared. The definition stays, and the next run loads everything anew.")
    return redirect("dataset", dataset.slug)


@require_POST
@login_required
def delete(request, slug):
    dataset = find_dataset(request, slug)
    lifecycle.remove(dataset)
    messages.success(request, f"{dataset.name} is deleted, with its rows and its history.")
    return redirect("datasets")


@require_POST
@login_required
def cancel(request, run_id):
    run = find_run(request, run_id)
    if run.is_open:
        tasks.cancel(run)
        messages.success(request, "The run stops after the day in hand. What is in stays.")
    else:
        messages.info(request, "The run was already over, so there was nothing to cancel.")
    return redirect("run", run.pk)
