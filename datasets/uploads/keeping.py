"""Stores an uploaded spreadsheet and shows its content."""

from datetime import datetime

from django.core.files.uploadedfile import UploadedFile as Sent

from connector.accounts.models import Account, User
from datasets.models import UploadedFile
from datasets.storage.read import SYSTEM_COLUMNS
from datasets.tabular import isolated

MAX_BYTES = 20 << 20
OURS = [column["name"] for column in SYSTEM_COLUMNS]  # as an export has them: each row gets new ones


def keep(owner: User, sent: Sent, *, sheet: str = "", now: datetime) -> UploadedFile:
    """Reads the file and keeps it. Raises isolated.Refused with what is wrong with it and what to do."""
    name, size = (sent.name or "")[-200:], sent.size or 0
    if size > MAX_BYTES:
        raise isolated.JobRefused(
            f"{name} has {size / (1 << 20):,.0f} MB; {MAX_BYTES >> 20} MB is the maximum. Split it, or save it as "
            "XLSX, which is smaller."
        )
    read = isolated.run("read", sent.chunks(), name=name, sheet=sheet, country=_country(owner), ours=OURS)
    return UploadedFile.objects.create(
        owner=owner,
        name=name,
        sheet=sheet,
        rows=read.result["rows"],
        columns=read.result["columns"],
        notes=read.result["notes"],
        preview=read.result["preview"],
        content=read.content,
        uploaded_at=now,
    )


def _country(owner: User) -> str:
    """Where the owner sells, as far as it says how text files are written there: JP, or nothing."""
    homes = {account.home.country for account in Account.objects.of(owner)}
    return "JP" if "JP" in homes else ""
