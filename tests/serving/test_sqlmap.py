"""sqlmap over every parameter of the calls that read, against a running server: it finds no way into the database.

Takes half an hour and more, so it runs only where `SQLMAP` names the program: SQLMAP=$(which sqlmap), or `make probe`.
The calls that take a statement are left out: reading as its caller is what they are for.
"""

import os
import re
import subprocess
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.serving import shop

SQLMAP = os.environ.get("SQLMAP")
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.integration,
    pytest.mark.skipif(not SQLMAP, reason="SQLMAP does not name the program: make probe runs it"),
    pytest.mark.timeout(6 * 3600),
]
ENVIRONMENT = {"WRONG_TOKENS_PER_MINUTE": "10000", "REQUESTS_PER_MINUTE": "10000000", "WEB_CONCURRENCY": "2"}
# A star marks a place in the path; where one stands, nothing else is tried.
ADDRESSES = (
    "/api/v1/datasets/orders_us*/rows.json",
    "/api/v1/datasets/orders_us/rows.json?title=plain&quantity__gte=1&_sort=title&_select=title,quantity&_limit=5",
    "/api/v1/datasets/orders_us/rows.csv?title__contains=a&quantity__in=1,2&_count=exact&_tz=UTC&_cursor=x",
    "/api/v1/datasets/orders_us/export.csv?title__startswith=p&purchase_date__gte=today-7&_sort=-quantity&_safe=1&_header=1",
    "/api/v1/datasets/orders_us/export.ndjson?item_price__lt=100&is_business_order=true&title__isnull=0&_decimals=string",
    "/api/v1/datasets/orders_us/days?state=landed&from=2026-09-01&to=2026-09-30",
    "/api/v1/datasets?state=new&account=Shop%20US&report=order_details&q=orders&_limit=5",
    "/odata/v4/orders_us*",
    "/odata/v4/orders_us?$filter=quantity%20gt%201&$orderby=title%20desc&$select=title,quantity&$top=5&$skip=1&$count=true",
    "/v1/datasets?limit=5&offset=1&sort=name&nameLike=orders",
    "/v1/datasets/orders_us*",
    "/v1/datasets/orders_us/data?includeHeader=true&fileName=x&title=plain",
)


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(20))


@pytest.mark.parametrize("address", ADDRESSES)
def test_sqlmap_finds_no_way_in(web, orders, make, address, tmp_path):
    asked = subprocess.run(
        [
            SQLMAP,
            *("-u", f"{web.url}{address}", "--header", f"Authorization: Bearer {make.token()}"),
            *("--level", "3", "--risk", "2", "--dbms", "PostgreSQL", "--batch", "--flush-session"),
            *("--output-dir", str(tmp_path), "--threads", "2", "--disable-coloring", "--ignore-code", "*"),
            *("--skip", "Host,Referer,User-Agent,Cookie" if "_cursor" in address else "Host,Cookie"),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    said = asked.stdout + asked.stderr
    tested = re.findall(r"testing if (?:.*?parameter) '([^']+)'", said)
    print(f"{address}: {len(set(tested))} places, {sorted(set(tested))}")
    assert "all tested parameters do not appear to be injectable" in said, said[-3000:]
    assert "sqlmap identified the following injection point" not in said
    assert len(set(tested)) >= max(1, len(parse_qsl(urlsplit(address).query))), said[:3000]
