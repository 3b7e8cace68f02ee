"""Numbers and dates as other countries write them, and titles in their languages: by declaration, never by guess."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue.number_date_format import PLAIN, NumberDateFormat, made_plain
from connector.catalogue.outline import parse
from connector.catalogue.report import Document, Report

EUROPEAN = NumberDateFormat(decimal=",", dates="dmy")
SHAPE = parse(
    """
    order-id     also "Bestellnummer"  also "Numéro de la commande"
    posted-date  date  as posted_on  also "Datum"
    amount       numeric  also "Betrag"
    quantity     bigint
    """
)
REPORT = Report(
    key="settled",
    title="Settled",
    group="Tests",
    audience=("seller",),
    summary="",
    source=Document("SETTLED", SHAPE, format=EUROPEAN, format_countries=("DE", "FR")),
    lag=timedelta(0),
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("95,00", "95.00"),
        ("-1.234,56", "-1234.56"),
        ("1.234", "1234"),
        ("1.234.567", "1234567"),
        ("1 234,50", "1234.50"),
        ("1\u202f234,50", "1234.50"),
        ("\u22125,00", "-5.00"),
        ("12", "12"),
    ],
)
def test_a_comma_before_the_decimals_is_read_where_it_is_declared(text, plain):
    assert EUROPEAN.plain("numeric")(text) == plain


@pytest.mark.parametrize("text", ["", "N/A", "1,234.56", "12 34", "1.23", "1,2,3", "5 €", "١,٢"])
def test_a_number_that_is_not_written_so_stays_as_it_is(text):
    assert EUROPEAN.plain("numeric")(text) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_every_amount_comes_back_whether_thousands_are_grouped_or_not(amount):
    for form in (f"{amount:.2f}", f"{amount:,.2f}"):
        german = form.translate(str.maketrans(".,", ",."))

        assert Decimal(EUROPEAN.plain("numeric")(german)) == amount


@pytest.mark.parametrize(
    ("dates", "text", "plain"),
    [
        ("dmy", "31.12.2026", "2026-12-31"),
        ("dmy", "1/2/2026", "2026-02-01"),
        ("mdy", "1/2/2026", "2026-01-02"),
        ("dmy", "05-11-2026 9:05:00 UTC", "2026-11-05 09:05:00 UTC"),
        ("dmy", "31.12.2026 23:59", "2026-12-31 23:59"),
        ("dmy", "2026-12-31", "2026-12-31"),
        ("dmy", "12.31.2026", "12.31.2026"),
        ("dmy", "gestern", "gestern"),
        ("dmy", "", ""),
        ("mdy", "11/25/2026 10:00:00 AM PST", "2026-11-25 10:00:00-08:00"),
        ("mdy", "11/05/2026 12:30 pm", "2026-11-05 12:30:00"),
        ("dmy", "31/12/2026 23:59:59 CET", "2026-12-31 23:59:59+01:00"),
        ("mdy", "11/25/2026 10:00:00 XYZ", "2026-11-25 10:00:00 XYZ"),
    ],
)
def test_dates_are_read_in_the_order_that_is_declared(dates, text, plain):
    assert NumberDateFormat(dates=dates).plain("date")(text) == plain


def test_only_columns_of_numbers_and_dates_are_touched_and_only_where_it_is_declared():
    assert EUROPEAN.plain("text") is EUROPEAN.plain("boolean") is None
    assert PLAIN.plain("numeric") is PLAIN.plain("date") is None
    assert REPORT.source.format_in("DE") == EUROPEAN
    assert REPORT.source.format_in("UK") == PLAIN
    assert Document("X", SHAPE, format=EUROPEAN).format_in("UK") == EUROPEAN


def test_titles_in_other_languages_are_known_and_others_are_made_safe():
    assert REPORT.names_of(["Betrag", "DATUM ", "Numéro de la commande", "Menge", "quantity"]) == [
        "amount",
        "posted_on",
        "order_id",
        "menge",
        "quantity",
    ]


def test_two_titles_of_one_column_are_two_columns():
    assert REPORT.names_of(["order-id", "Bestellnummer"]) == ["order_id", "order_id_2"]


def test_a_row_is_made_plain_in_place():
    columns = [(1, EUROPEAN.plain("date")), (2, EUROPEAN.plain("numeric"))]

    assert made_plain(["1,5", "24.12.2026", "1,5", ""], columns) == ["1,5", "2026-12-24", "1.5", ""]
