"""A test run under another clock: everything that it starts believes that it is the named instant, and time goes on from there.

    python -m tests.clock 2026-12-31T23:50:00Z -m pytest tests/backfill

runs Python with what follows the instant. A small library (clock.c), loaded into each process, moves the wall clock: of the tests,
the simulator, PostgreSQL, Valkey, the workers and the browser alike. Linux, and a C compiler.
"""

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
OFFSET = "TEST_CLOCK_OFFSET"  # seconds; clock.c reads it
LIBRARY = "backhaul-clock.so"
COMPILERS = ("cc", "gcc", "clang")


class CannotMove(Exception):
    """This machine cannot run tests under another clock; the message says what it lacks."""


def environment():
    """What a process needs to go by the run's clock; nothing where that is the machine's."""
    return {name: os.environ[name] for name in ("LD_PRELOAD", OFFSET) if OFFSET in os.environ and name in os.environ}


def is_moved():
    return OFFSET in os.environ


def instant(text):
    """The instant that an ISO 8601 text names, as a datetime with its offset from UTC; raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} says no offset from UTC. Write it as 2026-12-31T23:50:00Z.")
    return found


def build(folder):
    """The library, compiled into the folder; raises CannotMove."""
    if sys.platform != "linux":
        raise CannotMove("Moving the clock of a test run works on Linux only.")
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise CannotMove("Moving the clock of a test run takes a C compiler: apt-get install gcc libc6-dev")
    library = Path(folder) / LIBRARY
    done = subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lpthread"],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise CannotMove(f"{compiler} did not compile {SOURCE.name} (apt-get install gcc libc6-dev?):\n{done.stderr}")
    Path(folder).chmod(0o755)  # PostgreSQL runs as nobody where the tests run as root
    library.chmod(0o755)
    return library


def moved(library, when):
    """The environment of a process for which it is that instant now, whatever our own clock is."""
    others = [each for each in os.environ.get("LD_PRELOAD", "").split() if Path(each).name != LIBRARY]
    machine = time.time() - int(os.environ.get(OFFSET, 0))
    offset = math.ceil(when.timestamp() - machine)
    return os.environ | {"LD_PRELOAD": " ".join([str(library), *others]), OFFSET: str(offset)}


def run(when, arguments):
    """Runs Python with the arguments under that clock; its exit code, 128 and the signal's number where a signal ended it."""
    with tempfile.TemporaryDirectory(prefix="backhaul-clock-") as folder:
        process = subprocess.Popen([sys.executable, *arguments], env=moved(build(folder), when))
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the child as well, which ends in order
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        code = process.wait()
        return code if code >= 0 else 128 - code


def main(words):
    if len(words) < 2:
        sys.exit("Usage: python -m tests.clock 2026-12-31T23:50:00Z -m pytest …")
    try:
        when = instant(words[0])
        print(f"clock: {when.isoformat()}", flush=True)
        return run(when, words[1:])
    except (CannotMove, ValueError) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
