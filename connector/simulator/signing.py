"""Opaque strings that carry their own content, so that a restarted simulator still knows what it gave out."""

import base64
import binascii
import hashlib
import hmac
import json


class Signer:
    def __init__(self, seed):
        self._key = hashlib.sha256(f"backhaul simulator {seed}".encode()).digest()

    def seal(self, purpose, content):
        """Base64 with its +, / and = left in: a client that does not encode a query properly is found out."""
        text = json.dumps(content, separators=(",", ":")).encode()
        return base64.b64encode(self._mac(purpose, text)[:12] + text).decode()

    def open(self, purpose, sealed):
        """The content, or None for anything that was not sealed here for that purpose."""
        try:
            raw = base64.b64decode(sealed.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return None
        if not hmac.compare_digest(raw[:12], self._mac(purpose, raw[12:])[:12]):
            return None
        return json.loads(raw[12:])

    def signature(self, text):
        return self._mac("address", text.encode()).hex()

    def _mac(self, purpose, content):
        return hmac.digest(self._key, purpose.encode() + b"\0" + content, "sha256")
