"""The quick way through a flat file and the thorough one give the same rows, to the byte."""

import io
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.catalogue import readers
from datasets import calendar
from datasets.backfill.answers import fast_flat_file, placing
from datasets.storage import stage

FIRST, LAST, ZONE = date(2026, 10, 30), date(2026, 11, 2), "America/Los_Angeles"
WANTED = set(calendar.days(FIRST, LAST))
NAMES = ["id", "purchase_date", "title"]

moments = st.sampled_from(
    ["2026-11-01T08:30:00+00:00", "2026-11-01T09:30:00Z", "2026-10-30T06:59:59+00:00", "2026-10-30T07:00:00+00:00",
     "2026-11-03T07:59:59+00:00", "2026-11-03T08:00:00+00:00", "2026-11-01T01:30:00-07:00", "2026-10-31T12:00:00+00:00",
     "2026-11-01 18:00:00 UTC", "2026-11-01T18:00:00.5Z", "2026-11-01", "", "yesterday", "11/01/2026 10:00:00 AM PST",
     "Nov 1, 2026 10:00:00 AM PST"]
)  # fmt: skip
words = st.text(st.sampled_from("ab\"'\\ \tü=,\r"), max_size=6)
lines = st.one_of(
    st.tuples(words, moments, words).map("\t".join),
    st.just(""),
    st.tuples(words, moments, words, st.just("")).map("\t".join),
)
documents = st.tuples(st.lists(lines, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(["id\tpurchase-date\ttitle", *parts[0]]) + (parts[1] if parts[2] else "")
)


def kept(files):
    return {day: (staged.rows, staged.checksum, staged.path.read_bytes()) for day, staged in files.close().items()}


def thoroughly(text, quote, folder):
    files = stage.DayFiles(folder / "thorough", NAMES, null="")
    _, rows = readers.flat_file(io.StringIO(text, newline="\n"), quote)
    find = placing.day_finder(FIRST, LAST, ZONE)
    for row in rows:
        if find(row[1]) in WANTED:
            files.add(find(row[1]), row)
    return kept(files)


def quickly(text, quote, folder, piece=7):
    files = stage.DayFiles(folder / "quick", NAMES, null="")
    find = placing.day_finder(FIRST, LAST, ZONE)
    raw = text.encode()
    fast_flat_file.split(
        [raw[at : at + piece] for at in range(0, len(raw), piece)], lambda titles: fast_flat_file.Places(1, 2, files), quote=quote,
        first=FIRST, last=LAST, zone=ZONE, out_of_range=lambda moment: day if (day := find(moment)) in WANTED else None,
    )  # fmt: skip
    return kept(files)


@settings(max_examples=400, deadline=None)
@given(documents, st.sampled_from(["double", "single", "null"]))
def test_both_ways_give_the_same_rows(text, quote):
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = quickly(text, quote, Path(folder))
        except fast_flat_file.NotStandard:
            return
        assert found == thoroughly(text, quote, Path(folder))


@pytest.mark.parametrize(
    "line",
    ['a\t2026-11-01T09:30:00Z\t12" pipe', 'a\t2026-11-01T09:30:00Z\t"Best" mug', "a\t2026-11-01T09:30:00Z\tC:\\"],
)
def test_ordinary_quotes_and_backslashes_are_no_reason_to_be_slow(line, tmp_path):
    assert sum(rows for rows, *_ in quickly(f"id\tpurchase-date\ttitle\n{line}\n", "double", tmp_path).values()) == 1


@pytest.mark.parametrize("moment", ["11/01/2026 10:00:00 AM PST", "yesterday", "20261101", "Nov 1, 2026"])
def test_a_day_that_does_not_fit_its_column_is_left_to_the_thorough_reader(moment, tmp_path):
    raw = f"id\tpurchase-date\ttitle\na\t{moment}\tx\n".encode()

    with pytest.raises(fast_flat_file.NotStandard):
        quickly(raw.decode(), "double", tmp_path)


def test_a_column_of_dates_goes_by_the_date_that_is_written(tmp_path):
    raw = b"id\tpurchase-date\ttitle\na\t2026-11-01T00:00:00Z\tx\nb\t2026-10-30\ty\n"
    files = stage.DayFiles(tmp_path, NAMES, null="")
    find = placing.day_finder(FIRST, LAST, ZONE, dates=True)

    fast_flat_file.split([raw], lambda titles: fast_flat_file.Places(1, None, files), quote="double", first=FIRST, last=LAST,
                zone=ZONE, out_of_range=find, dates=True)  # fmt: skip

    assert {day: staged.rows for day, staged in files.close().items()} == {date(2026, 11, 1): 1, FIRST: 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"id\tpurchase-date\ttitle\na\t2026-11-01T09:30:00Z\t\xff\n",
        b"id\tpurchase-date\ttitle\nshort\n",
        b'id\t"x"\n',
        b"",
    ],
)
def test_what_is_not_ordinary_is_left_to_the_thorough_reader(raw, tmp_path):
    files = stage.DayFiles(tmp_path, NAMES, null="")

    with pytest.raises(fast_flat_file.NotStandard):
        fast_flat_file.split(
            [raw],
            lambda titles: fast_flat_file.Places(1, 2, files),
            quote="double",
            first=FIRST,
            last=LAST,
            zone=ZONE,
            out_of_range=lambda _: None,
        )


@pytest.mark.parametrize(
    ("label", "may"),
    [
        ("", True),
        ("text/plain; charset=UTF-8", True),
        ("text/plain;charset=Cp1252", False),
        ("text/plain;charset=us-ascii", False),
    ],
)
def test_a_label_of_another_charset_is_believed(label, may):
    assert fast_flat_file.may_try(label) is may
