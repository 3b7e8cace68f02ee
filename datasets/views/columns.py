"""The Columns tab: what each column holds, from the profile that is kept, and what the profile was made from.

The profile is of all rows and of values as they are stored, so it is shown as far as the reader sees these: not at all where rows are
hidden from them, and not of columns that are hidden or changed for them.
"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from connector.accounts.models import SignedInRequest
from datasets.backfill.tasks import tell
from datasets.models import ColumnProfile
from datasets.profiles import tasks
from datasets.views.dataset import page_of
from datasets.views.lookup import find_dataset


@require_http_methods(["GET", "POST"])
@login_required
def columns(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET shows the profile; POST has it rebuilt by a worker."""
    dataset = find_dataset(request, slug)
    if request.method == "POST":
        if tell(tasks.profile, "interactive", dataset_id=dataset.pk):
            messages.success(request, "The profile is being refreshed. Reload this page in a few seconds.")
        else:
            messages.error(
                request, "No worker can be reached right now, so the profile was not refreshed. Try again in a minute."
            )
        return redirect("dataset-columns", dataset.slug)
    context = page_of(request, dataset, "dataset-columns")
    seen = context["seen"]
    kept = None if seen.policy.hides_rows else ColumnProfile.objects.filter(dataset=dataset).first()
    found = {column["name"]: column for column in kept.columns if seen.policy.shows(column["name"])} if kept else {}
    context |= {
        "profile": seen.policy.cut(kept),
        "hides_rows": seen.policy.hides_rows,
        "columns": [
            column
            | {
                "found": found.get(column["name"]),
                "is_changed": not seen.policy.shows(column["name"]),
            }
            for column in seen.columns
        ],
    }
    return render(request, "datasets/dataset_columns.html", context)
