"""Reads the environment: each variable once, each also as NAME_FILE, each wrong value with how to fix it."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class Misconfigured(SystemExit):
    """A variable that keeps the program from starting; its message says which one and how to fix it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


def text(name: str, default: str = "") -> str:
    """The variable's value, or the content of the file that NAME_FILE names, without its last newline.
    Misconfigured where that file cannot be read."""
    path = os.environ.get(f"{name}_FILE", "")
    if path:
        try:
            return Path(path).read_text().rstrip("\n")
        except OSError as problem:
            raise Misconfigured(
                f"{name}_FILE", f"cannot read {path}: {problem.strerror}. Point it at a readable file or unset it."
            ) from None
    return os.environ.get(name, "") or default


def flag(name: str, default: bool) -> bool:
    """True or False, in any of the usual words; Misconfigured for another one."""
    value = text(name, "").strip().lower()
    if not value:
        return default
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    raise Misconfigured(name, f"'{value}' is not a boolean. Set it to true or false.")


def number(name: str, default: float, *, least: float) -> float:
    """A number that is at least `least`; Misconfigured for anything else."""
    value = text(name, "")
    if not value:
        return default
    try:
        found = float(value)
    except ValueError:
        raise Misconfigured(name, f"'{value}' is not a number. Set it to a number of at least {least}.") from None
    if not found >= least:
        raise Misconfigured(name, f"{value} is too small. Set it to a number of at least {least}.")
    return found


def whole(name: str, default: int, *, least: int, most: int) -> int:
    """A whole number from `least` to `most`; Misconfigured for anything else."""
    value = text(name, "").strip()
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise Misconfigured(name, f"'{value}' is not a whole number from {least} to {most}. Set it to one.")
    return int(value)


def words(name: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def url(name: str, default: str, *, schemes: Collection[str]) -> str:
    """An absolute URL with one of the given schemes, without a trailing slash; empty where nothing is set.
    Misconfigured for anything else."""
    value = text(name, default)
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in schemes or not (parts.netloc or parts.path.startswith("/")):
        raise Misconfigured(
            name,
            f"'{parts.scheme}://…' is not a URL this can use. It must begin with {' or '.join(s + '://' for s in schemes)}.",
        )
    return value.rstrip("/")


def origin(name: str, default: str) -> str:
    """Scheme, host and port of a site, as browsers send it: no path, no trailing slash. Misconfigured for anything
    else."""
    value = url(name, default, schemes=("http", "https"))
    parts = urlsplit(value)
    try:
        parts.port  # noqa: B018 (raises on what is no port)
    except ValueError:
        raise Misconfigured(name, "its port is not a number up to 65535.") from None
    if not parts.hostname or parts.path or parts.query or parts.fragment or parts.username:
        raise Misconfigured(name, "it must be a scheme and a host without a path, like https://data.example.com.")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def one_of(name: str, default: str, choices: Collection[str]) -> str:
    """One of the choices, in capitals; Misconfigured for another word."""
    value = text(name, default).strip().upper()
    if value not in choices:
        raise Misconfigured(name, f"'{value}' is not known. Set it to one of {', '.join(choices)}.")
    return value


def database(name: str, value: str) -> dict[str, Any]:
    """Django's DATABASES entry for a postgresql:// URL; Misconfigured for another one."""
    parts = urlsplit(value)
    if parts.scheme not in ("postgres", "postgresql") or not parts.path.strip("/"):
        raise Misconfigured(
            name, "not a PostgreSQL URL. It must look like postgresql://user:password@host:5432/database."
        )
    options = {}
    for pair in filter(None, parts.query.split("&")):
        key, _, item = pair.partition("=")
        options[key] = unquote(item)
    return {
        "ENGINE": "connector.database",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }
