"""A chain of pages: each call gives one and the token of the next, and the last one has none."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any, cast

import orjson
from django.db.models import Avg, Max, QuerySet
from django.db.models.functions import Now

from connector.catalogue.report import Pages
from connector.spapi import errors, pages
from connector.spapi.operations import OPERATIONS, Pager
from datasets.backfill.answers import pages as pages_of_answers
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.sources import plan
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.plan import Window
from datasets.backfill.sources.progress import Progress
from datasets.backfill.sources.source import Estimate, Phase, Quota, Source
from datasets.models import Answer, Day, LeaseLost, Request

MAX_PASSED_ON = 20  # times that a page chain is left to the machine that has its pages
ONE_ANSWER_SECONDS = 5
GUESSED_ROWS_PER_DAY = 50  # for an account of which nothing is known yet


@dataclass(frozen=True, slots=True)
class Chain(Progress):
    """How far a chain is: `chain` is what `spapi.pages` goes on from; None before the first page and after the last."""

    page_size: int | None = None  # entries a page, where Amazon's own pages were too large
    pages: int = 0  # that lie in the answer's folder
    replaced: int = 0  # characters that no database keeps
    chain: Mapping[str, Any] | None = None
    passed_on: int = 0  # times that it was left to the machine that has its pages

    @property
    def lasting(self) -> "Chain":
        """What outlives a chain that begins again."""
        return Chain(page_size=self.page_size)


class PageChain(Source):
    """An operation of Amazon's that answers at once, page by page."""

    kind = "pages"
    one_answer_seconds = ONE_ANSWER_SECONDS
    phases = (
        Phase("planned", "Not yet requested"),
        Phase("asked", "Reading pages"),
        Phase("collected", "Saving"),
        Phase("done", "Saved"),
    )

    @property
    def declared(self) -> Pages:
        """What the catalogue declares of a source of this kind."""
        return cast(Pages, self.report.source)

    # Planning

    def windows(self, wanted: Collection[date], *, zone: str, edge: date, days_in: QuerySet[Day]) -> list[Window]:
        average = days_in.order_by("-day")[:30].aggregate(mean=Avg("rows"))["mean"]
        widest = plan.widest_for_pages(
            self.report.dated_window.most,
            rows_per_day=average,
            page_rows=self.declared.page_rows,
            known_days=days_in.count(),
        )
        return plan.windows(wanted, fits=plan.at_most(widest), edge=edge, spare=len(wanted) + 1)

    # The forecast

    def estimate(self, days: Collection[date], *, zone: str, edge: date | None, days_in: QuerySet[Day]) -> Estimate:
        per_day, notes = _rows_per_day(days_in), []
        if per_day is None:
            per_day = GUESSED_ROWS_PER_DAY
            notes.append(
                f"Estimated with {GUESSED_ROWS_PER_DAY} rows a day, because nothing has been loaded for this "
                "account yet."
            )
        page_rows = self.declared.page_rows
        widest = plan.widest_for_pages(self.report.dated_window.most, rows_per_day=per_day, page_rows=page_rows)
        chains = ceil(len(days) / widest) if days else 0
        return Estimate(max(chains, ceil(len(days) * per_day / page_rows)), notes)

    def seconds(self, calls: int, quota: Quota) -> float:
        return quota(self.declared.call, calls, "")

    def seconds_left(self, calls: int, under_way: QuerySet[Request], quota: Quota) -> float:
        read = sum(self.progress(request).pages for request in under_way.filter(state=Request.State.ASKED))
        return self.seconds(max(1, calls - read), quota)

    # The life of a request

    def progress(self, request: Request) -> Chain:
        return Chain.of(request.answer)

    def intend(self, request: Request, **asked: Any) -> None:
        """There is nothing that an answer could be looked for by: the chain is under way from here on."""
        told = {"progress": self.progress(request).lasting.stored(), **asked}
        request.advance(state=Request.State.ASKED, told=told)

    def ask(self, asking: Asking, request: Request) -> None:
        """The first page is asked for as all others are."""

    def collect(self, asking: Asking, request: Request) -> None:
        """Reads on, page by page, until the last one is here."""
        folder, progress = request.answer.folder, self.progress(request)
        if progress.pages and not self.is_here(request.answer):
            self._leave_to_another_machine(request, progress)
            return
        if not progress.pages:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wish = self.wish(asking, request)
        pager = cast(Pager, OPERATIONS[self.declared.operation].pager)  # of an operation whose pages have a size
        if progress.page_size:
            wish[pager.size] = progress.page_size
        try:
            self._read_on(asking, request, folder, wish)
        except errors.AnswerTooLarge:
            size = int(wish[pager.size]) // 2
            if not size:
                raise
            request.advance(
                state=Request.State.PLANNED,
                told={"progress": Chain(page_size=size).stored()},
                message=f"Amazon's pages were too large; requested again with {size} entries per page.",
            )

    def _read_on(self, asking: Asking, request: Request, folder: Path, wish: dict[str, Any]) -> None:
        progress = self.progress(request)
        replaced, done = [progress.replaced], progress.pages
        for page, follows in pages.pages(asking.client, self.declared.operation, wish, progress.chain, replaced.append):
            if asking.lost.is_set():
                raise LeaseLost
            whole, aside = page_file(folder, done), folder / f"page-{asking.mark}"
            aside.write_bytes(orjson.dumps(page))
            done += 1
            now = replace(progress.lasting, pages=done, replaced=sum(replaced), chain=follows)
            if follows is None:
                request.collect(now.stored(), answered_at=Now())
            else:
                request.advance(told={"progress": now.stored()}, answered_at=Now(), in_hand=True)
            aside.replace(whole)

    def is_here(self, answer: Answer) -> bool:
        return all(page_file(answer.folder, number).exists() for number in range(Chain.of(answer).pages))

    def has_raw(self, asking: Asking, request: Request) -> bool:
        if self.is_here(request.answer):
            return True
        self._leave_to_another_machine(request, self.progress(request))
        return False

    @staticmethod
    def _leave_to_another_machine(request: Request, progress: Chain) -> None:
        """The pages read so far are not here: whoever has them goes on. Where nobody comes who has, they are read again."""
        if progress.passed_on >= MAX_PASSED_ON:
            request.start_over(
                None,
                cause=Request.Cause.ELSEWHERE,
                message="The pages read so far are on another machine; reading them again.",
            )
            return
        request.keep(told={"progress": replace(progress, passed_on=progress.passed_on + 1).stored()})
        raise errors.NotReady("The pages read so far are on another machine, which continues with them.", wait=2.0)

    def read(self, asking: Asking, request: Request, raw: Raw) -> Split:
        progress = self.progress(request)
        files = [page_file(raw.folder, number) for number in range(progress.pages)]
        return pages_of_answers.read(raw, files, replaced=progress.replaced)

    # Which of several marketplaces Amazon refuses

    def is_begun(self, request: Request) -> bool:
        return self.progress(request).chain is not None

    def probe(self, asking: Asking, wish: Mapping[str, Any]) -> str:
        pager = OPERATIONS[self.declared.operation].pager
        asking.client.call(
            self.declared.operation, query=dict(wish) | ({pager.size: 1} if pager and pager.size else {})
        )
        return ""

    def withdraw(self, asking: Asking, made: str) -> None:
        """A page that was read leaves nothing at Amazon."""


def page_file(folder: Path, number: int) -> Path:
    """Where a page of a chain lies, the first one being number 0."""
    return folder / f"page-{number:06d}.json"


def _rows_per_day(days_in: QuerySet[Day]) -> float | None:
    """How busy the days are, from the newest of them; None where none is in."""
    newest = days_in.aggregate(newest=Max("day"))["newest"]
    return days_in.order_by("-day")[:60].aggregate(mean=Avg("rows"))["mean"] if newest else None
