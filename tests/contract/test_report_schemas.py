"""Documents against the schemas that Amazon publishes for them: the simulator's own, and Amazon's examples through our readers."""

import gzip
import io
import json
import os
from pathlib import Path

import jsonschema
import pytest

from connector.catalogue import index
from connector.catalogue.nested import RecordFlattener
from connector.catalogue.streams import json_records
from tests import models
from tests.simulator.caller import REPORTS, US
from tests.simulator.conftest import amazon, one_amazon  # noqa: F401 – fixtures: Amazon on a summer's noon

KEY = "create_and_download_report"
SCHEMAS = {
    "GET_SALES_AND_TRAFFIC_REPORT": "sellerSalesAndTrafficReport",
    "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT": "sellingPartnerSearchTermsReport",
}
ANSWERS = [
    {"report_type": "GET_SALES_AND_TRAFFIC_REPORT", "rows": rows, "date_granularity": unit, "asin_granularity": asin}
    for rows in ("by_date", "by_asin")
    for unit in ("DAY", "WEEK", "MONTH")
    for asin in ("PARENT", "CHILD", "SKU")
] + [
    {"report_type": "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT", "report_period": unit}
    for unit in ("DAY", "WEEK", "MONTH", "QUARTER")
]
PERIODS = {  # before that noon, as Amazon reads them: dates, both included
    "DAY": ("2026-08-05", "2026-08-05"),
    "WEEK": ("2026-08-02", "2026-08-08"),
    "MONTH": ("2026-07-01", "2026-07-31"),
    "QUARTER": ("2026-04-01", "2026-06-30"),
}


def folder():
    """Where the schemas of reports are: SPAPI_REPORT_SCHEMAS, else beside the models or in their repository's place; or None."""
    named = os.environ.get("SPAPI_REPORT_SCHEMAS")
    found = models.folder()
    places = [Path(named)] if named else []
    places += [found.parent / "report_schemas", found.parent / "schemas" / "reports"] if found else []
    return next((place for place in places if place.is_dir()), None)


pytestmark = pytest.mark.skipif(
    folder() is None, reason="Amazon's report schemas are not on this machine: set SPAPI_REPORT_SCHEMAS to their folder"
)


def schema(report_type):
    return json.loads((folder() / f"{SCHEMAS[report_type]}.json").read_text())


def unit_of(answers):
    return answers.get("report_period") or answers["date_granularity"]


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda answers: "-".join(answers.values()))
def test_the_simulators_documents_follow_amazons_schema(amazon, answers):  # noqa: F811
    answers = index.check_answers(KEY, answers)
    wish = index.effective(KEY, answers).request(None, None, [US], answers)
    first, last = PERIODS[unit_of(answers)]
    body = {
        "reportType": wish["report_type"],
        "marketplaceIds": wish["marketplace_ids"],
        "dataStartTime": f"{first}T00:00:00Z",
        "dataEndTime": f"{last}T00:00:00Z",
        "reportOptions": wish["options"],
    }
    reply = amazon.call("POST", REPORTS, body=body)

    reply = amazon.send("GET", amazon.document_address(reply.json["reportId"]))

    document = json.loads(gzip.decompress(reply.body))
    validator = jsonschema.Draft7Validator(schema(wish["report_type"]), format_checker=jsonschema.FormatChecker())
    assert [problem.message for problem in validator.iter_errors(document)] == []
    assert all(document.values())


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda answers: "-".join(answers.values()))
def test_every_field_of_amazons_examples_has_its_column(answers):
    report = index.effective(KEY, index.check_answers(KEY, answers))
    shape, titles = report.source.shape, [column.source for column in report.columns]
    seen = 0
    for example in schema(answers["report_type"])["examples"]:
        flat = RecordFlattener(shape, titles, 100)
        text = io.StringIO(json.dumps(example))
        for record, head in json_records(text, shape, lambda: None):
            for values, others in flat(record, head):
                assert any(values)
                assert {
                    path for path in others or {} if path != "trafficByDate.browerPageViews"
                } == set()  # Amazon's slip
                seen += 1
    assert seen


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda answers: "-".join(answers.values()))
def test_every_figure_of_amazons_schema_is_declared_with_its_type(answers):
    report = index.effective(KEY, index.check_answers(KEY, answers))
    types = {column.source: column.type for column in report.columns}
    whole = schema(answers["report_type"])
    record = whole["properties"][report.source.shape.path]["items"]

    declared = dict(leaves(record, whole["definitions"]))

    assert declared.keys() == {source for source in types if not source.startswith("reportSpecification.")}
    for path, kind in declared.items():
        wanted = {"integer": "bigint", "number": "numeric", "string": "text"}[kind]
        assert types[path] == ("date" if path == "date" else wanted), path


def leaves(node, definitions, prefix=""):
    """(path, JSON type) of each value below a schema's node."""
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    for name, child in node["properties"].items():
        if "$ref" in child or child["type"] == "object":
            yield from leaves(child, definitions, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child["type"]
