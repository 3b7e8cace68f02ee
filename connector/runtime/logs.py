"""Keeps secrets out of the logs: by the shape that Amazon's and our own keys have, and by the name of the field they stand in."""

import logging
import re

HIDDEN = "[hidden]"
FIELDS = (
    "access_token|refresh_token|client_secret|lwa_client_secret|restrictedDataToken|spapi_oauth_code|password|"
    "secret_key|field_keys|csrfmiddlewaretoken|sessionid|authorization|x-amz-access-token|"
    "x-amz-signature|x-amz-credential|x-amz-security-token|signature"
)
RULES = (
    (re.compile(r"Atz[ar]\|[^\s\"'&,;]+"), HIDDEN),  # Amazon's refresh and access tokens
    (re.compile(r"amzn1\.oa2-cs\.v1\.[^\s\"'&,;]+"), HIDDEN),  # Login with Amazon's client secrets
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/|=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),  # a password within a URL
    (re.compile(rf"(?i)([\"']?\b(?:{FIELDS})\b[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'&,;}})]+)"), rf"\1{HIDDEN}"),
    (re.compile(r"([?&](?:code|state)=)[^\s&\"']+"), rf"\1{HIDDEN}"),  # a return from a consent page
    (re.compile(r"(/(?:login|first-admin)/)[^\s/?\"']{20,}"), rf"\1{HIDDEN}"),  # one-time links
)


def discreet(text: str) -> str:
    """The text with secrets removed."""
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text


class Discreet(logging.Formatter):
    """Works on the finished line, so that exceptions and their traces are covered as well."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.replace("\r", "\\r").replace(
            "\n", "\\n"
        )  # so that one record cannot look like two
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return discreet(super().format(record))
