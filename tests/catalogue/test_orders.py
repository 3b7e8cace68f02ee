"""Orders and items as rows: old names, new values, nothing lost and no buyer without being asked."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.catalogue import index

participation_rows = index.get("marketplace_participations").source.rows

BUYERS = {"include_buyer_and_address_data": True}

ORDER = {
    "orderId": "111-2222222-3333333",
    "createdTime": "2026-01-02T03:04:05Z",
    "lastUpdatedTime": "2026-01-03T03:04:05Z",
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER", "marketplaceName": "Amazon.com"},
    "orderItems": [],
}


def rows(key, orders, **answers):
    report = index.effective(key, answers)
    names = [column.name for column in report.columns]
    return [dict(zip(names, row, strict=True)) for row in report.source.rows({"orders": orders})]


def order_row(answers=None, **changes):
    return rows("order_details", [ORDER | changes], **(answers or {}))[0]


def item_row(item, answers=None, **changes):
    return rows("order_items", [ORDER | {"orderItems": [item]} | changes], **(answers or {}))[0]


def test_an_order_with_nothing_but_what_is_required():
    row = order_row()

    assert row["amazon_order_id"] == "111-2222222-3333333"
    assert (row["purchase_date"], row["last_update_date"]) == ("2026-01-02T03:04:05Z", "2026-01-03T03:04:05Z")
    assert (row["sales_channel"], row["marketplace_id"], row["channel_name"]) == (
        "Amazon.com",
        "ATVPDKIKX0DER",
        "AMAZON",
    )
    assert row["order_status"] is None and row["order_total_amount"] is None
    assert [row[flag] for flag in ("is_prime", "is_business_order", "is_premium_order", "is_ispu", "is_iba")] == [
        False
    ] * 5
    assert row["is_replacement_order"] is False and row["replaced_order_id"] is None
    assert row["other_fields"] is None


@pytest.mark.parametrize(
    ("program", "flag"),
    [
        ("PRIME", "is_prime"),
        ("AMAZON_BUSINESS", "is_business_order"),
        ("PREMIUM", "is_premium_order"),
        ("IN_STORE_PICK_UP", "is_ispu"),
        ("INVOICE_BY_AMAZON", "is_iba"),
    ],
)
def test_programs_become_the_old_flags_and_stay_as_they_are(program, flag):
    row = order_row(programs=["SOMETHING_NEW", program])

    assert row[flag] is True
    assert json.loads(row["programs"]) == ["SOMETHING_NEW", program]


def test_a_preorder_is_told_by_its_type():
    assert order_row(programs=["PREORDER"])["order_type"] == "Preorder"
    assert order_row(programs=[])["order_type"] is None


@pytest.mark.parametrize("kind", ["REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID"])
def test_a_replacement_knows_what_it_replaces(kind):
    row = order_row(
        associatedOrders=[{"orderId": "x", "associationType": "ELSE"}, {"orderId": "7", "associationType": kind}]
    )

    assert row["is_replacement_order"] is True and row["replaced_order_id"] == "7"


def test_the_seller_order_id_is_found_among_the_aliases():
    assert (
        order_row(orderAliases=[{"aliasId": "a", "aliasType": "X"}, {"aliasId": "b", "aliasType": "SELLER_ORDER_ID"}])[
            "seller_order_id"
        ]
        == "b"
    )


def test_status_and_money_are_as_amazon_sends_them():
    row = order_row(
        fulfillment={"fulfillmentStatus": "CANCELLED", "fulfilledBy": "AMAZON"},
        proceeds={"grandTotal": {"amount": "1234567890.10", "currencyCode": "JPY"}},
    )

    assert row["order_status"] == "CANCELLED" and row["fulfillment_channel"] == "AMAZON"
    assert (row["order_total_amount"], row["order_total_currency"]) == ("1234567890.10", "JPY")


def test_units_are_added_up_over_the_items_where_the_items_tell():
    items = [
        {"fulfillment": {"quantityFulfilled": 2, "quantityUnfulfilled": 1}},
        {"fulfillment": {"quantityFulfilled": 3}},
        {},
    ]
    row = order_row(orderItems=items)

    assert (row["number_of_items_shipped"], row["number_of_items_unshipped"]) == (5, 1)
    assert order_row(orderItems=[{}])["number_of_items_shipped"] is None


BUYER = {
    "buyer": {"buyerName": "Ann", "buyerEmail": "a@x", "buyerCompanyName": "C", "buyerPurchaseOrderNumber": "PO"},
    "recipient": {
        "deliveryAddress": {
            "name": "Ann",
            "city": "Rome",
            "addressType": "PICKUP_POINT",
            "extendedFields": {"streetName": "s"},
        },
        "deliveryPreference": {"dropOffLocation": "door"},
    },
    "tax": {
        "taxRegistrations": [
            {"entityType": "MERCHANT", "legalName": "Shop"},
            {
                "entityType": "BUYER",
                "legalName": "Ann Ltd",
                "taxRegistrationNumber": "T1",
                "taxRegistrationAddress": {"city": "Rome"},
                "taxRegistrationAttributes": [{"key": "TAX_OFFICE", "value": "North"}],
            },
            {"entityType": "MARKETPLACE", "taxRegistrationType": "VAT", "taxRegistrationNumber": "M1"},
        ],
        "taxInvoicing": {"invoiceStatus": "PENDING", "buyerInvoicePreference": "INDIVIDUAL"},
    },
}


def test_buyer_data_comes_when_it_is_asked_for():
    row = order_row(BUYERS, **BUYER)

    assert (row["buyer_name"], row["buyer_email"], row["buyer_company_name"]) == ("Ann", "a@x", "C")
    assert row["purchase_order_number"] == "PO" and row["shipping_address_city"] == "Rome"
    assert row["is_access_point_order"] is True
    assert json.loads(row["shipping_address_extended_fields"]) == {"streetName": "s"}
    assert json.loads(row["delivery_preferences"]) == {"dropOffLocation": "door"}
    assert (row["buyer_legal_company_name"], row["buyer_tax_registration_id"], row["buyer_tax_office"]) == (
        "Ann Ltd",
        "T1",
        "North",
    )
    assert (row["marketplace_tax_classification_names"], row["marketplace_tax_classification_values"]) == ("VAT", "M1")
    assert row["seller_display_name"] == "Shop" and row["electronic_invoice_status"] == "PENDING"
    assert row["other_fields"] is None


def test_buyer_data_is_not_kept_unasked_even_where_amazon_sends_it():
    item = {
        "product": {"customization": {"customizedUrl": "u"}},
        "fulfillment": {"packing": {"giftOption": {"giftMessage": "m"}}},
    }

    for row, personal in (
        (order_row(**BUYER), index.get("order_details")),
        (item_row(item, **BUYER), index.get("order_items")),
    ):
        for column in personal.columns:
            if column.personal:
                assert row[column.name] is None
        assert not any(word in str(row) for word in ("Ann", "a@x", "Rome", "PO'", "door", "T1", "'m'", "'u'"))


def test_every_column_that_tells_of_a_buyer_is_marked():
    marked = {column.name for column in index.get("order_details").columns if column.personal}

    assert {name for name in marked if not name.startswith(("shipping_address_", "buyer_"))} == {
        "purchase_order_number",
        "is_access_point_order",
        "delivery_preferences",
        "marketplace_tax_classification_names",
        "marketplace_tax_classification_values",
        "seller_display_name",
        "tax_registrations",
    }


def test_what_amazon_adds_one_day_is_kept_under_its_path():
    row = order_row(newThing={"a": 1}, fulfillment={"fulfillmentStatus": "SHIPPED", "newPart": "x"}, salesChannel="odd")

    assert json.loads(row["other_fields"]) == {
        "newThing": {"a": 1},
        "fulfillment.newPart": "x",
        "salesChannel": "odd",
    }


# Items


def money(amount, currency="EUR"):
    return {"amount": amount, "currencyCode": currency}


def test_an_item_carries_its_order_and_its_proceeds_by_kind():
    row = item_row(
        {
            "orderItemId": "01",
            "quantityOrdered": 2,
            "product": {"asin": "B0", "sellerSku": "0012", "title": 'a\t"b"\n=c'},
            "fulfillment": {"quantityFulfilled": 1, "quantityUnfulfilled": 1},
            "proceeds": {
                "breakdowns": [
                    {"type": "ITEM", "subtotal": money("10.00")},
                    {"type": "SHIPPING", "subtotal": money("3.00")},
                    {
                        "type": "TAX",
                        "subtotal": money("2.50"),
                        "detailedBreakdowns": [
                            {"subtype": "ITEM", "value": money("2.00")},
                            {"subtype": "SHIPPING", "value": money("0.60")},
                            {"subtype": "DISCOUNT", "value": money("-0.10")},
                            {"subtype": "GIFT_WRAP", "value": money("0.07")},
                        ],
                    },
                    {
                        "type": "DISCOUNT",
                        "subtotal": money("-1.00"),
                        "detailedBreakdowns": [
                            {"subtype": "SHIPPING", "value": money("-0.40")},
                            {"subtype": "COD_FEE", "value": money("-0.30")},
                        ],
                    },
                    {"type": "COD_FEE", "subtotal": money("5.00")},
                    {"type": "GIFT_WRAP", "subtotal": money("4.00")},
                ],
                "proceedsTotal": money("23.50"),
            },
            "promotion": {"breakdowns": [{"promotionId": "P 1"}, {"promotionId": "P 2"}]},
        }
    )

    assert row["amazon_order_id"] == ORDER["orderId"] and row["purchase_date"] == ORDER["createdTime"]
    assert (row["order_item_id"], row["seller_sku"], row["title"]) == ("01", "0012", 'a\t"b"\n=c')
    assert (row["quantity_ordered"], row["quantity_shipped"], row["quantity_unfulfilled"]) == (2, 1, 1)
    amounts = {
        name.removesuffix("_amount"): row[name] for name in row if name.endswith("_amount") and row[name] is not None
    }
    assert amounts == {
        "item_price": "10.00",
        "shipping_price": "3.00",
        "item_tax": "2.00",
        "shipping_tax": "0.60",
        "promotion_discount_tax": "-0.10",
        "gift_wrap_tax": "0.07",
        "promotion_discount": "-1.00",
        "shipping_discount": "-0.40",
        "cod_fee_discount": "-0.30",
        "cod_fee": "5.00",
        "gift_wrap_price": "4.00",
        "proceeds_total": "23.50",
    }
    assert {row[name] for name in row if name.endswith("_currency")} == {"EUR", None}
    assert row["promotion_ids"] == "P 1,P 2"


def test_two_breakdowns_of_one_kind_are_added_up_exactly():
    breakdowns = [{"type": "ITEM", "subtotal": money("0.10")}, {"type": "ITEM", "subtotal": money("0.20")}]

    assert Decimal(item_row({"proceeds": {"breakdowns": breakdowns}})["item_price_amount"]) == Decimal("0.30")


def test_breakdowns_of_two_currencies_are_not_mixed():
    breakdowns = [{"type": "ITEM", "subtotal": money("1")}, {"type": "ITEM", "subtotal": money("2", "USD")}]
    row = item_row({"proceeds": {"breakdowns": breakdowns}})

    assert (row["item_price_amount"], row["item_price_currency"]) == ("1", "EUR")
    assert json.loads(row["proceeds_breakdowns"]) == breakdowns


def test_the_flags_of_an_item():
    row = item_row(
        {
            "programs": ["TRANSPARENCY", "SUBSCRIBE_AND_SAVE"],
            "fulfillment": {
                "packing": {
                    "giftOption": {"giftWrapLevel": "GOLD"},
                    "serialNumberRequirement": {"requirementType": "REQUIRED"},
                }
            },
            "cancellation": {"cancellationRequest": {"requester": "BUYER", "cancelReason": "late"}},
        }
    )

    assert row["is_transparency"] is True and row["amazon_programs"] == "SUBSCRIBE_AND_SAVE"
    assert row["is_gift"] is True and row["gift_wrap_level"] == "GOLD"
    assert row["serial_number_required"] is True
    assert row["is_buyer_requested_cancel"] is True and row["buyer_cancel_reason"] == "late"


@pytest.mark.parametrize(
    ("numbers", "kept"), [([None, "0001", None], "0001"), ([None], None), (["A", 2, {"b": 1}], 'A,2,{"b":1}')]
)
def test_words_that_amazon_leaves_out_of_a_list_are_no_words(numbers, kept):
    assert item_row({"product": {"serialNumbers": numbers}})["serial_numbers"] == kept


def test_an_order_without_items_has_no_item_rows_and_one_with_three_has_three():
    assert rows("order_items", [ORDER]) == []
    items = [{"orderItemId": str(n)} for n in range(3)]
    assert [row["order_item_id"] for row in rows("order_items", [ORDER | {"orderItems": items}])] == ["0", "1", "2"]


@pytest.mark.parametrize("odd", ["text", 5, {"a": 1}, ["x"], [5, None]])
def test_items_of_an_odd_shape_are_kept_and_lose_no_order(odd):
    got = rows("order_items", [ORDER | {"orderItems": odd}])

    assert got and all(row["amazon_order_id"] == ORDER["orderId"] and row["other_fields"] for row in got)


# Whatever Amazon sends

LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = st.sampled_from(
    [
        "orderId",
        "createdTime",
        "programs",
        "orderAliases",
        "associatedOrders",
        "salesChannel",
        "buyer",
        "recipient",
        "deliveryAddress",
        "addressType",
        "proceeds",
        "grandTotal",
        "amount",
        "currencyCode",
        "breakdowns",
        "type",
        "subtotal",
        "detailedBreakdowns",
        "subtype",
        "value",
        "payment",
        "paymentExecutions",
        "paymentMethod",
        "tax",
        "taxRegistrations",
        "entityType",
        "taxRegistrationAttributes",
        "taxInvoicing",
        "fulfillment",
        "shipByWindow",
        "quantityFulfilled",
        "packing",
        "giftOption",
        "orderItems",
        "product",
        "promotion",
        "promotionId",
        "packages",
        "packageStatus",
        "detailedStatus",
        "cancellation",
        "cancellationRequest",
        "taxCollections",
        "taxCalculationBreakdowns",
        "reportingScheme",
        "serialNumbers",
        "measurement",
        "x",
    ]
)
ANY_JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.dictionaries(KEYS, ANY_JSON, max_size=8), max_size=3),
    st.sampled_from(["order_details", "order_items"]),
    st.booleans(),
)
def test_an_order_of_any_shape_becomes_a_row_of_plain_values(orders, key, buyers):
    report = index.effective(key, {"include_buyer_and_address_data": buyers})

    for row in report.source.rows({"orders": orders}):
        assert len(row) == len(report.columns)
        assert all(value is None or isinstance(value, (str, int, float, bool)) for value in row)


@settings(max_examples=200, deadline=None)
@given(ANY_JSON)
def test_participations_of_any_shape_become_rows_of_plain_values(page):
    for row in participation_rows({"payload": page}):
        assert len(row) == 9
        assert all(value is None or isinstance(value, (str, int, float, bool)) for value in row)


def test_participations_are_read_with_and_without_their_wrapping():
    entry = {
        "marketplace": {"id": "A", "name": "Amazon.com", "countryCode": "US"},
        "storeName": "S",
        "participation": {"isParticipating": True, "hasSuspendedListings": False},
    }

    assert list(participation_rows({"payload": [entry]})) == list(participation_rows([entry]))
    assert list(participation_rows([entry]))[0][6:] == ("S", True, False)
    assert list(participation_rows({"payload": None})) == []
