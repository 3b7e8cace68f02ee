"""Flattens nested JSON: each field says its column, where its value is, and how that value is written into a row.

Nothing is lost on the way: what Amazon adds one day, and no field knows yet, is gathered under its path.
"""

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from connector.catalogue.report import Column

_NESTED = (dict, list)


def as_text(value):
    """A nested value as compact JSON text; None stays None."""
    return None if value is None else orjson.dumps(value).decode()


def joined(values):
    """Plain words in one text, separated by commas; None when there are none."""
    if not isinstance(values, list):
        return None if values is None else as_text(values)
    return ",".join(value if isinstance(value, str) else as_text(value) for value in values) or None


def objects(values):
    """The objects among the values, whatever else Amazon may send in their place."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def words(values):
    return {value for value in values if isinstance(value, str)} if isinstance(values, list) else set()


@dataclass(frozen=True)
class Field:
    """One column, or several that `take` fills from one value. `path` is dotted; `personal` values tell of the buyer."""

    columns: tuple[Column, ...]
    path: str
    take: Callable | None = None

    @property
    def personal(self):
        return self.columns[0].personal


def plain(name, path, type="text", *, personal=False):
    return Field((Column(name, type, "", path, personal),), path)


def nested(name, path, *, personal=False, take=as_text):
    """A list or an object in one text column."""
    return Field((Column(name, "text", "", path, personal),), path, take)


def flag(name, path, take, *, personal=False):
    """True or false, as `take` finds it in the value."""
    return Field((Column(name, "boolean", "", path, personal),), path, take)


def money(name, path):
    """Amazon's {"amount": "12.30", "currencyCode": "EUR"} as <name>_amount and <name>_currency."""
    columns = (
        Column(f"{name}_amount", "numeric", "", f"{path}.amount"),
        Column(f"{name}_currency", "text", "", f"{path}.currencyCode"),
    )
    return Field(columns, path, amount_and_currency)


def amount_and_currency(value):
    return (value.get("amount"), value.get("currencyCode")) if isinstance(value, dict) else (None, None)


def several(columns, path, take, *, personal=False):
    """Columns that one function fills from one value; each is (name, type)."""
    return Field(tuple(Column(name, type, "", path, personal) for name, type in columns), path, take)


def columns_of(*fields):
    return tuple(column for field in fields for column in field.columns)


class Flattener:
    """Makes a list of values out of one object, in the order of the fields' columns.

    Without `with_personal`, personal columns stay empty even where Amazon sends them.
    """

    def __init__(self, fields, *, with_personal=False):
        self.columns = columns_of(*fields)
        self._groups = []  # neighbours with one parent share its look-up
        known, seen = {}, set()
        for field in fields:
            *parents, leaf = field.path.split(".")
            steps = tuple(parents)
            is_hidden = field.personal and not with_personal
            take = _blank(field) if is_hidden else field.take
            entry = (leaf, take, field.columns[0].type == "text", len(field.columns))
            if self._groups and self._groups[-1][0] == steps:
                self._groups[-1][1].append(entry)
            else:
                self._groups.append((steps, [entry]))
            for depth, step in enumerate((*parents, leaf)):
                known.setdefault(steps[:depth], set()).add(step)
                if not is_hidden:
                    seen.add(steps[:depth])
        self._known = [(path, frozenset(names)) for path, names in known.items() if path in seen]

    def __call__(self, thing):
        row = []
        for steps, entries in self._groups:
            node = thing
            for step in steps:
                node = node.get(step) if isinstance(node, dict) else None
            get = node.get if isinstance(node, dict) else _nothing
            for leaf, take, is_text, width in entries:
                value = get(leaf)
                if width > 1:
                    row.extend([as_text(part) if isinstance(part, _NESTED) else part for part in take(value)])
                    continue
                if take:
                    value = take(value)
                if isinstance(value, _NESTED) or (is_text and isinstance(value, bool)):
                    value = as_text(value)  # not what the model says, but kept
                row.append(value)
        return row

    def others(self, thing):
        """{path: value} of all that no field knows, as JSON text; None when everything has its column."""
        found = {}
        for path, names in self._known:
            node = thing
            for step in path:
                node = node.get(step) if isinstance(node, dict) else None
            if isinstance(node, dict):
                if not node.keys() <= names:
                    for name in sorted(node.keys() - names):
                        found[".".join((*path, name))] = node[name]
            elif node is not None and path:
                found[".".join(path)] = node  # an object became something else
        return as_text(found) if found else None


def _nothing(leaf):
    return None


def _blank(field):
    empty = None if len(field.columns) == 1 else (None,) * len(field.columns)
    return lambda value: empty
