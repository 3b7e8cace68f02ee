"""A report type behind Create and Download Report: what it makes of that entry of the picker."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from connector.catalogue.options import Option
from connector.catalogue.report import Document
from connector.catalogue.windows import Aligned, Days


@dataclass(frozen=True, kw_only=True)
class ReportType:
    """The fields are those of a Report; `options` are further questions, behind the choice of the type."""

    title: str
    source: Document
    day_column: str | None
    options: tuple[Option, ...] = ()
    window: Days | Aligned = Days(30)
    lag: timedelta = timedelta(minutes=30)
    settling_days: int = 3
    regional: bool = True
    channel_column: str | None = None
    variants: Mapping = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Amazon's: GET_…"""
        return self.source.report_type

    @property
    def changes(self) -> dict[str, Any]:
        """What it says of the report, by the names of a Report's fields."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "title"}
