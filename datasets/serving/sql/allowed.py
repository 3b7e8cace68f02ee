"""What a statement may use, read from PostgreSQL's own parse of it.

The statement has become a temporary view; its rule holds the tree of the statement with every table, function, operator
and type by its number. A name that means something else than it seems, a comment in the middle, unusual quoting: all
of that is resolved by then. Text of the statement stands in the tree with its spaces escaped, so it cannot look like a
node.
"""

import re
from collections.abc import Iterable

import psycopg
from psycopg import sql

RELATIONS = re.compile(r":relid (\d+)")
FUNCTIONS = re.compile(r":(?:funcid|aggfnoid|winfnoid|tsmhandler) (\d+)")
OPERATORS = re.compile(r":opno (\d+)|:opnos \(o ([\d ]+)\)")
TYPES = re.compile(r":(?:\w*type|type_?[iI]d|\w+_typeid) (\d+)|:\w*types \(o ([\d ]+)\)")
FIRST_TYPE = 16  # smaller numbers under such a key are kinds of joins and the like

# Functions that PostgreSQL calls immutable depend on nothing but what they are given. These depend on the clock, the
# session's zone or on how a value is written, and on nothing else. Everything else is refused.
ALSO = """
    age array_to_json array_to_string concat concat_ws date date_add date_part date_subtract date_trunc extract format
    generate_series in_range json_agg json_agg_strict json_build_array json_build_object json_object_agg
    json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_populate_record
    json_populate_recordset json_to_record json_to_recordset jsonb_agg jsonb_agg_strict jsonb_build_array
    jsonb_build_object jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict
    jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz
    jsonb_populate_record jsonb_populate_recordset jsonb_to_record jsonb_to_recordset make_timestamptz now overlaps
    quote_literal quote_nullable row_to_json statement_timestamp time timestamp timestamptz timetz timezone to_char
    to_date to_json to_jsonb to_number to_timestamp transaction_timestamp
"""
PLAIN_TYPES = """
    bool bytea int2 int4 int8 text json jsonb jsonpath float4 float8 numeric unknown bpchar varchar date time timetz
    timestamp timestamptz interval uuid record int4range int8range numrange daterange tsrange tstzrange int4multirange
    int8multirange nummultirange datemultirange tsmultirange tstzmultirange
"""


def tree_of(connection: psycopg.Connection, view: str) -> str:
    """PostgreSQL's parse tree of a view of this session."""
    [(tree,)] = connection.execute(
        "SELECT ev_action::text FROM pg_catalog.pg_rewrite WHERE ev_class = %s::regclass", [f"pg_temp.{view}"]
    ).fetchall()
    return tree


def strange(connection: psycopg.Connection, tree: str, views: Iterable[str]) -> tuple[str, str] | None:
    """("table" | "function" | "operator" | "type", its name) of the first thing that may not be used, or None.

    `views` names what may be read, in this session's temporary schema.
    """
    for kind, statement, numbers in (
        ("table", OTHER_RELATIONS, _numbers(RELATIONS, tree)),
        ("function", OTHER_FUNCTIONS, _numbers(FUNCTIONS, tree)),
        ("operator", OTHER_OPERATORS, _numbers(OPERATORS, tree)),
        ("type", OTHER_TYPES, [number for number in _numbers(TYPES, tree) if number >= FIRST_TYPE]),
    ):
        given = {"numbers": numbers, "views": list(views), "also": ALSO.split(), "types": PLAIN_TYPES.split()}
        found = connection.execute(statement, given).fetchone()
        if found:
            return kind, found[0]
    return None


def _numbers(pattern: re.Pattern[str], tree: str) -> list[int]:
    found = set()
    for match in pattern.finditer(tree):
        for group in match.groups():
            found |= {int(number) for number in group.split()} if group else set()
    return sorted(found - {0})


# Each asks for what is NOT allowed among the numbers; a number that names nothing is not allowed either.

OTHER_RELATIONS = sql.SQL(
    """
    SELECT coalesce(c.relname::text, n::text) FROM unnest(%(numbers)s::oid[]) AS n LEFT JOIN pg_catalog.pg_class AS c ON c.oid = n
    WHERE c.oid IS NULL OR c.relnamespace <> pg_catalog.pg_my_temp_schema() OR c.relname <> ALL (%(views)s::text[]) LIMIT 1
    """
)
OTHER_FUNCTIONS = sql.SQL(
    """
    SELECT coalesce(p.proname::text, n::text) FROM unnest(%(numbers)s::oid[]) AS n LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = n
    WHERE p.oid IS NULL OR p.pronamespace <> 'pg_catalog'::regnamespace
       OR NOT (p.provolatile = 'i' OR p.proname = ANY (%(also)s::text[]))
       OR EXISTS (
           SELECT 1 FROM unnest(p.proargtypes::oid[]) AS a JOIN pg_catalog.pg_type AS t ON t.oid = a
           WHERE t.typname IN ('internal', 'cstring', 'oid', 'name') OR t.typname LIKE 'reg%%'
       )
    LIMIT 1
    """
)
OTHER_OPERATORS = sql.SQL(
    """
    SELECT coalesce(o.oprname::text, n::text) FROM unnest(%(numbers)s::oid[]) AS n
    LEFT JOIN pg_catalog.pg_operator AS o ON o.oid = n LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = o.oprcode
    WHERE o.oid IS NULL OR o.oprnamespace <> 'pg_catalog'::regnamespace OR p.pronamespace <> 'pg_catalog'::regnamespace
       OR p.provolatile = 'v'
    LIMIT 1
    """
)
OTHER_TYPES = sql.SQL(
    """
    SELECT coalesce(t.typname::text, n::text) FROM unnest(%(numbers)s::oid[]) AS n
    LEFT JOIN pg_catalog.pg_type AS t ON t.oid = n
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
    WHERE e.oid IS NULL OR NOT (
        e.typnamespace = 'pg_catalog'::regnamespace AND e.typname = ANY (%(types)s::text[])
        OR e.typnamespace = pg_catalog.pg_my_temp_schema() AND e.typname = ANY (%(views)s::text[])
    )
    LIMIT 1
    """
)
