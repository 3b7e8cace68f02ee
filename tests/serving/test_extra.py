"""What found no column of a table is served as _extra: last, as JSON, on every surface, and only where a row has it."""

import csv
import io
import json
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from openpyxl import load_workbook
from pyarrow import parquet

from datasets import personal
from datasets.access import policies, tokens
from datasets.backfill import land
from datasets.models import Dataset
from datasets.rows.policy import Hashed, Last, Rule
from datasets.storage import read, table
from tests.serving import shop

pytestmark = pytest.mark.django_db

WHERE = "/api/v1/datasets/wide_us"
COLUMNS = [*shop.COLUMNS, *({"name": f"c{n}", "title": f"c{n}", "type": "text"} for n in range(table.SURE_COLUMNS))]
EXTRA = {"brand-new column": "113-HIDDEN", "b": "ü"}
RULES = policies.RULES


@pytest.fixture(scope="module")
def wide(make, apart):
    made = make.dataset("wide_us", columns=COLUMNS, rows=shop.orders(3))
    make.dataset("narrow_us", rows=shop.orders(3))
    apart(_fill, made)
    return made


def _fill(dataset):
    """As the landing of a day leaves it whose first row was too wide."""
    with land.cursor() as cursor:
        cursor.execute(
            f"UPDATE data.ds_{dataset.pk} SET _extra = %s WHERE _id = (SELECT min(_id) FROM data.ds_{dataset.pk})",
            [json.dumps(EXTRA)],
        )
        table.note_extra(cursor, dataset.pk, 1)
    land.prepare(dataset, 1, COLUMNS)


@pytest.fixture
def client(client, people, wide):
    client.force_login(people[0])
    return client


def content(client, address, status=200):
    answer = client.get(address)
    whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert answer.status_code == status, whole
    return whole


def in_csv(client, address):
    return list(csv.DictReader(io.StringIO(content(client, address).decode(), newline="")))


def test_files_have_it_as_their_last_column(client):
    of_csv = in_csv(client, f"{WHERE}/export.csv")
    of_tsv = content(client, f"{WHERE}/export.tsv").decode().split("\n")[0].rstrip("\r").split("\t")
    of_parquet = parquet.read_table(io.BytesIO(content(client, f"{WHERE}/export.parquet")))
    sheet = load_workbook(io.BytesIO(content(client, f"{WHERE}/export.xlsx"))).active
    of_xlsx = list(sheet.iter_rows(values_only=True))
    of_json = json.loads(content(client, f"{WHERE}/export.json"))
    of_ndjson = [json.loads(line) for line in content(client, f"{WHERE}/export.ndjson").splitlines()]

    assert [*of_csv[0]][-4:] == ["_batch_id", "_batch_last_run", "_day", "_extra"]
    assert of_tsv[-1] == of_parquet.column_names[-1] == of_xlsx[0][-1] == "_extra"
    for values in (
        [row["_extra"] or None for row in of_csv],
        of_parquet["_extra"].to_pylist(),
        [row[-1] for row in of_xlsx[1:]],
        [row["_extra"] for row in of_json],
        [row["_extra"] for row in of_ndjson],
    ):
        assert [json.loads(value) for value in values if value is not None] == [EXTRA]
        assert len(values) == 3


def test_pages_select_it_filter_by_it_and_sort_by_it(client):
    page = json.loads(content(client, f"{WHERE}/rows.json?_select=_extra&_extra__isnull=0"))
    sorted_rows = in_csv(client, f"{WHERE}/rows.csv?_sort=_extra&_extra__contains=HIDDEN&_limit=1")

    assert [json.loads(row["_extra"]) for row in page["rows"]] == [EXTRA]
    assert json.loads(sorted_rows[0]["_extra"]) == EXTRA


def test_metadata_tells_of_it(client):
    fields = json.loads(content(client, f"{WHERE}/schema"))["fields"]
    metadata = content(client, "/odata/v4/$metadata").decode()

    assert fields[-1]["name"] == "_extra" and fields[-1]["type"] == "string"
    assert metadata.count('Name="_extra" Type="Edm.String"') == 1
    for tab in ("data", "columns", "api", "query"):
        assert b"_extra" in content(client, f"/datasets/wide_us/{tab}"), tab


def test_odata_and_domo_have_it(client):
    rows = json.loads(content(client, "/odata/v4/wide_us?$filter=_extra ne null&$select=_extra"))["value"]
    domo = content(client, "/v1/datasets/wide_us/data?includeHeader=true").decode()

    assert [json.loads(row["_extra"]) for row in rows] == [EXTRA]
    assert "113-HIDDEN" in domo


def test_sql_has_it_as_jsonb(client):
    cell = json.loads(
        content(client, "/api/v1/query?sql=SELECT _extra->>'b' AS b FROM wide_us WHERE _extra IS NOT NULL")
    )
    whole = json.loads(content(client, "/api/v1/query?sql=SELECT _extra FROM wide_us WHERE _extra IS NOT NULL"))

    assert cell["rows"] == [{"b": "ü"}]
    assert whole["rows"] == [{"_extra": EXTRA}]


def test_a_dataset_without_such_values_has_no_such_column(client):
    assert [*in_csv(client, "/api/v1/datasets/narrow_us/export.csv")[0]][-1] == "_day"
    assert b"unknown_column" in content(client, "/api/v1/datasets/narrow_us/rows.json?_select=_extra", 400)


# Policies


def _of_wide(rule):
    return lambda caller, dataset: rule if dataset.slug == "wide_us" else None


@pytest.mark.parametrize(
    "rule",
    [
        Rule(hidden=frozenset({"amazon_order_id"})),
        Rule(transformed=(("title", Last(2)),)),
        Rule(only=("title", "quantity", "_day")),
        Rule(hidden=frozenset({"_extra"}), only=("title", "_extra", "_day")),
    ],
    ids=["hidden", "transformed", "only", "named as hidden"],
)
def test_a_policy_of_columns_hides_it_unless_it_names_it(client, monkeypatch, rule):
    monkeypatch.setattr(policies, "RULES", (*RULES[:1], _of_wide(rule)))

    for address in (
        f"{WHERE}/export.csv", f"{WHERE}/rows.json", "/odata/v4/wide_us", "/v1/datasets/wide_us/data?includeHeader=true",
        "/api/v1/query?sql=SELECT * FROM wide_us", "/datasets/wide_us/data", f"{WHERE}/schema", "/odata/v4/$metadata",
        "/datasets/wide_us/columns",
    ):  # fmt: skip
        said = content(client, address)
        assert b"_extra" not in said and b"113-HIDDEN" not in said, address
    for address in (
        f"{WHERE}/export.csv?_select=_extra",
        f"{WHERE}/rows.json?_extra__contains=113",
        f"{WHERE}/rows.json?_sort=_extra",
        "/odata/v4/wide_us?$filter=contains(_extra,'113')",
        "/api/v1/query?sql=SELECT _extra FROM wide_us",
    ):
        assert b"113-HIDDEN" not in content(client, address, 400)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(only=("title", "_extra")),
        Rule(only=("title", "_extra"), hidden=frozenset({"quantity"})),
        Rule(rows=((("_extra__isnull", "0"),),)),
    ],
    ids=["only", "only beside hidden", "rows"],
)
def test_a_policy_that_names_it_or_restricts_only_rows_shows_it(client, monkeypatch, rule):
    monkeypatch.setattr(policies, "RULES", (*RULES[:1], _of_wide(rule)))

    assert b"113-HIDDEN" in content(client, f"{WHERE}/export.csv")
    assert b"113-HIDDEN" in content(client, "/api/v1/query?sql=SELECT _extra FROM wide_us")


def test_a_policy_that_transforms_it_shows_the_transformed_text(client, monkeypatch):
    rule = Rule(transformed=(("_extra", Hashed("a key")),))
    monkeypatch.setattr(policies, "RULES", (*RULES[:1], _of_wide(rule)))

    hashed = {row["_extra"] for row in in_csv(client, f"{WHERE}/export.csv")} - {""}
    of_sql = json.loads(content(client, "/api/v1/query?sql=SELECT _extra FROM wide_us WHERE _extra IS NOT NULL"))

    assert [len(value) for value in hashed] == [64]
    assert {row["_extra"] for row in of_sql["rows"]} == hashed


def test_a_link_with_columns_of_its_own_shows_no_other(client, wide, people):
    _, link = tokens.issue_link(people[0], wide, fixed="_select=title,quantity")
    client.logout()

    rows = in_csv(client, f"{WHERE}/export.csv?token={link}")
    content(client, f"{WHERE}/export.csv?token={link}&_select=_extra", 400)

    assert [*rows[0]] == ["title", "quantity"]


def test_it_is_personal_as_soon_as_one_column_is(wide):
    found = Dataset(report="order_details", columns=[{"name": "buyer", "personal": True}])
    plain = Dataset(report="a_report_of_yesterday")

    entry = {"name": "_extra", "title": "_extra", "type": "text"}
    assert personal.marked(found, [entry])[0]["personal"] is True
    assert personal.marked(plain, [entry])[0]["personal"] is False


# Tables of before


def test_rows_of_before_are_noted_by_the_migration(make, apart, people):
    made = make.dataset("before_us", columns=COLUMNS, rows=shop.orders(2))
    other = make.dataset("plain_us", columns=COLUMNS, rows=shop.orders(2))

    def migrate():
        with connection.cursor() as cursor:
            cursor.execute(f"""UPDATE data.ds_{made.pk} SET _extra = '{{"a": "b"}}'""")
            note = import_module("datasets.migrations.0015_values_without_a_column").note
        with connection.schema_editor() as editor:
            note(apps, editor)
        with connection.cursor() as cursor:
            return [read.has_extra(cursor, each.pk, 1) for each in (made, other)]

    assert apart(migrate) == [True, False]
    made.refresh_from_db()
    other.refresh_from_db()
    assert made.columns[-1]["name"] == "_extra" != other.columns[-1]["name"]
