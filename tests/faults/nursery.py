"""Workers that a test may kill by the hundred, and a watcher beside them, each in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from connector.runtime.embedded import children
from tests.conftest import PROJECT
from tests.faults.watcher import digest
from tests.living import database_url, environment


class Nursery:
    """Forks workers from one process that has everything loaded: a tenth of a second each, where Celery takes three."""

    def __init__(self, folder, **more):
        self.log = folder / "workers.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.mortal"],
                cwd=PROJECT,
                env=environment() | more,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=children.tie(signal.SIGKILL),
            )
        self.alive = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in list(self.alive):
            self.kill(pid)
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def fork(self, **wish):
        """One more worker; answers its process id."""
        self.process.stdin.write(json.dumps(wish) + "\n")
        self.process.stdin.flush()
        self.alive.append(int(self.process.stdout.readline()))
        return self.alive[-1]

    def kill(self, pid, how=signal.SIGKILL):
        """Ends the worker and waits until it is gone; answers whether it still lived."""
        self.alive.remove(pid)
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return False
        while not children.is_gone(pid):
            time.sleep(0.001)
        return True

    def errors(self):
        """The errors that workers met and did not make anything of: each is a bug."""
        return self.log.read_text().split("Traceback (most recent call last):")[1:]

    def finish(self, seconds=60, **wish):
        """Lets one worker do what there is to do, undisturbed."""
        pid = self.fork(until_over=True, **wish)
        self.wait_for(pid, seconds)

    def wait_for(self, pid, seconds=60):
        """Until the worker has ended by itself."""
        end = time.monotonic() + seconds
        while not children.is_gone(pid):
            assert time.monotonic() < end, f"a worker is not done after {seconds} s:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.005)
        self.alive.remove(pid)


def expected(truth):
    """{day: (rows, digest)} of the days of Amazon's truth that have rows; an order is one row."""
    return {day: (len(so["ids"]), digest(so["ids"])) for day, so in truth.items() if so["ids"]}


class Watch:
    """The watcher: begins with the block and tells at its end."""

    def __init__(self, *datasets, url=None):
        """`datasets` are pairs of a dataset's id and what Amazon has for it."""
        self.wish = {"url": url or database_url(), "datasets": [{"id": id, "expected": so} for id, so in datasets]}
        self.looks = self.whole = 0
        self.wrong = ["it has not told yet"]

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.watcher"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=children.tie(signal.SIGKILL),
        )
        self._say(json.dumps(self.wish))
        return self

    @contextlib.contextmanager
    def closed_eyes(self):
        """Within this block the dataset may be cleared."""
        self._say("pause")
        assert self.process.stdout.readline() == "paused\n"
        yield
        self._say("go on")

    def _say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(30)
        told = json.loads(self.process.stdout.read() or '{"looks": 0, "whole": 0, "wrong": ["the watcher died"]}')
        self.process.stdout.close()
        self.looks, self.whole, self.wrong = told["looks"], told["whole"], told["wrong"]
