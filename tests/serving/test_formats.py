"""Each format is declared once, and every place that names formats names all of them."""

import json
import re
from pathlib import Path

import pytest

from datasets.formats.format import Layout
from datasets.formats.index import FORMATS, IN_MENUS, OF_PAGES, understanding
from tests.serving import shop

pytestmark = pytest.mark.django_db
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rows():
    return shop.orders(3)


def test_an_export_of_each_is_served_under_its_name_with_its_media_type(client, orders, bearer):
    for name, each in FORMATS.items():
        answer = client.get(f"/api/v1/datasets/orders_us/export.{name}", headers=bearer)

        assert b"".join(answer.streaming_content), name
        assert answer["Content-Type"].partition(";")[0] == each.media_type
        assert answer["Content-Disposition"].endswith(f'.{name}"')


def test_sql_gives_each_by_name_and_by_accept(client, orders, bearer):
    for name, each in FORMATS.items():
        for path, headers in (
            (f"query.{name}", bearer),
            ("query", bearer | {"Accept": f"text/html, {each.media_type}"}),
        ):
            answer = client.get(f"/api/v1/datasets/orders_us/{path}?sql=SELECT title FROM table", headers=headers)
            b"".join(answer.streaming_content)
            assert answer["Content-Type"].partition(";")[0] == each.media_type, (name, path)


def test_the_api_describes_each_of_them(client, orders, bearer):
    document = client.get("/api/v1/openapi.json").json()["paths"]
    export = document["/api/v1/datasets/{slug}/export.{suffix}"]["get"]
    rows = document["/api/v1/datasets/{slug}/rows.{suffix}"]["get"]
    about = client.get("/api/v1/datasets/orders_us", headers=bearer).json()["links"]

    assert next(one for one in export["parameters"] if one["name"] == "suffix")["schema"]["enum"] == list(FORMATS)
    assert set(export["responses"]["200"]["content"]) == {each.media_type for each in FORMATS.values()}
    assert next(one for one in rows["parameters"] if one["name"] == "suffix")["schema"]["enum"] == list(OF_PAGES)
    assert all(about[name].endswith(f"/export.{name}") for name in FORMATS)
    said = json.dumps(export)
    assert understanding("header") == "CSV, TSV and Excel" and understanding("header") in said
    assert understanding("bom") in said


def test_pages_offer_those_that_are_for_people(client, orders, alice):
    client.force_login(alice)

    for page in ("", "/data", "/query", "/history"):
        text = client.get(f"/datasets/orders_us{page}").content.decode()
        for each in IN_MENUS:
            assert f"/api/v1/datasets/orders_us/export.{each.name}?" in text and each.title in text, (page, each.name)
    addresses = client.get("/datasets/orders_us/api").content.decode()
    assert all(f".{name}</code>" in addresses for name in FORMATS)


def test_the_docs_name_each_of_them():
    for programs in FORMATS.values():
        assert re.search(rf"\.{programs.name}\b", (PROJECT / "docs/api.md").read_text()), programs.name
    for people in IN_MENUS:
        assert people.title in (PROJECT / "docs/users.md").read_text(), people.title


def test_a_format_understands_only_what_a_layout_has():
    for each in FORMATS.values():
        assert set(each.options) <= set(Layout.__dataclass_fields__)
