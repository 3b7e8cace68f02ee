"""The run page: what is happening, how far it is, and after a failure what it means and what to do."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db.models import Case, Count, QuerySet, When
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from connector.accounts.models import Account
from connector.catalogue.report import Report
from connector.database.moment import one_moment
from datasets.backfill import dataset_status, forecast, tracing
from datasets.backfill.sources import index
from datasets.calendar import written
from datasets.models import Answer, Dataset, Day, Request, Run
from datasets.views import calendar
from datasets.views.lookup import PageRequest, find_run, look

BY_HAND = "Nothing automatically: this dataset has no schedule."
GIVEN_UP = "Given up"
MAX_DAYS = 50
MAX_REQUESTS = 20


@require_GET
@login_required
@one_moment()
def run(request: PageRequest, run_id: int) -> HttpResponse:
    """GET /runs/<id> – also what htmx fetches again while the run is open."""
    run = find_run(request, run_id)
    dataset = run.dataset
    policy = look(request, dataset).policy
    run = policy.cut(run)
    now = timezone.now()
    report = dataset.effective_report
    requests = _requests(run)
    zone = dataset_status.zone(dataset)
    touched = run.days.order_by(Case(When(state=Day.State.FAILED, then=0), default=1), "-day")
    done, failed = run.days_done(), run.days_failed()
    context = {
        "run": run,
        "dataset": dataset,
        "sentence": sentence(run, done, failed, report),
        "done": done,
        "failed": failed,
        "phases": _phases(run, requests, report),
        "requests": [
            (policy.cut(one), _where(one))
            for one in requests.select_related("answer").order_by("-last_day", "-pk")[:MAX_REQUESTS]
        ],
        "requests_hidden": max(0, requests.count() - MAX_REQUESTS),
        "days": calendar.listed(touched[:MAX_DAYS], dataset, zone, policy, now),
        "days_hidden": max(0, touched.count() - MAX_DAYS),
        "trouble": trouble(run, failed) if run.state in (Run.State.FAILED, Run.State.PARTIAL) else None,
        "now": now,
    }
    return render(request, "datasets/run.html#live" if request.htmx else "datasets/run.html", context)


def _requests(run: Run) -> QuerySet[Request]:
    """What this run asked of Amazon; requests that an earlier run left open are taken over by the next."""
    found = Request.objects.filter(dataset=run.dataset_id, generation=run.generation)
    if run.is_open:
        return found.filter(created_at__gte=run.queued_at) | found.filter(state__in=Request.OPEN)
    return found.filter(created_at__gte=run.queued_at, created_at__lte=run.ended_at)


def _phases(run: Run, requests: QuerySet[Request], report: Report | None) -> list[tuple[str, str, int]]:
    """(key, words, how many requests are there now) along the way of a request."""
    kind = Answer.FILE if run.trigger == Run.Trigger.FILE else report.source.kind if report else ""
    counts = dict(requests.order_by().values_list("state").annotate(Count("pk")))
    found = [(phase.state, phase.words, counts.get(phase.state, 0)) for phase in index.phases(kind)]
    given_up = counts.get(Request.State.FAILED, 0)  # else all of a run that failed would be nowhere
    return [*found, ("failed", GIVEN_UP, given_up)] if given_up else found


def _where(request: Request) -> str:
    """The phase of a request, for display."""
    if request.state == Request.State.FAILED:
        return GIVEN_UP
    words = {phase.state: phase.words for phase in index.phases(request.answer.kind)}
    return words.get(request.state, request.get_state_display())


def sentence(run: Run, done: int, failed: int, report: Report | None) -> str:
    """The run's state in a sentence."""
    if run.cancel_requested and run.is_open:
        return "It stops after the current day. Days already loaded are kept."
    if run.state == Run.State.QUEUED and not run.started_at:
        return "Waiting for a free worker. This usually takes a few seconds."
    if run.state in (Run.State.FAILED, Run.State.PARTIAL):
        return (
            f"{done:,} of {run.days_total:,} days loaded, {failed:,} failed."
            if done or failed
            else "Nothing was loaded."
        )
    if not run.is_open:
        return run.message
    so_far = f"{done:,} of {run.days_total:,} days done, newest first." if run.days_total > 1 else "Under way."
    if failed:
        so_far += f" {failed:,} failed."
    left = forecast.remaining(run.dataset, run, report) if report else None
    if left:
        words = forecast.words(left)
        so_far += f" {words[0].upper()}{words[1:]} left."
    return so_far


@dataclass(frozen=True)
class FailureSummary:
    """The four things a user needs to know when a run did not load everything."""

    happened: str
    means: str
    next: str
    can_do: str
    links: list[tuple[str, str]]  # (words, address)
    may_run: bool = True


def trouble(run: Run, failed: int) -> FailureSummary:
    dataset, account = run.dataset, run.dataset.account
    links = []
    may_run = account.works and not Run.objects.filter(dataset=dataset).open().exists()
    if run.trigger == Run.Trigger.FILE:  # whatever the account's state: Amazon is not asked
        can_do, may_run = "Check the reason given for each day, correct the file, upload it again and load it.", False
        links.append(("Go to Files", reverse("files")))
    elif account.needs_consent:
        can_do = f"Re-authorise {account.name} at Amazon. The dataset then continues where it stopped."
        links.append((f"Re-authorise {account.name}", reverse("account-reauthorize", args=[account.pk])))
    elif account.works and (countries := tracing.left_out(run)):
        can_do = (
            f"Check in {'Seller' if account.is_seller else 'Vendor'} Central that the account sells in "
            f"{tracing.listed(countries)} and that this application may read it there. Then re-authorise "
            f"{account.name} or test its connection, and the next run asks again. Or remove the marketplace from the "
            "dataset's marketplaces."
        )
        links.append((f"Re-authorise {account.name}", reverse("account-reauthorize", args=[account.pk])))
        links.append((f"Open {account.name}", reverse("account", args=[account.pk])))
        links.append(("Edit the dataset", reverse("dataset-edit", args=[dataset.slug])))
    elif not account.application.is_ready:
        can_do = account.application.cure
        links.append(("Go to Accounts", reverse("accounts")))
    else:
        can_do = "Run it again now, or check the reason given for each day. If Amazon refuses the request itself, edit the dataset."
        links.append(("Edit the dataset", reverse("dataset-edit", args=[dataset.slug])))
    return FailureSummary(
        run.message, _means(run, failed), _next(run, dataset, account, failed), can_do, links, may_run
    )


def _means(run: Run, failed: int) -> str:
    dataset = run.dataset
    kept = "Everything loaded before is kept and can be used."
    if countries := tracing.left_out(run):
        kept += f" The days are missing these marketplaces: {tracing.listed(countries)}."
    if dataset.mode == Dataset.Mode.REPLACE and run.generation > dataset.generation:
        kept = "Readers see the rows of the last complete run: a replace never shows an incomplete range."
        if countries:
            kept += f" This run is without {tracing.listed(countries)}."
    if not failed:
        return kept
    missing = list(run.days.filter(state=Day.State.FAILED).order_by("-day").values_list("day", flat=True)[:5])
    if missing:
        named = ", ".join(f"{day.day} {day:%b %Y}" for day in missing)
        more = f" and {failed - len(missing):,} more" if failed > len(missing) else ""
        return f"{kept} Missing: {named}{more}."
    if run.days.filter(state__in=Day.IN, again=True).exists():
        return f"{kept} Days that could not be loaded a second time keep their earlier rows."
    return f"{kept} Later runs have taken over the days that failed in this one."


def _next(run: Run, dataset: Dataset, account: Account, failed: int) -> str:
    if run.trigger == Run.Trigger.FILE:
        return "Nothing automatically: the rows of these days come from a file, which must be loaded by hand."
    if not account.works:
        return "Nothing until the account works again: Amazon would refuse every request."
    if dataset.paused:
        return "Nothing: the dataset is paused. Resume it to activate its schedule again."
    now, planned = timezone.now(), dataset.next_run_at
    due = calendar.first_try(dataset, run.days.waiting(now), now)
    if not failed and (countries := tracing.left_out(run)):
        if not planned:
            return f"{BY_HAND} Its runs ask for {tracing.listed(countries)} again, at most once a day."
        return (
            f"The scheduled runs ask for {tracing.listed(countries)} again, at most once a day. The next one is "
            f"planned for {written(planned)}."
        )
    if planned and due and due > planned:
        return (
            f"The missing days wait, longer after each failure: the first scheduled run after {written(due)} requests "
            f"them again. New days are loaded in the meantime, the next ones by the run planned for {written(planned)}."
        )
    if planned:
        return f"The next scheduled run requests the missing days again. It is planned for {written(planned)}."
    if due:
        return f"{BY_HAND} Run now requests the missing days immediately; a run started by a script does so after {written(due)}."
    return f"{BY_HAND} The next run requests the missing days again."
