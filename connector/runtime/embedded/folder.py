"""The data folder: who holds it, who else is using it, and where its sockets lie."""

import contextlib
import fcntl
import hashlib
import os
import re
import sys
from pathlib import Path

from connector.runtime.embedded.identity import current
from connector.runtime.embedded.start_errors import Held, StartError

MAX_SOCKET = 107  # bytes of a path that the kernel takes
SOCKET_NAMES = ("/.s.PGSQL.5432.lock", "/valkey.sock")
PLAIN = re.compile(r"[A-Za-z0-9/._-]+")  # PostgreSQL splits its list of socket folders at commas, URLs at more


def socket_folder(data_dir: str | Path) -> Path:
    """Beside the data where that is short and plain and the servers run as ourselves; else a private folder under /tmp.

    Every process works it out for itself, so nothing but DATA_DIR and who we are may decide.
    """
    beside = Path(data_dir) / "sockets"
    longest = len(os.fsencode(beside)) + max(map(len, SOCKET_NAMES))
    if longest <= MAX_SOCKET and PLAIN.fullmatch(str(beside)) and not current().dropped:
        return beside
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path("/tmp") / f"backhaul-{os.geteuid()}-{name}"


class Hold:
    """The one process that runs the folder's servers. The kernel lets go of it when that process ends, however it ends."""

    def __init__(self, data_dir: str | Path) -> None:
        self.path = Path(data_dir) / "held.lock"
        self.users = Path(data_dir) / "users.lock"
        self.file: int | None = None
        self.using: int | None = None

    def take(self, holder: str) -> bool:
        """True if we now hold the folder, False if another process does; Trouble where it cannot be written."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise StartError(
                f"DATA_DIR: cannot write to {self.path.parent} ({problem.strerror}). "
                "Start as the user it belongs to, or set DATA_DIR to a folder of yours."
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()} {holder}\n".encode())
        self.file = file
        return True

    def holder(self) -> str:
        """Who holds it, in words."""
        with contextlib.suppress(OSError, ValueError):
            pid, _, name = self.path.read_text().strip().partition(" ")
            return f"{name} (process {int(pid)})"
        return "another process"

    def refuse(self) -> Held:
        """The error to raise where another process holds the folder."""
        return Held(
            f"{self.path.parent} is already in use by {self.holder()}. "
            "Stop that one first, or give this one a folder and a port of its own: DATA_DIR=… PORT=…"
        )

    def use(self) -> bool:
        """Says that we use servers that somebody else runs; False while those are being stopped."""
        self.using = os.open(self.users, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.using, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """We no longer use servers that somebody else runs."""
        if self.using is not None:
            os.close(self.using)
            self.using = None

    def wait_for_users(self) -> None:
        """Until no other command uses our servers; from then on none can begin to."""
        self.using = os.open(self.users, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.using, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another command still uses this database; waiting for it to finish.", file=sys.stderr, flush=True)
            fcntl.flock(self.using, fcntl.LOCK_EX)

    def give_back(self) -> None:
        """Another process may hold the folder."""
        self.leave()
        if self.file is not None:
            os.close(self.file)
            self.file = None
