"""Create and Download Report: one entry of the picker for all report types, each of which brings its own questions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from connector.catalogue import analytics, flat_files, xml_orders
from connector.catalogue.flat_files import MARKETPLACES, QUOTE
from connector.catalogue.options import Option
from connector.catalogue.report import Report
from connector.catalogue.report_types import ReportType

TYPES = (*flat_files.TYPES, *xml_orders.TYPES, *analytics.TYPES)

REPORT_TYPE = Option(
    "report_type",
    "Report Type",
    choices=tuple((each.name, each.title) for each in TYPES),
    required=True,
)
FORMS = {"flat_file": (REPORT_TYPE, QUOTE, MARKETPLACES), "xml": (REPORT_TYPE, MARKETPLACES), "json": (REPORT_TYPE,)}


def _made_of(report: Report, kind: ReportType) -> dict[str, Any]:
    """The fields of the report that the type changes; its own options stand behind the choice of the type.

    A file of the whole region whose rows name no sales channel cannot be cut to marketplaces, so that question is not
    asked.
    """
    asked = FORMS[kind.source.reader]
    if kind.regional and kind.channel_column is None:
        asked = tuple(option for option in asked if option is not MARKETPLACES)
    wished = kind.changes | {"options": (*asked, *kind.options)}
    return {name: value for name, value in wished.items() if value != getattr(report, name)}


_PLAIN = Report(
    key="create_and_download_report",
    title="Create and Download Report",
    group="Reports",
    audience=("seller",),
    summary="Reports that Amazon builds on request: orders item by item without buyer data, FBA customer returns, sales and traffic, search terms.",
    reach_days=730,
    cooldown=timedelta(minutes=30),
    modes=("append", "replace"),
    **TYPES[0].changes | {"options": FORMS["flat_file"]},
)
CREATE_AND_DOWNLOAD = replace(
    _PLAIN, variants={REPORT_TYPE.name: {each.name: _made_of(_PLAIN, each) for each in TYPES}}
)
