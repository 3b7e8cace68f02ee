"""PostgreSQL for people who have none: made, started, watched and stopped."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from connector.runtime.embedded import binaries, children
from connector.runtime.embedded.binaries import Postgres as Server
from connector.runtime.embedded.identity import Identity, private_folder
from connector.runtime.embedded.start_errors import StartError

NAME = "backhaul"  # of the database and of its owner
RECOVERY = 300  # seconds that a start may take: after a crash the journal is read again
STOP = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 5))  # fast, immediate, none too gentle
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "128MB",
    "max_connections": "200",
    "random_page_cost": "1.1",
    "jit": "off",  # our queries are short; compiling them takes longer than running them
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_error_statement": "panic",  # a statement, and what an error adds to it, can hold rows
    "log_error_verbosity": "terse",
}


class Postgres:
    name = "postgres"
    stop_steps = STOP

    def __init__(self, data_dir: str | Path, sockets: str | Path, log: Path, identity: Identity) -> None:
        self.folder = Path(data_dir) / "postgres"
        self.sockets = Path(sockets)
        self.log = log
        self.identity = identity
        self.server: Server | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(self.sockets), safe='')}"

    def launch(self) -> subprocess.Popen:
        """Starts the server and returns its process; it may still be reading its journal. Raises Trouble."""
        self._check_owner()
        server = self.server = self.server or self._find()
        self._end_leftovers()
        if not (self.folder / "PG_VERSION").exists():
            self._make(server)
        private_folder(self.sockets, self.identity)
        settings = SETTINGS | {"unix_socket_directories": str(self.sockets)}
        with self.identity.handle_on(self.folder) as (folder, handles):
            command = [self._program(server, "postgres"), "-D", folder]
            for key, value in settings.items():
                command += ["-c", f"{key}={value}"]
            return children.spawn(
                command, log=self.log, last_word=signal.SIGINT, identity=self.identity, pass_fds=handles, cwd="/"
            )

    def wait_until_ready(self, process: subprocess.Popen) -> None:
        """Until it answers and our database is there; Trouble where it ends instead, or takes longer than five
        minutes."""
        deadline = time.monotonic() + RECOVERY
        while True:
            if process.poll() is not None:
                raise StartError(f"PostgreSQL did not start. Its log is {self.log}:\n{children.last_lines(self.log)}")
            with contextlib.suppress(psycopg.OperationalError), self._connect("postgres") as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
                return
            if time.monotonic() > deadline:
                raise StartError(f"PostgreSQL does not answer after {RECOVERY} seconds. Its log is {self.log}.")
            time.sleep(0.03)

    def mend(self) -> bool:
        """Nothing is tried on data that PostgreSQL itself cannot bring back."""
        return False

    def answers(self) -> bool:
        """Whether our database takes a connection now."""
        try:
            with self._connect(NAME):
                return True
        except psycopg.OperationalError:
            return False

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(host=str(self.sockets), dbname=database, user=NAME, connect_timeout=5, autocommit=True)

    def _check_owner(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            owner = self.folder.stat().st_uid
            if owner != self.identity.uid:
                raise StartError(
                    f"{self.folder} belongs to user {owner}, and its PostgreSQL must run as that user; "
                    f"here it would run as {self.identity.uid}. Start as the user who started it first, or choose "
                    "another DATA_DIR."
                )

    def _find(self) -> Server:
        """The server that fits the data: another major version cannot read it."""
        made_by = None
        with contextlib.suppress(OSError, ValueError):
            made_by = int((self.folder / "PG_VERSION").read_text())
        try:
            return binaries.find_postgres(made_by)
        except LookupError as found:
            raise StartError(
                f"{self.folder} was made by PostgreSQL {made_by}, and another major version cannot read it; found: {found}. "
                f"Install PostgreSQL {made_by}, or dump the data with it and restore it into a new folder, "
                "or choose another DATA_DIR to start from scratch."
            ) from None

    def _program(self, server: Server, name: str) -> Path:
        return binaries.within_reach(server.bin / "postgres", server.root, self.identity).with_name(name)

    def _make(self, server: Server) -> None:
        """Makes the data folder aside and renames it, so that a killed start leaves no half of one."""
        aside = self.folder.with_name("postgres.new")
        shutil.rmtree(aside, ignore_errors=True)
        private_folder(aside, self.identity)
        locale = ["--locale=C"]
        if server.major >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        with self.identity.handle_on(aside) as (folder, handles):
            done = subprocess.run(
                [self._program(server, "initdb"), "-D", folder, "-U", NAME, "-A", "trust", "-E", "UTF8", *locale],
                capture_output=True,
                text=True,
                cwd="/",
                pass_fds=handles,
                **self.identity.popen_arguments(),
            )
        if done.returncode:
            raise StartError(f"PostgreSQL could not make its data folder {self.folder}:\n{done.stderr.strip()[-2000:]}")
        os.rename(aside, self.folder)

    def _end_leftovers(self) -> None:
        """A killed start may have left its server running, or only its lock file."""
        if not children.reclaim(lambda: children.working_in(self.folder), STOP):
            raise StartError(
                f"An earlier PostgreSQL still runs in {self.folder} and does not stop. Stop it, then start again."
            )
        for paper in (self.folder / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            _discard(paper)


def _discard(paper: Path) -> None:
    """A lock file whose process is gone: PostgreSQL would not start for a zombie, nor for a stranger who got the number."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(paper.read_text().splitlines()[0])
        deadline = time.monotonic() + 60
        while not (children.SEES_ALL or children.is_gone(pid)) and time.monotonic() < deadline:
            time.sleep(0.1)  # where we cannot look at what works in the folder, all that is left is to wait
        if children.SEES_ALL or children.is_gone(pid):
            paper.unlink()
