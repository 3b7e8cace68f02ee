"""The Policy of who asks: the rules that hold for a caller and a dataset, piled up.

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
    """What this caller sees of the dataset; raises NotFound where that is nothing, as for a dataset that is not there."""
    rules = (rule(caller, dataset) for rule in RULES)
    return Policy(caller.key, tuple(rule for rule in rules if rule is not None))


def unrestricted(purpose: str) -> Policy:
    """For work of the program's own that reads all rows, such as sending them elsewhere or profiling columns. Whatever is shown of
    it to somebody goes through their own policy first."""
    return Policy(f"program: {purpose}")


def look(caller: Caller, dataset: Dataset, *, now: datetime) -> snapshot.Snapshot:
    """The Snapshot of a dataset for this caller, as it was looked up."""
    return snapshot.glance(dataset, policy_of(caller, dataset), now=now)


def owned(caller: Caller, dataset: Dataset) -> None:
    """Owners see everything of theirs, and nobody else anything."""
    if dataset.owner_id != caller.user.pk:
        raise NotFound(f"There is no dataset '{dataset.slug}' that you may see.")


def fixed_by_link(caller: Caller, dataset: Dataset) -> Rule | None:
    """A link shows what it is fixed to: its filters, its columns, and with a limit the first rows in its order."""
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
