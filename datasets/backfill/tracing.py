"""Finds which of several marketplaces Amazon refuses: each is requested separately, and the others are loaded.

Amazon answers a question that names a refused marketplace with one refusal of the whole, and does not say which it was.
So each is asked for alone, one call each, within the quota, and what comes out is remembered with the account
(`RefusedMarketplace`). From then on questions leave it out, and their days note what they lack (`Day.lacking`). Once a
day, and when the account is repaired, one day is asked for with it again; where Amazon answers, all days that lack it
are read once more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, cast

from django.db.models import F

from connector.accounts.models import Account, RefusedMarketplace
from connector.catalogue.report import Report
from connector.database.clock import database_now
from connector.spapi import errors
from datasets.backfill import sharing
from datasets.backfill.sources import index
from datasets.backfill.sources.asking import Asking, chosen
from datasets.backfill.sources.progress import TRACED, Progress, Trace
from datasets.backfill.span import Span
from datasets.models import Dataset, Day, Request, Run
from datasets.retries import LATER

MAX_PROBES = 25  # marketplaces that one question may name at Amazon

# Words by which Amazon names another part of the question than its marketplaces.
_OF_SOMETHING_ELSE = re.compile(
    r"dataStartTime|dataEndTime|created(?:After|Before)|lastUpdated(?:After|Before)|reportOptions|reportType|"
    r"fulfillmentStatuses|includedData|maxResultsPerPage|\bdates?\b",
    re.IGNORECASE,
)
_KINDS = {"Refused": errors.AmazonRefused, "Forbidden": errors.AccessDenied}  # under these names in the ledger


# Which marketplaces


def known(report: Report, account: Account) -> dict[str, RefusedMarketplace]:
    """{country: RefusedMarketplace} of what Amazon refuses to this account for this report."""
    found = RefusedMarketplace.objects.filter(account=account, what=report.source.subject)
    return {one.marketplace: one for one in found}


def lacking(report: Report, account: Account, answers: Mapping[str, Any]) -> list[str]:
    """The chosen countries to leave out. Where all are refused none is: Amazon's own refusal then says so."""
    countries, refused = chosen(report, account, answers), known(report, account)
    left_out = [country for country in countries if country in refused]
    return left_out if len(left_out) < len(countries) else []


# Finding out


def begin(asking: Asking, request: Request, problem: errors.AmazonRefused) -> bool:
    """Whether the refusal may be about one of several marketplaces: then the request goes on by asking for each by itself."""
    countries = asking.countries_of(request)
    if len(countries) < 2 or len(countries) > MAX_PROBES or not _may_be_about_marketplaces(asking, request, problem):
        return False
    kind = "Forbidden" if isinstance(problem, errors.AccessDenied) else "Refused"
    trace = Trace(left=tuple(countries), kind=kind, fact=problem.fact, facts=problem.facts)
    request.ask_in_parts(
        Progress(tracing=trace).stored(),
        message=f"{problem.fact} Each of its marketplaces is now requested separately, to find out which one Amazon "
        "refuses.",
    )
    return True


def is_under_way(request: Request) -> bool:
    """Whether each marketplace is being asked for by itself."""
    return Progress.of(request.answer).tracing is not None


def go_on(asking: Asking, request: Request) -> None:
    """Asks for the marketplaces that are still to be asked for; what each gave is written down before the next.

    Raises what Amazon says of the question as a whole once all are answered, or all refused, and errors.ComeBackLater.
    """
    trace = cast(Trace, Progress.of(request.answer).tracing)  # which is under way
    doubt: errors.Doubted | None = None
    for country in trace.left:
        try:
            trace = replace(trace, fine={**trace.fine, country: _probe(asking, request, country)})
        except errors.Doubted as problem:  # its second look is waited for while the others are asked for
            doubt = problem
            continue
        except errors.AmazonRefused as problem:
            if not _is_whole(problem):
                raise
            trace = replace(trace, refused={**trace.refused, country: problem.words_of_amazon})
        trace = replace(trace, left=tuple(other for other in trace.left if other != country))
        request.keep(told={"progress": Progress(tracing=trace).stored()})
    if doubt:
        raise doubt
    _conclude(asking, request, trace)


def look_again(asking: Asking, request: Request) -> None:
    """Asks for the marketplaces that the request leaves out and whose time has come. Those that Amazon answers for again are
    part of it from now on, and of all days that lack them."""
    refused = known(asking.report, asking.account)
    for country in list(request.lacking):
        one = refused.get(country)
        if one is not None:
            if not one.is_due(database_now()) or not one.take():
                continue
            try:
                _withdraw(asking, request, _probe(asking, request, country))
                one.delete()
            except errors.ComeBackLater:
                one.give_back()
                raise
            except errors.AmazonRefused as problem:
                if not _is_whole(problem):
                    one.give_back()
                    raise
                one.note(problem.words_of_amazon)
                continue
        left_out = [other for other in request.lacking if other != country]
        request.keep(lacking=left_out, told=sharing.question(asking, left_out))
        run = asking.run
        span = Span(cast(date, run.first_day), cast(date, run.last_day))  # it has begun
        more = want_again(run.dataset, run.generation, span, asking.report, asking.account)
        Run.objects.filter(pk=run.pk).update(days_total=F("days_total") + more)


def concerned(asking: Asking, request: Request, problem: errors.AmazonRefused) -> str:
    """The marketplaces that the refused question named, in words; "" where it is no refusal of a question by marketplace."""
    countries = asking.countries_of(request)
    return listed(countries) if countries and _is_question(asking, problem) and _is_whole(problem) else ""


def _is_question(asking: Asking, problem: errors.AmazonRefused) -> bool:
    return problem.operation == asking.report.source.call


def _may_be_about_marketplaces(asking: Asking, request: Request, problem: errors.AmazonRefused) -> bool:
    is_begun = index.of_request(request, asking.report).is_begun(request)
    if not _is_question(asking, problem) or is_begun or Progress.of(request.answer).traced:
        return False
    words = problem.words_of_amazon
    if not _is_whole(problem) or (_OF_SOMETHING_ELSE.search(words) and "arketplace" not in words):
        return False
    # Where that was not it, the other requests of this run need not find out once more.
    siblings = Request.objects.filter(dataset=asking.run.dataset_id, created_at__gte=asking.run.queued_at)
    return not siblings.filter(TRACED, state=Request.State.FAILED).exists()


def _is_whole(problem: errors.AmazonRefused) -> bool:
    """Whether Amazon refuses the question itself: as wrong, or as none that this account may ask."""
    if type(problem) is errors.AmazonRefused:
        return problem.status == 400
    return type(problem) is errors.AccessDenied and problem.status in (401, 403)


def _probe(asking: Asking, request: Request, country: str) -> str:
    """Asks for this marketplace alone; the report's id, or "" for pages. Raises what Amazon says."""
    asking.set_window(request)
    source = index.of_request(request, asking.report)
    return source.probe(asking, source.wish(asking, request, [country]))


def _withdraw(asking: Asking, request: Request, made: str) -> None:
    """What a probe has made at Amazon, a report's id or "", is not wanted."""
    if made:
        index.of_request(request, asking.report).withdraw(asking, made)


def _conclude(asking: Asking, request: Request, trace: Trace) -> None:
    fine, refused = trace.fine, trace.refused
    if not fine or not refused:
        for one in fine.values():
            _withdraw(asking, request, one)
        request.keep(told={"progress": Progress(traced=True).stored()})
        alone = "refused" if refused else "answered"
        fact = f"{trace.fact} Each of {listed([*fine, *refused])} asked for by itself is {alone}{_differing(refused)}."
        raise _KINDS[trace.kind](fact=fact, **trace.facts)
    for country, words in refused.items():
        RefusedMarketplace.remember(asking.account, country, asking.report.source.subject, words)
    left_out = [*request.lacking, *refused]
    request.keep(lacking=left_out, told=sharing.question(asking, left_out, countries=list(fine)))
    made = list(fine.values())
    if len(made) == 1 and made[0]:  # Amazon would take the same question once more for one that came too soon
        request.adopt(made[0], at=database_now())
        return
    for one in made:
        _withdraw(asking, request, one)
    request.ask_in_parts({}, message=f"Amazon refuses {listed(list(refused))} only; requesting the others.")


def _differing(refused: Mapping[str, str]) -> str:
    words = set(refused.values())
    if len(words) < 2:
        return ""
    return ": " + "; ".join(f"{country} with {said}" for country, said in refused.items())


# What the days lack


def want_again(dataset: Dataset, generation: int, span: Span, report: Report, account: Account) -> int:
    """Days that lack what Amazon no longer refuses are to be read once more, and the newest of those that lack what is to be
    tried again. Answers how many."""
    now, refused = database_now(), known(report, account)
    ours = Day.objects.filter(dataset=dataset, generation=generation, day__range=(span.first, span.last))
    days = ours.filter(state__in=Day.IN, again=False).exclude(lacking=[])
    count = days.exclude(lacking__contained_by=list(refused)).update(again=True, request=None)
    due = [country for country, one in refused.items() if one.is_due(now)]
    if due and (scout := days.filter(lacking__overlap=due).order_by("-day").first()):
        count += days.filter(pk=scout.pk).update(again=True, request=None)
    return count


def would_lose(dataset: Dataset, request: Request, day: Day) -> bool:
    """Whether the day has rows of a marketplace that this answer lacks: in an append they would go with the old reading."""
    has_more = not set(request.lacking) <= set(day.lacking)
    return has_more and day.state in Day.IN and day.rows > 0 and dataset.mode == Dataset.Mode.APPEND


# In words


def note(asking: Asking, request: Request) -> str:
    """What a day's page says of a reading that lacks marketplaces."""
    lacks = request.lacking
    if not lacks:
        return ""
    return (
        f"Without {listed(lacks)}: {_said(asking.report, asking.account, lacks)} "
        "The day is loaded again once Amazon answers."
    )


def kept(asking: Asking, request: Request) -> str:
    """What is said of a day whose rows are not given up for a reading that lacks marketplaces."""
    lacks = request.lacking
    return (
        f"Amazon does not answer for {listed(lacks)} any more, so the earlier rows, which include it, are "
        f"kept. {_said(asking.report, asking.account, lacks)} The day is {LATER}."
    )


def not_shown(countries: list[str]) -> str:
    """What is said of a replace that is not shown, since its readers would lose the rows of these marketplaces."""
    return (
        f"Readers keep the rows of the last complete run, which have {listed(countries)}. To go on without, leave "
        f"{'it' if len(countries) == 1 else 'them'} out of the dataset's marketplaces."
    )


def left_out(run: Run) -> list[str]:
    """The countries that days of the run's span lack."""
    days = Day.objects.of_run(run).filter(state__in=Day.IN).exclude(lacking=[])
    return sorted({country for lacks in days.values_list("lacking", flat=True).distinct() for country in lacks})


def summary(run: Run, report: Report, account: Account) -> str:
    """What a run says at its end of the days in its span that lack marketplaces; "" where none does."""
    countries = left_out(run)
    if not countries:
        return ""
    count = Day.objects.of_run(run).filter(state__in=Day.IN).exclude(lacking=[]).count()
    return (
        f"{count:,} {'day is' if count == 1 else 'days are'} without {listed(countries)}: "
        f"{_said(report, account, countries)} The other marketplaces are loaded. Amazon is asked again once a day, "
        "and the days are loaded again once it answers."
    )


def _said(report: Report, account: Account, countries: Sequence[str]) -> str:
    refused = known(report, account)
    told = [
        f"{country} since {refused[country].since:%-d %b %Y} ({refused[country].words})"
        for country in countries
        if country in refused
    ]
    if not told:
        return "Amazon refused it when these days were read."
    return f"Amazon refuses {', '.join(told)}."


def listed(countries: Sequence[str]) -> str:
    """US, CA and MX."""
    *rest, last = countries
    return f"{', '.join(rest)} and {last}" if rest else last
