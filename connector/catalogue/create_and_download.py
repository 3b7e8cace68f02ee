"""Create and Download Report: one entry of the picker for all report types, each of which brings its own questions."""

from datetime import timedelta

from connector.catalogue import analytics, flat_files, xml_orders
from connector.catalogue.flat_files import ALL_ORDERS, MARKETPLACES, QUOTE
from connector.catalogue.options import Option
from connector.catalogue.report import Days, Report

TYPES = flat_files.TYPES | xml_orders.TYPES | analytics.TYPES

REPORT_TYPE = Option(
    "report_type",
    "Report Type",
    choices=tuple((name, entry["title"]) for name, entry in TYPES.items()),
    required=True,
)
FORMS = {"flat_file": (REPORT_TYPE, QUOTE, MARKETPLACES), "xml": (REPORT_TYPE, MARKETPLACES), "json": (REPORT_TYPE,)}


def _variant(entry):
    """What a report type changes about the entry; its own options stand behind the choice of the type."""
    changes = {name: value for name, value in entry.items() if name != "title"}
    return changes | {"options": (*FORMS[entry["source"].reader], *entry.get("options", ()))}


CREATE_AND_DOWNLOAD = Report(
    key="create_and_download_report",
    title="Create and Download Report",
    group="Reports",
    audience=("seller",),
    summary="Reports that Amazon builds on request: orders item by item without buyer data, sales and traffic, search terms.",
    source=next(iter(TYPES.values()))["source"],
    options=FORMS["flat_file"],
    window=Days(30),
    reach_days=730,
    lag=timedelta(minutes=30),
    settling_days=3,
    cooldown=timedelta(minutes=30),
    day_column="purchase_date",
    columns=ALL_ORDERS,
    modes=("append", "replace"),
    regional=True,
    channel_column="sales_channel",
    variants={REPORT_TYPE.name: {name: _variant(entry) for name, entry in TYPES.items()}},
)
