"""Whatever is made whole before it goes out travels compressed where the client asks for it, and only then."""

import gzip
import http.client
import json
from urllib.parse import urlsplit

import pytest
import zstandard

from datasets.serving.http import encodings

pytestmark = pytest.mark.django_db
ROWS = "/api/v1/datasets/orders_us/rows"
WHOLE = (
    f"{ROWS}.json",
    f"{ROWS}.ndjson",
    f"{ROWS}.csv",
    "/api/v1/reports",
    "/api/v1/datasets/orders_us",
    "/api/v1/openapi.json",
    "/odata/v4/orders_us",
    "/odata/v4/$metadata",
)
PAGES = ("/datasets/orders_us/data", "/datasets/orders_us/api", "/datasets/orders_us/settings")


def unpacked(response):
    coding = response.get("Content-Encoding")
    if coding == "gzip":
        return gzip.decompress(response.content)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(response.content)
    assert coding is None
    return response.content


@pytest.fixture
def get(client, orders, bearer):
    def get(address, accept=None, **headers):
        asked = {} if accept is None else {"Accept-Encoding": accept}
        return client.get(address, headers=bearer | asked | headers)

    return get


# Which coding


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("br", "identity"),
        ("deflate", "identity"),
        ("*", "zstd"),
        ("*;q=0.1, gzip", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0, *", "zstd"),
        ("gzip;q=0.5, zstd;q=0.4", "gzip"),
        ("gzip;q=0.5, identity;q=1", "identity"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip, identity", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("*;q=0, gzip", "gzip"),
        ("*;q=0, identity", "identity"),
        ("gzip;q=banana, zstd;q=0", "identity"),
        ("gzip ; q=0.2 , identity;q=0.1", "gzip"),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("gzip;q=0, zstd;q=0, identity;q=0", None),
        ("br, identity;q=0", None),
    ],
)
def test_the_heaviest_coding_that_there_is_wins(accept, coding):
    found = encodings.chosen(accept)

    assert (found and found.name) == coding


@pytest.mark.parametrize("address", WHOLE)
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_every_answer_of_some_size_comes_compressed_when_asked(get, address, coding):
    plain, packed = get(address), get(address, coding)

    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == coding
    assert "Accept-Encoding" in plain["Vary"] and "Accept-Encoding" in packed["Vary"]
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content)
    assert unpacked(packed) == plain.content


@pytest.mark.parametrize("address", PAGES)
def test_pages_for_people_come_compressed_too(client, orders, alice, address):
    client.force_login(alice)
    packed = client.get(address, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})

    assert packed.status_code == 200 and "no-store" not in packed.get("Cache-Control", "")
    assert packed["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed["Vary"]
    assert unpacked(packed).rstrip().endswith(b"</html>")


def test_a_small_answer_stays_as_it_is_unless_only_compression_is_taken(get):
    small = f"{ROWS}.json?_limit=1&_select=title"

    assert "Content-Encoding" not in get(small, "gzip")
    strict = get(small, "gzip, identity;q=0")
    assert strict["Content-Encoding"] == "gzip"
    assert json.loads(unpacked(strict))["rows"] == get(small).json()["rows"]


@pytest.mark.parametrize("address", [*WHOLE, "/api/v1/datasets/orders_us/export.parquet", "/api/v1/query?sql=SELECT 1"])
def test_who_takes_nothing_that_there_is_gets_406_in_the_services_shape(get, address):
    refused = get(address, "br, identity;q=0")

    assert refused.status_code == 406
    said = refused.json()
    if address.startswith("/odata/"):
        assert said["error"]["code"] == "not_acceptable" and refused["OData-Version"] == "4.0"
    else:
        assert said["code"] == "not_acceptable" and refused["Content-Type"] == "application/problem+json"
    assert refused["X-Request-ID"]


def test_a_file_that_is_packed_in_itself_is_packed_again_only_for_who_insists(get):
    address = "/api/v1/datasets/orders_us/export.parquet"
    plain = b"".join(get(address, "gzip").streaming_content)
    strict = get(address, "gzip, identity;q=0")

    assert strict["Content-Encoding"] == "gzip"
    assert gzip.decompress(b"".join(strict.streaming_content)) == plain


# Secrets


def test_what_holds_a_fresh_token_is_not_compressed(client, orders, alice, get, bearer):
    client.force_login(alice)
    asked = {"Accept-Encoding": "gzip"}
    made = client.post("/datasets/orders_us/token", {"name": "x"}, headers=asked)
    tokens = client.get("/tokens", headers=asked)
    issued = client.post(
        "/api/v1/tokens",
        {"name": "n" * 190, "scopes": ["data:read"]},
        content_type="application/json",
        headers=bearer | asked,
    )
    link = client.post(
        "/api/v1/datasets/orders_us/links",
        {"query": "title=" + "x" * 2000},
        content_type="application/json",
        headers=bearer | asked,
    )

    assert b"bh_" in made.content and "Content-Encoding" not in made
    assert "Content-Encoding" not in tokens
    for secret in (issued, link):
        assert secret.status_code == 201 and "bh_" in secret.json()["token"]
        assert secret["Cache-Control"] == "no-store" and "Content-Encoding" not in secret
    assert len(link.content) > 2000


def test_the_length_of_a_page_for_people_is_blurred(client, orders, alice):
    client.force_login(alice)
    found = [client.get("/datasets/orders_us/settings", headers={"Accept-Encoding": "gzip"}) for _ in range(12)]

    names = {answer.content[10 : answer.content.index(b"\0", 10)] for answer in found}
    assert all(answer.content[3] == 0x08 for answer in found)  # the header has a name
    assert len(names) > 3 and max(map(len, names)) <= 100


# Validators


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_each_compression_has_its_own_etag_and_any_of_them_is_known(get, client, bearer, coding):
    plain, packed = get(f"{ROWS}.json"), get(f"{ROWS}.json", coding)
    head = client.head(f"{ROWS}.json", headers=bearer | {"Accept-Encoding": coding})

    assert packed["ETag"] == head["ETag"] == plain["ETag"][:-1] + f'-{coding}"'
    for accept in (None, "gzip", "zstd"):
        for etag in (plain["ETag"], packed["ETag"], "W/" + packed["ETag"]):
            again = get(f"{ROWS}.json", accept, **{"If-None-Match": etag})
            assert again.status_code == 304, (accept, etag)
            assert not again.getvalue() and "Content-Encoding" not in again
            assert again["Vary"] == "Authorization, Cookie, Accept-Encoding"
    assert get(f"{ROWS}.json", coding, **{"If-None-Match": '"other"'}).status_code == 200


# Over the wire


@pytest.mark.integration
def test_a_server_sends_what_it_says(web, make, orders):
    token = make.token()
    for address in (f"{ROWS}.json", "/odata/v4/orders_us"):
        for method in ("GET", "HEAD"):
            link = http.client.HTTPConnection(urlsplit(web.url).netloc, timeout=30)
            link.request(method, address, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"})
            answer = link.getresponse()
            content = answer.read()
            link.close()
            assert answer.status == 200
            if method == "GET":
                assert answer.headers["Content-Encoding"] == "gzip"
                assert int(answer.headers["Content-Length"]) == len(content)
                assert json.loads(gzip.decompress(content))
            else:
                assert not content
