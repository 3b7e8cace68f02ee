"""What one worker has at hand for the requests of one run, and what is asked with them, whatever kind of source answers."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from threading import Event
from typing import Any

from connector.accounts import clocks
from connector.accounts.clients import client_for
from connector.accounts.models import Account
from connector.catalogue.report import NoWindow, Report
from connector.database.clock import database_now
from connector.spapi import errors, marketplaces
from datasets import calendar
from datasets.backfill.answers import parsed
from datasets.models import Answer, Request, Run


@dataclass
class Asking:
    """One worker's requests to Amazon for one run. `given` is a client to use in place of the account's own."""

    run: Run
    fence: int
    report: Report
    account: Account
    zone: str
    lost: Event
    given: Any = None

    @cached_property
    def client(self) -> Any:
        """The account's signed client, made when it is first needed."""
        return self.given or client_for(self.account)

    @property
    def options(self) -> Mapping[str, Any]:
        """The dataset's answers to the report's questions."""
        return self.run.dataset.options

    @property
    def mark(self) -> str:
        """Files under way bear it, so that a worker which lost the run writes into nobody's."""
        return self.run.mark(self.fence)

    def alone_with(self, answer: Answer) -> AbstractContextManager[None]:
        """Nobody else has the files of this answer in hand meanwhile, but for a worker that has lost its run. Raises parsed.InUse."""
        return parsed.alone(answer.folder, self.mark, Run.has_lost)

    # What is asked. An answer keeps it from the moment it is asked: the account may change while Amazon answers. Those of a
    # version that did not keep it are taken to ask as the account is now.

    def countries_of(self, request: Request) -> list[str]:
        """The countries that the request's question names."""
        return request.answer.marketplaces or self.countries(request.lacking)

    def zone_of(self, request: Request) -> str:
        """The zone in which the request's days are counted."""
        return request.answer.zone or self.zone

    def countries(self, lacking: Iterable[str] = ()) -> list[str]:
        """The countries that a question names as the account is now, without those that are left out of it."""
        return [country for country in chosen(self.report, self.account, self.options) if country not in lacking]

    def window(self, request: Request, now: datetime) -> tuple[datetime | None, datetime | None]:
        """The instants to ask for: the days' bounds, and nothing younger than Amazon answers for, by its own clock.

        Raises errors.NotReady where the day has begun by our clock, and not yet by Amazon's.
        """
        if isinstance(self.report.window, NoWindow):
            return None, None
        from_at, _ = calendar.bounds(request.first_day, self.zone_of(request))
        _, until_at = calendar.bounds(request.last_day, self.zone_of(request))
        newest = self.newest(now)
        if newest <= from_at:
            wait = (from_at - newest).total_seconds() + 1
            raise errors.NotReady(
                "By Amazon's clock this day has only just begun; it will be requested in a moment.", wait=wait
            )
        return from_at, min(until_at, newest)

    def newest(self, now: datetime) -> datetime:
        """The youngest instant that Amazon can be asked for."""
        return clocks.amazons(now, self.account.region) - self.report.lag

    def set_window(self, request: Request) -> None:
        """Fixes the instants to ask for, where a question is asked in parts before it is asked as a whole."""
        if request.answer.asked_at is None:
            from_at, until_at = self.window(request, database_now())
            request.keep(told={"from_at": from_at, "until_at": until_at})


def chosen(report: Report, account: Account, options: Mapping[str, Any]) -> list[str]:
    """The countries that the dataset's answers choose, or all of the account, as far as the report's questions name them."""
    return report.source.named(options.get("marketplaces") or account.marketplaces)


def shown(report: Report | None, account: Account, options: Mapping[str, Any]) -> list[str]:
    """The countries that a dataset's rows are of, for people: those that Amazon is asked for, else all that the account sells in.

    `report` is None where the catalogue has dropped it.
    """
    asked = chosen(report, account, options) if report else options.get("marketplaces")
    return asked or list(account.marketplaces)


def marketplace_ids(countries: Iterable[str]) -> list[str]:
    """Amazon's ids of these countries' marketplaces."""
    return [marketplaces.by_country(country).id for country in countries]
