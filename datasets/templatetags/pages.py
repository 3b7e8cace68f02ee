"""Small template helpers: states as text, the current section, durations."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils import timezone
from django.utils.html import format_html

from datasets.backfill.sources import asking
from datasets.models import Dataset, Run

register = template.Library()

STATE_WORDS = {
    # datasets
    "new": "Never run",
    "loading": "Loading",
    "up_to_date": "Up to date",
    "partial": "Partly done",
    "failed": "Failed",
    "paused": "Paused",
    # runs
    "queued": "Queued",
    "running": "Running",
    "waiting": "Waiting for Amazon",
    "succeeded": "Succeeded",
    "cancelled": "Cancelled",
    # days
    "wanted": "Not loaded yet",
    "asked": "In progress",
    "landed": "Loaded",
    "empty": "Loaded, no rows",
    "open": "Loaded, still open",
    # tokens
    "active": "Active",
    "expired": "Expired",
    "revoked": "Revoked",
}
TYPE_WORDS = {  # what a column holds, for people; programs are told the storage type
    "text": "text",
    "bigint": "whole number",
    "numeric": "number",
    "boolean": "yes or no",
    "date": "date",
    "timestamptz": "date and time (UTC)",
    "json": "list or object",
}


@register.inclusion_tag("ui/badge.html")
def badge(state: object, words: str = "") -> dict[str, Any]:
    """The state as a coloured word."""
    return {"state": state, "words": words or state_words(state)}


@register.filter
def state_words(state: object) -> str:
    return STATE_WORDS.get(str(state), str(state).replace("_", " ").capitalize())


@register.filter
def type_words(kind: str) -> str:
    """What a column of this storage type holds."""
    return TYPE_WORDS.get(kind, kind)


@register.simple_tag(takes_context=True)
def current(context: Mapping[str, Any], *prefixes: str, home: bool = False) -> str:
    """Marks the navigation link of the current section."""
    request = context.get("request")
    path = request.path if request else ""
    is_here = path == "/" if home else False
    if is_here or any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes):
        return format_html(' aria-current="{}"', "page")
    return ""


@register.inclusion_tag("ui/moment.html")
def ago(at: datetime) -> dict[str, Any]:
    """A relative time, with the exact one on hover."""
    return {"at": at, "words": relative(at, timezone.now())}


def relative(at: datetime, now: datetime) -> str:
    """5 min ago, in 3 h, 12 days ago."""
    seconds = (at - now).total_seconds()
    size = abs(seconds)
    if size < 60:
        return "just now" if seconds <= 0 else "in a moment"
    if size < 3600:
        words = f"{size // 60:.0f} min"
    elif size < 48 * 3600:
        words = f"{size // 3600:.0f} h"
    else:
        words = f"{size // 86400:.0f} days"
    return f"{words} ago" if seconds < 0 else f"in {words}"


@register.filter
def counted(rows: int | None) -> str:
    """A number of rows; a dash for None, where it may not be shown."""
    return "–" if rows is None else intcomma(rows)


@register.filter
def marketplaces(dataset: Dataset) -> list[str]:
    """The country codes that the dataset covers."""
    return asking.shown(dataset.effective_report, dataset.account, dataset.options)


@register.filter
def beside(values: Sequence[Any], heads: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Each value with the head of its column."""
    return zip(values, heads, strict=True)


@register.filter
def took(run: Run, now: datetime) -> str:
    """How long a run took, or has taken so far, in words."""
    if run.started_at is None:
        return ""
    seconds = max(0, int(((run.ended_at or now) - run.started_at).total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


@register.simple_tag
def share(part: float, whole: float) -> str:
    """A percentage; never 0 % of something nor 100 % of less than all."""
    if not part or part == whole:
        return "0 %" if not part else "100 %"
    return f"{min(99.9, max(0.1, 100 * part / whole)):.1f} %"
