"""The opaque `_cursor` of a walk through pages: where it is, and which moment it began in. Signed, so nobody makes one up.

It names the last row by `_id` only: no cell of a row ever stands in a URL.
"""

from dataclasses import astuple, dataclass

from django.core import signing

from datasets.problems import BadParameters

SIGNER = signing.Signer(salt="datasets.rows.cursors")


@dataclass(frozen=True)
class Position:
    pk: int  # of the dataset
    generation: int
    version: int
    changed: float | None  # when its rows had last changed, seconds since the epoch
    rows: int  # how many there were
    max_id: int  # rows with a higher _id came after the walk began
    began: float  # what today-7 means on every page
    last_id: int
    asked: str  # the query's fingerprint

    def written(self):
        return SIGNER.sign_object(list(astuple(self)))


def read(text, pk):
    """The Position that this text says; raises BadParameters for one that is not ours or of another dataset."""
    try:
        found = Position(*SIGNER.unsign_object(text))
    except (signing.BadSignature, ValueError, TypeError):
        raise BadParameters(
            [("_cursor", "_cursor: this is not a cursor that was handed out here. Begin without one.")]
        ) from None
    if found.pk != pk:
        raise BadParameters([("_cursor", "_cursor: it belongs to another dataset. Begin without one.")])
    return found
