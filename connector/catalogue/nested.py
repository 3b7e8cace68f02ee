"""Makes rows of the records of JSON and XML documents: dotted paths become titles, values become text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from connector.catalogue.shape import Shape


class Number(str):
    """A number in the digits that Amazon wrote."""

    __slots__ = ()


class RecordFlattener:
    """Flattens records of a shape into lists of text in the order of `titles`, which are paths.

    Called with a record, gives (values, others) for each row: `others` are the paths that no title knows, None where
    there are none. The first `most` of such paths are gathered in `unknown`, in the order in which they came.
    """

    def __init__(self, records: Shape, titles: Sequence[str], most: int) -> None:
        self._records, self._most = records, most
        self._places = {title: place for place, title in enumerate(titles)}
        self._width = len(titles)
        self.unknown: dict[str, None] = {}

    def __call__(self, record: Any, head: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str] | None]]:
        if not isinstance(record, dict):
            record = {"": record}
        each = self._records.each
        if not each:
            yield self._row(self._flat(record, "", dict(head)))
            return
        shared = self._flat({name: value for name, value in record.items() if name != each}, "", dict(head))
        members = record.get(each)
        for member in members if isinstance(members, list) else [members]:
            found = dict(shared)
            if member is not None:
                self._put(found, each, member)
            yield self._row(found)

    def _row(self, found: dict[str, str]) -> tuple[list[str], dict[str, str] | None]:
        values = [""] * self._width
        others: dict[str, str] | None = None
        for path, value in found.items():
            place = self._places.get(path)
            if place is not None:
                values[place] = value
            elif value != "":
                others = others or {}
                others[path] = value
                if len(self.unknown) < self._most:
                    self.unknown[path] = None
        return values, others

    def _flat(self, node: Mapping[str, Any], prefix: str, found: dict[str, str]) -> dict[str, str]:
        for name, value in node.items():
            self._put(found, f"{prefix}.{name}" if prefix and name else prefix or name, value)
        return found

    def _put(self, found: dict[str, str], path: str, value: Any) -> None:
        if isinstance(value, str):
            found[path] = value
        elif path in self._records.told_apart and isinstance(value, (dict, list)):
            self._apart(found, path, value if isinstance(value, list) else [value])
        elif isinstance(value, dict):
            self._flat(value, path, found)
        elif isinstance(value, list):
            if path in self._records.joined and all(isinstance(word, str) for word in value):
                found[path] = ",".join(value)
            elif value:
                found[path] = as_json(value)
        elif value is not None:
            found[path] = "true" if value is True else "false"

    def _apart(self, found: dict[str, str], path: str, entries: list) -> None:
        """One column for each kind of entry; a second entry of a kind gets a number, so that none is lost."""
        told_by = self._records.told_apart[path]
        seen: dict[str, int] = {}
        for entry in entries:
            kind = entry.get(told_by) if isinstance(entry, dict) else None
            if not isinstance(kind, str):
                kind, rest = "", entry
            else:
                rest = {name: value for name, value in entry.items() if name != told_by}
            seen[kind] = seen.get(kind, 0) + 1
            number = f" {seen[kind]}" if seen[kind] > 1 else ""
            self._put(found, f"{path}[{kind}{number}]", rest)


def as_json(value: object) -> str:
    """A nested value as compact JSON text, numbers in the digits that Amazon wrote."""
    try:
        return orjson.dumps(value, default=_as_written, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    except TypeError:  # nested more deeply than orjson goes
        return json.dumps(value, ensure_ascii=False)


def _as_written(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(str(value))
    raise TypeError


def at(node: Any, path: str) -> str:
    """The text at a dotted path below the node; empty where there is none."""
    for step in path.split("."):
        node = node.get(step) if isinstance(node, dict) else None
    if node is None:
        return ""
    if isinstance(node, str):
        return node
    return as_json(node)
