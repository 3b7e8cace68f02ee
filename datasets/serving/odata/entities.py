"""Rows as OData writes them: the key in front, and as much control information as the format has.

Whole numbers and decimals become text already in the database where the format says IEEE754Compatible.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from datasets.serving.odata.formats import ODataFormat
from datasets.serving.odata.metadata import NAMESPACE, ROW_ID, edm_type

DERIVED = ("Edm.String", "Edm.Boolean")  # types that a reader sees from the JSON itself


class Number(str):
    """A number with the digits that it came with."""


def writer(
    format: ODataFormat, slug: str, names: Sequence[str], types: Mapping[str, str]
) -> Callable[[tuple[int, str]], str]:
    """What makes the JSON of one (_id, the other columns' JSON). `types` are {name: type} of the columns beside the key."""
    if format.metadata == "full":
        return _full(format, slug, names, types)
    if ROW_ID not in names:
        return lambda row: row[1]
    mark = '"' if format.is_ieee754 else ""
    if len(names) == 1:
        return lambda row: f'{{"{ROW_ID}":{mark}{row[0]}{mark}}}'
    return lambda row: f'{{"{ROW_ID}":{mark}{row[0]}{mark},{row[1][1:]}'


def address(slug: str, number: object) -> str:
    """Where one row is read, under the service's root."""
    return f"{slug}({number})"


def _full(
    format: ODataFormat, slug: str, names: Sequence[str], types: Mapping[str, str]
) -> Callable[[tuple[int, str]], str]:
    kinds = {name: edm_type(types[name]) for name in names if name != ROW_ID} | {ROW_ID: "Edm.Int64"}
    said = {name: f'"{name}@odata.type":"#{kind[4:]}",' for name, kind in kinds.items() if kind not in DERIVED}

    def write(row: tuple[int, str]) -> str:
        number, text = row
        values = json.loads(text, parse_int=Number, parse_float=Number)
        values[ROW_ID] = str(number) if format.is_ieee754 else Number(number)
        where = address(slug, number)
        head = f'"@odata.type":"#{NAMESPACE}.{slug}","@odata.id":"{where}","@odata.readLink":"{where}"'
        cells = (f'{said.get(name, "")}"{name}":{_json(values[name])}' for name in names)
        return f"{{{','.join((head, *cells))}}}"

    return write


def _json(value: object) -> str:
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
