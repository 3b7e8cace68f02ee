"""The Columns tab: what each column holds, from the profile that is kept, and what the profile was made from."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from datasets.backfill.tasks import tell
from datasets.models import ColumnProfile
from datasets.profiles import tasks
from datasets.serving import moment
from datasets.views.dataset import page_of
from datasets.views.find import find_dataset

TYPE_WORDS = {
    "text": "text",
    "bigint": "whole number",
    "numeric": "number",
    "boolean": "yes or no",
    "date": "date",
    "timestamptz": "date and time (UTC)",
}


@require_http_methods(["GET", "POST"])
@login_required
def columns(request, slug):
    """GET shows the profile; POST has it made anew by a worker."""
    dataset = find_dataset(request, slug)
    if request.method == "POST":
        if tell(tasks.profile, "interactive", dataset_id=dataset.pk):
            messages.success(request, "The profile is being made anew. Load this page again in a few seconds.")
        else:
            messages.error(
                request, "No worker could be told just now, so the profile stays as it is. Try again in a minute."
            )
        return redirect("dataset-columns", dataset.slug)
    context = page_of(request, dataset, "dataset-columns")
    kept = ColumnProfile.objects.filter(dataset=dataset).first()
    found = {column["name"]: column for column in kept.columns} if kept else {}
    context |= {
        "profile": kept,
        "columns": [
            column | {"words": TYPE_WORDS[column["type"]], "found": found.get(column["name"])}
            for column in moment.served(dataset)
        ],
    }
    return render(request, "datasets/dataset_columns.html", context)
