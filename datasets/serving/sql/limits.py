"""What one statement may take."""

from dataclasses import dataclass
from typing import Self

from django.conf import settings

SECONDS = 30
ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may take: seconds of time and rows of its answer."""

    seconds: int = SECONDS
    rows: int = ROWS

    @classmethod
    def of_settings(cls) -> Self:
        return cls(getattr(settings, "SQL_SECONDS", SECONDS), getattr(settings, "SQL_ROWS", ROWS))
