"""The beginning of a run: which days it is to bring in."""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min, Q, QuerySet

from connector.accounts import clocks
from connector.database.clock import database_now
from datasets import calendar
from datasets.backfill import days as day_rules
from datasets.backfill import land, tracing
from datasets.backfill.sources.asking import Asking
from datasets.backfill.span import Span, span_of
from datasets.models import Dataset, Day, Request


def begin(asking: Asking) -> None:
    """Writes down which days the run is to bring in. Safe to repeat: it only adds what is missing."""
    run, report = asking.run, asking.report
    now = database_now()
    span = span_of(run.dataset, report, clocks.amazons(now, asking.account.region))
    scope = {"dataset": run.dataset, "generation": run.generation}
    with transaction.atomic():
        run.hold(asking.fence)
        if len(span):
            with connection.cursor() as cursor:
                cursor.execute(
                    """
                    INSERT INTO datasets_day (dataset_id, generation, day, state, rows, checksum, attempts, message, again)
                    SELECT %s, %s, day::date, 'wanted', 0, '', 0, '', false
                    FROM generate_series(%s::date, %s::date, interval '1 day') AS day
                    ON CONFLICT DO NOTHING
                    """,
                    [run.dataset.pk, run.generation, span.first, span.last],
                )
        # Before the span grows by what is reloaded: a day that failed and lies outside of it is wanted no more.
        failed = Day.objects.filter(**scope, day__range=(span.first, span.last), state=Day.State.FAILED)
        failed.exclude(not_before__gt=now).update(state=Day.State.WANTED, not_before=None, request=None)
        if run.dataset.mode == Dataset.Mode.REPLACE:
            land.trim(run.dataset, run.generation, span.first, span.last)
        elif report.has_dates:
            span = _with_reloaded(asking, span, Day.objects.filter(**scope), now)
        ours = Day.objects.filter(**scope, day__range=(span.first, span.last))
        # A day that another run asked for and that no open request carries any more is simply wanted again.
        stale = ~Q(request__state__in=Request.OPEN) | Q(request=None)
        ours.filter(stale, state=Day.State.ASKED).update(state=Day.State.WANTED, request=None)
        ours.filter(~Q(request__state__in=Request.OPEN), again=True).update(request=None)
        known = [
            day_rules.Known(day.day, day.read_until, day.landed_at)
            for day in ours.filter(state__in=Day.IN, again=False).only("day", "read_until", "landed_at")
        ]
        repeated = day_rules.again(known, zone=asking.zone, now=now, settling_days=report.settling_days)
        if report.has_dates:
            repeated = day_rules.whole_periods(repeated, report.dated_window)
        ours.filter(day__in=repeated, state__in=Day.IN).update(again=True)
        tracing.want_again(run.dataset, run.generation, span, report, asking.account)
        # Days that wait for their next try are counted among this run's, as those that it has not brought in.
        waiting = ours.waiting(now)
        total = ours.filter(Day.still_open() | Q(pk__in=waiting.values("pk"))).count()
        waiting.update(run=run)
        run.span(span.first, span.last, days_total=total)


def _with_reloaded(asking: Asking, span: Span, days: QuerySet[Day], now: datetime) -> Span:
    """The span, and days outside of it that are in and to be read once more: the dataset's dates were moved since."""
    outside = days.exclude(day__range=(span.first, span.last))
    outside.filter(state=Day.State.WANTED).delete()  # nothing is in of them, and nobody wants them any more
    again = outside.filter(state__in=Day.IN, again=True)
    if asking.report.reach_days:
        earliest = calendar.today(now, asking.zone) - timedelta(days=asking.report.reach_days)
        again = again.filter(day__gte=earliest)
    edges = again.aggregate(first=Min("day"), last=Max("day"))
    if edges["first"] is None:
        return span
    if not len(span):
        return Span(edges["first"], edges["last"])
    return Span(min(span.first, edges["first"]), max(span.last, edges["last"]))
