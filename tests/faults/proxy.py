"""A line to PostgreSQL that breaks at COMMIT: before it arrives, or after it was done and before the answer comes back."""

import contextlib
import random
import socket
import threading

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # as psycopg sends it, a message of its own


class Proxy:
    """Takes lines on a port of its own. Of the COMMITs that pass, `share` are cut, one half before and one half after."""

    def __init__(self, connect, share, seed=1):
        self.connect, self.share, self.chance = connect, share, random.Random(seed)
        self.passed = self.cut_before = self.cut_after = 0
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def cut(self):
        return self.cut_before + self.cut_after

    def close(self):
        self._door.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=[client], daemon=True).start()

    def _fate(self):
        with self._lock:
            self.passed += 1
            if self.chance.random() >= self.share:
                return "pass"
            if self.chance.random() < 0.5:
                self.cut_before += 1
                return "before"
            self.cut_after += 1
            return "after"

    def _join(self, client):
        try:
            server = self.connect()
        except OSError:
            client.close()
            return
        is_muted = threading.Event()
        threading.Thread(target=self._answer, args=[server, client, is_muted], daemon=True).start()
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                fate = self._fate() if data == COMMIT else "pass"
                if fate == "before":
                    break
                if fate == "after":
                    is_muted.set()
                server.sendall(data)
                if fate == "after":
                    return  # whoever waits for the answer closes the line once it has come
        _close(client, server)

    @staticmethod
    def _answer(server, client, is_muted):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if is_muted.is_set():  # the COMMIT went through, and nobody is to hear of it
                    break
                client.sendall(data)
        _close(client, server)


def _close(*lines):
    for line in lines:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()
