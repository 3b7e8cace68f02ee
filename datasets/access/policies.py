"""The Policy of a caller: the stack of rules that apply to a caller and a dataset.

Each of RULES gives one rule or none, the lowest first. Whoever reads rows asks `policy_of`; nothing else makes a Policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datasets.access.tokens import Caller
from datasets.models import Dataset
from datasets.problems import NotFound
from datasets.rows import query, snapshot
from datasets.rows.policy import Policy, Rule

SHAPE = ("_select", "_sort", "_limit", "_tz")


def policy_of(caller: Caller, dataset: Dataset) -> Policy:
    """What this caller sees of the dataset; raises NotFound if that is nothing, as for a dataset that does not
    exist."""
    rules = (rule(caller, dataset) for rule in RULES)
    return Policy(caller.key, tuple(rule for rule in rules if rule is not None))


def unrestricted(purpose: str) -> Policy:
    """For internal work that reads all rows, such as profiling columns. Whatever of it is shown to a user must pass
    their own policy first."""
    return Policy(f"program: {purpose}")


def look(caller: Caller, dataset: Dataset, *, now: datetime) -> snapshot.Snapshot:
    """The Snapshot of a dataset for this caller, as it was looked up."""
    return snapshot.glance(dataset, policy_of(caller, dataset), now=now)


def owned(caller: Caller, dataset: Dataset) -> None:
    """Owners see all of their datasets; nobody else sees anything."""
    if dataset.owner_id != caller.user.pk:
        raise NotFound(f"There is no dataset '{dataset.slug}' that you may see.")


def fixed_by_link(caller: Caller, dataset: Dataset) -> Rule | None:
    """A link shows what its query allows: its filters, its columns, and with a limit the first rows in its order."""
    return rule_of_query(query.pairs_of(caller.fixed)) if caller.fixed else None


def rule_of_query(pairs: Sequence[tuple[str, str]]) -> Rule:
    """The Rule that a request's parameters are when they are fixed."""
    shape = {name: value for name, value in pairs if name in SHAPE}
    conditions = tuple((name, value) for name, value in pairs if name not in (*SHAPE, *query.LAYOUT, "_dl"))
    return Rule(
        only=tuple(name.strip() for name in shape["_select"].split(",")) if "_select" in shape else None,
        rows=(conditions,) if conditions else None,
        sort=shape.get("_sort", ""),
        limit=int(shape["_limit"]) if "_limit" in shape else None,
        zone=shape.get("_tz", ""),
    )


RULES = (owned, fixed_by_link)
