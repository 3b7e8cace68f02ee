"""The charset of a document: decided over all of its bytes, in pieces of any size, and never changed in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.spapi.charsets import Scan

GERMAN, FRENCH, JAPANESE = "Größe für Mädchen – 5 €", "L’été à la crème, 5 €", "港と松の①注文番号\n"


def chosen(content, label="", country="US", piece=1 << 20):
    scan = Scan(f"text/plain; charset={label}" if label else "text/plain", country)
    for at in range(0, len(content), piece):
        scan.feed(content[at : at + piece])
    return scan.choice()


def read(content, label="", country="US"):
    """(text, charset, what became U+FFFD, whether it differs from the label), the same for pieces of any size."""
    found = {chosen(content, label, country, piece) for piece in (1, 2, 3, 5, 7, 1 << 20)}
    assert len(found) == 1, found
    choice = found.pop()
    return content[choice.skip :].decode(choice.decoder, choice.errors), choice.codec, choice.misfits, choice.differs


# The label holds


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("UTF-8", "utf-8", GERMAN + JAPANESE),
        ("utf8", "utf-8", "no accent at all"),
        ("Cp1252", "cp1252", GERMAN),
        ("windows-1252", "cp1252", FRENCH),
        ("ISO-8859-2", "iso8859-2", "Zażółć gęślą jaźń"),
        ("windows-1250", "cp1250", "Zażółć gęślą jaźń"),
        ("windows-1251", "cp1251", "Заказ № 5"),
        ("ISO-8859-15", "iso8859-15", "Größe 5 €"),
        ("Shift_JIS", "cp932", JAPANESE),
        ("windows-31j", "cp932", JAPANESE),
        ("x-sjis", "cp932", JAPANESE),
        ("EUC-JP", "euc_jis_2004", JAPANESE),
        ("GB18030", "gb18030", "港和松的订单"),
        ("GBK", "gb18030", "港和松的订单"),
        ("gb2312", "gb18030", "港和松的订单"),
        ("Big5", "big5hkscs", "港和松的訂單"),
        ("EUC-KR", "cp949", "주문 번호"),
        ("MS949", "cp949", "똠방각하"),
    ],
)
def test_a_label_that_fits_is_believed(label, codec, text):
    assert read(text.encode(codec), label) == (text, codec, 0, False)


@pytest.mark.parametrize("label", ["UTF-16", "utf-16le", "UTF-16BE", ""])
@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_known_by_its_mark_or_by_its_zeros(label, codec):
    text, _, misfits, _ = read("id\ttitle\n1\t港\n".encode(codec), label)

    assert (text, misfits) == ("id\ttitle\n1\t港\n", 0)


def test_utf16_whose_first_letters_are_not_latin_is_known_by_its_label():
    assert read("注文\t5\n".encode("utf-16-be"), "UTF-16BE")[0] == "注文\t5\n"
    assert read("注文\t5\n".encode("utf-16-le"), "UTF-16")[0] == "注文\t5\n"


def test_a_label_of_utf16_over_text_without_a_zero_is_wrong():
    assert read(b"id\ttitle\n1\tmug!", "UTF-16") == ("id\ttitle\n1\tmug!", "utf-8", 0, True)


# UTF-8 against the label


@pytest.mark.parametrize("label", ["Cp1252", "ISO-8859-1", "windows-1250", "us-ascii", "ISO-8859-15"])
@pytest.mark.parametrize("text", ["Jürgen", GERMAN, JAPANESE, "5 €"])
def test_utf8_beats_a_label_of_one_byte_a_character(label, text):
    assert read(text.encode(), label) == (text, "utf-8", 0, True)


@pytest.mark.parametrize("label", ["Shift_JIS", "EUC-JP", "GBK", "EUC-KR", "Big5"])
def test_utf8_beats_a_label_of_several_bytes_a_character_where_there_is_enough_of_it(label):
    assert read((JAPANESE * 3).encode(), label) == (JAPANESE * 3, "utf-8", 0, True)


def test_an_accent_before_a_sign_is_no_utf8_although_its_bytes_would_be():
    for text in ("NESCAFÉ®", "QUALITÉ\xa0: 5", "„CAFÉ”"):
        assert read(text.encode("cp1252"), "Cp1252") == (text, "cp1252", 0, False)


def test_text_of_another_charset_is_not_taken_for_utf8_by_its_few_lucky_pairs():
    text = FRENCH * 50 + "Ã¼"

    assert read(text.encode("cp1252"), "Cp1252") == (text, "cp1252", 0, False)
    assert read(text.encode("cp1252"), "UTF-8") == (text, "cp1252", 0, True)


@pytest.mark.parametrize(("label", "differs"), [("UTF-8", True), ("", True), ("no-such", True)])
def test_what_is_windows_1252_throughout_is_read_so_and_differs(label, differs):
    assert read(GERMAN.encode("cp1252"), label) == (GERMAN, "cp1252", 0, differs)
    assert read(b"Caf\xe9", label) == ("Café", "cp1252", 0, differs)


# A few bytes that fit nothing


@pytest.mark.parametrize("label", ["UTF-8", ""])
def test_a_stray_byte_in_utf8_is_one_lost_character_and_no_other_charset(label):
    assert read("Café\n".encode() + b"stray \xe9\n", label) == ("Café\nstray \ufffd\n", "utf-8", 1, False)
    assert read(GERMAN.encode()[:-1], label) == (GERMAN[:-1] + "\ufffd", "utf-8", 1, False)


def test_a_stray_byte_in_windows_1252_is_one_lost_character():
    assert read(b"5 \x80\n\x9d\n", "Cp1252") == ("5 €\n\ufffd\n", "cp1252", 1, False)


def test_a_stray_byte_in_utf8_under_a_wrong_label_is_one_lost_character():
    content = (GERMAN * 5).encode() + b"\xe9"

    assert read(content, "Cp1252") == (GERMAN * 5 + "\ufffd", "utf-8", 1, True)
    assert read(content, "Shift_JIS") == (GERMAN * 5 + "\ufffd", "utf-8", 1, True)
    assert read("Jürgen".encode() + b"\x9d", "Cp1252") == ("Jürgen\ufffd", "utf-8", 1, True)


@pytest.mark.parametrize("codec", ["cp932", "euc_jis_2004", "gb18030", "cp949", "big5hkscs"])
def test_a_stray_byte_in_a_multi_byte_charset_is_one_lost_character(codec):
    label = {"cp932": "Shift_JIS", "euc_jis_2004": "EUC-JP", "cp949": "EUC-KR", "big5hkscs": "Big5"}.get(codec, codec)

    text, found, misfits, differs = read(("注文一二三\n" * 3).encode(codec) + b"\xff\n", label)

    assert (text, found, misfits, differs) == ("注文一二三\n" * 3 + "\ufffd\n", codec, 1, False)


def test_a_replacement_character_that_amazon_wrote_is_not_counted():
    assert read("a \ufffd b é".encode(), "UTF-8") == ("a \ufffd b é", "utf-8", 0, False)
    assert read("a \ufffd b é".encode() + b"\xff", "UTF-8") == ("a \ufffd b é\ufffd", "utf-8", 1, False)


# ISO-8859-1


@pytest.mark.parametrize("label", ["ISO-8859-1", "latin1", "ISO8859_1"])
def test_iso_8859_1_is_read_as_windows_1252_and_loses_no_byte(label):
    assert read(b"\x84Gut\x93", label) == ("„Gut“", "cp1252", 0, True)
    assert read("Größe".encode("cp1252"), label) == ("Größe", "cp1252", 0, False)
    assert read(b"\x81\x8d\x8f\x90\x9d \xe9", label) == ("\x81\x8d\x8f\x90\x9d é", "cp1252", 0, True)
    assert len(set(read(bytes(range(1, 256)), label)[0])) == 255


def test_letters_beyond_ascii_under_the_label_of_ascii_differ():
    assert read(b"Caf\xe9", "us-ascii") == ("Café", "cp1252", 0, True)
    assert read(b"Cafe", "us-ascii") == ("Cafe", "cp1252", 0, False)


# Marks and labels


def test_a_byte_order_mark_is_stronger_than_a_label_and_the_difference_counts():
    assert read(b"\xef\xbb\xbf" + "Größe".encode(), "Cp1252") == ("Größe", "utf-8-sig", 0, True)
    assert read(b"\xef\xbb\xbf" + "Größe".encode(), "UTF-8") == ("Größe", "utf-8-sig", 0, False)
    assert read(b"\xef\xbb\xbf" + "Größe".encode()) == ("Größe", "utf-8-sig", 0, False)
    assert read(b"\xef\xbb\xbfmug", "Cp1252") == ("mug", "utf-8-sig", 0, False)
    assert read("注文\n".encode("utf-16"), "UTF-8") == ("注文\n", "utf-16", 0, True)
    assert read("Größe".encode("utf-32"), "UTF-8") == ("Größe", "utf-32", 0, True)


def test_a_mark_over_a_text_that_is_none_of_its_charset_is_passed_over():
    assert read(b"\xef\xbb\xbf" + GERMAN.encode("cp1252"), "UTF-8") == (GERMAN, "cp1252", 0, True)


@pytest.mark.parametrize("label", ["no-such", "rot13", "zip", "unicode_escape", "punycode", "utf-7", "idna", "x" * 500])
def test_an_unknown_label_is_passed_over_and_differs(label):
    assert read(GERMAN.encode(), label) == (GERMAN, "utf-8", 0, True)
    assert not chosen(GERMAN.encode(), label).is_known
    assert chosen(GERMAN.encode(), label).label == label


def test_japan_without_a_label():
    assert read(JAPANESE.encode("cp932"), "", "JP") == (JAPANESE, "cp932", 0, True)
    assert read(JAPANESE.encode(), "", "JP") == (JAPANESE, "utf-8", 0, False)
    assert read(JAPANESE.encode("cp932"), "UTF-8", "JP") == (JAPANESE, "cp932", 0, True)
    assert read((JAPANESE * 3).encode("cp932") + b"\xff", "", "JP") == (JAPANESE * 3 + "\ufffd", "cp932", 1, True)


def test_japan_under_a_label_of_one_byte_a_character_that_its_bytes_do_not_fit():
    assert read(JAPANESE.encode("cp932"), "Cp1252", "JP") == (JAPANESE, "cp932", 0, True)
    assert read(GERMAN.encode("cp1252"), "Cp1252", "JP") == (GERMAN, "cp1252", 0, False)


def test_nothing_at_all_is_utf8():
    assert read(b"") == ("", "utf-8", 0, False)
    assert read(b"a") == ("a", "utf-8", 0, False)
    assert read(b"a", "Cp1252") == ("a", "cp1252", 0, False)


def test_what_decided_is_told():
    assert chosen(b"\xef\xbb\xbfx").because == "byte order mark"
    assert chosen(b"\xe9", "Cp1252").because == "Content-Type"
    assert chosen(b"\xe9", "Cp1252").name == "Windows-1252"


@given(
    st.lists(st.one_of(st.binary(max_size=30), st.text(max_size=30).map(str.encode)), max_size=6).map(b"".join),
    st.sampled_from(
        ["", "UTF-8", "Cp1252", "ISO-8859-1", "Shift_JIS", "EUC-JP", "GB18030", "UTF-16", "EUC-KR", "Big5"]
    ),
    st.sampled_from(["US", "JP"]),
)
def test_pieces_of_any_size_decide_the_same_and_every_text_can_be_read(content, label, country):
    read(content, label, country)


@given(st.text(min_size=1, max_size=60), st.sampled_from(["UTF-8", ""]))
def test_text_in_utf8_is_read_as_it_is(text, label):
    found, codec, misfits, differs = read(("id\t" + text).encode(), label)

    assert (found, misfits, differs) == ("id\t" + text, 0, False) or "\0" in text
