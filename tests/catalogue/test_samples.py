"""Each report has a sample of what Amazon sends, written by hand; read as Amazon's own is, it gives what is declared.

The samples are in `tests/samples`, named after the report type or the operation. The simulator makes its flat files of
them, and knows nothing of what is declared: so the two can disagree, and here is where it shows.
"""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connector.catalogue import index, readers
from connector.catalogue.nested import RecordFlattener
from connector.catalogue.report import Report
from connector.catalogue.streams import READERS
from connector.simulator import flat_file
from connector.simulator.operations import OPERATIONS
from connector.simulator.report_types import REPORT_TYPES
from connector.spapi import documents
from tests import models
from tests.catalogue.test_declared import answers_of

SAMPLES = Path(__file__).parents[1] / "samples"
USERS = " ".join((Path(__file__).parents[2] / "docs" / "users.md").read_text().split())
LABELS = {"tsv": "text/plain; charset=UTF-8", "json": "text/plain", "xml": "text/xml; charset=ISO-8859-1"}
FITS = {
    "text": lambda value: isinstance(value, str),
    "bigint": lambda value: re.fullmatch(r"-?\d+", str(value)) is not None,
    "numeric": lambda value: Decimal(str(value)).is_finite(),
    "boolean": lambda value: str(value).lower() in ("true", "false"),
    "date": lambda value: str(date.fromisoformat(value)) == value,
    "timestamptz": lambda value: datetime.fromisoformat(value).tzinfo is not None,
}


@dataclass(frozen=True)
class Read:
    """What the real reader makes of a sample: rows by column, and what it found no column for."""

    rows: list[dict]
    others: list


def every_shape() -> dict[str, Report]:
    """A report for each kind of row there is, with the data of buyers where there is any."""
    found, seen = {}, set()
    for plain in index.REPORTS:
        for answers in answers_of(plain, {}):
            report = plain.varied(answers)
            kind = name_of(report), report.source.shape.path, report.source.shape.each
            if kind not in seen or answers.get("include_buyer_and_address_data"):
                seen.add(kind)
                found[f"{plain.key} {' '.join(kind)}".strip()] = report
    return found


def name_of(report: Report) -> str:
    return report.source.subject


def sample_of(report: Report) -> Path:
    found = list(SAMPLES.glob(f"{name_of(report)}.*"))
    assert len(found) == 1, f"{name_of(report)} needs one sample in tests/samples: {found}"
    return found[0]


def read(report: Report) -> Read:
    """The sample as reading.py reads an answer, without files and table."""
    path, names, shape = sample_of(report), [column.name for column in report.columns], report.source.shape
    if report.source.kind == "pages":
        rows = [dict(zip(names, row, strict=True)) for row in report.source.rows(json.loads(path.read_text()))]
        return Read(rows, [row["other_fields"] for row in rows if row.get("other_fields")])
    with documents.open_text(path, LABELS[path.suffix[1:]], "US") as text:
        if not shape.path:
            titles, lines = readers.flat_file(text, **report.source.reading({}), ragged=lambda *line: pytest.fail(line))
            found = [dict(zip(report.names_of(titles), cells, strict=True)) for cells in lines]
            return Read(found, [title for title in titles if title not in {column.source for column in report.columns}])
        flat = RecordFlattener(shape, [column.source for column in report.columns], 50)
        rows, others = [], []
        for record, head in READERS[report.source.reader](text, shape, lambda: pytest.fail("unstorable characters")):
            head.pop(shape.proof, None)
            for values, rest in flat(record, head):
                rows.append(dict(zip(names, values, strict=True)))
                others += rest or []
        return Read(rows, others)


SHAPES = every_shape()
each_shape = pytest.mark.parametrize("report", SHAPES.values(), ids=SHAPES)


@each_shape
def test_a_sample_fills_every_column_with_values_of_its_type_and_holds_nothing_else(report):
    found = read(report)

    assert found.others == []
    for column in report.columns:
        if column is report.source.shape.rest:
            continue
        values = [value for row in found.rows if (value := row[column.name]) not in (None, "")]
        assert values, f"no row of the sample has a {column.name}"
        wrong = [value for value in values if not FITS[column.type](value)]
        assert not wrong, f"{column.name} is no {column.type}: {wrong[0]}"
        if column.type == "text":
            moments = [value for value in values if re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", value)]
            assert moments != values, f"{column.name} holds dates, and is declared as text"


@each_shape
def test_rows_of_a_sample_have_their_day_and_key(report):
    for row in read(report).rows:
        assert all(row[name] for name in filter(None, (report.day_column, report.version_column, *report.key_columns)))


@pytest.mark.parametrize("report", [each for each in SHAPES.values() if not each.source.shape.path], ids=name_of)
def test_a_flat_file_has_the_declared_titles_in_their_order(report):
    assert list(read(report).rows[0]) == [column.name for column in report.columns]


@each_shape
def test_a_report_can_be_tried_out_and_is_told_of(report):
    if report.source.kind == "report":
        title = dict(report.option("report_type").choices)[report.source.report_type]
        assert name_of(report) in REPORT_TYPES
    else:
        title = f"`{report.key}`"
        assert name_of(report) in {operation.name for operation in OPERATIONS}
    assert title in USERS


def test_no_sample_is_left_over():
    assert {path.stem for path in SAMPLES.iterdir()} == {name_of(report) for report in SHAPES.values()}


def test_the_simulators_own_orders_file_has_the_titles_of_the_sample():
    for path in SAMPLES.glob("GET_FLAT_FILE_ALL_ORDERS_*.tsv"):
        assert tuple(path.read_text().splitlines()[0].split("\t")) == flat_file.COLUMNS


@pytest.mark.parametrize(
    ("operation", "model"), [("searchOrders", "orders_2026-01-01"), ("getMarketplaceParticipations", "sellers")]
)
def test_samples_of_pages_follow_amazons_model(operation, model):
    page = json.loads((SAMPLES / f"{operation}.json").read_text())
    definition = models.answer_definition(model, operation, 200)

    assert [error.message for error in models.validator(model, definition).iter_errors(page)] == []
    assert models.surprises(model, definition, page) == []
