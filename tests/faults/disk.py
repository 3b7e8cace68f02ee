"""A PostgreSQL of a test's own, with its journal on a small disk of its own: it may be filled, and the server killed, at will."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from connector.runtime.embedded import children
from connector.runtime.embedded.identity import current
from connector.runtime.embedded.postgres import NAME, Postgres

JOURNAL = "160m"  # the disk: nine segments
SEGMENT = 16 << 20


class Server:
    """Set up as the embedded one of an installation; `close` leaves nothing behind."""

    def __init__(self):
        identity = current()
        self.home = Path(tempfile.mkdtemp(prefix="backhaul-disk-"))
        identity.give(self.home)
        self.disk, self.ballast = self.home / "journal", self.home / "journal" / "ballast"
        self.log = self.home / "postgres.log"
        self.postgres = Postgres(self.home, self.home / "sockets", self.log, identity)
        try:
            self.start()
            children.stop(self.process, self.postgres.stop_steps)
            self._mount(identity)
            self.start()
        except BaseException:
            self.close()
            raise

    def _mount(self, identity):
        """Moves the journal to a disk of its own."""
        self.disk.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={JOURNAL}", "tmpfs", self.disk], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"a disk of the journal's own may not be mounted here: {done.stderr.strip()}")
        identity.give(self.disk)
        inside = self.postgres.folder / "pg_wal"
        shutil.copytree(inside, self.disk / "pg_wal")
        shutil.rmtree(inside)
        inside.symlink_to(self.disk / "pg_wal")
        for path in (self.disk / "pg_wal", *(self.disk / "pg_wal").rglob("*")):
            identity.give(path)
            path.chmod(0o700 if path.is_dir() else 0o600)

    def start(self):
        self.process = self.postgres.launch()
        self.postgres.wait_until_ready(self.process)

    def is_down(self):
        return self.process.poll() is not None

    def kill(self):
        """As if the machine's power had gone for PostgreSQL: the server and all that serves a connection, at once."""
        while found := children.working_in(self.postgres.folder):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        self.process.wait(10)

    def connect(self):
        return psycopg.connect(host=str(self.postgres.sockets), dbname=NAME, user=NAME, autocommit=True)

    def fill(self):
        """Not a byte more goes onto the journal's disk."""
        with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 20)):
                pass

    def make_room(self):
        self.ballast.unlink()

    def run_short(self, room):
        """The journal goes on until so many bytes are left of its last segment, behind which there is no room for another."""
        with self.connect() as link:
            last = "SELECT max(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"
            while link.execute(f"SELECT pg_walfile_name(pg_current_wal_insert_lsn()) < ({last})").fetchone()[0]:
                self._write(link, SEGMENT // 4)
            [(used,)] = link.execute(f"SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint % {SEGMENT}")
            self._write(link, SEGMENT - used - room)

    @staticmethod
    def _write(link, size):
        if size > 0:
            link.execute("SELECT pg_logical_emit_message(false, 'filler', repeat('x', %s))", [size])

    def close(self):
        with suppress(AttributeError):
            children.stop(self.process, self.postgres.stop_steps)
        if self.disk.is_mount():
            subprocess.run(["umount", self.disk], check=True)
        shutil.rmtree(self.home, ignore_errors=True)
