"""The tables of this program. Rows of datasets lie in tables of their own, see `datasets.storage`."""

from datasets.models.access import AccessToken, Allowance, Reading, SavedQuery
from datasets.models.files import ColumnProfile, UploadedFile
from datasets.models.ledger import (
    RUN_LENGTH,
    Answer,
    Change,
    Dataset,
    Day,
    DayQuerySet,
    LeaseLost,
    Question,
    Request,
    Run,
)

__all__ = [
    "RUN_LENGTH",
    "AccessToken",
    "Allowance",
    "Answer",
    "Change",
    "ColumnProfile",
    "Dataset",
    "Day",
    "DayQuerySet",
    "LeaseLost",
    "Question",
    "Reading",
    "Request",
    "Run",
    "SavedQuery",
    "UploadedFile",
]
