"""Runs an installation's parts as one group: starts them, watches them, restarts those that end, stops them in
order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol

from connector.runtime.embedded import children
from connector.runtime.embedded.services import Services, log_file
from connector.runtime.embedded.start_errors import StartError

PROJECT = Path(__file__).resolve().parents[3]
START_TIMEOUT = 90  # seconds that a part may take until it serves
STEADY = 60  # seconds after which a part's earlier falls are forgotten
MAX_PAUSE = 30
STOP = ((signal.SIGTERM, 6), (signal.SIGKILL, 5))


class Stopped(BaseException):
    """The group was asked to stop."""


class Program:
    """A part of ours: a command, its log, and how to tell that it serves."""

    stop_steps = STOP

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        serves: Callable[[], bool] | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.environment = environment
        self.serves = serves or (lambda: True)

    def launch(self) -> subprocess.Popen:
        return children.spawn(self.command, log=self.log, environment=self.environment, cwd=PROJECT)


class Part(Protocol):
    """What a group starts, watches and stops: a program of ours, or an embedded server."""

    @property
    def name(self) -> str: ...

    @property
    def stop_steps(self) -> children.Steps: ...

    @property
    def log(self) -> Path: ...

    def launch(self) -> subprocess.Popen: ...


class Group:
    """The parts of one data folder, servers first."""

    def __init__(self, data_dir: str | Path, say: Callable[[str], object] = print) -> None:
        self.data_dir = Path(data_dir)
        self.say = say
        self.parts: dict[str, Part] = {}
        self.processes: dict[str, subprocess.Popen] = {}
        self.falls: dict[
            str, tuple[int, float | None]
        ] = {}  # name → (how often in a row, when it may be started again)
        self.started_at: dict[str, float] = {}

    def program(
        self, name: str, *command: str, environment: dict[str, str], serves: Callable[[], bool] | None = None
    ) -> Program:
        """A program as a part, written with our interpreter's `-m`."""
        log = log_file(self.data_dir, name)
        marked = environment | {children.MARK: str(self.data_dir)}
        return Program(name, [sys.executable, "-m", *command], log=log, environment=marked, serves=serves)

    def adopt(self, services: Services) -> None:
        """Takes over supervision of servers already started."""
        for server in services.servers:
            self.parts[server.name] = server
            self.processes[server.name] = services.processes.pop(server.name)
            self.started_at[server.name] = time.monotonic()

    def end_leftovers(self) -> None:
        """Ends what a killed group left running, including a web server on our port."""
        children.reclaim(lambda: children.marked(self.data_dir), STOP)

    def launch(self, *programs: Program) -> None:
        for program in programs:
            self.parts[program.name] = program
            self.processes[program.name] = program.launch()
            self.started_at[program.name] = time.monotonic()

    def wait_until_serving(self, *names: str) -> None:
        """Until these parts serve; raises Trouble with the end of its log for one that ends instead."""
        waiting = [part for name in names if isinstance(part := self.parts[name], Program)]
        deadline = time.monotonic() + START_TIMEOUT
        while waiting:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    part = self.parts[name]
                    raise StartError(f"{name} did not start. Its log is {part.log}:\n{children.last_lines(part.log)}")
            waiting = [part for part in waiting if not part.serves()]
            if waiting and time.monotonic() > deadline:
                late = ", ".join(f"{part.name} (log: {part.log})" for part in waiting)
                raise StartError(f"Not ready after {START_TIMEOUT} seconds: {late}.")
            time.sleep(0.05)

    def watch(self) -> NoReturn:
        """Starts again whatever ends, for as long as nobody stops the group."""
        while True:
            now = time.monotonic()
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    self._after_a_fall(name, process, now)
            time.sleep(0.2)

    def _after_a_fall(self, name: str, process: subprocess.Popen, now: float) -> None:
        falls, again_at = self.falls.get(name, (0, None))
        if again_at is None:
            falls = 1 if now - self.started_at[name] > STEADY else falls + 1
            pause = min(2 ** (falls - 2), MAX_PAUSE) if falls > 1 else 0
            self.falls[name] = (falls, now + pause)
            self.say(
                f"{name} ended ({_how(process.returncode)}); restarting it in {pause:g} s. Log: {self.parts[name].log}"
            )
        elif now >= again_at:
            self.falls[name] = (falls, None)
            self.started_at[name] = now
            try:
                self.processes[name] = self.parts[name].launch()
            except (StartError, OSError) as problem:
                self.say(f"{name} could not be started: {problem}")

    def stop(self) -> None:
        """Workers first, then what they depend on, the servers last."""
        for step in (("beat", "worker", "web"), tuple(self.parts)):
            names = [name for name in step if name in self.processes and isinstance(self.parts[name], Program)]
            self._stop_together(names)
        children.reclaim(lambda: children.marked(self.data_dir), STOP[1:])
        for name in reversed(list(self.processes)):
            children.stop(self.processes.pop(name), self.parts[name].stop_steps)

    def _stop_together(self, names: Sequence[str]) -> None:
        asked, patience = STOP[0]
        for name in names:
            if self.processes[name].poll() is None:
                self.processes[name].send_signal(asked)
        deadline = time.monotonic() + patience
        while any(self.processes[name].poll() is None for name in names) and time.monotonic() < deadline:
            time.sleep(0.02)
        if late := [name for name in names if self.processes[name].poll() is None]:
            self.say(
                f"Still running after {patience} s, killed: {', '.join(late)}. Their work resumes at the next start."
            )
        for name in names:
            children.stop(self.processes.pop(name), STOP[1:])


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_on_signals() -> None:
    """Ctrl-C, SIGTERM and a closed terminal raise Stopped, once: asked twice, the group still ends in order."""

    def stop(*_: object) -> NoReturn:
        ignore_signals()
        raise Stopped

    for each in SIGNALS:
        signal.signal(each, stop)


def ignore_signals() -> None:
    """From now on nothing that is asked of the group interrupts its end."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def check_port(port: int, name: str = "PORT") -> None:
    """Refuses a port that somebody uses, before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise StartError(
                f"{name}: 127.0.0.1:{port} cannot be used ({os.strerror(problem.errno or 0)}). "
                f"Stop the program that listens there, or choose another: {name}={port + 1}"
            ) from None


def answers(url: str) -> Callable[[], bool]:
    """A check for `serves`: something at this address answers with success."""

    def serves() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    return serves
