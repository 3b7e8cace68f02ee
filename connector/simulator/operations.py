"""The operations served here, with the rates that Amazon publishes for them."""

import re
from typing import NamedTuple


class Operation(NamedTuple):
    name: str
    method: str
    path: re.Pattern
    rate: float
    burst: int


def _operation(name, method, path, rate, burst):
    return Operation(name, method, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)), rate, burst)


OPERATIONS = (
    _operation("searchOrders", "GET", "/orders/2026-01-01/orders", 0.0056, 20),
    _operation("getOrder", "GET", "/orders/2026-01-01/orders/{orderId}", 0.5, 30),
    _operation("getMarketplaceParticipations", "GET", "/sellers/v1/marketplaceParticipations", 0.016, 15),
    _operation("getReports", "GET", "/reports/2021-06-30/reports", 0.0222, 10),
    _operation("createReport", "POST", "/reports/2021-06-30/reports", 0.0167, 15),
    _operation("getReport", "GET", "/reports/2021-06-30/reports/{reportId}", 2, 15),
    _operation("cancelReport", "DELETE", "/reports/2021-06-30/reports/{reportId}", 0.0222, 10),
    _operation("getReportDocument", "GET", "/reports/2021-06-30/documents/{reportDocumentId}", 0.0167, 15),
)


def find(method, path):
    """(operation, path parameters), or None: names and paths are case-sensitive."""
    for operation in OPERATIONS:
        if operation.method == method and (match := operation.path.fullmatch(path)):
            return operation, match.groupdict()
    return None
