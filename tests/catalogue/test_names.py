"""Column names that SQL, URLs and BI tools all take."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue.names import MAX_NAME, safe_name, safe_names

TITLES = st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9 _-]{0,80}", fullmatch=True))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("amazon-order-id", "amazon_order_id"),
        ("AmazonOrderId", "amazon_order_id"),
        ("SellerSKU", "seller_sku"),
        ("ASIN", "asin"),
        ("isISPUOrder", "is_ispu_order"),
        ("(Child) ASIN", "child_asin"),
        ("Größe €", "grosse"),
        ("CTID", "c_ctid"),
        ("xmin", "c_xmin"),
        ("Token", "c_token"),
        ("Prix unitaire élevé", "prix_unitaire_eleve"),
        ("30-day sales", "c_30_day_sales"),
        ("__x__y__", "x_y"),
        ("select", "select"),
        ("a" * 80, "a" * 59),
        ("ｆｕｌｌ width", "full_width"),
    ],
)
def test_a_title_becomes_the_name_one_would_type(title, name):
    assert safe_name(title) == name


def test_a_title_without_latin_letters_has_a_name_that_stays():
    assert safe_name("注文番号") == safe_name("注文番号")
    assert safe_name("注文番号").startswith("column_")
    assert safe_name("注文番号") != safe_name("購入日")
    assert safe_name("") and safe_name("---") and safe_name("\ud800")


@given(TITLES)
def test_every_name_is_safe_and_naming_it_again_changes_nothing(title):
    name = safe_name(title)

    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert len(name.encode()) <= MAX_NAME
    assert "__" not in name and not name.endswith("_")
    assert safe_name(name) == name


@given(st.lists(TITLES | st.sampled_from(["a", "A", "a_2", "a 2", "a-3", "", "x" * 70]), max_size=40))
def test_names_are_all_different_and_safe_and_the_first_keeps_its_own(titles):
    names = safe_names(titles)

    assert len(names) == len(titles) == len(set(names))
    wished = [safe_name(title) for title in titles]
    for at, name in enumerate(names):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name) and len(name) <= MAX_NAME
        assert name == wished[at] or wished[at] in wished[:at]


@given(st.lists(st.sampled_from(["a", "b", "a_2", "c-d", "c d"]), max_size=10), st.text(max_size=20))
def test_a_column_added_at_the_end_renames_none_before_it(titles, new):
    before = safe_names(titles)
    after = safe_names([*titles, new])

    if safe_name(new) not in {safe_name(title) + f"_{n}" for title in titles for n in range(2, 12)}:
        assert after[:-1] == before
