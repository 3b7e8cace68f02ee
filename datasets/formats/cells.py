"""How a value is written in files: SQL expressions, computed by the database.

The session is in UTC and writes ISO dates (`rows/pool.py`); storage keeps no infinity.
"""

from collections.abc import Mapping

from psycopg import sql

FORMULA = "^[[:space:]]*[-=+@\uff0b\uff0d\uff1d\uff20]|^[\t\r\n]"  # what spreadsheets treat as a formula, including the full-width forms
AS_TEXT = {"string": ("numeric",), "ieee754": ("numeric", "bigint")}  # types that JSON writes as text


def cell(name: str, kind: str, *, safe: bool = False, json: bool = False, decimals: str = "number") -> sql.Composable:
    """The column as it is written in a file: instants in ISO 8601 with Z, true and false, text as it is or made safe.

    Of several ways to write an instant, date and time concatenated are the cheapest.
    """
    column = sql.Identifier(name)
    if kind == "timestamptz":
        return sql.SQL("{0}::date || 'T' || {0}::time || 'Z'").format(column)
    if kind == "boolean":
        return column if json else sql.SQL("{}::text").format(column)
    if json and kind in AS_TEXT.get(decimals, ()):
        return sql.SQL("{}::text").format(column)
    if kind == "text" and safe:
        return sql.SQL("CASE WHEN {0} ~ {1} THEN '''' || {0} ELSE {0} END").format(column, sql.Literal(FORMULA))
    return column


def listed(
    types: Mapping[str, str], *, safe: bool = False, json: bool = False, decimals: str = "number"
) -> sql.Composed:
    """The select list of the columns {name: type}, each under its own name."""
    written = []
    for name, kind in types.items():
        column, own = cell(name, kind, safe=safe, json=json, decimals=decimals), sql.Identifier(name)
        written.append(own if column == own else sql.SQL("{} AS {}").format(column, own))
    return sql.SQL(", ").join(written)
