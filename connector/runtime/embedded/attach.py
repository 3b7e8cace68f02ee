"""Gives a command the servers it needs: those that already run on the data folder, else its own for as long as it lasts."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from connector.runtime.embedded.services import Services, left_to_us
from connector.runtime.embedded.start_errors import Held, StartError

SERVERS_TIMEOUT = 60  # seconds that servers which are being started or stopped may take


def prepare(default_data_dir: str | Path, *, whole: bool = False) -> Path:
    """Development from a bare checkout: everything unset lives under one folder, so say which before settings are read.

    `whole` is for a process that runs a whole installation: it keeps its collected static files there, too.
    """
    given = os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE")
    data_dir = Path(os.environ.get("DATA_DIR") or default_data_dir).resolve()
    if whole or not given:
        os.environ["DATA_DIR"] = str(data_dir)
    if whole:
        os.environ.setdefault("STATIC_ROOT", str(data_dir / "static"))
    return data_dir


@contextlib.contextmanager
def servers(data_dir: str | Path, command: str) -> Iterator[None]:
    """For the time of the `with`, the servers left to us answer; exits in plain words where they cannot."""
    ours = left_to_us(data_dir)
    if not ours.servers:
        yield
        return
    started = _take_part(ours, command)
    try:
        yield
    finally:
        if started:
            ours.hold.wait_for_users()
            ours.stop()
        else:
            ours.hold.leave()


def _take_part(ours: Services, command: str) -> bool:
    """True if we started them, False if we use another process's."""
    deadline = time.monotonic() + SERVERS_TIMEOUT
    while True:
        try:
            ours.start(f"manage.py {command}")
            return True
        except Held as held:
            if ours.hold.use():
                if ours.answer():
                    return False
                ours.hold.leave()
            if time.monotonic() > deadline:
                sys.exit(f"{held}\nIts database does not answer.")
            time.sleep(0.1)
        except StartError as trouble:
            sys.exit(str(trouble))
