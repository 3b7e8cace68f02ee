"""manage.py tick: what beat asks for every few seconds, once and here; for cron or a timer in beat's place."""

from django.core.management.base import BaseCommand

from datasets.backfill import tasks


class Command(BaseCommand):
    help = "Runs one tick: releases dead runs, starts runs that are due and wakes runs that wait."

    def handle(self, **options: object) -> None:
        tasks.tick()
