"""Queries that are kept under a name: made, changed and found. What is kept has been understood by PostgreSQL once."""

import re
from collections.abc import Collection
from typing import Any

import psycopg
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from datasets.access.tokens import Caller
from datasets.models import Dataset, SavedQuery
from datasets.problems import BadParameters, Conflict, NotFound, printable
from datasets.rows.pool import pool
from datasets.serving.sql import sandbox, statement_errors
from datasets.serving.sql.limits import Limits

MAX_QUERIES = 500  # of one person
SLUG_LENGTH = 50


def all_of(caller: Caller) -> QuerySet[SavedQuery]:
    """The caller's queries. A token for certain datasets sees none: their text may name others."""
    if caller.token is not None and caller.token.limited:
        return SavedQuery.objects.none()
    return SavedQuery.objects.of(caller.user).select_related("dataset").order_by("name", "pk")


def find(caller: Caller, slug: str) -> SavedQuery:
    """The query of this slug; NotFound where the caller may see none."""
    found = all_of(caller).filter(slug=slug).first() if re.fullmatch(r"[a-z][a-z0-9_]{0,49}", slug) else None
    if found is None:
        raise NotFound(f"There is no query '{printable(slug)}' that you may see.")
    return found


@transaction.atomic
def keep(caller: Caller, *, name: str, sql: str, dataset: Dataset | None = None) -> SavedQuery:
    """A new query; raises where the statement could not be carried out as things stand."""
    name = _name(name)
    check(caller, sql, dataset)
    taken = set(SavedQuery.objects.of(caller.user).select_for_update().values_list("slug", flat=True))
    if len(taken) >= MAX_QUERIES:
        raise Conflict(f"{MAX_QUERIES} queries are already saved, the maximum. Delete one first.")
    return SavedQuery.objects.create(owner=caller.user, slug=_slug(name, taken), name=name, sql=sql, dataset=dataset)


def change(caller: Caller, query: SavedQuery, **changes: Any) -> None:
    """Another name, statement or dataset; the slug stays, and so does what others change meanwhile."""
    if "name" in changes:
        changes["name"] = _name(changes["name"])
    for field, value in changes.items():
        setattr(query, field, value)
    check(caller, query.sql, query.dataset)
    fields = {name: getattr(query, name) for name in changes}
    if not SavedQuery.objects.filter(pk=query.pk).update(**fields, updated_at=timezone.now()):
        raise NotFound(f"There is no query '{query.slug}' that you may see.")
    query.refresh_from_db()


def check(caller: Caller, text: str, dataset: Dataset | None) -> None:
    """Raises Refused where PostgreSQL would not take the statement; nothing is computed."""
    sandbox.check_text(text)
    tables, known = sandbox.named(caller, text, dataset)
    limits = Limits.of_settings()
    with pool().connection() as connection:
        box = sandbox.Sandbox(connection, caller, tables, known, limits, timezone.now())
        try:
            box.open()
            box.take(text, has_table=dataset is not None)
            box.check(text)
        except psycopg.Error as error:
            raise statement_errors.of_error(error, limits) from None
        finally:
            connection.rollback()


def _name(name: str | None) -> str:
    name = (name or "").strip()
    if not name or len(name) > 200 or "\x00" in name:
        raise BadParameters([("name", "name: between 1 and 200 characters are needed.")])
    return name


def _slug(name: str, taken: Collection[str]) -> str:
    """A slug for the name that none of the taken ones is."""
    base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "query"
    base = (base if base[0].isalpha() else f"q_{base}")[: SLUG_LENGTH - 5].rstrip("_")
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}_{number}"
    return slug
