"""The Data tab: a page of rows, with the same filters and order that the API takes."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET
from psycopg import errors

from connector.accounts.models import SignedInRequest
from datasets.problems import Problem
from datasets.rows import cursors, query
from datasets.rows.page import Page
from datasets.rows.pool import PAGE_SECONDS, pool
from datasets.rows.snapshot import Snapshot
from datasets.views.dataset import page_of
from datasets.views.lookup import find_dataset

PER_PAGE = "100"
NEWEST_FIRST = "-_day"
OPERATORS = (
    ("", "is"),
    ("ne", "is not"),
    ("contains", "contains"),
    ("startswith", "starts with"),
    ("gte", "at least, or from"),
    ("lte", "at most, or up to"),
    ("gt", "more than, or after"),
    ("lt", "less than, or before"),
    ("in", "is one of (a, b, c)"),
    ("isnull", "has no value (1) or has one (0)"),
)


@require_GET
@login_required
def data(request: SignedInRequest, slug: str) -> HttpResponse:
    """GET /datasets/<slug>/data?<filters and controls of rows.json>"""
    dataset = find_dataset(request, slug)
    if "column" in request.GET:
        return redirect(_with_filter(request))
    context = page_of(request, dataset, "dataset-data")
    asked, problem, page = [], "", None
    try:
        asked = query.pairs_of(request.META.get("QUERY_STRING", ""))
        page = _read(context["seen"], asked)
    except Problem as found:
        problem = str(found)
    except errors.QueryCanceled:
        problem = f"This took more than {PAGE_SECONDS} seconds. Narrow it with filters, or download the file, which has no limit."
    known = {column["name"] for column in context["seen"].columns}
    filters = [(name, value) for name, value in asked if not name.startswith("_") or name in known]
    kept = [(name, value) for name, value in asked if name != "_cursor"]
    context |= {
        "problem": problem,
        "operators": OPERATORS,
        "columns": context["seen"].columns,
        "filters": [(_said(name), value, _without(kept, (name, value))) for name, value in filters],
        "download": urlencode(
            [*((name, value) for name, value in kept if name not in ("_limit", "_count", "_dl")), ("_dl", "1")]
        ),
        "is_first": len(kept) == len(asked),
    }
    if page:
        context |= {
            "rows": [row[1:] for row in page.rows],
            "heads": _heads(page, kept),
            "count": page.count,
            "next": urlencode([*kept, ("_cursor", page.cursor)]) if page.cursor else "",
        }
    return render(request, "datasets/dataset_data.html", context, status=422 if problem else 200)


def _read(seen: Snapshot, asked: Sequence[tuple[str, str]]) -> Page:
    given = dict(asked)
    pairs = list(asked)
    if "_sort" not in given:
        pairs.append(("_sort", NEWEST_FIRST))
    if "_limit" not in given:
        pairs.append(("_limit", PER_PAGE))
    if "_count" not in given:
        pairs.append(("_count", "exact"))
    position = cursors.read(given["_cursor"], seen.pk) if given.get("_cursor") else None
    with pool().connection() as connection:
        return Page(connection, seen.dataset, seen.policy, pairs, position, seen.now, as_json=False)


def _heads(page: Page, kept: Sequence[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
    """(name, type, how it is sorted, the query that sorts by it) of each column."""
    now = {one.column: "descending" if one.descending else "ascending" for one in page.query.sort[:1]}
    rest = [(name, value) for name, value in kept if name != "_sort"]
    heads = []
    for name in page.query.select:
        order = f"-{name}" if now.get(name) == "ascending" else name
        heads.append((name, page.snapshot.types[name], now.get(name, ""), urlencode([*rest, ("_sort", order)])))
    return heads


def _with_filter(request: SignedInRequest) -> str:
    """The address with what the filter form said, in the words that the API takes."""
    given = request.GET.copy()
    column, operator, value = given.pop("column")[-1], given.pop("op", [""])[-1], given.pop("value", [""])[-1]
    given.pop("_cursor", None)
    if column:
        given.appendlist(f"{column}__{operator}" if operator else column, value)
    return f"{request.path}?{given.urlencode()}"


def _said(name: str) -> str:
    column, _, operator = name.partition("__")
    return f"{column} {dict(OPERATORS).get(operator, operator)}"


def _without(pairs: Sequence[tuple[str, str]], one: tuple[str, str]) -> str:
    rest = list(pairs)
    rest.remove(one)
    return urlencode(rest)
