"""Who asks for rows, and for which: what exports and pages have in common."""

from datasets.backfill import facts
from datasets.serving import query, tokens
from datasets.serving.problems import BadParameters


def of(request):
    """The Caller and the parameters, without the link's token where one is given."""
    pairs = query.pairs_of(request.META.get("QUERY_STRING", ""))
    links = [value for name, value in pairs if name == "token"]
    if len(links) > 1:
        raise BadParameters([("token", "token is given more than once.")])
    caller = tokens.caller(request, "data:read", link=links[0] if links else None)
    return caller, [(name, value) for name, value in pairs if name != "token"] if links else pairs


def read(caller, pairs, columns, dataset, now, controls=query.CONTROLS):
    """The Query of the parameters, inside what the caller's link is fixed to."""
    fixed = query.pairs_of(caller.fixed) if caller is not None and caller.fixed else ()
    return query.within(fixed, pairs, columns, zone=facts.zone(dataset), now=now, controls=controls)
