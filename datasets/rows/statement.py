"""SQL for a Query. Pure: values become parameters, names go through sql.Identifier and come from the dataset's columns only.

Text is ordered and compared by code point (COLLATE "C"), so that every installation sorts alike; rows without a value
come last in either direction; `_id` breaks ties, so that an order is always complete.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from psycopg import sql

from datasets.rows.filters import Filter
from datasets.rows.query import Sort

ID = sql.Identifier("_id")
NEVER_NULL = ("_id", "_day", "_batch_id", "_batch_last_run")
CASTS = {
    "text": sql.SQL("text"),
    "bigint": sql.SQL("numeric"),  # a number too large for bigint compares too
    "numeric": sql.SQL("numeric"),
    "boolean": sql.SQL("boolean"),
    "date": sql.SQL("date"),
    "timestamptz": sql.SQL("timestamptz"),
}
WHOLE = sql.SQL("bigint")
SIGNS = {"gt": sql.SQL(">"), "gte": sql.SQL(">="), "lt": sql.SQL("<"), "lte": sql.SQL("<=")}
COMPOUND = ("all", "any", "not", "untrue", "always", "never")


class Parameters:
    """The values of one statement, each under a name of its own."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def add(self, value: object, kind: str) -> sql.Composed:
        """Takes the value in and gives its place in the statement."""
        is_whole = kind == "bigint" and type(value) is int
        return self._place(value, WHOLE if is_whole else CASTS[kind])

    def add_list(self, values: Iterable[Any], kind: str) -> sql.Composed:
        """The same for several values, as an array of one type."""
        is_whole = kind == "bigint" and all(type(value) is int for value in values)
        if kind in ("bigint", "numeric") and not is_whole:
            values = map(Decimal, values)  # an array is of one type
        return self._place(list(values), sql.SQL("{}[]").format(WHOLE if is_whole else CASTS[kind]))

    def _place(self, value: object, cast: sql.Composable) -> sql.Composed:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return sql.SQL("{}::{}").format(sql.Placeholder(name), cast)


class Literals(Parameters):
    """Takes values as Parameters does and writes them into the statement: COPY and views take no parameters."""

    def _place(self, value: object, cast: sql.Composable) -> sql.Composed:
        return sql.SQL("{}::{}").format(sql.Literal(value), cast)


# Which rows


def where(filters: Iterable[Filter], parameters: Parameters, *also: sql.Composable) -> sql.Composable:
    """WHERE … of the filters and further conditions, or nothing."""
    conditions = [condition(wanted, parameters) for wanted in filters] + list(also)
    return sql.SQL(" WHERE ") + sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("")


def condition(wanted: Filter, parameters: Parameters) -> sql.Composable:
    """One filter as a condition."""
    column, kind, op, value = sql.Identifier(wanted.column), wanted.type, wanted.op, wanted.value
    if op in COMPOUND:
        return _compound(op, value, parameters)
    if op == "isnull":
        return sql.SQL("{} IS NULL" if value else "{} IS NOT NULL").format(column)
    if op == "eq":
        return sql.SQL("{} = {}").format(column, parameters.add(value, kind))
    if op == "ne":
        return sql.SQL("{} IS DISTINCT FROM {}").format(column, parameters.add(value, kind))
    if op in SIGNS:
        return sql.SQL("{} {} {}").format(_ordered(column, kind), SIGNS[op], parameters.add(value, kind))
    if op == "in":
        return sql.SQL("{} = ANY ({})").format(column, parameters.add_list(value, kind))
    if op == "contains":
        return sql.SQL("strpos({}, {}) > 0").format(column, parameters.add(value, "text"))
    if op == "startswith":
        return sql.SQL("starts_with({}, {})").format(column, parameters.add(value, "text"))
    if op == "endswith":
        return sql.SQL("right({0}, length({1})) = {1}").format(column, parameters.add(value, "text"))
    first, until = (parameters.add(edge, kind) for edge in value)
    if op == "within":
        return sql.SQL("({0} >= {1} AND {0} < {2})").format(column, first, until)
    return sql.SQL("({0} IS NULL OR {0} < {1} OR {0} >= {2})").format(column, first, until)


def _compound(op: str, value: Any, parameters: Parameters) -> sql.Composable:
    """Conditions made of conditions. A comparison with NULL is neither true nor false: `untrue` matches it, `not` does not."""
    if op in ("always", "never"):
        return sql.SQL("TRUE" if op == "always" else "FALSE")
    if op in ("all", "any"):
        parts = [condition(one, parameters) for one in value]
        return sql.SQL("({})").format(sql.SQL(" AND " if op == "all" else " OR ").join(parts))
    return sql.SQL("NOT ({})" if op == "not" else "({}) IS NOT TRUE").format(condition(value, parameters))


def _ordered(column: sql.Composable, kind: str) -> sql.Composable:
    return sql.SQL('{} COLLATE "C"').format(column) if kind == "text" else column


# In which order, and from where on


def order(sort: Sequence[Sort], types: Mapping[str, str], *, always: bool = True) -> sql.Composable:
    """ORDER BY … with `_id` last; nothing at all for no sort where order does not matter."""
    if not sort and not always:
        return sql.SQL("")
    parts = [
        sql.SQL("{}{}{}").format(
            _ordered(sql.Identifier(one.column), types[one.column]),
            sql.SQL(" DESC" if one.descending else ""),
            sql.SQL("" if one.column in NEVER_NULL else " NULLS LAST"),
        )
        for one in sort
    ]
    return sql.SQL(" ORDER BY ") + sql.SQL(", ").join([*parts, ID])


def after(
    sort: Sequence[Sort], types: Mapping[str, str], position: Sequence[str | None], last_id: int, parameters: Parameters
) -> sql.Composed:
    """The condition for rows behind this position, in the order of `order`. The position's values are text as PostgreSQL writes it.

    Row by row: a later first column; or the same and a later second one; and so on down to `_id`. The first
    column's bound is repeated in front, where an index can use it.
    """
    if not sort:
        return sql.SQL("{} > {}").format(ID, parameters.add(last_id, "bigint"))
    ways = []
    for place in range(len(sort) + 1):
        same = [
            sql.SQL("{} IS NOT DISTINCT FROM {}").format(_key(one, types), parameters.add(value, types[one.column]))
            for one, value in zip(sort[:place], position[:place], strict=True)
        ]
        if place == len(sort):
            later: sql.Composed | None = sql.SQL("{} > {}").format(ID, parameters.add(last_id, "bigint"))
        else:
            later = _later(sort[place], types, position[place], parameters)
        if later is not None:
            ways.append(sql.SQL("({})").format(sql.SQL(" AND ").join([*same, later])))
    found = sql.SQL("({})").format(sql.SQL(" OR ").join(ways))
    first, value = sort[0], position[0]
    if value is not None and first.column in NEVER_NULL:
        bound = sql.SQL("{} {} {}").format(
            _key(first, types), sql.SQL("<=" if first.descending else ">="), parameters.add(value, types[first.column])
        )
        found = sql.SQL("{} AND {}").format(found, bound)
    return found


def _later(one: Sort, types: Mapping[str, str], value: str | None, parameters: Parameters) -> sql.Composed | None:
    """The column comes later than the value; None where nothing can (behind no value there is nothing)."""
    if value is None:
        return None
    key = _key(one, types)
    sign = sql.SQL("<" if one.descending else ">")
    place = parameters.add(value, types[one.column])
    if one.column in NEVER_NULL:
        return sql.SQL("{} {} {}").format(key, sign, place)
    return sql.SQL("({0} {1} {2} OR {0} IS NULL)").format(key, sign, place)


def _key(one: Sort, types: Mapping[str, str]) -> sql.Composable:
    return _ordered(sql.Identifier(one.column), types[one.column])
