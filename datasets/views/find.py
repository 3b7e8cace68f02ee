"""Resolves a URL to an object, among those this user may see: those of others are treated as not existing."""

from django.shortcuts import get_object_or_404
from django.utils import timezone

from datasets.access import policies
from datasets.access.tokens import Caller
from datasets.models import Dataset, Run


def find_dataset(request, slug):
    return get_object_or_404(Dataset.objects.of(request.user).select_related("account__application"), slug=slug)


def find_run(request, run_id):
    runs = Run.objects.filter(dataset__in=Dataset.objects.of(request.user))
    return get_object_or_404(runs.select_related("dataset__account__application", "started_by"), pk=run_id)


def look(request, dataset):
    """The Snapshot of a dataset for the signed-in user, as it was looked up."""
    return policies.look(Caller(request.user), dataset, now=timezone.now())
