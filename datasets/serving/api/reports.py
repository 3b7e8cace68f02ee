"""The report catalogue."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from connector.catalogue import index
from datasets.serving.api.core import Needs

router = Router(tags=["reports"])


class Column(Schema):
    name: str
    title: str
    type: str
    personal: bool = Field(description="whether it is personal data of a buyer")


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
    meaning: str


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


@router.get("/reports", auth=Needs("data:read"), response=list[ReportAnswer])
def list_reports(request: HttpRequest) -> list[dict[str, Any]]:
    """Every report that a dataset can be made of, with its options and columns."""
    return [report.as_json() for report in index.REPORTS if report.offered]
