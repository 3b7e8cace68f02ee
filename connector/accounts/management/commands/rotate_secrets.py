from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Model

from connector.accounts.sealing import CannotOpen, Location, Sealed, SealedField, needs_resealing, seal, unseal


class Command(BaseCommand):
    help = (
        "Seals every stored secret with the newest of FIELD_KEYS. Can be stopped and started again at any time; "
        "once it says that all are sealed with it, the older keys can go."
    )

    def handle(self, **options: Any) -> None:
        resealed = current = 0
        refused = []
        for model in apps.get_models():
            fields = [field for field in model._meta.concrete_fields if isinstance(field, SealedField)]
            if not fields:
                continue
            for pk in model._base_manager.order_by("pk").values_list("pk", flat=True).iterator():
                for outcome in reseal(model, pk, fields):
                    if isinstance(outcome, CannotOpen):
                        refused.append(outcome)
                    elif outcome:
                        resealed += 1
                    else:
                        current += 1
        self.stdout.write(f"{resealed} secrets sealed again, {current} were already sealed with the newest key.")
        if refused:
            for problem in refused:
                self.stderr.write(str(problem))
            raise CommandError(
                f"{len(refused)} secrets could not be opened and were left as they are. Keep the older keys."
            )
        self.stdout.write(
            "All stored secrets are sealed with the newest key. The older ones are no longer needed here."
        )


def reseal(model: type[Model], pk: Any, fields: Sequence[SealedField]) -> list[bool | CannotOpen]:
    """One row in one short transaction, so that a stop at any moment leaves every secret readable."""
    names = [field.attname for field in fields]
    with transaction.atomic():
        row = model._base_manager.select_for_update(of=("self",)).filter(pk=pk).values_list(*names).first()
        outcomes: list[bool | CannotOpen] = []
        changed: dict[str, Sealed] = {}
        for field, sealed in zip(fields, row or (), strict=False):
            if not sealed:
                continue
            if not needs_resealing(sealed.token):
                outcomes.append(False)
                continue
            place = Location(model._meta.db_table, str(field.column), pk)
            try:
                changed[field.attname] = Sealed(seal(unseal(sealed.token, place), place))
                outcomes.append(True)
            except CannotOpen as problem:
                outcomes.append(problem)
        if changed:
            model._base_manager.filter(pk=pk).update(**changed)
    return outcomes
