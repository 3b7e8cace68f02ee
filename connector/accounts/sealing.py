"""Secrets at rest: encrypted with FIELD_KEYS, bound to the row they belong to, never shown.

A stored token reads `sealed:1:<key id>:<base64 of nonce and ciphertext>`. The table, the column and the row's primary
key are authenticated with it (AES-256-GCM), so a token copied to another row does not open there.
"""

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from connector.runtime.env import Misconfigured

PREFIX = "sealed:1:"
NONCE_BYTES = 12
MAKE_A_KEY = 'python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'


class CannotOpen(Exception):
    """A stored secret that this installation cannot read; it stays as it is until the right key is back."""


class Key:
    """One entry of FIELD_KEYS; its id is a fingerprint, so that tokens can say which key they need."""

    def __init__(self, raw):
        self.id = hashlib.sha256(b"field key id:" + raw).hexdigest()[:8]
        self.cipher = AESGCM(raw)


def read_keys(words):
    """The keys of FIELD_KEYS, newest first."""
    if not words:
        raise Misconfigured("FIELD_KEYS", f"no key is given. Make one with: {MAKE_A_KEY}")
    return tuple(Key(_raw(word, place)) for place, word in enumerate(words, start=1))


def _raw(word, place):
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


_read = {}


def keys():
    words = tuple(settings.FIELD_KEYS)
    if words not in _read:
        _read.clear()
        _read[words] = read_keys(words)
    return _read[words]


def seal(plain, place):
    """Encrypts with the newest key, for this place (table, column, row) only."""
    newest = keys()[0]
    nonce = os.urandom(NONCE_BYTES)
    body = nonce + newest.cipher.encrypt(nonce, plain.encode(), _bound(place))
    return f"{PREFIX}{newest.id}:{base64.urlsafe_b64encode(body).decode()}"


def unseal(token, place):
    """The plain text of a token that was sealed for this very place."""
    table, column, row = place
    where = f"{column} of {table} {row}"
    if not token.startswith(PREFIX):
        raise CannotOpen(f"The {where} is not a sealed secret. It was changed outside of this program; enter it again.")
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


def needs_resealing(token):
    """Sealed with another key than the newest."""
    return bool(token) and not token.startswith(f"{PREFIX}{keys()[0].id}:")


def _bound(place):
    return "\x00".join(str(part) for part in place).encode()


class Sealed:
    """A secret as the database keeps it."""

    __slots__ = ("token",)

    def __init__(self, token):
        self.token = token

    def __repr__(self):
        return "••••"


class Fresh:
    """A secret that was just assigned and is not stored yet; wrapped, so that no dump of the row's values shows it."""

    __slots__ = ("plain",)

    def __init__(self, plain):
        self.plain = plain

    def __repr__(self):
        return "••••"


class SealedAttribute(DeferredAttribute):
    """Reading gives the plain text, opened anew each time; nothing else on the row does."""

    def __get__(self, instance, cls=None):
        held = super().__get__(instance, cls)
        if instance is None:
            return held
        if isinstance(held, Fresh):
            return held.plain
        if isinstance(held, Sealed):
            return unseal(held.token, self.field.place(instance))
        return held

    def __set__(self, instance, value):
        instance.__dict__[self.field.attname] = Fresh(value) if isinstance(value, str) and value else value


class SealedField(models.TextField):
    """Text that is stored encrypted. Written through its row only: set the attribute and save."""

    descriptor_class = SealedAttribute

    def __init__(self, *args, **kwargs):
        kwargs["editable"] = False  # no form of any kind offers or shows it
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs

    def place(self, instance):
        if instance.pk is None:
            raise TypeError(f"{self.column} is bound to its row's primary key, which must exist before it is sealed.")
        return (self.model._meta.db_table, self.column, instance.pk)

    def from_db_value(self, value, expression, connection):
        return Sealed(value) if value else value

    def pre_save(self, instance, add):
        held = instance.__dict__.get(self.attname)
        if isinstance(held, Fresh):
            held = Sealed(seal(held.plain, self.place(instance)))
            instance.__dict__[self.attname] = held
        return held

    def get_prep_value(self, value):
        if isinstance(value, Sealed):
            return value.token
        if not value:
            return value
        raise TypeError(f"{self.name} is sealed: set it on its row and save, it cannot be searched or updated in bulk.")

    def value_from_object(self, instance):
        held = instance.__dict__.get(self.attname)
        return "••••" if held else ""

    def value_to_string(self, instance):
        return ""  # serialised rows carry no secrets, not even sealed ones


def tail(row, field):
    """The little of a secret that a page may show, to tell one from another; or why it cannot be read."""
    try:
        plain = getattr(row, field)
    except CannotOpen as problem:
        return str(problem)
    return f"••••{plain[-4:]}" if len(plain) >= 12 else "••••"
