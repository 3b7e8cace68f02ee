"""Where definitions are written: a new dataset of one, or another one for a dataset, with all that this means for what is
under way with it. Nobody else writes these columns."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from connector.accounts.models import User
from datasets import schedule
from datasets.backfill import lifecycle
from datasets.definition.checks import forbidden_by_rows
from datasets.definition.definition import Definition, InvalidDefinition, same_answers
from datasets.models import Dataset

SLUG_LENGTH = 50
TRIES = 3  # for a slug that somebody else takes at the same moment


@dataclass(frozen=True, slots=True)
class Defined:
    """`is_new` is False where the same request had made the dataset before."""

    dataset: Dataset
    is_new: bool


def define(user: User, definition: Definition, *, key: UUID | None = None, now: datetime) -> Defined:
    """A new dataset of this person's, with a slug that is nobody else's and its first scheduled run in place.

    `key` becomes its uuid. A second request with the same key and definition gets the dataset that the first one made;
    one with another definition makes another dataset, with a key of its own. Whoever starts a run with it does so in one
    transaction around both.
    """
    tries_left = TRIES
    while True:
        twin = Dataset.objects.filter(uuid=key).select_related("account").first() if key else None
        if twin and twin.owner_id == user.pk and Definition.of(twin) == definition:
            return Defined(twin, is_new=False)
        dataset = Dataset(owner=user, slug=free_slug(definition.name), next_run_at=_next_run(definition, now))
        if key and not twin:
            dataset.uuid = key
        for name, value in _columns(definition).items():
            setattr(dataset, name, value)
        try:
            with transaction.atomic():
                dataset.save(force_insert=True)
            return Defined(dataset, is_new=True)
        except IntegrityError:  # the same request, or another of this name, a moment ago
            tries_left -= 1
            if not tries_left:
                raise


def change(dataset: Dataset, definition: Definition, *, now: datetime) -> Dataset:
    """The dataset with this definition from now on.

    Where Amazon is asked for something else, or rows go into another table, nothing that is under way lands any more and an
    open run begins again. Where the answers mean something else, the days that are in are read once more; until then
    their rows stay. Another name, description or schedule, and other dates, touch no run: the next one goes by them.

    Raises InvalidDefinition where rows have come in since the checks that forbid the change, and Dataset.DoesNotExist
    where the dataset has been deleted.
    """
    columns = _columns(definition)
    with transaction.atomic():
        held = lifecycle.hold(dataset)
        _refuse_what_rows_forbid(held, definition)
        before = Definition.of(held)
        if before.report == definition.report and same_answers(definition.report, before.options, definition.options):
            columns.pop("options")  # in the order in which they were given
        asks_else = (
            "options" in columns
            or before.report != definition.report
            or before.account != definition.account
            or before.mode != definition.mode
        )
        for name, value in columns.items():
            setattr(held, name, value)
        if before.schedule != definition.schedule or held.next_run_at is None:
            held.next_run_at = _next_run(definition, now)
            columns["next_run_at"] = held.next_run_at
        if asks_else:
            held.ask_again()
        if "options" in columns:
            held.read_all_again()  # the rows that are in were asked for with other answers
        held.save(update_fields=[*columns, "updated_at"])  # the rest is the landings' and the tick's
    return held


def free_slug(name: str) -> str:
    """A slug for the name that no dataset has: a legal name in URLs, SQL and OData."""
    base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "dataset"
    base = (base if base[0].isalpha() else f"d_{base}")[:SLUG_LENGTH].rstrip("_")
    taken = set(Dataset.objects.filter(slug__startswith=base[: SLUG_LENGTH - 6]).values_list("slug", flat=True))
    slug, number = base, 1
    while slug in taken or slug == "new":  # /datasets/new is the page that makes one
        number += 1
        slug = f"{base[: SLUG_LENGTH - 1 - len(str(number))].rstrip('_')}_{number}"
    return slug


def _columns(definition: Definition) -> dict[str, object]:
    """The dataset's columns that hold its definition."""
    return {
        "name": definition.name,
        "description": definition.description,
        "account": definition.account,
        "report": definition.report,
        "options": dict(definition.options),
        "start": definition.start,
        "end": definition.end,
        "mode": definition.mode,
        "schedule_kind": definition.schedule.kind,
        "schedule_at": definition.schedule.at,
        "schedule_zone": definition.schedule.zone,
    }


def _next_run(definition: Definition, now: datetime) -> datetime | None:
    wanted = definition.schedule
    return schedule.next_run(wanted.kind, wanted.at, wanted.zone, now)


def _refuse_what_rows_forbid(held: Dataset, definition: Definition) -> None:
    errors: dict[str, list[str]] = {}
    forbidden = forbidden_by_rows(held, definition.report, definition.account, definition.options, definition.mode)
    for name, sentence in forbidden:
        errors.setdefault(name, []).append(sentence)
    if errors:
        raise InvalidDefinition(errors)
