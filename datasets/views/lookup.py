"""Resolves a URL to an object, among those this user may see: those of others are treated as not existing."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from connector.accounts.models import SignedInRequest
from datasets.access import policies
from datasets.access.tokens import Caller
from datasets.models import Dataset, Run
from datasets.rows.snapshot import Snapshot


class PageRequest(SignedInRequest):
    """What a page behind `login_required` is given, once the middleware has seen whether htmx asks."""

    htmx: HtmxDetails


def find_dataset(request: SignedInRequest, slug: str) -> Dataset:
    return get_object_or_404(Dataset.objects.of(request.user).select_related("account__application"), slug=slug)


def find_run(request: SignedInRequest, run_id: int) -> Run:
    runs = Run.objects.filter(dataset__in=Dataset.objects.of(request.user))
    return get_object_or_404(runs.select_related("dataset__account__application", "started_by"), pk=run_id)


def look(request: SignedInRequest, dataset: Dataset) -> Snapshot:
    """The Snapshot of a dataset for the signed-in user, as it was looked up."""
    return policies.look(Caller(request.user), dataset, now=timezone.now())
