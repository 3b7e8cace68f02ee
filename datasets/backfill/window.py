"""The time zone in which a report's days are counted for an account."""

from connector.accounts.models import Account
from connector.catalogue.report import Report


def zone_of(report: Report, account: Account | None) -> str:
    """The zone in which the report's days are counted for this account."""
    if report.zone != "marketplace":
        return report.zone
    return account.zone if account else "UTC"
