"""What a request asks of a snapshot: its parameters, with those that a link is fixed to where they say nothing themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from datasets.rows import query
from datasets.rows.snapshot import Snapshot

LASTING = (
    *query.LAYOUT,
    "_dl",
)  # of what a link is fixed to: how its files are written, unless a request says otherwise


def with_defaults(
    pairs: Sequence[tuple[str, str]], defaults: Iterable[tuple[str, str]], columns: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """The parameters, and those of `defaults` about how files are written that they say nothing of; `columns` are no parameters."""
    given = {name for name, _ in pairs}.union(columns)
    return [*pairs, *((name, value) for name, value in defaults if name in LASTING and name not in given)]


def read(
    snapshot: Snapshot,
    pairs: Sequence[tuple[str, str]],
    *,
    defaults: Iterable[tuple[str, str]] = (),
    controls: Sequence[str] = query.CONTROLS,
) -> query.Query:
    """The Query of the parameters over the columns that the snapshot's policy shows; raises BadParameters.

    `defaults` say how to write files where `pairs` do not. The order is the policy's own where none is asked for.
    """
    wanted = with_defaults(pairs, defaults, (column["name"] for column in snapshot.columns))
    asked = query.parse(wanted, snapshot.columns, zone=snapshot.zone, now=snapshot.now, controls=controls)
    return asked if any(name == "_sort" for name, _ in pairs) else replace(asked, sort=snapshot.sort)
