"""What a request asks of a snapshot: its parameters, with those that a link is fixed to where they say nothing themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from datasets.rows import query
from datasets.rows.snapshot import Snapshot


def read(
    snapshot: Snapshot,
    pairs: Iterable[tuple[str, str]],
    *,
    defaults: Iterable[tuple[str, str]] = (),
    controls: Sequence[str] = query.CONTROLS,
) -> query.Query:
    """The Query of the parameters over the columns that the snapshot's policy shows; raises BadParameters.

    `defaults` say how to write files where `pairs` do not. The order is the policy's own where none is asked for.
    """
    given = {name for name, _ in pairs}
    known = {column["name"] for column in snapshot.columns}
    kept = [(name, value) for name, value in defaults if name in query.LAYOUT and name not in given | known]
    asked = query.parse([*pairs, *kept], snapshot.columns, zone=snapshot.zone, now=snapshot.now, controls=controls)
    return asked if "_sort" in given else replace(asked, sort=snapshot.sort)
