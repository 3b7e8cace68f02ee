"""Flat files made from samples: the world's orders in the sample's words, each on its own day."""

import gzip
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from connector.simulator import sampled
from connector.simulator.report_types import REPORT_TYPES
from tests.simulator.caller import running_amazon

RETURNS = "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA"
START, END = "2026-08-01T00:00:00Z", "2026-08-11T00:00:00Z"
SAMPLED = [kind for kind in REPORT_TYPES.values() if isinstance(kind, sampled.Sampled)]


def lines(amazon, report_type=RETURNS, start=START, end=END):
    reply = amazon.send("GET", amazon.document_address(amazon.create_report(start, end, report_type)))
    titles, *rows = [line.split("\t") for line in gzip.decompress(reply.body).decode().splitlines()]
    return [dict(zip(titles, row, strict=True)) for row in rows]


@pytest.mark.parametrize("kind", SAMPLED, ids=lambda kind: kind.report_type)
def test_every_sampled_type_gives_rows_of_its_window_under_the_samples_titles(amazon, kind):
    found = lines(amazon, kind.report_type)

    titles, _ = sampled.read(sampled.FOLDER / f"{kind.report_type}.tsv")
    assert found and all(tuple(row) == titles for row in found)
    moments = [datetime.fromisoformat(row[kind.by]) for row in found]
    assert moments == sorted(moments)
    assert datetime(2026, 8, 1, tzinfo=UTC) <= moments[0] and moments[-1] <= datetime(2026, 8, 11, tzinfo=UTC)


def test_returns_are_of_orders_that_were_placed_nine_days_before(amazon):
    placed = amazon.truth("2026-07-23", "2026-08-01", zone="UTC", marketplaces="US,CA,MX")["days"]

    found = lines(amazon)

    for row in found:
        bought_on = datetime.fromisoformat(row["return-date"]).date() - timedelta(days=9)
        assert row["order-id"] in placed[str(bought_on)]["ids"]
    assert len({row["order-id"] for row in found}) < sum(day["orders"] for day in placed.values()) / 2


def test_a_window_in_parts_gives_the_rows_of_the_whole(amazon):
    middle = "2026-08-05T12:34:56Z"

    parts = lines(amazon, end=middle) + lines(amazon, start="2026-08-05T12:34:57Z")

    assert parts == lines(amazon)


def test_a_window_in_which_nothing_was_returned_is_cancelled(amazon):
    report = amazon.create_report("2026-08-14T10:00:00Z", "2026-08-14T10:00:01Z", RETURNS)

    assert amazon.report(report)["processingStatus"] == "CANCELLED"


def test_other_dates_of_a_row_keep_their_distance(tmp_path):
    rows = ["on\tordered\tshipped\tnote", "2026-03-01T10:00:00+00:00\t2026-02-27\t2026-02-28 10:00:00\t2026"]
    (tmp_path / "X.tsv").write_text("\n".join(rows) + "\n")
    titles, patterns = sampled.read(tmp_path / "X.tsv")
    moment = datetime(2026, 8, 2, 9, tzinfo=UTC).timestamp()

    row = sampled.Sampled("X", by="on")._row(dict(zip(titles, patterns[0], strict=True)), None, None, moment)

    assert row == {
        "on": "2026-08-02T09:00:00+00:00",
        "ordered": "2026-07-31",
        "shipped": "2026-08-01 09:00:00",
        "note": "2026",
    }


def test_a_type_whose_sample_is_not_here_is_unknown(tmp_path):
    with running_amazon(samples=tmp_path) as amazon:
        body = {"reportType": RETURNS, "marketplaceIds": ["ATVPDKIKX0DER"]}
        reply = amazon.call("POST", "/reports/2021-06-30/reports", body=body)

    assert (reply.status, "Invalid reportType" in reply.body.decode()) == (400, True)


@pytest.mark.parametrize("content", ["", "a\tb\n", "a\tb\n1\n"])
def test_a_sample_without_whole_rows_is_refused(tmp_path, content):
    path = tmp_path / f"{Random(content).random()}.tsv"
    path.write_text(content)

    with pytest.raises(ValueError, match="rows"):
        sampled.read(path)
