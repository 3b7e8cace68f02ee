"""From the address to what it means, within what this person may see: a stranger's is as if it did not exist."""

from django.shortcuts import get_object_or_404
from django.utils import timezone

from connector.catalogue import index
from datasets.access import policies
from datasets.access.tokens import Caller
from datasets.models import Dataset, Run


def find_dataset(request, slug):
    return get_object_or_404(Dataset.objects.of(request.user).select_related("account__application"), slug=slug)


def find_run(request, run_id):
    runs = Run.objects.filter(dataset__in=Dataset.objects.of(request.user))
    return get_object_or_404(runs.select_related("dataset__account__application", "started_by"), pk=run_id)


def look(request, dataset):
    """The Snapshot of a dataset for who is signed in, as it was looked up."""
    return policies.look(Caller(request.user), dataset, now=timezone.now())


def report_of(dataset):
    """The report as this dataset's answers make it; None where the catalogue has dropped it."""
    try:
        return index.effective(dataset.report, dataset.options)
    except KeyError:
        return None


def report_title(dataset):
    """The report's title, and where an answer makes another report of it, that answer."""
    try:
        report = index.get(dataset.report)
    except KeyError:
        return dataset.report
    chosen = [
        str(dict(report.option(name).choices or ()).get(dataset.options.get(name), "")) for name in report.variants
    ]
    return ": ".join([report.title, *filter(None, chosen)])
