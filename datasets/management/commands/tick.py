"""manage.py tick: what beat asks for every few seconds, once and here; for cron or a timer in beat's place."""

from django.core.management.base import BaseCommand

from datasets.backfill import tasks


class Command(BaseCommand):
    help = "Releases what died, starts what is due and wakes what waits, once."

    def handle(self, **options: object) -> None:
        tasks.tick()
