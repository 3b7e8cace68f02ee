"""The Data Center: all datasets, what needs attention, search and filters."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from connector.accounts.models import Account, SignedInRequest
from connector.database.moment import one_moment
from datasets.access.policies import policy_of
from datasets.access.tokens import Caller
from datasets.backfill import dataset_status
from datasets.models import Dataset
from datasets.views.lookup import PageRequest

PER_PAGE = 50
ATTENTION = ("failed", "partial")
NAMED = 5  # of those that need attention


@require_GET
@login_required
@one_moment()
def datasets(request: PageRequest) -> HttpResponse:
    """GET / – also what htmx fetches again while something is loading."""
    mine = Dataset.objects.of(request.user).select_related("account").order_by("name", "pk")
    everything = _with_states(mine.defer("columns"))
    sought, state = request.GET.get("q", "").strip()[:200], request.GET.get("state", "")
    state = state if state in dataset_status.STATES else ""
    found = [row for row in everything if _is_meant(row, sought.casefold())] if sought else everything
    page = Paginator([row for row in found if not state or row["state"] == state], PER_PAGE).get_page(
        request.GET.get("page")
    )
    attention = [row for row in everything if row["state"] in ATTENTION]
    _add_facts(request, [*page, *attention[:NAMED]])
    accounts = Account.objects.of(request.user)
    troubled = accounts.filter(Q(state=Account.State.NEEDS_CONSENT) | ~Q(application__state="ready"))
    context = {
        "page": page,
        "sought": sought,
        "state": state,
        "filters": _filters(found, state),
        "has_any": bool(everything),
        "has_account": bool(everything) or accounts.exists(),
        "attention": attention,
        "troubled_accounts": troubled.select_related("application").order_by("name"),
        "is_live": any(row["state"] == "loading" for row in page),
        "now": timezone.now(),
    }
    return render(request, "datasets/list.html#table" if request.htmx else "datasets/list.html", context)


def _with_states(datasets: Iterable[Dataset]) -> list[dict[str, Any]]:
    datasets = list(datasets)
    states = dataset_status.states_of(datasets)
    return [{"dataset": d, "state": states[d.pk], "report": d.report_title} for d in datasets]


def _add_facts(request: SignedInRequest, rows: list[dict[str, Any]]) -> None:
    """Days are counted for the rows that are shown, not for all that there are."""
    caller = Caller(request.user)
    known = dataset_status.statuses_of({row["dataset"].pk: row["dataset"] for row in rows}.values())
    for row in rows:
        policy, found = policy_of(caller, row["dataset"]), known[row["dataset"].pk]
        row["facts"] = replace(found, last_run=policy.cut(found.last_run))
        row["rows"] = policy.count(row["dataset"].rows)


def _is_meant(row: Mapping[str, Any], sought: str) -> bool:
    dataset = row["dataset"]
    places = (dataset.name, dataset.slug, dataset.description, row["report"], dataset.account.name)
    return any(sought in place.casefold() for place in places)


def _filters(rows: list[dict[str, Any]], chosen: str) -> list[tuple[str, int]]:
    """(state, how many) for the filter links: only states that some dataset is in, and the chosen one."""
    counts = {state: sum(row["state"] == state for row in rows) for state in dataset_status.STATES}
    return [("", len(rows)), *((state, n) for state, n in counts.items() if n or state == chosen)]
