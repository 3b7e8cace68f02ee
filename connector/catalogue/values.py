"""Converts a single value of Amazon's JSON for a column. Values that do not match Amazon's models are kept as JSON
text."""

from typing import Any

import orjson


def as_text(value: object) -> str | None:
    """A nested value as compact JSON text; None stays None."""
    return None if value is None else orjson.dumps(value).decode()


def joined(values: object) -> str | None:
    """Plain words in one text, separated by commas; None when there are none."""
    if not isinstance(values, list):
        return None if values is None else as_text(values)
    told = [value if isinstance(value, str) else as_text(value) for value in values]
    return ",".join(word for word in told if word is not None) or None


def text_only(value: object) -> str | None:
    """Text, or nothing: a key is text, or its row has none."""
    return value if isinstance(value, str) else None


def amount_and_currency(value: object) -> tuple[Any, Any]:
    """Of Amazon's {"amount": "12.30", "currencyCode": "EUR"}."""
    return (value.get("amount"), value.get("currencyCode")) if isinstance(value, dict) else (None, None)


def objects(values: object) -> list[dict]:
    """The objects among the values, whatever else Amazon may send in their place."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def words(values: object) -> set[str]:
    """The different texts among the values."""
    return {value for value in values if isinstance(value, str)} if isinstance(values, list) else set()
