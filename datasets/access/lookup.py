"""Looks up what a URL or a body names, among the objects that the caller may see."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from connector.accounts.models import User
from datasets.access.compiled_queryset import CompiledQueryset
from datasets.access.tokens import Caller
from datasets.models import AccessToken, Dataset
from datasets.problems import NotFound, printable

SEALED = ("account__refresh_token", "account__access_token")  # readers need no secret
SLUG = re.compile(r"[a-z][a-z0-9_]{0,49}")


def find_dataset(caller: Caller, name: str) -> Dataset:
    """The dataset of this slug or UUID. One that the caller may not see raises NotFound."""
    found = None
    if SLUG.fullmatch(name):
        found = _ask(BY_SLUG, caller, name)
    if found is None and (key := as_uuid(name)):
        found = _ask(BY_UUID, caller, key)
    if found is None:
        raise NotFound(f"There is no dataset '{printable(name)}' that you may see.")
    return found


def as_uuid(text: Any) -> uuid.UUID | None:
    """The UUID that the text is; None where it is none."""
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None


def _known_by(field: str, mark: object, limited: bool) -> CompiledQueryset:
    def build(user: int, token: int | None, value: object) -> QuerySet[Dataset]:
        # Only these fields are loaded: a rule that read others would fail loudly.
        caller = Caller(
            User.from_db(DEFAULT_DB_ALIAS, ["id"], [user]),
            AccessToken.from_db(DEFAULT_DB_ALIAS, ["id", "limited"], [token, limited]),
        )
        known = caller.datasets().select_related("account").defer(*SEALED).order_by()
        return known.filter(**{field: value})[:1]

    return CompiledQueryset(build, -1, -2, mark)


BY_SLUG = {limited: _known_by("slug", "a_slug", limited) for limited in (False, True)}
BY_UUID = {limited: _known_by("uuid", uuid.UUID(int=1), limited) for limited in (False, True)}


def _ask(prepared: Mapping[bool, CompiledQueryset], caller: Caller, name: object) -> Dataset | None:
    token = caller.token if caller.token is not None and caller.token.limited else None
    return prepared[token is not None].first(caller.user.pk, token.pk if token else None, name)
