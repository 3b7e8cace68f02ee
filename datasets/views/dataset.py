"""The dataset's pages: overview, rows, history, how to read it from elsewhere, settings, and one day."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, cast

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.db.models.functions import Coalesce
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from connector.accounts.models import SignedInRequest
from connector.catalogue.report import Report
from connector.database.moment import one_moment
from datasets.backfill import dataset_status, forecast
from datasets.backfill.dataset_status import DatasetStatus
from datasets.backfill.span import asked_for, span_of
from datasets.calendar import written
from datasets.formats.index import IN_MENUS
from datasets.models import Dataset, Day, DayQuerySet, Run
from datasets.rows.snapshot import Snapshot
from datasets.views import calendar, restatements
from datasets.views.lookup import PageRequest, find_dataset, look

TABS = (
    ("dataset", "Overview"),
    ("dataset-data", "Data"),
    ("dataset-columns", "Columns"),
    ("dataset-query", "Query"),
    ("dataset-history", "History"),
    ("dataset-api", "API"),
    ("dataset-settings", "Settings"),
)
MONTHS = 12
PER_PAGE = 50
DAYS_PER_PAGE = 100


class ReloadForm(forms.Form):
    """Which days to fetch again."""

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    last = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("first") and given.get("last") and given["first"] > given["last"]:
            raise forms.ValidationError("The first day is after the last one. Swap them.")
        return given


def page_of(request: SignedInRequest, dataset: Dataset, tab: str, **more: Any) -> dict[str, Any]:
    """What the head of each of the dataset's pages needs."""
    now = timezone.now()
    seen = look(request, dataset)
    known = dataset_status.status_of(dataset, now)
    known = replace(known, last_run=seen.policy.cut(known.last_run))
    run = known.last_run if known.last_run and known.last_run.is_open else None
    return {
        "dataset": dataset,
        "seen": seen,
        "facts": known,
        "report": dataset.effective_report,
        "open_run": run,
        "tabs": TABS,
        "formats": IN_MENUS,
        "tab": tab,
        "zone": dataset_status.zone(dataset),
        "now": now,
    } | more


@require_GET
@login_required
@one_moment()
def overview(request: PageRequest, slug: str) -> HttpResponse:
    """GET /datasets/<slug> – also what htmx fetches again while a run is open."""
    dataset = find_dataset(request, slug)
    context = page_of(request, dataset, "dataset")
    report, known, run = context["report"], context["facts"], context["open_run"]
    left = forecast.remaining(dataset, run, report) if run and report else None
    context |= {
        "sentence": sentence(dataset, known, run, report, left, _next_try(dataset, known, context["now"]))
        + _from_files(known)
        + _shown_meanwhile(dataset, known, run),
        "columns": context["seen"].columns,
        "reload_form": ReloadForm(),
    }
    if report is None or report.has_dates:
        whole = request.GET.get("months") == "all"
        context |= _days(context["seen"], known, report, context["zone"], context["now"], whole)
    name = "datasets/dataset_overview.html"
    return render(request, f"{name}#live" if request.htmx else name, context)


def ledger(dataset: Dataset, known: DatasetStatus) -> DayQuerySet:
    """The days of the table that the latest run builds."""
    generation = known.last_run.generation if known.last_run else dataset.generation
    return Day.objects.filter(dataset=dataset, generation=generation)


def _days(
    seen: Snapshot, known: DatasetStatus, report: Report | None, zone: str, now: datetime, whole: bool
) -> dict[str, Any]:
    """Calendar, legend and bars."""
    dataset = seen.dataset
    fields = ("day", "state", "rows", "attempts", "again", "read_until", "request_id", "lacking")
    span = None
    if report is not None:
        try:
            span = span_of(dataset, report, now)
        except ValueError:
            span = None  # the dates were words that mean nothing any more: what is there still shows
    is_loading = bool(known.last_run and known.last_run.is_open)
    days = ledger(dataset, known).only(*fields)
    cells = calendar.shown_cells(days, dataset, span, zone, seen.policy, now, is_loading=is_loading)
    if not cells:
        return {"months": []}
    first, last = min(cells), max(cells)
    months = calendar.months(cells)
    return {
        "months": months if whole else months[:MONTHS],
        "months_hidden": 0 if whole else max(0, len(months) - MONTHS),
        "months_whole": whole,
        "legend": calendar.legend(cell for month in months for cell in month.cells),
        "bars": calendar.bars(cells, first, last),
        "first": first,
        "last": last,
    }


def _next_try(dataset: Dataset, known: DatasetStatus, now: datetime) -> datetime | None:
    """When the first of the days that have failed is tried again; None where none has to wait."""
    if not known.days_failed:
        return None
    return calendar.first_try(dataset, ledger(dataset, known).waiting(now), now)


def sentence(
    dataset: Dataset,
    known: DatasetStatus,
    run: Run | None,
    report: Report | None,
    left: float | None,
    next_try: datetime | None = None,
) -> str:
    """How far the dataset is, in a sentence or two."""
    failed = f" {known.days_failed:,} failed." if known.days_failed else ""
    if report is not None and not report.has_dates:
        if run:
            return "Amazon is being asked for the current state."
        if known.newest is None:
            return "Nothing has been loaded yet." if known.state != "failed" else cast(Run, known.last_run).message
        return f"As Amazon had it on {_date(known.newest)}. This report shows the current state and has no history."
    so_far = f"{known.days_done:,} of {known.days_total:,} days loaded"
    if run:
        if run.first_day is None:
            return "The run is about to start. The first days usually take Amazon a minute or more."
        if known.days_done >= known.days_total:
            return f"All {known.days_total:,} days are loaded; the latest ones are being loaded again.{_left(left)}"
        return f"{so_far}, newest first.{failed}{_left(left)}"
    if known.state == "new":
        return f"Nothing has been loaded yet. {known.days_total:,} days will be loaded, newest first."
    if known.days_done >= known.days_total:
        without = (
            f", {known.days_lacking:,} of them without a marketplace that Amazon refuses" if known.days_lacking else ""
        )
        return f"All {known.days_total:,} days are loaded{without}."
    if not dataset.account.works:
        return f"{so_far}.{failed} No new data is loaded until the account works again."
    if dataset.paused:
        return f"{so_far}.{failed} Paused: no run is scheduled until you resume the dataset."
    if next_try:
        return f"{so_far}.{failed} The first run after {written(next_try)} tries them again."
    return f"{so_far}.{failed} The next run continues with the missing days."


def _from_files(known: DatasetStatus) -> str:
    """The days that are not among those which the dataset loads by itself."""
    many = known.days_from_files
    if not many:
        return ""
    return f" {many:,} more {'day' if many == 1 else 'days'} outside of its dates came from uploaded files."


def _shown_meanwhile(dataset: Dataset, known: DatasetStatus, run: Run | None) -> str:
    """What readers see of a replace that is not complete: the rows of the generation before."""
    is_aside = known.last_run is not None and known.last_run.generation > dataset.generation
    if run or dataset.mode != Dataset.Mode.REPLACE or not is_aside or known.newest is None:
        return ""
    return " Readers see the rows of the last complete run."


def _left(seconds: float | None) -> str:
    if not seconds:
        return ""
    words = forecast.words(seconds)
    return f" {words[0].upper()}{words[1:]} left."


def _date(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


@require_GET
@login_required
@one_moment()
def days(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET /datasets/<slug>/days – the calendar as a list."""
    dataset = find_dataset(request, slug)
    context = page_of(request, dataset, "dataset")
    found = ledger(dataset, context["facts"]).order_by("-day")
    states = {state: Q(state=state) & ~Day.not_had() for state in Day.State.values}
    states[Day.State.FAILED] = Day.not_had()  # a day whose second reading failed counts among them, as everywhere
    counts = found.aggregate(**{state: Count("pk", filter=condition) for state, condition in states.items()})
    state = request.GET.get("state", "")
    if state in states:
        found = found.filter(states[state])
    page = Paginator(found.select_related("run"), DAYS_PER_PAGE).get_page(request.GET.get("page"))
    policy = context["seen"].policy
    rows = calendar.listed(page, dataset, context["zone"], policy, context["now"])
    context |= {
        "page": page,
        "rows": rows,
        "state": state,
        "filters": [("", sum(counts.values())), *((key, n) for key, n in counts.items() if n or key == state)],
    }
    return render(request, "datasets/dataset_days.html", context)


@require_GET
@login_required
@one_moment()
def day(request: SignedInRequest, slug: str, day: str) -> HttpResponse:
    """GET /datasets/<slug>/days/<date>"""
    dataset = find_dataset(request, slug)
    context = page_of(request, dataset, "dataset")
    try:
        asked = date.fromisoformat(day)
    except ValueError:
        raise Http404 from None
    found = ledger(dataset, context["facts"]).select_related("request__answer", "run").filter(day=asked).first()
    if found is None:
        raise Http404
    seen, is_asked_for = context["seen"], asked_for(dataset, context["now"])(found)
    context |= {
        "day": seen.policy.cut(found),
        "request_under_way": seen.policy.cut(found.request),
        "state": calendar.state_of(found, context["zone"]),
        "next_try": found.not_before if is_asked_for and found.waits(context["now"]) else None,
        "is_asked_for": is_asked_for,
        "is_aside": dataset.mode == Dataset.Mode.REPLACE and found.generation > dataset.generation,
        "is_of_file": found.run is not None and found.run.trigger == Run.Trigger.FILE,
        "stands_on": _stands_on(dataset, asked),
        "changes": restatements.told(dataset.changes.filter(day=asked), seen),
    }
    return render(request, "datasets/day.html", context)


def _stands_on(dataset: Dataset, day: date) -> date | None:
    """Where Amazon answers by weeks or longer periods: the first day, which has the rows of this one too; else None."""
    report = dataset.effective_report
    first = report.dated_window.period(day)[0] if report and report.has_dates else day
    return first if first != day else None


@require_GET
@login_required
@one_moment()
def history(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET /datasets/<slug>/history – its runs, newest first."""
    dataset = find_dataset(request, slug)
    runs = dataset.runs.select_related("started_by").order_by("-pk")
    counted = runs.annotate(
        # What an ended run came to; its days are counted only while it is open, since later runs land them again.
        done=Coalesce("done_at_end", Count("days", filter=Q(days__state__in=Day.IN, days__again=False))),
        failed=Coalesce(
            "failed_at_end",
            Count("days", filter=Q(days__state=Day.State.FAILED) | Q(days__state__in=Day.IN, days__again=True)),
        ),
    )
    page = Paginator(counted, PER_PAGE).get_page(request.GET.get("page"))
    context = page_of(request, dataset, "dataset-history", page=page)
    context["runs"] = [context["seen"].policy.cut(run) for run in page]
    return render(request, "datasets/dataset_history.html", context)


@require_GET
@login_required
@one_moment()
def settings(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET /datasets/<slug>/settings"""
    dataset = find_dataset(request, slug)
    context = page_of(request, dataset, "dataset-settings")
    context["answers"] = _answers(dataset, context["report"])
    return render(request, "datasets/dataset_settings.html", context)


def _answers(dataset: Dataset, report: Report | None) -> list[tuple[str, str]]:
    """(label, answer) of the report's own questions."""
    labels = {option.name: option for option in report.options} if report else {}
    found = []
    for name, value in dataset.options.items():
        option = labels.get(name)
        choices = dict(option.choices or ()) if option else {}
        values = value if isinstance(value, list) else [value]
        said = ", ".join(_said(choices, one) for one in values if one not in (None, ""))
        if said:
            found.append((option.label if option else name, said))
    return found


def _said(choices: Mapping[Any, Any], answer: object) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return str(choices.get(answer, answer))
