"""The installation's own keys, made once and kept beside its data where nobody set any."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from connector.runtime.env import Misconfigured

LENGTH = 32


def secret_key(data_dir: str | Path) -> str:
    """Django's SECRET_KEY: signs sessions; a new one logs everybody out and does no more."""
    return _kept(Path(data_dir) / "secret_key", lambda: secrets.token_urlsafe(64))


def field_keys(data_dir: str | Path) -> list[str]:
    """FIELD_KEYS: what account secrets are sealed with. Never created again beside data that an older key sealed:
    Misconfigured."""
    path = Path(data_dir) / "field_keys"
    if not path.exists() and (Path(data_dir) / "postgres").exists():
        raise Misconfigured(
            "FIELD_KEYS",
            f"{path} is missing, but the database beside it was sealed with it. Put the file back from your backup, or set "
            "FIELD_KEYS to the keys that were used. With new keys every account would have to be connected again: "
            f"if that is what you want, write one into {path} (python -c 'from connector.runtime.keys import new; print(new())').",
        )
    return [word.strip() for word in _kept(path, new).split(",") if word.strip()]


def new() -> str:
    """A fresh key for FIELD_KEYS."""
    return base64.urlsafe_b64encode(os.urandom(LENGTH)).decode()


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The file's content; made once even if two processes begin at the same moment."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise Misconfigured(
            "DATA_DIR", f"cannot read {path} ({problem.strerror}). Start as the user it belongs to."
        ) from None
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(make() + "\n")
        try:
            os.link(aside, path)  # the first one wins
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    except OSError as problem:
        raise Misconfigured(
            "DATA_DIR", f"cannot write to {path.parent} ({problem.strerror}). Set it to a folder of yours."
        ) from None
    return path.read_text().strip()
