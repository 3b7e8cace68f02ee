"""Amazon's operations as data: path, published rate and burst, and how pages follow one another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pager:
    """`alone`: the token must be the only parameter. `items`: where a page keeps its list, so that a page without one is noticed.
    `size` names the parameter for the most entries of a page."""

    send: str
    receive: str
    items: str
    alone: bool = False
    size: str = ""


@dataclass(frozen=True)
class Further:
    """A limit on top of an operation's own: `of` says whether all accounts of the application share it. With a `kind`
    it holds for calls of that kind only, such as one report type."""

    rate: float
    burst: int
    of: str = "account"  # or application
    kind: str = ""

    def __post_init__(self) -> None:
        if self.of not in ("account", "application"):
            raise ValueError(f"a limit is an account's or an application's, not of {self.of!r}")


@dataclass(frozen=True)
class Operation:
    """`rate` is requests a second, as published for one application and account; `burst` is how many may be saved up.
    `kind` names the field of the body that `further` limits go by. `items` says where an answer that is no page keeps
    its list."""

    name: str
    method: str
    path: str
    rate: float
    burst: int
    pager: Pager | None = None
    items: str = ""
    kind: str = ""
    further: tuple[Further, ...] = ()

    def further_for(self, kind: str) -> list[Further]:
        """The further limits that a call of this kind counts against."""
        return [limit for limit in self.further if limit.kind in ("", kind)]


_ORDERS = "/orders/2026-01-01/orders"
_REPORTS = "/reports/2021-06-30"

OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            "searchOrders",
            "GET",
            _ORDERS,
            0.0056,
            20,
            Pager("paginationToken", "pagination.nextToken", "orders", size="maxResultsPerPage"),
        ),
        Operation("getOrder", "GET", _ORDERS + "/{orderId}", 0.5, 30),
        Operation(
            "getMarketplaceParticipations", "GET", "/sellers/v1/marketplaceParticipations", 0.016, 15, items="payload"
        ),
        Operation(
            "createReport",
            "POST",
            _REPORTS + "/reports",
            0.0167,
            15,
            kind="reportType",
            further=(Further(3 / 300, 3, kind="GET_SALES_AND_TRAFFIC_REPORT"),),
        ),
        Operation("getReport", "GET", _REPORTS + "/reports/{reportId}", 2, 15),
        Operation(
            "getReports",
            "GET",
            _REPORTS + "/reports",
            0.0222,
            10,
            Pager("nextToken", "nextToken", "reports", alone=True),
        ),
        Operation("getReportDocument", "GET", _REPORTS + "/documents/{reportDocumentId}", 0.0167, 15),
        Operation("cancelReport", "DELETE", _REPORTS + "/reports/{reportId}", 0.0222, 10),
    )
}
