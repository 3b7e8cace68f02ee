"""The end of a run that has no request left: its final state and message."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db.models import Q

from connector.database.clock import database_now
from datasets import calendar, retries
from datasets.backfill import land, tracing
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.waits import scaled
from datasets.models import Dataset, Day, Run


@dataclass(frozen=True, slots=True)
class End:
    """A run's last state, and what it says to people."""

    state: Run.State
    message: str


def end_of(asking: Asking, unasked: int) -> End:
    """What the run has come to; `unasked` are the days that it has left to the next one. A replace that is whole is shown."""
    run = asking.run
    failed, done = run.days_failed(), run.days_done()
    without = tracing.summary(run, asking.report, asking.account)
    if failed or unasked:
        lacking = list(run.days.filter(Q(state=Day.State.FAILED) | Q(again=True)).order_by("-day"))
        again = _tried_again(run, lacking, database_now())
        sentences = [f"{failed + unasked} of {failed + done + unasked} days could not be loaded; {again}."]
        if unasked:
            sentences.append(
                f"Amazon did not answer, so {unasked} of them were not requested; the next run requests them."
            )
        if run.dataset.mode == Dataset.Mode.REPLACE:
            sentences.append("Readers still see the old rows, because a replace never shows an incomplete range.")
        sentences += [day.message for day in lacking if day.message][:1]
        sentences += [without] if without else []
        has_failed = not done and (unasked or any(_has_tried(run, day) for day in lacking))
        return End(Run.State.FAILED if has_failed else Run.State.PARTIAL, " ".join(sentences))
    kept_for = land.flip(run, asking.fence) if run.dataset.mode == Dataset.Mode.REPLACE else []
    rows = Run.objects.values_list("rows", flat=True).get(pk=run.pk)
    if not run.days_total:
        message = "Everything was already loaded; there was nothing to do."
    else:
        message = f"{done} {'day' if done == 1 else 'days'} loaded, {rows:,} {'row' if rows == 1 else 'rows'}."
    if without:
        kept = f" {tracing.not_shown(kept_for)}" if kept_for else ""
        return End(Run.State.PARTIAL, f"{message} {without}{kept}")
    return End(Run.State.SUCCEEDED, message)


def _has_tried(run: Run, day: Day) -> bool:
    """Whether a day that failed did so in this run, and has not only waited for its next try all along."""
    if day.not_before is None:
        return True
    return day.not_before - scaled(retries.distance(day.attempts)) >= cast(datetime, run.started_at)


def _tried_again(run: Run, days: list[Day], now: datetime) -> str:
    """When the first of the days that failed is tried again."""
    if run.trigger == Run.Trigger.FILE:
        return "no run loads a file by itself, so fix it and load it again"
    due = min((day.not_before for day in days if day.not_before), default=now)
    if due <= now or any(day.not_before is None for day in days):
        return "the next run tries them again"
    return f"the first run after {calendar.written(due)} tries again"
