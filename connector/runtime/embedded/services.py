"""The embedded servers of one data folder, held by one process."""

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from connector.runtime import keys
from connector.runtime.embedded import children
from connector.runtime.embedded.folder import Hold, socket_folder
from connector.runtime.embedded.identity import current
from connector.runtime.embedded.postgres import Postgres
from connector.runtime.embedded.start_errors import StartError
from connector.runtime.embedded.valkey import Valkey

LOG_SIZE = 10_000_000


def log_file(data_dir: str | Path, name: str) -> Path:
    """The part's log; one older file is kept when it has grown large."""
    log = Path(data_dir) / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_SIZE:
        log.replace(log.with_suffix(".log.1"))
    return log


def left_to_us(data_dir: str | Path, environment: Mapping[str, str] = os.environ) -> "Services":
    """The servers this environment leaves to us: those without a URL."""

    def unset(name: str) -> bool:
        return not (environment.get(name) or environment.get(f"{name}_FILE"))

    return Services(data_dir, database=unset("DATABASE_URL"), broker=unset("BROKER_URL"))


class Services:
    """Embedded servers of one data folder: PostgreSQL where `database` is true, Valkey where `broker` is."""

    def __init__(self, data_dir: str | Path, *, database: bool, broker: bool) -> None:
        self.data_dir = Path(data_dir).resolve()
        self.hold = Hold(self.data_dir)
        self.sockets = socket_folder(self.data_dir)
        self.identity = current()
        wanted: dict[type[Postgres | Valkey], bool] = {Postgres: database, Valkey: broker}
        self.servers: list[Postgres | Valkey] = [
            server(self.data_dir, self.sockets, self.data_dir / "logs" / f"{server.name}.log", self.identity)
            for server, asked in wanted.items()
            if asked
        ]
        self.processes: dict[str, subprocess.Popen] = {}

    def environment(self) -> dict[str, str]:
        """What a process of ours needs to know to use these servers."""
        names = {"postgres": "DATABASE_URL", "valkey": "BROKER_URL"}
        return {names[server.name]: server.url for server in self.servers}

    def start(self, holder: str) -> Self:
        """Starts them all and waits until they answer; raises Held where another process has the folder."""
        if not self.hold.take(holder):
            raise self.hold.refuse()
        try:
            self.identity.check()
            if not (os.environ.get("FIELD_KEYS") or os.environ.get("FIELD_KEYS_FILE")):
                keys.field_keys(self.data_dir)  # before there is a database that one could be missing for
            for server in self.servers:
                server.log = log_file(self.data_dir, server.name)
                self.processes[server.name] = server.launch()
            for server in self.servers:
                self._wait(server)
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self, server: Postgres | Valkey) -> None:
        try:
            server.wait_until_ready(self.processes[server.name])
        except StartError:
            children.stop(self.processes[server.name], server.stop_steps)
            if not server.mend():
                raise
            self.processes[server.name] = server.launch()
            server.wait_until_ready(self.processes[server.name])

    @property
    def are_ours(self) -> bool:
        """Whether we hold the folder; if not, nothing in it is ours to stop."""
        return self.hold.file is not None

    def answer(self) -> bool:
        """Whether all of them answer now."""
        return all(server.answers() for server in self.servers)

    def stop(self) -> None:
        """Ends those that this process has started, the last one first, and gives the folder back."""
        for server in reversed(self.servers):
            if process := self.processes.pop(server.name, None):
                children.stop(process, server.stop_steps)
        with contextlib.suppress(OSError):
            self.sockets.rmdir()  # stays where a server left something in it
        self.hold.give_back()
