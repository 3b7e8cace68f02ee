"""Moments as documents write them: what can be read in one way only is read, and nothing is guessed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue.moments import moment

PST, NOON = timezone(timedelta(hours=-8)), datetime(2026, 11, 25, 12, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T12:00:00Z", NOON.replace(tzinfo=UTC)),
        ("2026-11-25T12:00:00.000Z", NOON.replace(tzinfo=UTC)),
        ("2026-11-25T12:00:00+00:00", NOON.replace(tzinfo=UTC)),
        ("2026-11-25 12:00:00 UTC", NOON.replace(tzinfo=UTC)),
        ("2026-11-25 12:00:00 +0000", NOON.replace(tzinfo=UTC)),
        ("2026-11-25 12:00 Z", NOON.replace(tzinfo=UTC)),
        ("2026-11-25 04:00:00 -08", NOON.replace(tzinfo=UTC)),
        ("2026-11-25 12:00:00 PST", NOON.replace(tzinfo=PST)),
        ("2026-11-25 12:00:00 PM PST", NOON.replace(tzinfo=PST)),
        ("Nov 25, 2026 12:00:00 PM PST", NOON.replace(tzinfo=PST)),
        ("November 25, 2026, 12:00 p.m. PST", NOON.replace(tzinfo=PST)),
        ("25 Nov 2026 12:00:00 PST", NOON.replace(tzinfo=PST)),
        ("25-Nov-2026 12:00", NOON),
        ("25.Nov.2026", NOON.replace(hour=0)),
        ("2026-11-25", NOON.replace(hour=0)),
        ("2026-11-24T24:00:00Z", NOON.replace(hour=0, tzinfo=UTC)),
        ("2026-11-25 11:59:60", NOON),
        (" 2026-11-25 12:00:00.5 ", NOON.replace(microsecond=500_000)),
        ("2026-11-25 12:00:00.1234567 UTC", NOON.replace(microsecond=123456, tzinfo=UTC)),
    ],
)
def test_what_has_one_meaning_is_read(text, expected):
    assert moment(text) == expected
    assert (moment(text).tzinfo is None) == (expected.tzinfo is None)


@pytest.mark.parametrize(
    "text",
    [
        "11/25/2026 10:00:00 AM PST", "25/11/2026", "05.11.2026", "11-25-2026", "", " ", "now", "yesterday", "infinity",
        "2026-11-25 12:00:00 CST", "2026-11-25 12:00:00 IST", "2026-11-25 13:00 PM", "2026-11-25 0:30 AM", "2026-02-30",
        "30 Feb 2026", "25 Nix 2026", "2026-11-25 24:01", "2026-11-25 12:60", "2026-11-25 12:00:61",
        "2026-01-01 BC", "0000-00-00", "10000-01-01", "2026-11-25 12:00 +99:00", "٢٠٢٦-١١-٢٥ 12:00 UTC",
    ],
)  # fmt: skip
def test_what_has_several_meanings_or_none_is_not(text):
    assert moment(text) is None


@given(st.text(st.sampled_from("0123456789-:/ .TZ+APMUTCSov,é"), max_size=30))
def test_any_text_is_answered(text):
    assert moment(text) is None or isinstance(moment(text), datetime)
