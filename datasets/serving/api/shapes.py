"""How things look in JSON."""

from datetime import UTC, date, datetime
from typing import Any, Literal

from django.urls import reverse
from ninja import Schema
from pydantic import Field

from datasets.definition.form import schedule_json
from datasets.serving import moment
from datasets.serving.api.core import Strict
from datasets.serving.wording import absolute

Instant = datetime | None


def utc(at):
    """Whole seconds in UTC, which JSON writes with a Z."""
    return at.astimezone(UTC).replace(microsecond=0) if at else None


# Datasets


class Schedule(Strict):
    kind: str = "daily"
    at: str | None = Field(None, description="HH:MM, 06:00 when not said")
    zone: str | None = Field(None, description="an IANA time zone, the marketplace's when not said")


class Column(Schema):
    name: str
    title: str
    type: str


class NewDataset(Strict):
    name: str
    description: str = ""
    account: str = Field(description="the account's id or name")
    report: str = Field(description="a key of /api/v1/reports")
    options: dict[str, Any] = Field(default_factory=dict)
    start: str | None = Field(None, description="2026-10-01, today, yesterday, today-7")
    end: str | None = None
    mode: str | None = Field(None, description="append, replace or merge; the report's own when not said")
    schedule: Schedule | None = None
    run: bool = Field(False, description="start the first run at once")


class DatasetChange(Strict):
    """What is left out stays as it is."""

    name: str | None = None
    description: str | None = None
    account: str | None = None
    report: str | None = None
    options: dict[str, Any] | None = None
    start: str | None = None
    end: str | None = None
    mode: str | None = None
    schedule: Schedule | None = None


class Clone(Strict):
    name: str
    run: bool = False


class DatasetAnswer(Schema):
    id: str
    slug: str
    name: str
    description: str
    account: str
    account_name: str
    report: str
    options: dict[str, Any]
    start: str | None
    end: str | None
    mode: str
    schedule: Schedule | None
    paused: bool
    state: Literal["new", "loading", "up_to_date", "partial", "failed", "paused"]
    message: str = Field(description="what the last run says, in words for people")
    rows: int
    days_total: int
    days_done: int
    days_failed: int
    oldest: date | None
    newest: date | None
    complete_through: date | None
    version: str
    as_of: Instant = Field(description="when rows last changed")
    columns: list[Column]
    next_run_at: Instant
    created_at: Instant
    links: dict[str, str]


def dataset_json(dataset, facts, request):
    here = reverse("api:read_dataset", args=[dataset.slug])
    links = {
        "self": here,
        "page": reverse("dataset", args=[dataset.slug]),
        "csv": f"{here}/export.csv",
        "json": f"{here}/export.json",
        "ndjson": f"{here}/export.ndjson",
        "xlsx": f"{here}/export.xlsx",
        "parquet": f"{here}/export.parquet",
        "rows": f"{here}/rows.json",
        "runs": f"{here}/runs",
        "days": f"{here}/days",
        "schema": f"{here}/schema",
    }
    return {
        "id": str(dataset.uuid),
        "slug": dataset.slug,
        "name": dataset.name,
        "description": dataset.description,
        "account": str(dataset.account_id),
        "account_name": dataset.account.name,
        "report": dataset.report,
        "options": dataset.options,
        "start": dataset.start or None,
        "end": dataset.end or None,
        "mode": dataset.mode,
        "schedule": schedule_json(dataset),
        "paused": dataset.paused,
        "state": facts.state,
        "message": facts.last_run.message if facts.last_run else "",
        "rows": dataset.rows,
        "days_total": facts.days_total,
        "days_done": facts.days_done,
        "days_failed": facts.days_failed,
        "oldest": facts.oldest,
        "newest": facts.newest,
        "complete_through": facts.complete_through,
        "version": f"v{dataset.version}",
        "as_of": utc(dataset.changed_at),
        "columns": list(moment.served(dataset)),
        "next_run_at": None if dataset.paused else utc(dataset.next_run_at),
        "created_at": utc(dataset.created_at),
        "links": {name: absolute(request, path) for name, path in links.items()},
    }


class TableField(Schema):
    name: str
    title: str
    type: Literal["string", "integer", "number", "boolean", "date", "datetime"]


class TableSchema(Schema):
    """JSON Table Schema, as Frictionless tools read it."""

    name: str
    fields: list[TableField]
    primaryKey: list[str]
    missingValues: list[str]


TABLE_TYPES = {
    "text": "string",
    "bigint": "integer",
    "numeric": "number",
    "boolean": "boolean",
    "date": "date",
    "timestamptz": "datetime",
}


# Runs and days


class RunAnswer(Schema):
    id: int
    state: Literal["queued", "running", "waiting", "succeeded", "partial", "failed", "cancelled"]
    trigger: str
    rows: int
    days_total: int
    days_done: int
    days_failed: int
    first_day: date | None
    last_day: date | None
    message: str
    queued_at: Instant
    started_at: Instant
    ended_at: Instant
    not_before: Instant = Field(description="a waiting run goes on no sooner than this")
    started_by: str | None


def run_json(run):
    return {
        "id": run.pk,
        "state": run.state,
        "trigger": run.trigger,
        "rows": run.rows,
        "days_total": run.days_total,
        "days_done": run.days_done(),
        "days_failed": run.days_failed(),
        "first_day": run.first_day,
        "last_day": run.last_day,
        "message": run.message,
        "queued_at": utc(run.queued_at),
        "started_at": utc(run.started_at),
        "ended_at": utc(run.ended_at),
        "not_before": utc(run.not_before),
        "started_by": (run.started_by.email or run.started_by.username) if run.started_by else None,
    }


class Reload(Strict):
    from_: str = Field(alias="from", description="the first day: 2026-10-01, yesterday, today-7")
    to: str = Field(description="the last day, loaded too")


class DayAnswer(Schema):
    day: date
    state: Literal["wanted", "asked", "landed", "empty", "failed"]
    rows: int
    attempts: int
    again: bool = Field(description="its rows are in and stay, and it is being read once more")
    run: int | None
    message: str
    landed_at: Instant


def day_json(day):
    return {
        "day": day.day,
        "state": day.state,
        "rows": day.rows,
        "attempts": day.attempts,
        "again": day.again,
        "run": day.run_id,
        "message": day.message,
        "landed_at": utc(day.landed_at),
    }


# Accounts


class NewAccount(Strict):
    name: str
    kind: str = Field(description="seller or vendor")
    marketplaces: list[str] = Field(description="Amazon's country codes, the home one first")
    selling_partner_id: str | None = None
    refresh_token: str
    client_id: str | None = None
    client_secret: str | None = None


class AccountAnswer(Schema):
    id: str
    name: str
    kind: str
    region: str
    marketplaces: list[str]
    selling_partner_id: str
    state: Literal["connected", "needs_consent"]
    message: str
    application: str
    datasets: int
    authorized_at: Instant
    created_at: Instant


def account_json(account):
    return {
        "id": str(account.pk),
        "name": account.name,
        "kind": account.kind,
        "region": account.region,
        "marketplaces": account.marketplaces,
        "selling_partner_id": account.selling_partner_id,
        "state": account.state,
        "message": account.message,
        "application": account.application.name,
        "datasets": account.datasets.count(),
        "authorized_at": utc(account.authorized_at),
        "created_at": utc(account.created_at),
    }


# Tokens


class NewToken(Strict):
    name: str = ""
    scopes: list[str] | None = Field(None, description="all that the caller has, when not said")
    datasets: list[str] | None = Field(None, description="slugs or ids; without them all that the owner may see")
    days: int | None = Field(None, ge=1, le=3650, description="how long it lives, 365 when not said")


class TokenAnswer(Schema):
    id: str
    name: str
    kind: str
    scopes: list[str]
    datasets: list[str] | None = Field(description="slugs it is limited to; null for no limit")
    query: str = Field(description="what a link is fixed to")
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant
    last_used_at: Instant
    last_used_by: str


class FreshToken(TokenAnswer):
    token: str = Field(description="shown this once")


class NewLink(Strict):
    name: str = ""
    query: str = Field("", description="what the link is fixed to, as in an address: _select=a,b&_day__gte=today-30")
    days: int | None = Field(None, ge=1, le=3650, description="how long it lives, 365 when not said")


class FreshLink(FreshToken):
    url: str = Field(description="the whole address")


def token_json(token):
    return {
        "id": token.token_id,
        "name": token.name,
        "kind": token.kind,
        "scopes": token.scopes,
        "datasets": [dataset.slug for dataset in token.datasets.all()] if token.limited else None,
        "query": token.link_query,
        "created_at": utc(token.created_at),
        "expires_at": utc(token.expires_at),
        "revoked_at": utc(token.revoked_at),
        "last_used_at": utc(token.last_used_at),
        "last_used_by": token.last_used_by,
    }


# The catalogue


class OptionAnswer(Schema):
    name: str
    label: str
    type: str
    choices: list[str]
    titles: dict[str, str]
    required: bool
    default: Any = None
    most: int | None
    help: str


class ReportColumn(Column):
    personal: bool


class ReportVariant(Schema):
    option: str
    value: str | bool
    has_dates: bool
    options: list[OptionAnswer]
    columns: list[ReportColumn]


class ReportAnswer(Schema):
    key: str
    title: str
    group: str
    audience: list[str]
    summary: str
    modes: list[str]
    forced_mode: str | None
    has_dates: bool
    reach_days: int | None
    settling_days: int
    zone: str
    key_columns: list[str]
    restricted: bool
    retires_on: str | None
    options: list[OptionAnswer]
    columns: list[ReportColumn]
    variants: list[ReportVariant] = Field(
        description="what an answer makes of the report, where it brings other options or columns"
    )


class ChangeAnswer(Schema):
    day: date
    run: int | None
    seen_at: Instant
    rows_before: int
    rows_after: int
    totals: list[dict] = Field(description="columns whose sum changed: column, before, after (as text, null for none)")


def change_json(change):
    return {
        "day": change.day,
        "run": change.run_id,
        "seen_at": utc(change.seen_at),
        "rows_before": change.rows_before,
        "rows_after": change.rows_after,
        "totals": [{"column": name, "before": before, "after": after} for name, before, after in change.differences()],
    }
