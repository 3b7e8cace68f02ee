"""Child processes that end with this one, and leftovers of an earlier process that could not stop them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.runtime.embedded.identity import Identity

Steps = Sequence[tuple[signal.Signals, float]]  # signals to ask with, each with its patience in seconds

PR_SET_PDEATHSIG = 1
BEGIN = "-- started"  # each start's first line in its log
MARK = "BACKHAUL_GROUP"  # names the data folder in the environment of every part we start
SEES_ALL = Path("/proc/self/cwd").exists()  # Linux shows what every process works in
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def tie(last_word: int = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn`: if we are killed, the kernel sends the child this signal (Linux).

    Call from the main thread: for the kernel it is the thread that is the parent.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        if _libc:
            _libc.prctl(PR_SET_PDEATHSIG, last_word)
            if os.getppid() != parent:
                os._exit(1)

    return tie_to_parent


def spawn(
    command: Iterable[object],
    *,
    log: Path | None = None,
    last_word: int = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    identity: Identity | None = None,
    **arguments: Any,
) -> subprocess.Popen:
    """Starts a process in a session of its own, so that Ctrl-C reaches us alone and we end things in order."""
    output = log.open("ab", buffering=0) if log else None
    if output:
        output.write(f"{BEGIN} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}\n".encode())
    try:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=tie(last_word),
            **(identity.popen_arguments() if identity else {}),
            **arguments,
        )
    finally:
        if output:
            output.close()


def stop(process: subprocess.Popen, steps: Steps) -> None:
    """Sends one signal after another, waiting the given seconds after each, until the process is gone."""
    for asked, patience in steps:
        if process.poll() is not None:
            return
        process.send_signal(asked)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def _processes() -> Iterator[int]:
    with suppress(OSError):
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                yield int(entry)


def is_gone(pid: int) -> bool:
    """No such process, or a zombie that nobody has collected (a container without an init)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        with suppress(OSError):
            os.kill(pid, 0)
            return SEES_ALL  # elsewhere the signal's word counts
        return True
    return state in "ZX"


def working_in(folder: str | Path) -> list[int]:
    """The processes whose working folder this is: PostgreSQL and Valkey stay in their data folder all their life."""
    wanted = os.path.realpath(folder)
    found = []
    for pid in _processes():
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == wanted and pid != os.getpid() and not is_gone(pid):
                found.append(pid)
    return found


def marked(folder: str | Path) -> list[int]:
    """The processes that were started as parts of this folder's group, and their children."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for pid in _processes():
        with suppress(OSError):
            if (
                mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                and pid != os.getpid()
                and not is_gone(pid)
            ):
                found.append(pid)
    return found


def reclaim(find: Callable[[], Collection[int]], steps: Steps) -> bool:
    """Ends the processes that `find` returns, leftovers of a killed parent; returns False if one does not end.

    One that is about to end gives up its memory first, and with it what `find` knows it by: its files and ports it may still have.
    """
    ending: set[int] = set()
    for asked, patience in steps:
        for pid in find():
            ending.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, asked)
        deadline = time.monotonic() + patience
        while find() or not all(map(is_gone, ending)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return True
    return not find() and all(map(is_gone, ending))


def last_lines(log: Path, count: int = 12) -> str:
    """The end of what a log holds of the latest start, for a message that says why a part did not start."""
    with suppress(OSError):
        latest = log.read_text(errors="replace").rpartition(BEGIN)[2]
        return "\n".join(latest.splitlines()[1:][-count:])
    return ""
