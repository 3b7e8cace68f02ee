"""Makes an access token and prints it, once, with nothing else on standard output."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from connector.accounts.models import User
from datasets.access import tokens
from datasets.problems import BadParameters


class Command(BaseCommand):
    help = "Creates a token for the HTTP API and prints it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--user", required=True, metavar="EMAIL", help="whose token it is: e-mail address or user name"
        )
        parser.add_argument("--name", default="", help="what it is for, as the Tokens page shows it")
        parser.add_argument(
            "--scope",
            nargs="+",
            action="extend",
            metavar="S",
            help=f"what it may do; all, when none is named: {', '.join(tokens.SCOPES)}",
        )
        parser.add_argument(
            "--days", type=int, default=tokens.LIFE.days, help="how many days it is valid, %(default)s if omitted"
        )

    def handle(self, *, user: str, name: str, scope: list[str] | None, days: int, **options: object) -> None:
        if not 1 <= days <= 3650:
            raise CommandError("--days: enter a number from 1 to 3650.")
        owner = _person(user)
        try:
            _, text = tokens.issue(owner, name, scopes=scope, life=timedelta(days=days))
        except BadParameters as problem:
            raise CommandError(problem.detail) from None
        self.stdout.write(text)


def _person(name: str) -> User:
    people = get_user_model().objects
    found = people.filter(email__iexact=name).first() or people.filter(username=name).first()
    if found is None:
        known = people.exclude(email="").order_by("pk").values_list("email", flat=True)[:5]
        hint = (
            f" There are: {', '.join(known)}."
            if known
            else " There are no users yet: create the first administrator in the browser."
        )
        raise CommandError(f"There is no person with the e-mail address {name}.{hint}")
    if not found.is_active:
        raise CommandError(f"{name} is no longer active here, so a token would give no access.")
    return found
