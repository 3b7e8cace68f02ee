"""The Reports API: each state of a report is one thing to do, and a document is fetched whole or not at all."""

import gzip
import json
import os
from datetime import UTC, datetime

import pytest

from connector.spapi import reports
from connector.spapi.errors import (
    DocumentExpired,
    DocumentRefused,
    NothingThere,
    NotReady,
    ReportCancelled,
    ReportFailed,
    Throttled,
    Unreachable,
)
from tests.spapi.wire import answer, cut_after, drip

START, END = datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 31, 8, 30, 15, 250000, tzinfo=UTC)
PACKED = gzip.compress(os.urandom(5000))


def test_a_report_is_asked_for_with_its_window_in_utc(wire, desk):
    wire.says(answer({"reportId": "R1"}, status="202 Accepted"))

    report_id = reports.create(desk(), "TYPE", ("M1", "M2"), START, END, {"custom": "true"})

    assert report_id == "R1"
    assert json.loads(wire.requests[0].body) == {
        "reportType": "TYPE",
        "marketplaceIds": ["M1", "M2"],
        "dataStartTime": "2026-01-01T08:00:00Z",
        "dataEndTime": "2026-01-31T08:30:15.250Z",
        "reportOptions": {"custom": "true"},
    }


def test_a_report_without_dates_sends_none(wire, desk):
    wire.says(answer({"reportId": "R1"}, status="202 Accepted"))

    reports.create(desk(), "TYPE", ["M1"])

    assert json.loads(wire.requests[0].body) == {"reportType": "TYPE", "marketplaceIds": ["M1"]}


@pytest.mark.parametrize("body", [{}, {"reportId": None}, {"reportId": 7}, []])
def test_an_answer_without_an_id_is_no_report(wire, desk, body):
    wire.says(answer(body, status="202 Accepted"))

    with pytest.raises(Unreachable):
        reports.create(desk(), "TYPE", ["M1"])


def test_a_finished_report_has_a_document(wire, desk):
    wire.says(answer({"processingStatus": "DONE", "reportDocumentId": "D1"}))

    assert reports.check(desk(), "R/1") == "D1"
    assert wire.requests[0].target == "/reports/2021-06-30/reports/R%2F1"


@pytest.mark.parametrize(
    ("report", "error"),
    [
        ({"processingStatus": "IN_QUEUE"}, NotReady),
        ({"processingStatus": "IN_PROGRESS"}, NotReady),
        ({"processingStatus": "A_NEW_WORD_OF_AMAZONS"}, NotReady),
        ({"processingStatus": None}, NotReady),
        ({}, NotReady),
        ({"processingStatus": "DONE"}, NothingThere),
        ({"processingStatus": "DONE", "reportDocumentId": ""}, NothingThere),
        ({"processingStatus": "DONE", "reportDocumentId": {"an": "object"}}, NotReady),
        ({"processingStatus": "DONE", "reportDocumentId": "x" * 501}, NotReady),
        ({"processingStatus": "FATAL", "reportDocumentId": 7}, ReportFailed),
        ({"processingStatus": "CANCELLED"}, ReportCancelled),
        ({"processingStatus": "FATAL"}, ReportFailed),
    ],
)
def test_each_state_is_one_thing_to_do(wire, desk, report, error):
    wire.says(answer(report))

    with pytest.raises(error):
        reports.check(desk(), "R1")


def test_a_failed_report_tells_where_amazon_explains_it(wire, desk):
    wire.says(answer({"processingStatus": "FATAL", "reportDocumentId": "D9"}))

    with pytest.raises(ReportFailed) as problem:
        reports.check(desk(), "R1")

    assert problem.value.document_id == "D9"


def listed(report_id, created, **changes):
    return {
        "reportId": report_id,
        "reportType": "TYPE",
        "marketplaceIds": ["M2", "M1"],
        "dataStartTime": "2026-01-01T08:00:00+00:00",
        "dataEndTime": "2026-01-31T08:30:15.250Z",
        "createdTime": created,
        "processingStatus": "DONE",
        **changes,
    }


def test_an_earlier_report_is_found_on_any_page_and_only_for_the_same_question(wire, desk):
    wire.says(
        answer(
            {
                "reports": [
                    listed("other-start", "2026-02-01T00:00:00Z", dataStartTime="2026-01-02T08:00:00Z"),
                    listed("other-end", "2026-02-01T00:00:00Z", dataEndTime=None),
                    listed("other-place", "2026-02-01T00:00:00Z", marketplaceIds=["M1"]),
                    listed("other-type", "2026-02-01T00:00:00Z", reportType="ELSE"),
                    listed("older", "2026-02-01T00:00:00Z"),
                ],
                "nextToken": "n",
            }
        ),
        answer({"reports": [listed("newer", "2026-02-02T00:00:00Z", processingStatus="IN_QUEUE")]}),
    )

    found = reports.find(desk(), "TYPE", ["M1", "M2"], START, END, since=START)

    assert [(report.report_id, report.status) for report in found] == [("newer", "IN_QUEUE"), ("older", "DONE")]
    assert found[0].created_at == datetime(2026, 2, 2, tzinfo=UTC)
    assert "createdSince=2026-01-01T08%3A00%3A00Z" in wire.requests[0].target
    assert wire.requests[1].target == "/reports/2021-06-30/reports?nextToken=n"


@pytest.mark.parametrize(
    "odd",
    [
        {"marketplaceIds": 5},
        {"marketplaceIds": [{}]},
        {"createdTime": "9999-12-31T23:59:59-12:00"},
        {"dataStartTime": ["x"]},
        {"reportId": {"x": 1}},
        {"reportId": "9" * 201},
    ],
)
def test_a_listed_report_of_any_shape_is_borne(wire, desk, odd):
    wire.says(answer({"reports": [{**listed("odd", "2026-02-02T00:00:00Z"), **odd}, listed("ours", None)]}))

    found = [report.report_id for report in reports.find(desk(), "TYPE", ["M1", "M2"], START, END)]

    assert found[-1] == "ours" and set(found) <= {"odd", "ours"}


# Documents


def address(wire, path="/doc"):
    return answer({"reportDocumentId": "D1", "url": wire.url + path, "compressionAlgorithm": "GZIP"})


def test_address_and_body_are_fetched_in_one_step_without_any_token(wire, desk, tmp_path):
    wire.says(address(wire), answer(PACKED, headers=[("Content-Type", "text/plain; charset=Cp1252")]))

    got = reports.fetch_document(desk(), "D1", tmp_path / "document")

    assert got.path.read_bytes() == PACKED
    assert got.bytes == len(PACKED) and got.content_type == "text/plain; charset=Cp1252"
    assert not {"x-amz-access-token", "authorization", "cookie"} & set(wire.requests[1].headers)
    assert got.path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["document"]


def test_an_address_that_ran_out_is_asked_for_again(wire, desk, tmp_path):
    expired = answer(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden")
    wire.says(address(wire, "/1"), expired, address(wire, "/2"), answer(PACKED))

    reports.fetch_document(desk(), "D1", tmp_path / "document")

    assert [sent.target for sent in wire.requests if sent.target.startswith("/1") or sent.target.startswith("/2")] == [
        "/1",
        "/2",
    ]


def test_three_addresses_that_ran_out_are_enough(wire, desk, tmp_path):
    expired = answer(b"<Code>ExpiredToken</Code>", status="400 Bad Request")
    wire.says(*[address(wire), expired] * 3, address(wire))

    with pytest.raises(DocumentExpired):
        reports.fetch_document(desk(), "D1", tmp_path / "document")

    assert len(wire.requests) == 6
    assert list(tmp_path.iterdir()) == []


def test_a_new_address_waits_for_its_quota(wire, desk, tmp_path):
    wire.says(address(wire), answer(b"", status="403 Forbidden"))
    one = desk()
    one.waits = [0.0, 60.0]

    with pytest.raises(Throttled):
        reports.fetch_document(one, "D1", tmp_path / "document")


@pytest.mark.parametrize("at", [0, 1, 100, 1000, len(PACKED) - 1])
def test_a_body_that_breaks_off_never_becomes_a_file(wire, desk, tmp_path, at):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PACKED)
    wire.says(address(wire), cut_after(head + PACKED[:at]))

    with pytest.raises(Unreachable):
        reports.fetch_document(desk(), "D1", tmp_path / "document")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [1, 100])
def test_a_chunked_body_that_breaks_off_never_becomes_a_file(wire, desk, tmp_path, at):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % at
    wire.says(address(wire), cut_after(head + PACKED[:at] + b"\r\n"))

    with pytest.raises(Unreachable):
        reports.fetch_document(desk(), "D1", tmp_path / "document")

    assert list(tmp_path.iterdir()) == []


def test_a_body_of_unknown_length_is_taken_only_where_it_tells_its_own_end(wire, desk, tmp_path):
    wire.says(cut_after(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PACKED))
    assert desk().download(wire.url, tmp_path / "packed", 1 << 20).bytes == len(PACKED)

    wire.says(cut_after(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na\tb\n1\t"))
    with pytest.raises(Unreachable):
        desk().download(wire.url, tmp_path / "plain", 1 << 20)
    assert not (tmp_path / "plain").exists()


def test_a_body_is_kept_as_it_came_even_where_it_is_labelled_as_packed(wire, desk, tmp_path):
    wire.says(answer(PACKED, headers=[("Content-Encoding", "gzip")]))

    assert desk().download(wire.url, tmp_path / "document", 1 << 20).path.read_bytes() == PACKED


@pytest.mark.parametrize("length", [True, False])
def test_a_body_that_is_too_large_is_refused(wire, desk, tmp_path, length):
    chunked = b"%x\r\n" % len(PACKED) + PACKED + b"\r\n0\r\n\r\n"
    told = answer(PACKED)
    untold = answer(chunked, headers=[("Transfer-Encoding", "chunked")], length=False)
    wire.says(told if length else untold)

    with pytest.raises(DocumentRefused, match="larger than"):
        desk().download(wire.url, tmp_path / "document", 100)

    assert list(tmp_path.iterdir()) == []


def test_a_dripping_body_is_over_at_the_deadline(wire, desk, tmp_path):
    wire.says(drip(answer(PACKED), 0.05))

    with pytest.raises(Unreachable):
        desk().download(wire.url, tmp_path / "document", 1 << 20, deadline=0.5)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("500 No", Unreachable),
        ("503 Slow Down", Unreachable),
        ("429 Slow Down", Unreachable),
        ("403 Forbidden", DocumentExpired),
        ("404 Not Found", DocumentRefused),
        ("400 Bad Request", DocumentRefused),
        ("204 No Content", DocumentRefused),
        ("206 Partial", DocumentRefused),
    ],
)
def test_what_the_storage_answers_is_one_thing_to_do(wire, desk, tmp_path, status, error):
    wire.says(answer(b"", status=status))

    with pytest.raises(error) as problem:
        desk().download(wire.url, tmp_path / "document", 100)

    assert type(problem.value) is error


def test_a_redirect_of_the_storage_is_not_followed(wire, desk, tmp_path):
    wire.says(answer(b"", status="302 Found", headers=[("Location", "http://169.254.169.254/")]))

    with pytest.raises(DocumentRefused):
        desk().download(wire.url, tmp_path / "document", 100)

    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://bucket.s3.amazonaws.com/x",
        "https://evil.example/x",
        "https://169.254.169.254/latest",
        "https://s3.amazonaws.com.evil.example/x",
        "https://bucket.s3.amazonaws.com:8443/x",
        "https://user@bucket.s3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com@evil.example/x",
        "https://evil.example\\@bucket.s3.amazonaws.com/x",
        "https://ec2-1-2-3-4.compute-1.amazonaws.com/x",
        "https://ec2-1-2-3-4.s3.compute-1.amazonaws.com/x",
        "https://execute-api.us-east-1.amazonaws.com/x",
        "https://s3evil.amazonaws.com/x",
        "https://xs3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com.:443/x",
        "https://[::1]/x",
        "file:///etc/passwd",
        "ftp://bucket.s3.amazonaws.com/x",
        "//bucket.s3.amazonaws.com/x",
        "https://bucket.s3.amazonaws.com:x/x",
        "",
    ],
)
def test_no_other_host_is_asked_for_a_document(wire, desk, tmp_path, url):
    with pytest.raises(DocumentRefused):
        desk().download(url, tmp_path / "document", 100)

    assert wire.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.s3.amazonaws.com/x?y=1",
        "https://tortuga-prod-na.s3-external-1.amazonaws.com/x",
        "https://tortuga-prod-eu.s3.eu-west-1.amazonaws.com/x",
        "https://tortuga-prod-fe.s3.us-west-2.amazonaws.com:443/x",
        "https://b.c.s3-eu-west-1.amazonaws.com/x",
        "https://b.s3.dualstack.us-east-1.amazonaws.com/x",
        "https://s3.amazonaws.com/bucket/x",
    ],
)
def test_amazons_storage_hosts_are_known(desk, url):
    assert desk().client._checked_host(url).endswith("amazonaws.com")


def test_an_extra_host_may_be_named_with_or_without_its_port(wire, desk):
    from connector.spapi.client import Client

    def client(*hosts):
        return Client("http://x", None, None, document_hosts=hosts)

    assert client("127.0.0.1")._checked_host("http://127.0.0.1:8080/x") == "127.0.0.1"
    assert client("127.0.0.1:8080")._checked_host("http://127.0.0.1:8080/x") == "127.0.0.1"
    assert client("Store.Example:443")._checked_host("https://store.example/x") == "store.example"
    with pytest.raises(DocumentRefused):
        client("127.0.0.1:8080")._checked_host("http://127.0.0.1:8081/x")
