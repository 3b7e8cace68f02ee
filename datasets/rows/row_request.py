"""The Query of a request's parameters, inside what the caller's link is fixed to: what exports and pages have in common."""

from datasets import facts
from datasets.rows import query


def read(caller, pairs, columns, dataset, now, controls=query.CONTROLS):
    """The Query of the parameters, inside what the caller's link is fixed to."""
    fixed = query.pairs_of(caller.fixed) if caller is not None and caller.fixed else ()
    return query.within(fixed, pairs, columns, zone=facts.zone(dataset), now=now, controls=controls)
