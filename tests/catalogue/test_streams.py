"""JSON and XML documents: every record once, in Amazon's own digits, whatever the size; nothing of what is broken."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue.nested import RecordFlattener
from connector.catalogue.shape import Shape
from connector.catalogue.streams import Broken, declared_charset, json_records, xml_records


class Trickle(io.StringIO):
    """Gives out so many characters at a time, however many are asked for."""

    def __init__(self, text, most):
        super().__init__(text)
        self.most = most

    def read(self, size=-1):
        return super().read(min(size, self.most) if size >= 0 else self.most)


def rows(read, content, records, titles, most=1 << 20):
    """(rows, unknown paths, number of characters replaced)"""
    replaced = []
    flat = RecordFlattener(records, titles, 50)
    found = [
        row
        for record, head in read(Trickle(content, most), records, lambda: replaced.append(1))
        for row in flat(record, head)
    ]
    return found, list(flat.unknown), len(replaced)


def parse(content, path="rows", most=1 << 20, **records):
    return [record for record, _ in json_records(Trickle(content, most), Shape(path, **records), lambda: None)]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text("ab", max_size=2), children, max_size=3),
    max_leaves=8,
)


class TestJson:
    @given(st.lists(ANY_JSON, max_size=4), st.integers(1, 30), st.sampled_from([None, 1]))
    def test_every_record_comes_as_it_is_however_the_text_trickles_in(self, records, most, indent):
        content = json.dumps({"before": {"a": [1]}, "deep": {"rows": records}, "after": ["x"]}, indent=indent)

        assert parse(content, "deep.rows", most) == records

    @given(st.integers(0, 10**6), st.integers(1, 9))
    def test_a_document_that_is_cut_off_is_never_a_short_one(self, place, most):
        content = '{"head": {"on": "2026-10-01"}, "rows": [{"a": 1.50, "b": "x\\"y"}, {"a": -2e3}], "behind": true}'

        with pytest.raises(Broken, match="cut off"):
            parse(content[: place % len(content)], most=most)

    def test_numbers_keep_amazons_digits(self):
        content = '{"rows": [{"a": 0.10, "b": 12345678901234567890.123456789, "c": 1E+400, "d": [1.50, {"e": 2.0}]}]}'

        found, unknown, _ = rows(json_records, content, Shape("rows"), ["a", "b", "c", "d"])

        assert found == [(["0.10", "12345678901234567890.123456789", "1E+400", '[1.50,{"e":2.0}]'], None)]
        assert unknown == []

    @pytest.mark.parametrize(
        "content",
        [
            '{"spec": {"from": "1 Oct", "no": 7}, "rows": [{"a": "x"}, {"a": "y"}]}',
            '{"rows": [{"a": "x"}, {"a": "y"}], "other": [1, 2], "spec": {"no": 7, "from": "1 Oct"}}',
        ],
    )
    def test_the_head_is_repeated_on_each_row_wherever_it_stands(self, content):
        records = Shape("rows", head=("spec.from", "spec.no", "spec.lacking"))

        found, _, _ = rows(json_records, content, records, ["a", *records.head])

        assert [values for values, _ in found] == [["x", "1 Oct", "7", ""], ["y", "1 Oct", "7", ""]]

    def test_a_record_with_a_list_inside_makes_a_row_of_each_member(self):
        content = (
            '{"rows": [{"id": "1", "items": [{"sku": "A"}, {"sku": "B"}]}, {"id": "2"}, {"id": "3", "items": []}]}'
        )

        found, _, _ = rows(json_records, content, Shape("rows", each="items"), ["id", "items.sku"])

        assert [values for values, _ in found] == [["1", "A"], ["1", "B"], ["2", ""]]

    def test_what_nobody_declared_is_found_and_kept(self):
        content = '{"rows": [{"a": "x"}, {"a": "y", "b": {"c": true, "d": null, "e": {}}, "f": ["p", "q"]}]}'

        found, unknown, _ = rows(json_records, content, Shape("rows"), ["a"])

        assert found == [(["x"], None), (["y"], {"b.c": "true", "f": '["p","q"]'})]
        assert unknown == ["b.c", "f"]

    def test_what_no_database_keeps_is_replaced_and_counted(self):
        content = '{"rows": [{"a": "half \\ud83d here", "b": "nul \\u0000 raw \0", "c": "whole \\ud83d\\ude00"}]}'

        found, _, replaced = rows(json_records, content, Shape("rows"), ["a", "b", "c"])

        assert found[0][0] == ["half \ufffd here", "nul \ufffd raw \ufffd", "whole 😀"]
        assert replaced == 3

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            ("", "cut off"),
            ('{"other": []}', "has no rows"),
            ("[]", "does not have a report's structure"),
            ('{"rows": [{"a": 1}]} {}', "has data after its end"),
            ('{"rows": [{"a": 1},]}', "cut off or damaged"),
            ('{"rows": [{"a" 1}]}', "cut off or damaged"),
            ('{"rows": [{"a": NaN}]}', "NaN"),
            ('{"rows": [{"a": 1}}', "cut off or damaged"),
            ('{"rows": ' + "[" * 100_000 + "]}", "nested too deeply|damaged"),
            ("<html>Service Unavailable</html>", "does not have a report's structure"),
        ],
    )
    def test_what_is_broken_is_refused_with_a_sentence(self, content, word):
        with pytest.raises(Broken, match=word):
            parse(content + " " * 3)

    def test_a_record_beyond_all_measure_is_refused_and_not_held(self):
        class Endless:
            def __init__(self):
                self.begun, self.given = False, 0

            def read(self, size):
                if not self.begun:
                    self.begun = True
                    return '{"rows": [{"a": "'
                self.given += size
                return "x" * size

        text = Endless()
        with pytest.raises(Broken):
            list(json_records(text, Shape("rows"), lambda: None))
        assert text.given < 100 << 20

    def test_memory_stays_flat_at_any_size(self):
        assert (
            _peak(json_records, '{"rows": [', '{"a": "%0200d", "b": {"c": 1.5}},', '{"a": ""}]}', Shape("rows"))
            < 2 << 20
        )


ORDERS = """<?xml version="1.0" encoding="ISO-8859-1"?>
<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">
  <Header><DocumentVersion>1.00</DocumentVersion></Header>
  <MessageType>AllOrdersReport</MessageType>
  <Message><Order>
    <ID>1</ID><City>Köln &amp; Bonn</City>
    <OrderItem><SKU>A</SKU><Price>
      <Component><Type>Principal</Type><Amount currency="EUR">12.00</Amount></Component>
      <Component><Type>Tax</Type><Amount currency="EUR">2.28</Amount></Component>
    </Price><Promotion>P1</Promotion><Promotion>P2</Promotion></OrderItem>
    <OrderItem><SKU> B </SKU><Price>
      <Component><Type>Principal</Type><Amount currency="EUR">1.00</Amount></Component>
    </Price><Promotion>P3</Promotion></OrderItem>
  </Order></Message>
  <Message><Order><ID>2</ID><City/></Order></Message>
</AmazonEnvelope>
"""
OF_ORDERS = Shape(
    "AmazonEnvelope.Message.Order",
    each="OrderItem",
    head=("AmazonEnvelope.MessageType",),
    told_apart={"OrderItem.Price.Component": "Type"},
    joined=("OrderItem.Promotion",),
)
TITLES = [
    "AmazonEnvelope.MessageType", "ID", "City", "OrderItem.SKU", "OrderItem.Price.Component[Principal].Amount",
    "OrderItem.Price.Component[Principal].Amount.currency", "OrderItem.Price.Component[Tax].Amount", "OrderItem.Promotion",
]  # fmt: skip


class TestXml:
    @pytest.mark.parametrize("most", [1, 7, 1 << 20])
    def test_an_order_makes_a_row_for_each_item(self, most):
        found, unknown, _ = rows(xml_records, ORDERS, OF_ORDERS, TITLES, most)

        assert [values for values, _ in found] == [
            ["AllOrdersReport", "1", "Köln & Bonn", "A", "12.00", "EUR", "2.28", "P1,P2"],
            ["AllOrdersReport", "1", "Köln & Bonn", " B ", "1.00", "EUR", "", "P3"],
            ["AllOrdersReport", "2", "", "", "", "", "", ""],
        ]
        assert unknown == ["OrderItem.Price.Component[Tax].Amount.currency"]

    @given(st.integers(0, len(ORDERS.rstrip()) - 1))
    def test_a_document_that_is_cut_off_is_never_a_short_one(self, place):
        with pytest.raises(Broken):
            rows(xml_records, ORDERS[:place], OF_ORDERS, TITLES)

    def test_two_entries_of_one_kind_are_both_kept(self):
        content = "<A><R><C><T>x</T><V>1</V></C><C><T>x</T><V>2</V></C><C><V>3</V></C></R></A>"

        found, _, _ = rows(xml_records, content, Shape("A.R", told_apart={"C": "T"}), ["C[x].V"])

        assert found == [(["1"], {"C[x 2].V": "2", "C[].V": "3"})]

    def test_characters_that_are_no_xml_are_replaced_and_counted(self):
        content = "<A><R><V>a\x0bb&#x0;c&#9;d&#55357;</V></R></A>"

        for most in (1, 3, 100):
            found, _, replaced = rows(xml_records, content, Shape("A.R"), ["V"], most)
            assert (found[0][0], replaced) == (["a\ufffdb\ufffdc\td\ufffd"], 3)

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            ("", "cut off"),
            ("<html><body>Service Unavailable</body></html>", "no A but a html"),
            ("<A><R></A></R>", "no well-formed XML from line 1"),
            ("<A><R/></A><A/>", "no well-formed"),
            ("<A><R>&unknown;</R></A>", "no well-formed"),
            ('<!DOCTYPE A [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><A><R>&b;</R></A>', "DOCTYPE"),
            ('<!DOCTYPE A SYSTEM "file:///etc/passwd"><A><R/></A>', "DOCTYPE"),
            ("<A>" + "<R>" * 1000 + "</R>" * 1000 + "</A>", "nested too deeply"),
            ("<A><R>" + f'<V a="{"x" * 10_000}"/>' * 2000 + "</R></A>", "longer than any"),
        ],
    )
    def test_what_is_broken_is_refused_with_a_sentence(self, content, word):
        with pytest.raises(Broken, match=word):
            rows(xml_records, content, Shape("A.R"), ["V"])

    def test_what_stands_in_the_place_of_records_is_no_empty_document(self):
        with pytest.raises(Broken, match="has no A.Message.R but a S"):
            rows(xml_records, "<A><Header/><Message><S><V>1</V></S></Message></A>", Shape("A.Message.R"), ["V"])
        assert rows(xml_records, "<A><Header/><Message/></A>", Shape("A.Message.R"), ["V"])[0] == []
        beside = "<A><Message><Id>7</Id><R><V>1</V></R></Message></A>"
        assert rows(xml_records, beside, Shape("A.Message.R"), ["V"])[0] == [(["1"], None)]

    def test_a_document_without_records_is_a_document(self):
        assert rows(xml_records, "<A><Header/></A>", Shape("A.R"), ["V"])[0] == []

    def test_the_charset_is_the_one_that_the_first_line_names(self):
        assert declared_charset(ORDERS) == "ISO-8859-1"
        assert declared_charset("\ufeff<?xml version='1.0' encoding='utf-8' ?><A/>") == "utf-8"
        assert declared_charset("<A encoding='x'/>") == declared_charset("") == ""

    def test_memory_stays_flat_at_any_size(self):
        assert _peak(xml_records, "<A>", "<R><V>%0200d</V><W x='1'/></R>", "</A>", Shape("A.R")) < 2 << 20


def _peak(read, begin, record, end, records):
    """The most memory in bytes that reading four megabytes takes."""

    class Long:
        def __init__(self):
            self.left = 64

        def read(self, size):
            self.left -= 1
            if self.left == 63:
                return begin
            return block if self.left > 0 else end if self.left == 0 else ""

    block = "".join(record % number for number in range((1 << 16) // len(record % 0)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in read(Long(), records, lambda: None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 10_000
    return peak
