"""Lands one collected request in a process of its own: `python -m benchmarks.landing REQUEST`; prints seconds and peak MB."""

import os
import resource
import sys
import threading
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector.settings")


def main(request_id):
    import django

    django.setup()
    from connector.catalogue import index
    from datasets.backfill import fetch, lease
    from datasets.backfill.sources.asking import Asking
    from datasets.models import Request, Run

    request = Request.objects.get(pk=request_id)
    run = Run.objects.select_related("dataset__account").get(dataset=request.dataset_id, state="queued")
    fence = lease.take(run.pk)
    run.refresh_from_db()
    report = index.effective(run.dataset.report, run.dataset.options)
    zone = run.dataset.account.zone if report.zone == "marketplace" else report.zone
    began = time.perf_counter()
    fetch.step(Asking(run, fence, report, run.dataset.account, zone, threading.Event()), request)
    seconds = time.perf_counter() - began
    request.refresh_from_db()
    assert request.state == "done", request.message
    run.end(fence=fence, state="succeeded", message="")
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(int(sys.argv[1]))
