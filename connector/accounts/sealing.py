"""Secrets at rest: encrypted with FIELD_KEYS, bound to their row, never shown.

A stored token reads `sealed:1:<key id>:<base64 of nonce and ciphertext>`. The table, the column and the row's primary
key are authenticated with it (AES-256-GCM), so a token copied to another row does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from connector.runtime.env import Misconfigured

PREFIX = "sealed:1:"
NONCE_BYTES = 12
MAKE_A_KEY = 'python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'


@dataclass(frozen=True, slots=True)
class Location:
    """What a secret is bound to: it opens in this table, column and row (by its primary key) and nowhere else."""

    table: str
    column: str
    row: object


class CannotOpen(Exception):
    """A stored secret that this installation cannot read; it stays as it is until the right key is back."""


class Key:
    """One entry of FIELD_KEYS; its id is a fingerprint, so that tokens can say which key they need."""

    def __init__(self, raw: bytes) -> None:
        self.id = hashlib.sha256(b"field key id:" + raw).hexdigest()[:8]
        self.cipher = AESGCM(raw)


def read_keys(words: Sequence[str]) -> tuple[Key, ...]:
    """The keys of FIELD_KEYS, newest first."""
    if not words:
        raise Misconfigured("FIELD_KEYS", f"no key is given. Make one with: {MAKE_A_KEY}")
    return tuple(Key(_raw(word, place)) for place, word in enumerate(words, start=1))


def _raw(word: str, place: int) -> bytes:
    try:
        raw = base64.b64decode(word.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured(
            "FIELD_KEYS", f"key {place} of the list is not URL-safe base64. Make one with: {MAKE_A_KEY}"
        ) from None
    if len(raw) != 32:
        raise Misconfigured(
            "FIELD_KEYS", f"key {place} of the list has {len(raw)} bytes instead of 32. Make one with: {MAKE_A_KEY}"
        )
    return raw


_read: dict[tuple[str, ...], tuple[Key, ...]] = {}


def keys() -> tuple[Key, ...]:
    """The keys of FIELD_KEYS, newest first, read once. Raises Misconfigured."""
    words = tuple(settings.FIELD_KEYS)
    if words not in _read:
        _read.clear()
        _read[words] = read_keys(words)
    return _read[words]


def seal(plain: str, place: Location) -> str:
    """Encrypts with the newest key, for this place only."""
    newest = keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    body = nonce + newest.cipher.encrypt(nonce, plain.encode(), _bound(place))
    return f"{PREFIX}{newest.id}:{base64.urlsafe_b64encode(body).decode()}"


def unseal(token: str, place: Location) -> str:
    """The plain text of a token that was sealed for this exact place. Raises CannotOpen where its key is not there,
    or it was altered."""
    where = f"{place.column} of {place.table} {place.row}"
    if not token.startswith(PREFIX):
        raise CannotOpen(f"The {where} is not a sealed secret. It was changed outside this program; enter it again.")
    key_id, _, body = token.removeprefix(PREFIX).partition(":")
    candidates = [key for key in keys() if key.id == key_id]
    if not candidates:
        raise CannotOpen(
            f"The {where} was sealed with the key {key_id}, which FIELD_KEYS does not hold. "
            "Nothing was changed. Add that key to the end of FIELD_KEYS again and restart."
        )
    try:
        raw = base64.urlsafe_b64decode(body)
        return candidates[0].cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(place)).decode()
    except (InvalidTag, ValueError):
        raise CannotOpen(
            f"The {where} does not belong to this row, or was altered. Nothing was changed; enter the secret again."
        ) from None


def needs_resealing(token: str) -> bool:
    """Sealed with another key than the newest."""
    return bool(token) and not token.startswith(f"{PREFIX}{keys()[0].id}:")


def _bound(place: Location) -> bytes:
    return f"{place.table}\x00{place.column}\x00{place.row}".encode()


class Sealed:
    """A secret as the database keeps it."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return "••••"


class Fresh:
    """A secret that was just assigned and is not stored yet; wrapped, so that no dump of the row's values shows it."""

    __slots__ = ("plain",)

    def __init__(self, plain: str) -> None:
        self.plain = plain

    def __repr__(self) -> str:
        return "••••"


class SealedAttribute(DeferredAttribute):
    """Reading gives the plain text, opened again each time; nothing else on the row does."""

    field: SealedField

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        held = super().__get__(instance, cls)
        if instance is None:
            return held
        if isinstance(held, Fresh):
            return held.plain
        if isinstance(held, Sealed):
            return unseal(held.token, self.field.place(instance))
        return held

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = Fresh(value) if isinstance(value, str) and value else value


class SealedField(models.TextField):
    """Text that is stored encrypted. Written through its row only: set the attribute and save."""

    descriptor_class = SealedAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False  # no form of any kind offers or shows it
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs

    def place(self, instance: models.Model) -> Location:
        """What the field's secret in this row is bound to; TypeError before the row has its primary key."""
        if instance.pk is None:
            raise TypeError(f"{self.column} is bound to its row's primary key, which must exist before it is sealed.")
        return Location(self.model._meta.db_table, str(self.column), instance.pk)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Sealed | str | None:
        return Sealed(value) if value else value

    def pre_save(self, instance: models.Model, add: bool) -> Any:
        held = instance.__dict__.get(self.attname)
        if isinstance(held, Fresh):
            held = Sealed(seal(held.plain, self.place(instance)))
            instance.__dict__[self.attname] = held
        return held

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sealed):
            return value.token
        if not value:
            return value
        raise TypeError(f"{self.name} is sealed: set it on its row and save, it cannot be searched or updated in bulk.")

    def value_from_object(self, instance: models.Model) -> Any:
        held = instance.__dict__.get(self.attname)
        return "••••" if held else ""

    def value_to_string(self, instance: models.Model) -> str:
        return ""  # serialised rows carry no secrets, not even sealed ones


def tail(row: models.Model, field: str) -> str:
    """The last characters of a secret, to tell secrets apart on a page; or why it cannot be read."""
    try:
        plain = getattr(row, field)
    except CannotOpen as problem:
        return str(problem)
    return f"••••{plain[-4:]}" if len(plain) >= 12 else "••••"
