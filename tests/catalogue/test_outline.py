"""Shapes from their outlines: what each line declares, and what is said of a line that is wrong."""

import pytest

from connector.catalogue import index, outline
from connector.catalogue.outline import BadOutline, parse
from connector.catalogue.pages import rows_of
from connector.catalogue.report import Document, Pages
from connector.catalogue.shape import Column, Shape

TAKES = {"both": lambda value: (value, bool(value)), "shout": lambda value: str(value).upper(), "number": 7}


def columns(text):
    return parse(text, TAKES).columns


def test_a_line_without_a_list_around_it_is_a_column_of_a_flat_file():
    shape = parse(
        """
        order-id           key
        "Posted (UTC): day" date as posted_on  also "Datum"  also "Date : jour"   # when it counts
        quantity           bigint
        """
    )

    assert shape.columns == (
        Column("order_id", "text", "order-id", "order-id"),
        Column("posted_on", "date", "Posted (UTC): day", "Posted (UTC): day", False, ("Datum", "Date : jour"), "when it counts"),
        Column("quantity", "bigint", "quantity", "quantity"),
    )  # fmt: skip
    assert (shape.path, shape.each, shape.key) == ("", "", ("order_id",))


def test_an_outline_is_laid_out_as_the_answer_is():
    shape = parse(
        """
        spec:
            from  date  as start_date
        payload.orders[]:
            id  as order_id  key
            # a comment
            total  money
            buyer: personal
                name
                taste  json
            items.list[]:
                price.Component[Type=Tax].Amount  numeric  as tax
                price.Component[Type=Tax].Amount.currency
                words  words
        """
    )

    assert (shape.path, shape.each, shape.head, shape.key) == (
        "payload.orders",
        "items.list",
        ("spec.from",),
        ("order_id",),
    )
    assert dict(shape.told_apart) == {"items.list.price.Component": "Type"}
    assert shape.joined == ("items.list.words",)
    assert [(column.name, column.type, column.source, column.personal) for column in shape.columns] == [
        ("start_date", "date", "spec.from", False),
        ("order_id", "text", "id", False),
        ("total_amount", "numeric", "total.amount", False),
        ("total_currency", "text", "total.currencyCode", False),
        ("name", "text", "buyer.name", True),
        ("taste", "text", "buyer.taste", True),
        ("tax", "numeric", "items.list.price.Component[Tax].Amount", False),
        ("currency", "text", "items.list.price.Component[Tax].Amount.currency", False),
        ("words", "text", "items.list.words", False),
    ]


def test_pages_are_read_as_the_outline_says():
    shape = parse(
        """
        orders[]:
            id    key
            kinds by both:
                kinds
                has_kinds  boolean
            items[]:
                sku
                price  money
                note   as shouted  by shout
                *      as rest  titled "The rest"
        """,
        TAKES,
    )
    page = {
        "orders": [
            {
                "id": 7,
                "kinds": ["a"],
                "items": [{"sku": "A", "price": {"amount": "1", "currencyCode": "EUR"}, "new": 1}, 5],
            }
        ]
    }

    assert list(rows_of(shape)(page)) == [
        (None, '["a"]', True, "A", "1", "EUR", "NONE", '{"new":1}'),
        (None, '["a"]', True, None, None, None, "NONE", '{"items":5}'),
    ]
    assert shape.columns[-1].title == "The rest"


def test_lines_that_shapes_share_stand_once():
    details, items = index.get("order_details"), index.get("order_items")

    assert "+ order_head" in (outline.FOLDER / "order_details.txt").read_text()
    assert details.columns[:7] == items.columns[:7]
    assert details.columns[0] == Column("amazon_order_id", source="orderId")


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a txt", 1, "'txt' is neither a type"),
        ("a\nb bigint as 2nd", 2, "'2nd' is no name of a column; c_2nd would be one"),
        ("a\na", 2, "a column a already, outline, line 1"),
        ("a-b\na_b", 2, "a column a_b already"),
        ("a as b as c", 1, "'as' is said twice"),
        ("x[]:\n    a money by shout", 2, "what a function makes is of one of the types"),
        ("x[]:\n    y by both:\n        a", 2, "stands in the column's own line"),
        ("a as", 1, "something is missing behind 'as'"),
        ("a also", 1, "something is missing behind 'also'"),
        ("x[]:\n    a by nobody", 2, "no function nobody here. Known: both, shout"),
        ("x[]:\n    a by number", 2, "no function number"),
        ("x[]:\n    a\n      b", 3, "indented by 6 spaces, the lines around it by 4"),
        ("a\n  b", 2, "indented by 2 spaces"),
        ("x[]:\n\ta", 2, "by spaces, not by tabs"),
        ("x[]:\n    y:\n    a", 2, "nothing is indented below it"),
        ("x[]:", 1, "nothing is indented below it"),
        ("x[]:\n    a\ny[]:\n    b", 3, "another list is another shape"),
        ("x[]:\n    y[]:\n        z[]:\n            a", 3, "a shape of its own"),
        ("x[]:\n    y[] by both:\n        a", 2, "leave out [] or by"),
        ("x[]:\n    y by both:\n        a\n        b\n        c", 2, "makes 2 values, and these are 3 columns"),
        ("x[]:\n    y by both:\n        a json\n        b", 3, "below a function stand names"),
        ("x[]:\n    y by both:\n        a personal\n        b", 2, "all personal or none"),
        ("x[]:\n    a money key", 2, "a key is plain text"),
        ("a:\n    b", 1, "nothing says which list holds the records"),
        ("x[]:\n    y[]:\n        b\n    *", 4, "among the row's own lines"),
        ("x[]:\n    b\n*", 3, "among the row's own lines"),
        ("x[]:\n    *\n    a", 3, "nothing comes behind it"),
        ("x[]:\n    C[T=a].v\n    C[U=b].w", 3, "told apart by T already"),
        ("+ nowhere", 1, "there is no outline nowhere"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_what_is_wrong(text, line, why):
    with pytest.raises(BadOutline) as refusal:
        parse(text, TAKES)

    assert f"outline, line {line}," in str(refusal.value) and why in str(refusal.value)


def test_an_outline_without_a_column_is_refused():
    with pytest.raises(BadOutline, match="has no column"):
        parse("# only a comment\n")


def test_an_empty_shape_is_frozen_and_equal_to_another():
    assert parse("a", proof="reportSpecification").proof == "reportSpecification"
    assert Shape() == Shape() and parse("a") == parse("a") != parse("b")
    with pytest.raises(TypeError):
        Shape().told_apart["x"] = "y"


@pytest.mark.parametrize(
    ("text", "reader"),
    [("a", "json"), ("x[]:\n    a", "flat_file"), ("x[]:\n    a json", "json"), ("x[]:\n    a\n    *", "xml"), ("x[]:\n    a by shout", "json")],
)  # fmt: skip
def test_a_document_refuses_a_shape_that_its_reader_cannot_read(text, reader):
    with pytest.raises(ValueError, match="X: "):
        Document("X", parse(text, TAKES), reader)


@pytest.mark.parametrize(
    "text",
    ["s: \n    a\nx[]:\n    b", "x[]:\n    C[T=a].v", "x[]:\n    y[]:\n        b", "x[]:\n    y[]:\n        b\n    a"],
)
def test_pages_refuse_a_shape_that_their_reader_cannot_read(text):
    with pytest.raises(ValueError):
        Pages("getX", parse(text)).rows({})
