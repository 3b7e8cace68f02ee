"""Where Amazon's raw answers lie on this machine: DATA_DIR/raw/answers, a folder for each.

Before answers could be of several datasets there was a folder for each dataset, in it one for each request; answers of that time stay
where they are.
"""

from pathlib import Path

from django.conf import settings


def raw_root() -> Path:
    """The folder above all of them; it is there once something was fetched."""
    return Path(settings.DATA_DIR) / "raw"


def raw_folder(place: str) -> Path:
    """The folder of one answer; `place` is what its row calls it, like answers/12."""
    return raw_root() / place
