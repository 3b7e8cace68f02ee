"""One finder of days for whatever a column takes: a row whose moment fits its column is never without a day."""

from datetime import date
from itertools import product

import pytest
from django.db import connection

from datasets.backfill.answers import placing
from datasets.storage.fit import FITS
from tests.days import ZONE

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

DAYS = ("2026-11-22", "2026-03-08", "2026-11-01", "2028-02-29", "1999-12-31")
CLOCKS = ("00:00", "07:59:59", "08:00:00", "08:00:00.5", "01:30:00.123456", "23:59:59.999", "10:00:00.123456789", "24:00:00",
          "11:59:60")  # fmt: skip
ZONES = ("Z", " Z", "UTC", " UTC", "+00:00", "-08:00", " -08:00", "+0530", "+14", "-11:30")


def test_the_day_of_an_instant_is_the_one_that_the_database_gives_it():
    texts = [f"{day}{mark}{clock}{zone}" for day, mark, clock, zone in product(DAYS, "T ", CLOCKS, ZONES)]
    assert all(map(FITS["timestamptz"], texts))
    with connection.cursor() as cursor:
        cursor.execute("SELECT (t::timestamptz AT TIME ZONE %s)::date FROM unnest(%s::text[]) t", [ZONE, texts])
        expected = [day for (day,) in cursor.fetchall()]
    find = placing.day_finder(date(2026, 11, 20), date(2026, 11, 23), ZONE)

    assert {text: find(text) for text in texts} == dict(zip(texts, expected, strict=True))


def test_the_day_of_a_date_is_the_one_that_the_database_gives_it():
    ends = ("", "T00:00:00Z", " 00:00", "T00:00:00.000Z", " 00:00:00 UTC", "T00:00:00+00:00", "T00:00:00-00")
    texts = [f"{day}{end}" for day, end in product(DAYS, ends)]
    assert all(map(FITS["date"], texts))
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::date FROM unnest(%s::text[]) t", [texts])
        expected = [day for (day,) in cursor.fetchall()]
    find = placing.day_finder(date(2026, 11, 20), date(2026, 11, 23), ZONE, dates=True)

    assert {text: find(text) for text in texts} == dict(zip(texts, expected, strict=True))


@pytest.mark.parametrize(
    "text", ["2026-11-22T10:00:00Z", "2026-11-22T00:00:00-08:00", "2026-11-22T00:01", "22.11.2026"]
)
def test_what_is_more_than_a_date_is_none(text):
    assert not FITS["date"](text)
