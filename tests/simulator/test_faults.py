"""Everything that can be made to go wrong does, on the request it is meant for and on no other."""

import contextlib
import gzip
import http.client
import json
import re
import time
import zlib
from itertools import combinations

import pytest

from connector.simulator import document_corruption, faults
from tests.simulator.caller import BY_ORDER_DATE, CA, DOCUMENTS, REPORTS, SELLER, US

QUERY = {"createdAfter": "2026-08-10T00:00:00Z", "maxResultsPerPage": 10}
PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
START, END = "2026-08-01T00:00:00Z", "2026-08-06T00:00:00Z"


def statuses(amazon, number, **query):
    return [amazon.search(**QUERY | query).status for _ in range(number)]


# Which request a rule meets.


def test_a_rule_without_narrowing_meets_every_request_of_its_operation(amazon):
    amazon.fault("500", "searchOrders")
    assert statuses(amazon, 3) == [500, 500, 500]
    assert amazon.get(PARTICIPATIONS).status == 200


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"nth": 2}, [200, 500, 200, 200]),
        ({"nth": [1, 3]}, [500, 200, 500, 200]),
        ({"count": 2}, [500, 500, 200, 200]),
        ({"after": 2}, [200, 200, 500, 500]),
        ({"after": 1, "count": 1}, [200, 500, 200, 200]),
        ({"every": 2}, [200, 500, 200, 500]),
        ({"probability": 0}, [200, 200, 200, 200]),
        ({"probability": 1}, [500, 500, 500, 500]),
    ],
)
def test_a_rule_is_narrowed(amazon, rule, expected):
    amazon.fault("500", "searchOrders", **rule)
    assert statuses(amazon, 4) == expected


@pytest.mark.parametrize(("status", "code"), [(400, "InvalidInput"), (403, "Unauthorized")])
def test_a_refused_marketplace_spoils_the_whole_request_and_is_not_named(amazon, status, code):
    rule = {"marketplaces": [CA], "status": status, "details": "Not open to this seller."}
    amazon.fault("marketplace", "searchOrders", **rule)
    amazon.fault("marketplace", "createReport", **rule)

    whole, others = amazon.search(**QUERY, marketplaceIds=f"{US},{CA}"), amazon.search(**QUERY, marketplaceIds=US)

    assert (whole.status, whole.error["code"], others.status) == (status, code, 200)
    assert CA not in json.dumps(whole.json)
    body = {"reportType": BY_ORDER_DATE, "dataStartTime": START, "dataEndTime": END}
    asked = [amazon.call("POST", REPORTS, body=body | {"marketplaceIds": ids}).status for ids in ([US, CA], [CA], [US])]
    assert asked == [status, status, 202]


def test_answers_bear_the_date_of_the_simulated_clock(amazon):
    amazon.freeze("2026-08-20T12:00:00Z")
    amazon.advance(seconds=-150)

    reply = amazon.search(**QUERY)

    assert reply.headers["date"] == "Thu, 20 Aug 2026 11:57:30 GMT"


def test_chance_is_seeded(amazon):
    outcomes = []
    for _ in range(2):
        amazon.control("faults", method="DELETE")
        amazon.fault("500", "searchOrders", probability=0.5)
        outcomes.append(statuses(amazon, 20))
    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {200, 500}


def test_a_rule_matches_query_body_and_paging(amazon):
    amazon.fault("500", "searchOrders", match={"maxResultsPerPage": "11"})
    amazon.fault("503", "createReport", match={"reportType": BY_ORDER_DATE})
    amazon.fault("429", "searchOrders", paging=True)
    first = amazon.search(**QUERY)
    assert first.status == 200
    assert amazon.search(**QUERY | {"maxResultsPerPage": 11}).status == 500
    assert amazon.search(**QUERY, paginationToken=first.json["pagination"]["nextToken"]).status == 429
    body = {"reportType": BY_ORDER_DATE, "marketplaceIds": ["ATVPDKIKX0DER"]}
    assert amazon.call("POST", REPORTS, body=body).status == 503
    assert amazon.call("POST", REPORTS, body=body | {"reportType": "X"}).status == 400


def test_a_rule_matches_one_report_on_all_its_way(amazon):
    ids = [amazon.create_report(START, END), amazon.create_report(START, "2026-08-07T00:00:00Z")]
    addresses = [amazon.document_address(report_id) for report_id in ids]
    for operation in ("getReport", "getReportDocument", "downloadDocument"):
        amazon.fault("500", operation, match={"dataEndTime": END})
    assert [amazon.get(f"{REPORTS}/{report_id}").status for report_id in ids] == [500, 200]
    assert [amazon.send("GET", address).status for address in addresses] == [500, 200]
    documents = [entry["path"].split("/")[-1] for entry in amazon.requests("getReportDocument")]
    assert [amazon.get(f"{DOCUMENTS}/{document}").status for document in documents] == [500, 200]


def test_a_rule_meets_every_window_that_covers_a_moment(amazon):
    amazon.fault("500", "searchOrders", covers="2026-08-03T12:00:00Z")
    amazon.fault("503", "createReport", covers="2026-08-03T12:00:00Z")
    days = [f"2026-08-{day:02}T00:00:00Z" for day in (1, 3, 4, 5)]
    found = {}
    for first, last in combinations(days, 2):
        answer = amazon.search(createdAfter=first, createdBefore=last, marketplaceIds="ATVPDKIKX0DER")
        body = {"reportType": BY_ORDER_DATE, "marketplaceIds": ["ATVPDKIKX0DER"]}
        report = amazon.call("POST", REPORTS, body=body | {"dataStartTime": first, "dataEndTime": last})
        found[first[8:10], last[8:10]] = answer.status, report.status
    around = {("01", "04"), ("01", "05"), ("03", "04"), ("03", "05")}
    assert {window for window, statuses in found.items() if statuses == (500, 503)} == around
    assert {statuses for window, statuses in found.items() if window not in around} == {(200, 202)}


def test_rules_are_listed_with_what_they_did_and_taken_away(amazon):
    one, two = amazon.fault("500", "searchOrders", nth=2), amazon.fault("503", "getOrder")
    statuses(amazon, 2)
    rules = amazon.control("faults")["faults"]
    assert [(rule["id"], rule["met"], rule["fired"]) for rule in rules] == [(one, 2, 1), (two, 0, 0)]
    assert [rule["id"] for rule in amazon.control(f"faults/{one}", method="DELETE")["faults"]] == [two]
    assert amazon.control("faults", method="DELETE") == {"faults": []}
    assert amazon.control("counts")["faults"] == {"500": 1}
    assert [entry["fault"] for entry in amazon.requests("searchOrders")] == [None, "500"]


@pytest.mark.parametrize("rule", [{"kind": "500", "covers": "noon"}, {"kind": "500", "covers": 3}])
def test_a_wrong_moment_is_told_so(amazon, rule):
    reply = amazon.send("POST", "/simulator/faults", json.dumps(rule))
    assert (reply.status, "covers must be a moment" in reply.json["error"]) == (400, True)


@pytest.mark.parametrize("rule", [{"kind": "nonsense"}, {"kind": "500", "operation": "nonsense"}, {}])
def test_a_wrong_rule_is_told_so(amazon, rule):
    reply = amazon.send("POST", "/simulator/faults", json.dumps(rule))
    assert (reply.status, "there are" in reply.json["error"]) == (400, True)


# Instead of an answer.


@pytest.mark.parametrize("kind", faults.STATUSES)
def test_a_status(amazon, kind):
    amazon.fault(kind, "searchOrders", nth=1)
    reply = amazon.search(**QUERY)
    assert reply.status == int(kind)
    assert set(reply.error) == {"code", "message", "details"}
    assert ("x-amzn-ratelimit-limit" in reply.headers) == (kind in ("400", "404"))
    assert amazon.search(**QUERY).status == 200


def test_429_may_carry_a_rate_and_may_empty_the_bucket(amazon):
    amazon.control("settings", {"rate_factor": 1})
    amazon.fault("429", "searchOrders", nth=1, header="0.0028", drain=True)
    assert amazon.search(**QUERY).headers["x-amzn-ratelimit-limit"] == "0.0028"
    assert statuses(amazon, 2) == [429, 429]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("expired_token", "has expired"), ("revoked_token", "revoked, malformed or invalid"), ("forbidden", "")],
)
def test_403_in_its_wordings(amazon, kind, words):
    amazon.fault(kind, "searchOrders")
    reply = amazon.search(**QUERY)
    assert (reply.status, reply.error["code"], reply.error["message"]) == (
        403,
        "Unauthorized",
        "Access to requested resource is denied.",
    )
    assert words in reply.error["details"] if words else reply.error["details"] == ""


def test_a_page_token_dies(amazon):
    amazon.fault("token_died", "searchOrders")
    first = amazon.search(**QUERY)
    assert first.status == 200
    reply = amazon.search(**QUERY, paginationToken=first.json["pagination"]["nextToken"])
    assert (reply.status, reply.error["code"]) == (400, "InvalidInput")


def test_a_page_is_too_big_until_a_smaller_one_is_asked_for(amazon):
    amazon.fault("too_big", "searchOrders", most=20)
    assert amazon.search(createdAfter=QUERY["createdAfter"]).status == 400
    assert "10 MB" in amazon.search(**QUERY | {"maxResultsPerPage": 21}).error["details"]
    assert amazon.search(**QUERY | {"maxResultsPerPage": 20}).status == 200


def test_html_with_200_a_redirect_and_nothing_at_all(amazon):
    amazon.fault("html", "searchOrders", nth=1)
    amazon.fault("redirect", "searchOrders", nth=1)
    amazon.fault("empty_body", "searchOrders", nth=1)
    html, redirect, nothing = (amazon.search(**QUERY) for _ in range(3))
    assert (html.status, html.headers["content-type"][:9]) == (200, "text/html")
    assert (redirect.status, redirect.headers["location"][:22]) == (302, "http://169.254.169.254")
    assert (nothing.status, nothing.body) == (200, b"")


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("invalid_grant", 400, "invalid_grant"),
        ("invalid_client", 401, "invalid_client"),
        ("unauthorized_client", 400, "unauthorized_client"),
        ("500", 500, "server_error"),
        ("503", 503, "temporarily_unavailable"),
    ],
)
def test_login_fails(amazon, kind, status, error):
    amazon.fault(kind, "token", nth=1)
    reply = amazon.token_request(grant_type="refresh_token", refresh_token=SELLER)
    assert (reply.status, reply.json["error"]) == (status, error)
    assert amazon.token_request(grant_type="refresh_token", refresh_token=SELLER).status == 200


# To a page.


def pages(amazon):
    first = amazon.search(**QUERY).json
    second = amazon.search(**QUERY, paginationToken=first["pagination"]["nextToken"]).json
    return first, second


def test_a_token_is_repeated(amazon):
    amazon.fault("repeat_token", "searchOrders", paging=True)
    first, second = pages(amazon)
    assert second["pagination"] == first["pagination"]
    assert second["orders"]


def test_pages_never_end(amazon):
    amazon.fault("endless", "searchOrders")
    tokens = [amazon.search(**QUERY).json["pagination"]["nextToken"] for _ in range(3)]
    assert len(set(tokens)) == 3


def test_a_page_is_empty_though_a_token_follows(amazon):
    amazon.fault("empty_page", "searchOrders", nth=1)
    page = amazon.search(**QUERY).json
    assert page["orders"] == []
    rest = amazon.search(**QUERY, paginationToken=page["pagination"]["nextToken"])
    assert (rest.status, len(rest.json["orders"])) == (200, 10)


def test_the_payload_is_empty_where_a_token_was_pending(amazon):
    amazon.fault("empty_payload", "searchOrders", paging=True)
    assert pages(amazon)[1] == {}


def test_a_row_comes_again_on_the_next_page(amazon):
    amazon.fault("repeat_rows", "searchOrders", paging=True)
    first, second = pages(amazon)
    assert second["orders"][0] == first["orders"][-1]
    assert len(second["orders"]) == 11


def test_a_row_comes_again_with_a_later_update(amazon):
    amazon.fault("repeat_rows", "searchOrders", paging=True, changed="2099-01-01T00:00:00Z")
    first, second = pages(amazon)
    assert second["orders"][0] == first["orders"][-1] | {"lastUpdatedTime": "2099-01-01T00:00:00Z"}


def test_the_same_page_comes_under_ever_new_tokens(amazon):
    amazon.fault("same_page", "searchOrders")
    first, second = pages(amazon)
    assert second["orders"] == first["orders"]
    assert second["pagination"]["nextToken"] != first["pagination"]["nextToken"]


def test_rows_come_in_another_order(amazon):
    plain = amazon.search(**QUERY).json["orders"]
    amazon.fault("shuffled", "searchOrders")
    assert amazon.search(**QUERY).json["orders"] == plain[::-1]


@pytest.mark.parametrize("kind", ["truncated_json", "invalid_json"])
def test_broken_json(amazon, kind):
    amazon.fault(kind, "searchOrders")
    reply = amazon.search(**QUERY)
    assert reply.status == 200
    with pytest.raises(ValueError):
        reply.json  # noqa: B018


def test_unknown_fields_and_words(amazon):
    amazon.fault("unknown_fields", "searchOrders")
    page = amazon.search(**QUERY, includedData="FULFILLMENT").json
    assert page["aFieldOfTomorrow"] and page["orders"][0]["anotherFieldOfTomorrow"]
    assert page["orders"][0]["fulfillment"]["fulfillmentStatus"] == "TELEPORTED"


@pytest.mark.parametrize(("kind", "mark"), [("nul", "\0"), ("lone_surrogate", "\ud800")])
def test_text_that_no_database_takes(amazon, kind, mark):
    amazon.fault(kind, "searchOrders")
    assert mark in amazon.search(**QUERY).json["orders"][0]["orderItems"][0]["product"]["title"]


# On the way.


def test_the_line_is_cut_after_some_bytes(amazon):
    for sent in (0, 1, 100):
        amazon.control("faults", method="DELETE")
        amazon.fault("cut", "searchOrders", bytes=sent)
        with pytest.raises(http.client.IncompleteRead) as broken:
            amazon.search(**QUERY)
        assert len(broken.value.partial) == sent


def test_the_line_is_cut_by_a_reset_or_before_anything_is_said(amazon):
    amazon.fault("cut", "searchOrders", nth=1, bytes=10, reset=True)
    amazon.fault("no_answer", "searchOrders")
    for _ in range(2):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            amazon.search(**QUERY)


def test_a_cut_answer_to_create_report_leaves_the_report_behind(amazon):
    amazon.fault("no_answer", "createReport", nth=1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        amazon.create_report(START, END)
    listed = amazon.get(REPORTS, {"reportTypes": BY_ORDER_DATE}).json["reports"]
    assert len(listed) == 1


@pytest.mark.parametrize("by", [10, -10])
def test_the_length_is_wrong(amazon, by):
    plain = amazon.get(PARTICIPATIONS)
    amazon.fault("wrong_length", "getMarketplaceParticipations", by=by)
    if by > 0:
        with pytest.raises(http.client.IncompleteRead):
            amazon.get(PARTICIPATIONS)
    else:
        assert amazon.get(PARTICIPATIONS).body == plain.body[:by]


def test_bytes_drip(amazon):
    plain = amazon.get(PARTICIPATIONS).body
    amazon.fault("drip", "getMarketplaceParticipations", bytes=100, seconds=0.02)
    start = time.monotonic()
    assert amazon.get(PARTICIPATIONS).body == plain
    assert time.monotonic() - start >= 0.02 * (len(plain) // 100)


def test_the_answer_is_late(amazon):
    amazon.fault("delay", "searchOrders", seconds=0.2)
    start = time.monotonic()
    assert amazon.search(**QUERY).status == 200
    assert time.monotonic() - start >= 0.2


def test_chunks_are_garbage(amazon):
    amazon.fault("bad_chunks", "searchOrders")
    with pytest.raises(http.client.HTTPException):
        amazon.search(**QUERY)


def test_headers_are_many_or_huge(amazon):
    amazon.fault("many_headers", "searchOrders", nth=1)
    amazon.fault("big_header", "searchOrders")
    for _ in range(2):
        with pytest.raises(http.client.HTTPException):
            amazon.search(**QUERY)


def test_after_a_cut_the_same_connection_is_not_reused_but_others_go_on(amazon):
    amazon.fault("cut", "searchOrders", nth=1)
    with contextlib.suppress(http.client.IncompleteRead):
        amazon.search(**QUERY)
    assert statuses(amazon, 2) == [200, 200]


# Of a report.


@pytest.mark.parametrize(
    ("kind", "status", "document"),
    [
        ("fatal", "FATAL", True),
        ("fatal_without_document", "FATAL", False),
        ("cancelled", "CANCELLED", False),
        ("stuck", "IN_QUEUE", False),
        ("stuck_in_progress", "IN_PROGRESS", False),
        ("done_without_document", "DONE", False),
    ],
)
def test_a_report_ends_otherwise(amazon, kind, status, document):
    amazon.fault(kind, "createReport", nth=1)
    report, other = (amazon.report(amazon.create_report(START, END)) for _ in range(2))
    assert (report["processingStatus"], "reportDocumentId" in report) == (status, document)
    assert other["processingStatus"] == "DONE"


def test_the_fatal_document_says_what_it_is_told_to(amazon):
    amazon.fault("fatal", "createReport", text="Report data is not yet available for the specified period.")
    reply = amazon.send("GET", amazon.document_address(amazon.create_report(START, END)))
    assert gzip.decompress(reply.body).decode() == "Report data is not yet available for the specified period."


def test_a_stuck_report_comes_loose(amazon):
    amazon.fault("stuck", "createReport", seconds=6 * 3600)
    report_id = amazon.create_report(START, END)
    amazon.advance(hours=5)
    amazon.forget_tokens()
    assert amazon.report(report_id)["processingStatus"] == "IN_QUEUE"
    amazon.advance(hours=1, minutes=1)
    amazon.forget_tokens()
    assert amazon.report(report_id)["processingStatus"] == "DONE"


# Of a document.


@pytest.fixture
def address(amazon):
    return amazon.document_address(amazon.create_report(START, END))


@pytest.fixture
def plain(amazon, address):
    """The document as it should be, in lines."""
    return gzip.decompress(amazon.send("GET", address).body).decode().split("\r\n")


def spoiled(amazon, address, kind, **rule):
    amazon.fault(kind, "downloadDocument", **rule)
    reply = amazon.send("GET", address)
    assert reply.status == 200
    return reply


def lines(reply, charset="utf-8"):
    return gzip.decompress(reply.body).decode(charset).split("\r\n")


def test_an_address_has_expired_early_and_a_new_one_works(amazon):
    report_id = amazon.create_report(START, END)
    amazon.fault("expired", "downloadDocument", nth=1)
    reply = amazon.send("GET", amazon.document_address(report_id))
    assert (reply.status, b"Request has expired" in reply.body) == (403, True)
    assert amazon.send("GET", amazon.document_address(report_id)).status == 200


@pytest.mark.parametrize("kind", ["403", "404", "500", "503", "redirect", "html", "cut"])
def test_the_storage_host_fails(amazon, address, kind):
    if kind == "403":
        amazon.fault("forbidden", "downloadDocument")
    else:
        amazon.fault(kind, "downloadDocument")
    if kind == "cut":
        with pytest.raises(http.client.IncompleteRead):
            amazon.send("GET", address)
        return
    expected = {"redirect": 302, "html": 200}.get(kind) or int(kind)
    assert amazon.send("GET", address).status == expected


def test_a_truncated_archive(amazon, address):
    for size in (None, 1, 12, 500):
        amazon.control("faults", method="DELETE")
        reply = spoiled(amazon, address, "truncated_gzip", **({"bytes": size} if size else {}))
        packer = zlib.decompressobj(31)
        packer.decompress(reply.body)
        assert not packer.eof
        with pytest.raises((EOFError, OSError)):
            gzip.decompress(reply.body)


def test_an_archive_of_two_members(amazon, address, plain):
    reply = spoiled(amazon, address, "two_members")
    packer = zlib.decompressobj(31)
    first = packer.decompress(reply.body)
    assert packer.unused_data and len(first) < len("\r\n".join(plain).encode())
    assert lines(reply) == plain


def test_a_bomb(amazon, address):
    reply = spoiled(amazon, address, "bomb", bytes=64 * 2**20)
    assert len(reply.body) < 2**20
    packer, size = zlib.decompressobj(31), 0
    data = reply.body
    while not packer.eof:
        size += len(packer.decompress(data, 2**20))
        data = packer.unconsumed_tail
    assert size > 64 * 2**20


def test_a_corrupt_archive_and_one_with_something_behind_it(amazon, address, plain):
    with pytest.raises((zlib.error, OSError, EOFError)):
        gzip.decompress(spoiled(amazon, address, "corrupt_gzip").body)
    amazon.control("faults", method="DELETE")
    reply = spoiled(amazon, address, "trailing_garbage")
    packer = zlib.decompressobj(31)
    assert packer.decompress(reply.body).decode().split("\r\n") == plain
    assert packer.unused_data


def test_an_archive_in_an_archive(amazon, address, plain):
    reply = spoiled(amazon, address, "nested_gzip")
    assert gzip.decompress(gzip.decompress(reply.body)).decode().split("\r\n") == plain


def test_a_document_called_compressed_that_is_not(amazon, address, plain):
    assert spoiled(amazon, address, "not_compressed").body.decode().split("\r\n") == plain


@pytest.mark.parametrize("charset", ["cp932", "cp1252", "utf-16", "gb18030", "latin-1"])
def test_another_alphabet(amazon, address, plain, charset):
    reply = spoiled(amazon, address, "charset", charset=charset)
    assert reply.headers["content-type"] == f"text/plain; charset={charset}"
    assert lines(reply, charset)[0] == plain[0]


def test_an_alphabet_that_the_header_denies(amazon, address):
    reply = spoiled(amazon, address, "charset", charset="cp1252", label="UTF-8")
    assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
    with pytest.raises(UnicodeDecodeError):
        lines(reply)


def test_a_byte_order_mark(amazon, address, plain):
    content = gzip.decompress(spoiled(amazon, address, "bom").body)
    assert content.startswith(b"\xef\xbb\xbfamazon-order-id")


def cells(line):
    return line.split("\t")


def test_columns_come_go_and_move(amazon, address, plain):
    header = cells(plain[0])
    wanted = {
        "extra_column": sorted([*header, "brand-new column"]),
        "missing_column": sorted(set(header) - {"currency"}),
        "reordered_columns": sorted(header),
        "duplicate_header": sorted([*header, header[-1]]),
        "header_only": sorted(header),
    }
    for kind, columns in wanted.items():
        amazon.control("faults", method="DELETE")
        got = lines(spoiled(amazon, address, kind))
        assert sorted(cells(got[0])) == columns
        assert cells(got[0]) != header or kind == "header_only"
        assert {len(cells(line)) for line in got[:-1]} == {len(columns)}
        assert (len(got) == 2) == (kind == "header_only")


def test_rows_are_ragged_or_have_one_cell_too_many(amazon, address, plain):
    got = lines(spoiled(amazon, address, "ragged", line=3, cells=4))
    assert (len(cells(got[3])), len(cells(got[4]))) == (4, 31)
    amazon.control("faults", method="DELETE")
    got = lines(spoiled(amazon, address, "trailing_tab"))
    assert (len(cells(got[0])), len(cells(got[1]))) == (31, 32)


@pytest.mark.parametrize(("kind", "piece"), [("line_break_in_cell", "\n"), ("nul_in_cell", "\0")])
def test_cells_hold_what_they_must_not(amazon, address, kind, piece):
    assert piece in lines(spoiled(amazon, address, kind))[1]


def test_other_line_ends(amazon, address, plain):
    assert gzip.decompress(spoiled(amazon, address, "unix_lines").body).decode() == "\n".join(plain)
    amazon.control("faults", method="DELETE")
    assert not gzip.decompress(spoiled(amazon, address, "no_last_line_break").body).endswith(b"\n")
    amazon.control("faults", method="DELETE")
    assert gzip.decompress(spoiled(amazon, address, "empty_document").body) == b""


def test_numbers_and_dates_that_are_none(amazon, address, plain):
    header = cells(plain[0])
    for kind, column, values in (
        ("strange_numbers", "item-price", document_corruption.NUMBERS),
        ("strange_dates", "last-updated-date", document_corruption.DATES),
    ):
        amazon.control("faults", method="DELETE")
        got = {cells(line)[header.index(column)] for line in lines(spoiled(amazon, address, kind))[1:-1]}
        assert got == set(values)


def test_cells_and_headers_are_huge(amazon, address):
    got = lines(spoiled(amazon, address, "huge_cell", bytes=200000))
    assert len(got[1]) > 200000 > len(got[2])
    amazon.control("faults", method="DELETE")
    assert len(cells(lines(spoiled(amazon, address, "many_columns", columns=1700))[0])) == 1731


def test_rows_come_twice_or_from_another_day(amazon, address, plain):
    assert len(lines(spoiled(amazon, address, "duplicate_rows"))) == 2 * len(plain) - 2
    amazon.control("faults", method="DELETE")
    assert "2001-01-01T00:00:00+00:00" in lines(spoiled(amazon, address, "stray_rows"))[-2]


@pytest.mark.parametrize(("at", "row"), [(0, 1), (0.5, None), (1, -2)])
def test_one_place_of_the_document_is_met(amazon, address, plain, at, row):
    row = len(plain) // 2 if row is None else row
    for kind, rule in (("cell", {"cell": "here"}), ("nul_in_cell", {}), ("ragged", {})):
        amazon.control("faults", method="DELETE")
        got = lines(spoiled(amazon, address, kind, at=at, **rule))
        assert [number for number, (one, other) in enumerate(zip(got, plain, strict=True)) if one != other] == [
            row % len(plain)
        ], kind
    amazon.control("faults", method="DELETE")
    assert lines(spoiled(amazon, address, "row_missing", at=at)) == [
        line for number, line in enumerate(plain) if number != row % len(plain)
    ]
    amazon.control("faults", method="DELETE")
    place = cells(lines(spoiled(amazon, address, "extra_column", at=at))[0]).index("brand-new column")
    assert place == {0: 0, 0.5: 16, 1: 31}[at]


@pytest.mark.parametrize("at", [0, 0.5, 1])
def test_one_byte_of_the_archive_is_met(amazon, address, plain, at):
    whole = amazon.send("GET", address).body
    place = {0: 0, 0.5: len(whole) // 2, 1: len(whole) - 1}[at]
    got = spoiled(amazon, address, "corrupt_gzip", at=at).body
    assert [one != other for one, other in zip(got, whole, strict=True)].index(True) == place
    amazon.control("faults", method="DELETE")
    assert len(spoiled(amazon, address, "truncated_gzip", at=at).body) == (place or 1)
    amazon.control("faults", method="DELETE")
    assert lines(spoiled(amazon, address, "two_members", at=at)) == plain


def test_a_page_without_one_of_its_orders(amazon):
    whole = [order["orderId"] for order in amazon.search(**QUERY).json["orders"]]
    for at, place in ((0, 0), (0.5, len(whole) // 2), (1, len(whole) - 1)):
        amazon.control("faults", method="DELETE")
        amazon.fault("row_missing", "searchOrders", at=at)
        got = [order["orderId"] for order in amazon.search(**QUERY).json["orders"]]
        assert got == whole[:place] + whole[place + 1 :]


def test_a_token_that_expires_for_good_takes_all_before_it_along(amazon):
    amazon.fault("expired_token", "searchOrders", nth=2, for_good=True)
    assert statuses(amazon, 3) == [200, 403, 403]
    assert amazon.get(PARTICIPATIONS).status == 403
    amazon.forget_tokens()
    assert statuses(amazon, 1) == [200]


def test_every_kind_is_described():
    described = set(re.findall(r"\w+", faults.__doc__ + document_corruption.__doc__))
    assert set(faults.KINDS) - described == set()
