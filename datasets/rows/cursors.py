"""The opaque `_cursor` for paging: its position, and the snapshot it began in. Signed, so that it cannot
be forged.

It names the last row by `_id` only: no cell value ever appears in a URL. Where a policy hides rows it is encrypted,
since it counts them.
"""

import json
from dataclasses import astuple, dataclass

from django.core import signing

from connector.accounts import sealing
from datasets.problems import BadParameters

SIGNER = signing.Signer(salt="datasets.rows.cursors")
PLACE = sealing.Location("datasets_dataset", "cursor", "of a walk")


@dataclass(frozen=True)
class Position:
    """Where a walk through pages is, and the moment that it began in."""

    pk: int  # of the dataset
    generation: int
    version: int
    changed: float | None  # when its rows had last changed, seconds since the epoch
    rows: int  # how many there were
    max_id: int  # rows with a higher _id came after the walk began
    began: float  # what today-7 means on every page
    last_id: int
    asked: str  # the query's fingerprint

    def written(self, *, sealed: bool = False) -> str:
        """The cursor's text; encrypted where `sealed`."""
        values = list(astuple(self))
        return sealing.seal(json.dumps(values), PLACE) if sealed else SIGNER.sign_object(values)


def read(text: str, pk: int) -> Position:
    """The Position that this text says; raises BadParameters for one that is not ours or of another dataset."""
    try:
        is_sealed = text.startswith(sealing.PREFIX)
        found = Position(*(json.loads(sealing.unseal(text, PLACE)) if is_sealed else SIGNER.unsign_object(text)))
    except (signing.BadSignature, sealing.CannotOpen, ValueError, TypeError):
        raise BadParameters([("_cursor", "_cursor: this cursor is not valid. Start without one.")]) from None
    if found.pk != pk:
        raise BadParameters([("_cursor", "_cursor: it belongs to another dataset. Start without one.")])
    return found
