"""Valkey for people who have no broker."""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from connector.runtime.embedded import binaries, children
from connector.runtime.embedded.identity import Identity, private_folder
from connector.runtime.embedded.start_errors import StartError

STOP = ((signal.SIGTERM, 10), (signal.SIGKILL, 5))


class Valkey:
    name = "valkey"
    stop_steps = STOP

    def __init__(self, data_dir: str | Path, sockets: str | Path, log: Path, identity: Identity) -> None:
        self.folder = Path(data_dir) / "valkey"
        self.sockets = Path(sockets)
        self.socket = self.sockets / "valkey.sock"
        self.log = log
        self.identity = identity

    @property
    def url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"

    def launch(self) -> subprocess.Popen:
        """Starts the server and returns its process; it may still be reading its journal. Raises Trouble."""
        if not children.reclaim(lambda: children.working_in(self.folder), STOP):
            raise StartError(
                f"An earlier Valkey still runs in {self.folder} and does not stop. Stop it, then start again."
            )
        private_folder(self.folder, self.identity)
        private_folder(self.sockets, self.identity)
        found = binaries.find_valkey()
        program = binaries.within_reach(found, found.parent, self.identity)
        with self.identity.handle_on(self.folder) as (folder, handles):
            settings = {
                "port": "0",
                "unixsocket": str(self.socket),
                "unixsocketperm": "700",
                "dir": folder,
                "appendonly": "yes",
                "appendfsync": "everysec",
                "save": "",
                "maxmemory-policy": "noeviction",
                "daemonize": "no",
                "logfile": "",
            }
            command: list[str | Path] = [program]
            for key, value in settings.items():
                command += [f"--{key}", value]
            return children.spawn(command, log=self.log, identity=self.identity, pass_fds=handles, cwd="/")

    def mend(self) -> bool:
        """Moves an unreadable journal aside: it held only hints, and the database knows the pending work."""
        journal = self.folder / "appendonlydir"
        if not journal.exists():
            return False
        shutil.rmtree(self.folder / "broken-journal", ignore_errors=True)
        journal.rename(self.folder / "broken-journal")
        return True

    def wait_until_ready(self, process: subprocess.Popen) -> None:
        """Until it takes commands; Trouble where it ends instead, or takes longer than a minute."""
        deadline = time.monotonic() + 60
        while not self.answers():
            if process.poll() is not None:
                raise StartError(f"Valkey did not start. Its log is {self.log}:\n{children.last_lines(self.log)}")
            if time.monotonic() > deadline:
                raise StartError(f"Valkey does not answer after a minute. Its log is {self.log}.")
            time.sleep(0.03)

    def answers(self) -> bool:
        """Whether it takes commands; while it reads its journal it says LOADING."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(2)
            line.connect(str(self.socket))
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith(b"+PONG")
        return False
