"""Drives a run by hand, turn by turn, without waiting where the product would wait; what it waited for is kept."""

import math
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from decimal import Decimal

from django.db.models import F

from connector.accounts.models import FirstLook
from connector.catalogue import index
from connector.database.clock import database_now
from datasets import calendar
from datasets.backfill import engine, lifecycle, runs
from datasets.models import Answer, Request, Run


@dataclass
class Drive:
    """One run to its end: its waits as (message, seconds), and how often a worker had a turn."""

    run: Run
    waits: list = field(default_factory=list)
    turns: int = 0

    def __getattr__(self, name):
        return getattr(self.run, name)

    def turn(self):
        """One turn of a worker; answers whether the run is still open."""
        self.turns += 1
        seconds = engine.advance(self.run.pk)
        self.run.refresh_from_db()
        if self.run.state == Run.State.WAITING:
            self.waits.append((self.run.message, seconds))
        return self.run.is_open

    def hurry(self):
        """As if the time that the run waits for had come."""
        FirstLook.objects.update(first_at=F("first_at") - timedelta(seconds=61))
        Run.objects.filter(pk=self.run.pk).update(not_before=None)
        Request.objects.filter(dataset=self.run.dataset_id).update(not_before=None)

    def pass_time(self, span):
        """As if so much time had gone by since everything that this run did."""
        self.hurry()
        Run.objects.filter(pk=self.run.pk).update(deadline=self.run.deadline - span)
        asked = Answer.objects.filter(requests__dataset=self.run.dataset_id, asked_at__isnull=False)
        asked.update(asked_at=F("asked_at") - span)

    def to_end(self, turns=400, seconds=60):
        end = time.monotonic() + seconds
        while self.turn():
            assert self.turns < turns and time.monotonic() < end, f"still {self.run.state}: {self.run.message}"
            self.hurry()
            time.sleep(0.002)
        return self


def begin(dataset, trigger=Run.Trigger.MANUAL):
    return Drive(runs.start(dataset, trigger, now=database_now()))


def drive(dataset, **limits):
    """A new run of the dataset, to its end."""
    driven = begin(dataset).to_end(**limits)
    dataset.refresh_from_db()
    return driven


@dataclass
class Amazon:
    """The simulator's control room in the words of these tests."""

    simulator: object

    def fault(self, operation, kind, **rule):
        return self.simulator.control("/simulator/faults", {"operation": operation, "kind": kind, **rule})["ids"][0]

    def heal(self):
        """All faults are over; the count of requests begins again."""
        self._forget("faults", "requests")

    def forget_reports(self):
        """Amazon holds no report: the next one is built, whatever was built before."""
        self._forget("reports")

    def _forget(self, *paths):
        for path in paths:
            request = urllib.request.Request(f"{self.simulator.url}/simulator/{path}", method="DELETE")
            urllib.request.urlopen(request, timeout=30).read()

    def set(self, **settings):
        self.simulator.control("/simulator/settings", settings)

    def calls(self, operation):
        return self.simulator.control("/simulator/counts")["requests"].get(operation, 0)


@dataclass
class Chain:
    """A dataset whose days come in one chain of at least three pages."""

    dataset: object
    checker: object
    amazon: Amazon
    first: object
    last: object
    pages: int

    def places(self, first=1):
        """(name, number) of the page requests at the start, in the middle and at the end of the chain."""
        return [("start", first), ("middle", max(first + 1, self.pages // 2)), ("end", self.pages)]

    def again(self):
        """The dataset is empty, Amazon well, nothing counted."""
        lifecycle.clear(self.dataset)
        self.amazon.heal()

    def drive(self, **limits):
        return drive(self.dataset, **limits)

    def drive_until_it_waits(self, times=1):
        """A run that is left waiting; it is ended by the next `again`."""
        run = begin(self.dataset)
        for _ in range(times):
            run.hurry()
            while run.turn() and run.state != Run.State.WAITING:
                pass
        return run

    @property
    def page_size(self):
        return index.get(self.dataset.report).source.page_rows

    def assert_whole(self):
        """The rows are Amazon's truth, day by day, each order once."""
        return self.checker.assert_orders_equal_truth(self.first, self.last)


@dataclass
class File:
    """A dataset whose days come in one report, as one file."""

    dataset: object
    checker: object
    amazon: Amazon
    first: object
    last: object
    marketplaces: str = "US,CA,MX"  # the all-orders file holds the whole region

    def again(self):
        """The dataset is empty and forgets its columns, Amazon is well and keeps no report, nothing is counted."""
        lifecycle.clear(self.dataset)
        self.amazon.heal()
        self.amazon.forget_reports()

    def drive(self, **limits):
        return drive(self.dataset, **limits)

    def truth(self):
        how = {"file": True, "zone": self.dataset.account.zone, "marketplaces": self.marketplaces}
        return self.checker.truth(self.first, self.last, **how)

    def column(self, name, where="true"):
        """The values of one column, sorted."""
        statement = f"SELECT {name} FROM {self.checker.table()} WHERE {where} ORDER BY 1"
        return [value for (value,) in self.checker.link.execute(statement)]

    def notes(self):
        """What the days say of themselves."""
        statement = "SELECT string_agg(DISTINCT message, ' | ') FROM datasets_day WHERE dataset_id = %s"
        return self.checker.link.execute(statement, [self.dataset.pk]).fetchone()[0] or ""

    def assert_whole(self, *, prices=True):
        """The rows are Amazon's truth: each day's orders, lines and sums of money."""
        truth = {day: so for day, so in self.truth().items() if so["ids"]}
        rows = self.checker.orders_by_day()
        assert {day: set(found) for day, found in rows.items()} == {day: set(so["ids"]) for day, so in truth.items()}
        assert {day: found.total() for day, found in rows.items()} == {day: so["rows"] for day, so in truth.items()}
        if prices:
            expected = {
                day: {currency: Decimal(total) for currency, total in so["item_prices"].items()}
                for day, so in truth.items()
                if so["item_prices"]
            }
            assert self.checker.sums_by_day("item_price", "currency") == expected
        return sum(so["rows"] for so in truth.values())


@dataclass
class Series(File):
    """A dataset whose days come in a report each, the newest first."""

    def days(self):
        """All days, the newest first: the order of the reports."""
        return [self.last - timedelta(days=more) for more in range((self.last - self.first).days + 1)]

    def places(self):
        """(name, day, share) of the first, the middle and the last report, with the same share of the way into its document."""
        days = self.days()
        return [("first", days[0], 0.0), ("middle", days[len(days) // 2], 0.5), ("last", days[-1], 1.0)]

    def rounds(self, things=(None, None, None)):
        """Three times (day, share, thing) of those three reports: in all, each report has met each place of its document,
        and each of the three things; and each thing has met each place."""
        days, shares = [day for _, day, _ in self.places()], (0.0, 0.5, 1.0)
        return [
            [(day, shares[(at + turn) % 3], things[(at + 2 * turn) % 3]) for at, day in enumerate(days)]
            for turn in range(3)
        ]

    def fault(self, operation, kind, day, **rule):
        """The fault befalls that day's report and no other, wherever it stands in the line."""
        begins = calendar.bounds(day, self.dataset.account.zone)[0].astimezone(UTC)
        return self.amazon.fault(operation, kind, match={"dataStartTime": f"{begins:%Y-%m-%dT%H:%M:%SZ}"}, **rule)

    def states(self):
        """{day: how it stands}."""
        return dict(self.dataset.days.values_list("day", "state"))

    def assert_but(self, day, state, rows=None):
        """That day is as said, and all others are Amazon's truth to the last row."""
        truth, counted = self.truth(), self.checker.orders_by_day()
        for other in self.days():
            so = truth[str(other)]
            if other == day:
                assert self.states()[other] == state, self.notes()
                assert counted.get(str(other), Counter()).total() == (rows or 0), other
            else:
                assert self.states()[other] == "landed", f"{other}: {self.notes()}"
                assert set(counted[str(other)]) == set(so["ids"]) and counted[str(other)].total() == so["rows"], other


def three_days(checker, today, **how):
    """How many days ago the last of the newest three days in a row is that each have rows enough for a start, a middle and an end.

    Each document holds the rows of its own day only: what is spoiled at its end must not be the next day's first order.
    """
    truth = checker.truth(today - timedelta(days=60), today, file=True, **how)
    for ago in range(1, 58):
        three = [truth[str(today - timedelta(days=ago + more))] for more in range(3)]
        after = [truth[str(today - timedelta(days=ago - 1 + more))] for more in range(3)]
        if all(day["rows"] >= 5 for day in three) and not any(day["at_midnight"] for day in after):
            return ago
    raise AssertionError("the simulated seller has no three days in a row with rows")


def busy_days(checker, today, **how):
    """The newest two days in a row with orders enough for a chain and none in the second after them, as (how many days ago, orders).

    Each of the days has several, so that it has one left where a test spoils one: of a day without rows nothing is certain then.
    """
    truth = checker.truth(today - timedelta(days=60), today, **how)
    for ago in range(1, 59):
        counts = [truth[str(today - timedelta(days=ago + more))]["orders"] for more in (0, 1)]
        if sum(counts) >= 12 and min(counts) >= 3 and not truth[str(today - timedelta(days=ago - 1))]["at_midnight"]:
            return ago, sum(counts)
    raise AssertionError("the simulated seller has no two days in a row with orders")


def page_size(orders):
    """So many entries that the chain has four pages, or three."""
    return math.ceil(orders / 4)
