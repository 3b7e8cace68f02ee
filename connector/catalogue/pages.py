"""Makes rows of the pages of an operation: values stay as JSON has them, and what no column knows is gathered by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from connector.catalogue.shape import Field, Shape
from connector.catalogue.values import as_text, objects

_NESTED = (dict, list)


def rows_of(shape: Shape, *, with_personal: bool = False) -> Callable[[dict | list], Iterable[tuple]]:
    """A reader of pages: tuples in the order of the shape's columns, as a generator for each page.

    Without `with_personal`, personal columns stay empty even where Amazon sends them. A page that is a list itself is
    taken for the list of records: so Amazon's own example of an operation may have it where its model wraps it.
    ValueError where the shape says what only documents have.
    """
    if shape.told_apart or shape.head or shape.proof:
        raise ValueError("Pages have no values outside of their records, and no entries that are told apart.")
    of_record, of_member = _levels(shape)
    records = _records_at(shape.path.split("."))
    if not shape.each:
        return _row_a_record(records, Flattener(of_record, with_personal=with_personal), shape.rest is not None)
    if shape.rest is None:
        raise ValueError(
            f"Members of {shape.each} that are no objects need a column for what no other holds: * as NAME."
        )
    head, row = (Flattener(fields, with_personal=with_personal) for fields in (of_record, of_member))
    return _row_a_member(records, head, shape.each, row)


def _levels(shape: Shape) -> tuple[list[Field], list[Field]]:
    """(fields of the record, fields of the member with paths from there), which is the order of the rows."""
    inside = shape.each + "."
    of_member = [field for field in shape.fields if shape.each and field.path.startswith(inside)]
    of_record = [field for field in shape.fields if field not in of_member]
    if (*of_record, *of_member) != shape.fields:
        raise ValueError(f"The columns of a page's record stand before those of its {shape.each}.")
    return of_record, [replace(field, path=field.path.removeprefix(inside)) for field in of_member]


def _records_at(steps: list[str]) -> Callable[[Any], list[dict]]:
    def records(page: Any) -> list[dict]:
        node = page
        if not isinstance(page, list):
            for step in steps:
                node = node.get(step) if isinstance(node, dict) else None
        return objects(node)

    return records


def _row_a_record(
    records: Callable[[Any], list[dict]], flat: Flattener, has_rest: bool
) -> Callable[[Any], Iterator[tuple]]:
    def rows(page: Any) -> Iterator[tuple]:
        for record in records(page):
            yield (*flat(record), flat.others(record)) if has_rest else tuple(flat(record))

    return rows


def _row_a_member(
    records: Callable[[Any], list[dict]], head: Flattener, each: str, flat: Flattener
) -> Callable[[Any], Iterator[tuple]]:
    *parents, leaf = each.split(".")

    def rows(page: Any) -> Iterator[tuple]:
        for record in records(page):
            start = head(record)
            node: Any = record
            for step in parents:
                node = node.get(step) if isinstance(node, dict) else None
            members = node.get(leaf) if isinstance(node, dict) else None
            for member in members if isinstance(members, list) else [members] if members is not None else ():
                if isinstance(member, dict):
                    yield (*start, *flat(member), flat.others(member))
                else:  # not what the model says, but kept
                    yield (*start, *flat({}), as_text({each: member}))

    return rows


class Flattener:
    """Makes a list of values out of one object, in the order of the fields' columns."""

    def __init__(self, fields: Iterable[Field], *, with_personal: bool = False) -> None:
        self._groups: list[tuple[tuple[str, ...], list[tuple]]] = []  # neighbours with one parent share its look-up
        known: dict[tuple[str, ...], set[str]] = {}
        seen: set[tuple[str, ...]] = set()
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

    def __call__(self, thing: dict) -> list:
        row: list = []
        for steps, entries in self._groups:
            node: Any = thing
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

    def others(self, thing: dict) -> str | None:
        """{path: value} of all that no field knows, as JSON text; None when everything has its column."""
        found: dict[str, object] = {}
        for path, names in self._known:
            node: Any = thing
            for step in path:
                node = node.get(step) if isinstance(node, dict) else None
            if isinstance(node, dict):
                if not node.keys() <= names:
                    for name in sorted(node.keys() - names):
                        found[".".join((*path, name))] = node[name]
            elif node is not None and path:
                found[".".join(path)] = node  # an object became something else
        return as_text(found) if found else None


def _nothing(leaf: str) -> None:
    return None


def _blank(field: Field) -> Callable[[object], tuple[None, ...] | None]:
    empty = None if len(field.columns) == 1 else (None,) * len(field.columns)
    return lambda value: empty
