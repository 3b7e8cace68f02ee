"""JSON and XML documents spoilt at random: each gives text or is refused with a sentence, whatever is in it."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.catalogue.shape import Shape
from connector.catalogue.streams import Broken, json_records, xml_records
from tests.catalogue.test_streams import OF_ORDERS, ORDERS, TITLES, rows

HOSTILE = st.sampled_from(
    ['"', "\\", "{", "}", "[", "]", ",", ":", "<", ">", "&", "/", "\0", "\x1f", "\ufeff", "\ufffe", "NaN", "1e999", "-", "null",
     "\\ud800", "\\u0000", "<![CDATA[", "]]>", "<!--", "<?x", "<!DOCTYPE a>", "&lt;", "&#xd800;", "&a;", "  ", "\r\n", "é", "{}", "[]"]
)  # fmt: skip
A_DOCUMENT = '{"spec": {"from": "1 Oct"}, "rows": [{"a": 1.5, "items": [{"b": "x"}, {"b": [1, {"c": true}]}]}, {"a": "y"}], "z": {}}'


@pytest.mark.parametrize(
    ("read", "content", "records"),
    [
        (json_records, A_DOCUMENT, Shape("rows", each="items", head=("spec.from",), told_apart={"items.b": "c"})),
        (xml_records, ORDERS, OF_ORDERS),
    ],
    ids=["json", "xml"],
)
@settings(max_examples=int(os.environ.get("MALFORMED", "100")))
@given(data=st.data())
def test_whatever_a_document_holds_it_gives_text_or_is_refused(read, content, records, data):
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        gone = data.draw(st.integers(0, 8))
        content = content[:place] + data.draw(HOSTILE) + content[place + gone :]

    try:
        found, unknown, _ = rows(read, content, records, TITLES, data.draw(st.sampled_from([1, 50, 1 << 20])))
    except Broken as problem:
        assert "nothing was loaded from it" in str(problem)
        return

    for values, others in found:
        assert len(values) == len(TITLES)
        for text in [*values, *(others or {}), *(others or {}).values()]:
            assert isinstance(text, str)
            assert "\0" not in text
            text.encode()  # no half surrogate
