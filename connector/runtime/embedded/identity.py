"""Who the embedded servers run as: ourselves, or nobody when we are root, since PostgreSQL refuses root.

No user is made and no folder above ours is opened for that. Where `nobody` may not walk to our folder, the servers get
it as an open file handle and name it /proc/self/fd/N, which the kernel follows without asking the folders above.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.runtime.embedded.start_errors import StartError

NOBODY = 65534


@dataclass(frozen=True)
class Identity:
    """The user and group that the servers run as."""

    uid: int
    dropped: bool  # we are root and run the servers as another user

    def popen_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.uid, "extra_groups": []} if self.dropped else {}

    def give(self, path: str | Path) -> None:
        """Makes the path the servers' own."""
        if self.dropped:
            os.chown(path, self.uid, self.uid)

    def may_walk_to(self, folder: Path) -> bool:
        """Whether the servers can reach this folder by its name."""
        if not self.dropped:
            return True
        return all(self._may_search(step) for step in (folder, *folder.parents))

    def _may_search(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid == self.uid else 0o001))

    @contextlib.contextmanager
    def handle_on(self, folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        """A name for the folder that the servers can use, and the handles a process started meanwhile has to inherit."""
        if not self.dropped:
            yield str(folder), ()
            return
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{handle}", (handle,)
        finally:
            os.close(handle)

    def check(self) -> None:
        """Refuses early, and in words, where a root without its rights (some containers) cannot become another user."""
        if not self.dropped:
            return
        try:
            subprocess.run(["/bin/sh", "-c", ":"], check=True, **self.popen_arguments())
        except (OSError, subprocess.SubprocessError) as problem:
            raise StartError(
                f"PostgreSQL does not run as root, and this root may not become uid {self.uid} ({problem}). "
                "Run as an ordinary user, or set DATABASE_URL and BROKER_URL to servers of your own."
            ) from None


def current() -> Identity:
    """The Identity for this process: itself, or nobody where it is root."""
    root = os.geteuid() == 0
    return Identity(uid=NOBODY if root else os.geteuid(), dropped=root)


def private_folder(path: Path, identity: Identity) -> None:
    """Makes a folder that only the servers' user (and root) can enter; Trouble for one that somebody else put
    there."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
        identity.give(path)
    found = path.lstat()
    if not path.is_dir() or path.is_symlink() or found.st_uid not in (identity.uid, os.geteuid()):
        raise StartError(f"{path} belongs to somebody else. Remove it, or move DATA_DIR to a shorter path.")
    identity.give(path)
    path.chmod(0o700)
