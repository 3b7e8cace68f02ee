"""Published answers as people get them: through the catalogue's readers into a dataset, and out by its exports."""

import csv
import io
import json
from datetime import datetime
from decimal import Decimal

import pytest

from connector.catalogue import index
from tests import models
from tests.contract.test_examples import EVERYTHING, ORDERS, PARTICIPATIONS, orders_of
from tests.serving.conftest import _pool_ends, apart, make, people  # noqa: F401 fixtures

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(models.folder() is None, reason="Amazon's API models are not on this machine"),
]


def published(key):
    """The report as all answers make it, and its rows of everything that Amazon publishes."""
    report = index.effective(key, EVERYTHING if key.startswith("order") else {})
    pages = [case.answer for case in PARTICIPATIONS]
    if key.startswith("order"):
        pages = [{"orders": orders_of(case)} for case in ORDERS]
    return report, [row for page in pages for row in report.source.rows(page)]


@pytest.fixture
def exported(make, client, apart):  # noqa: F811
    """The rows of a report, landed, as (CSV rows, JSON rows)."""

    def export(key):
        report, rows = published(key)
        names = [column.name for column in report.columns]
        slug = f"{key}_examples"
        make.dataset(
            slug,
            report=key,
            columns=[{"name": c.name, "title": c.name, "type": c.type} for c in report.columns],
            rows=[dict(zip(names, row, strict=True)) for row in rows],
        )
        bearer = {"Authorization": f"Bearer {make.token()}"}

        def get(suffix):
            answer = client.get(f"/api/v1/datasets/{slug}/export.{suffix}", headers=bearer)
            assert answer.status_code == 200
            return b"".join(answer.streaming_content).decode()

        return (
            report,
            rows,
            list(csv.DictReader(io.StringIO(get("csv"), newline=""))),
            [json.loads(line, parse_float=Decimal) for line in get("ndjson").splitlines()],
        )

    return export


def same(column, sent, got):
    if sent is None or got is None:
        return sent is got
    if column.type == "timestamptz":
        return datetime.fromisoformat(sent) == datetime.fromisoformat(got)
    if column.type == "numeric":
        return str(got) == str(sent)
    return got == sent


@pytest.mark.parametrize("key", ["order_details", "order_items", "marketplace_participations"])
def test_published_answers_leave_as_they_came(exported, key):
    report, rows, as_csv, as_json = exported(key)

    assert len(rows) == len(as_csv) == len(as_json) > 0
    for sent, from_csv, from_json in zip(rows, as_csv, as_json, strict=True):
        for column, value in zip(report.columns, sent, strict=True):
            assert same(column, value, from_json[column.name]), column.name
            if column.type == "text":
                assert from_csv[column.name] == (value or "")
            elif column.type in ("numeric", "bigint"):
                assert from_csv[column.name] == ("" if value is None else str(value))
