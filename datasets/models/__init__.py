"""The tables of this program. Rows of datasets lie in tables of their own, see `datasets.storage`."""

from datasets.models.access import AccessToken, Allowance, Reading, SavedQuery
from datasets.models.files import ColumnProfile, UploadedFile
from datasets.models.ledger import RUN_LENGTH, Change, Dataset, Day, DayQuerySet, LeaseLost, Request, Run

__all__ = [
    "RUN_LENGTH",
    "AccessToken",
    "Allowance",
    "Change",
    "ColumnProfile",
    "Dataset",
    "Day",
    "DayQuerySet",
    "LeaseLost",
    "Reading",
    "Request",
    "Run",
    "SavedQuery",
    "UploadedFile",
]
