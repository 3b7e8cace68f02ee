"""manage.py serve: web, worker and beat against Amazon itself, with servers of their own where none are given."""

import sys

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from connector.accounts import loginlinks
from connector.runtime.embedded.start_errors import StartError
from connector.runtime.installation import running, simulated


class Command(BaseCommand):
    help = "Runs web, worker and beat (and PostgreSQL and Valkey where no URL names others) until Ctrl-C."
    requires_system_checks = []

    def handle(self, **options: object) -> None:
        try:
            simulated.refuse_demo_folder(settings.DATA_DIR)
        except StartError as trouble:
            sys.exit(str(trouble))
        sys.exit(running.run("make run", welcome=welcome))


def welcome() -> str:
    lines = ["", f"  Backhaul runs at {settings.PUBLIC_URL}"]
    if loginlinks.nobody_is_here():
        link = settings.PUBLIC_URL + loginlinks.issue(None, timezone.now())
        lines += [
            "",
            "  There are no users yet. Create the first administrator (this link works once):",
            "",
            f"    {link}",
        ]
    lines += ["", f"  Logs: {settings.DATA_DIR / 'logs'}", "  Ctrl-C stops everything.", ""]
    return "\n".join(lines)
