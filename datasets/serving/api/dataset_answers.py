"""How a dataset looks in JSON: its definition and what it holds, and its columns as a table schema."""

from datetime import date
from typing import Any, Literal

from django.http import HttpRequest
from django.urls import reverse
from ninja import Schema
from pydantic import Field

from datasets.backfill.dataset_status import DatasetStatus
from datasets.definition.definition import Definition
from datasets.definition.payload import payload_of
from datasets.formats.index import FORMATS
from datasets.rows.snapshot import Snapshot
from datasets.serving.api.core import Instant, Strict, utc
from datasets.serving.api.reports import Column
from datasets.serving.http.response_format import absolute


class Schedule(Strict):
    kind: str = "daily"
    at: str | None = Field(None, description="HH:MM, 06:00 if omitted")
    zone: str | None = Field(None, description="an IANA time zone, the marketplace's if omitted")


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
    message: str = Field(description="the last run's message, for people")
    rows: int | None = Field(description="null where you may see only some of them")
    days_total: int
    days_done: int
    days_failed: int
    days_lacking: int = Field(description="days that are in without a marketplace that Amazon refuses")
    days_from_files: int = Field(
        description="days outside of the dataset's dates that came from uploaded files, beside days_total"
    )
    oldest: date | None
    newest: date | None
    complete_through: date | None
    version: str
    as_of: Instant = Field(description="when rows last changed")
    columns: list[Column]
    next_run_at: Instant
    created_at: Instant
    links: dict[str, str]


def dataset_json(seen: Snapshot, facts: DatasetStatus, request: HttpRequest) -> dict[str, object]:
    """`seen` is the dataset's Snapshot for who asks, `facts` what its days and runs say."""
    dataset, last_run = seen.dataset, seen.policy.cut(facts.last_run)
    definition = payload_of(Definition.of(dataset))
    here = reverse("api:read_dataset", args=[dataset.slug])
    links = {
        "self": here,
        "page": reverse("dataset", args=[dataset.slug]),
        **{name: f"{here}/export.{name}" for name in FORMATS},
        "rows": f"{here}/rows.json",
        "runs": f"{here}/runs",
        "days": f"{here}/days",
        "schema": f"{here}/schema",
    }
    return {
        "id": str(dataset.uuid),
        "slug": dataset.slug,
        "account_name": dataset.account.name,
        **definition,
        "start": dataset.start or None,
        "end": dataset.end or None,
        "paused": dataset.paused,
        "state": facts.state,
        "message": last_run.message if last_run else "",
        "rows": seen.rows,
        "days_total": facts.days_total,
        "days_done": facts.days_done,
        "days_failed": facts.days_failed,
        "days_lacking": facts.days_lacking,
        "days_from_files": facts.days_from_files,
        "oldest": facts.oldest,
        "newest": facts.newest,
        "complete_through": facts.complete_through,
        "version": f"v{dataset.version}",
        "as_of": utc(dataset.changed_at),
        "columns": list(seen.columns),
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
