"""Documents: read whole or refused, in the right letters, in little memory."""

import gzip
import os
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.spapi.documents import open_bytes, open_text
from connector.spapi.errors import DocumentRefused

MEBIBYTE = 1 << 20


@pytest.fixture
def document(tmp_path):
    def make(content):
        path = tmp_path / "document"
        path.write_bytes(content)
        return path

    return make


def read(path, **limits):
    return b"".join(open_bytes(path, **limits))


# Unpacking


def test_a_plain_document_is_read_as_it_is(document):
    assert read(document(b"a\tb\n")) == b"a\tb\n"


def test_a_packed_document_is_told_by_its_first_bytes(document):
    assert read(document(gzip.compress(b"hello"))) == b"hello"


def test_all_members_are_read(document):
    packed = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two ") + gzip.compress(b"three")

    assert read(document(packed)) == b"one two three"
    assert read(document(packed + b"\0" * 700)) == b"one two three"


def test_an_empty_document_is_empty(document):
    assert read(document(b"")) == b""
    assert read(document(gzip.compress(b""))) == b""


@pytest.mark.parametrize("cut", [2, 5, 10, 50, -1, -4, -8, -9])
def test_a_document_that_was_cut_off_is_refused(document, cut):
    packed = gzip.compress(os.urandom(1000))

    with pytest.raises(DocumentRefused, match="ends too early"):
        read(document(packed[:cut]))


def test_a_second_member_that_was_cut_off_is_refused(document):
    with pytest.raises(DocumentRefused):
        read(document(gzip.compress(b"one") + gzip.compress(b"two")[:-3]))


@pytest.mark.parametrize("at", [3, 20, -6, -2])
def test_a_damaged_document_is_refused(document, at):
    packed = bytearray(gzip.compress(b"abc" * 1000))
    packed[at] ^= 0xFF

    with pytest.raises(DocumentRefused):
        read(document(bytes(packed)))


def test_what_follows_the_last_member_must_be_one_too(document):
    with pytest.raises(DocumentRefused, match="damaged"):
        read(document(gzip.compress(b"one") + b"rubbish"))


def test_a_bomb_is_stopped_early(document):
    seen, path = 0, document(gzip.compress(b"\0" * (64 * MEBIBYTE)))

    with pytest.raises(DocumentRefused, match="200 times"):
        for piece in open_bytes(path):
            seen += len(piece)

    assert seen <= 12 * MEBIBYTE


def test_a_bomb_of_many_members_is_stopped_too(document):
    with pytest.raises(DocumentRefused):
        read(document(gzip.compress(b"\0" * (4 * MEBIBYTE)) * 8))


def test_a_document_that_is_only_well_packed_is_read(document):
    content = b"".join(b"%d\tthe same text again and again\n" % n for n in range(600_000))

    assert len(read(document(gzip.compress(content)))) == len(content)


def test_too_large_is_refused_whether_packed_or_not(document):
    with pytest.raises(DocumentRefused):
        read(document(os.urandom(2000)), max_bytes=1000)
    with pytest.raises(DocumentRefused):
        read(document(gzip.compress(os.urandom(2000))), max_bytes=1000)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.data())
def test_any_cut_of_any_members_is_noticed_unless_it_falls_between_them(document, parts, data):
    packed = [gzip.compress(part) for part in parts]
    whole = b"".join(packed)
    ends, at = {}, 0
    for number, one in enumerate(packed, 1):
        at += len(one)
        ends[at] = b"".join(parts[:number])
    cut = data.draw(st.integers(2, len(whole)))
    path = document(whole[:cut])

    if cut in ends:
        assert read(path) == ends[cut]
    else:
        with pytest.raises(DocumentRefused):
            read(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_rubbish_that_begins_like_a_packed_document_is_refused_or_read_but_never_crashes(document, rubbish):
    with suppress(DocumentRefused):
        read(document(b"\x1f\x8b\x08\x00" + rubbish))


# Text


def text_of(path, content_type="", country="US"):
    with open_text(path, content_type, country) as text:
        return text.read(), text.choice.codec


def test_the_charset_is_settled_before_the_first_line(document):
    assert text_of(document("Größe €".encode("cp1252")), "text/plain; charset=Cp1252") == ("Größe €", "cp1252")
    assert text_of(document(gzip.compress("Größe".encode()))) == ("Größe", "utf-8")
    assert text_of(document(b"\xff\xfe" + "注文".encode("utf-16-le"))) == ("注文", "utf-16")


def test_bytes_that_are_no_character_become_a_replacement_character(document):
    content = "Größe\n".encode() * 400_000 + b"\xe9\n"

    with open_text(document(gzip.compress(content))) as text:
        assert (text.choice.codec, text.choice.misfits) == ("utf-8", 1)
        assert text.read() == "Größe\n" * 400_000 + "\ufffd\n"


def test_a_mark_that_the_text_does_not_bear_out_is_no_text_either(document):
    with open_text(document(b"\xef\xbb\xbf" + "Größe für Mädchen".encode("cp1252"))) as text:
        assert text.choice.codec == "cp1252"
        assert text.read() == "Größe für Mädchen"
        text.seek(0)
        assert text.read() == "Größe für Mädchen"


def test_lines_end_at_a_line_feed_only_and_keep_their_ends(document):
    with open_text(document(b"a\rb\r\nc\n"), "", "US") as text:
        assert list(text) == ["a\rb\r\n", "c\n"]


def test_nothing_is_left_beside_the_document(document, tmp_path):
    with open_text(document(gzip.compress(b"x")), "", "US") as text:
        text.read()

    assert [entry.name for entry in tmp_path.iterdir()] == ["document"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode)), max_size=8).map(b"".join),
    st.sampled_from(["", "charset=UTF-8", "charset=Cp1252", "charset=shift_jis", "charset=EUC-JP", "charset=GBK"]),
)
def test_what_was_replaced_is_what_was_counted(document, content, content_type):
    if content.startswith(b"\x1f\x8b"):
        return

    with open_text(document(content), content_type, "JP") as text:
        read, choice = text.read(), text.choice

    genuine = content[choice.skip :].decode(choice.decoder, "ignore").count("\ufffd")
    assert read.count("\ufffd") - genuine == choice.misfits


MEMORY = """
import resource, sys
from connector.catalogue.readers import flat_file
from connector.spapi.documents import open_text
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_text(sys.argv[1], "", "US") as text:
    header, rows = flat_file(text, "double")
    count = sum(1 for row in rows)
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_document(tmp_path):
    path = tmp_path / "document"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"id\ttext\n")
        for number in range(0, 1_000_000, 1000):
            file.write(b"".join(b"%d\t%s\n" % (n, os.urandom(30).hex().encode()) for n in range(number, number + 1000)))

    told = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True, timeout=100
    )

    count, megabytes = map(int, told.stdout.split())
    assert count == 1_000_000
    assert megabytes < 30
