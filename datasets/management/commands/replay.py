"""manage.py replay: lands days again from the raw answers that are kept, without a call to Amazon."""

from datetime import date
from typing import cast

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector.database.clock import database_now
from datasets import calendar
from datasets.backfill import lifecycle, runs, tasks
from datasets.models import Dataset


class Command(BaseCommand):
    help = "Loads days of a dataset again from Amazon's raw answers stored on this machine, without calling Amazon."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--from", dest="first", help="a date, or today-7; the first day that is in when left out")
        parser.add_argument("--to", dest="last", help="a date, or yesterday; the last day that is in when left out")

    def handle(self, *, slug: str, first: str | None, last: str | None, **options: object) -> None:
        try:
            dataset = Dataset.objects.get(slug=slug)
        except Dataset.DoesNotExist:
            raise CommandError(f"There is no dataset '{slug}'.") from None
        known = dataset.days.filter(generation=dataset.generation).order_by("day").values_list("day", flat=True)
        if not known:
            raise CommandError(f"{slug} has no days yet.")
        now = database_now()
        today = calendar.today(now, dataset.account.zone)
        try:
            begin = calendar.resolve(first, today) if first else known.first()
            end = calendar.resolve(last, today) if last else known.last()
            run = lifecycle.replay(dataset, cast(date, begin), cast(date, end), now=now)  # there are days
        except (ValueError, lifecycle.NothingToReplay, runs.AlreadyRunning) as problem:
            raise CommandError(str(problem)) from None
        tasks.hint(run.pk, by_hand=True)
        self.stdout.write(f"Run {run.pk} lands {run.days_total} days of {slug} again, {begin} to {end}.")
