"""Where Amazon's raw answers lie on this machine: DATA_DIR/raw, a folder for each dataset, in it one for each request."""

from pathlib import Path

from django.conf import settings


def raw_root() -> Path:
    """The folder above all of them; it is there once something was fetched."""
    return Path(settings.DATA_DIR) / "raw"


def raw_folder(dataset_id: int, request_id: int | str | None = None) -> Path:
    """Where the raw answers of a dataset, or of one of its requests, lie on this machine."""
    folder = raw_root() / str(dataset_id)
    return folder / str(request_id) if request_id else folder
