"""What both ways in read alike: a report with its answers, and a time of day. What cannot be read is said in words for people."""

from collections.abc import Callable
from datetime import time

from django import forms

from connector.accounts.models import Account
from connector.catalogue import index
from connector.catalogue.options import Option

NO_ACCOUNT = "You have no such account."


def read_report(
    key: str, answer: Callable[[Option], object], account: Account | None
) -> tuple[index.Answered | None, str]:
    """The report of this key with the answers to its questions; or None and, where a key was given, what is wrong with it."""
    if not key:
        return None, ""
    try:
        entry = index.get(key)
    except KeyError as problem:
        return None, problem.args[0]
    return index.answered(entry, answer, account.marketplaces if account else None), ""


def read_time(said: str) -> tuple[time | None, str]:
    """The time of day, None for an empty text; or None and what is wrong with it."""
    try:
        return forms.TimeField(required=False).clean(said), ""
    except forms.ValidationError as problem:
        return None, problem.messages[0]
