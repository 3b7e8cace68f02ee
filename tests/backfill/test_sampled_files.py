"""A flat file whose simulator is a sample: from asking to rows, as every report type of its kind."""

import pytest

from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


def test_returns_land_on_their_days_with_the_types_that_are_declared(make_dataset, fill, check, simulator):
    first, last = day_before(8), day_before(2)
    dataset = make_dataset(
        "create_and_download_report",
        start=str(first),
        end=str(last),
        options={"report_type": "GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA"},
    )

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    types = {column["name"]: column["type"] for column in dataset.columns}
    assert (types["return_date"], types["quantity"], types["license_plate_number"]) == ("timestamptz", "bigint", "text")
    checker = check(dataset)
    placed = checker.truth(day_before(18), day_before(10), marketplaces="US,CA,MX")
    known = {order for day in placed.values() for order in day["ids"]}
    rows = checker.link.execute(f"SELECT order_id FROM {checker.table()}").fetchall()
    assert rows and {order for (order,) in rows} <= known
    assert run.rows == len(rows)
