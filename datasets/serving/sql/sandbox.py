"""The transaction that a statement runs in: one snapshot of all the datasets it names, with nothing else visible.

    BEGIN, limits, the tables locked               as we are
    one temporary view for each dataset            as we are, SELECT on it granted to the reader
    SET LOCAL ROLE backhaul_reader
    the statement becomes the view _query          from here on its text is no longer used
    the tree of _query is checked                  allowed.py
    _shaped: the same with types that files know
    _answer(): SECURITY DEFINER, so that no SET ROLE leads out of it; collects the rows and stops at the limit
    SET TRANSACTION READ ONLY, COPY (… _answer()) TO STDOUT, ROLLBACK

Views, grants and functions are never committed: nobody else ever sees them, and nothing is left behind.
The rows are collected before the first one goes out, so that a failure can still be reported.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from psycopg import errors, pq, sql

from datasets.access.export_slots import take_everywhere
from datasets.access.policies import policy_of
from datasets.access.tokens import Caller
from datasets.formats.format import RowSource
from datasets.models import Dataset
from datasets.problems import Unavailable
from datasets.rows import snapshot
from datasets.serving.sql import allowed, reader, sql_text, statement_errors
from datasets.serving.sql.limits import Limits

MEMORY = "32MB"  # of one sort or hash; what is more goes to temporary files
TEMPORARY = "2GB"  # of all temporary files, where we may limit them
MAX_TEXT = 100_000  # characters
MAX_DATASETS = 50
TRIES = 5

KINDS = {
    "int2": "bigint",
    "int4": "bigint",
    "int8": "bigint",
    "numeric": "numeric",
    "float4": "numeric",
    "float8": "numeric",
    "bool": "boolean",
    "date": "date",
    "timestamptz": "timestamptz",
}
PLAIN_TEXT = ("text", "varchar", "bpchar", "bytea", "uuid", "time", "timetz", "interval")


@dataclass(frozen=True)
class NamedDataset:
    """A dataset under the name by which the statement knows it."""

    name: str
    dataset: Dataset


ANSWER = sql.SQL("pg_temp._answer()")


def source_of(types: Mapping[str, str], *, name: str = "", changed_at: datetime | None = None) -> RowSource:
    """The answer's rows, for a format to write; `types` as Sandbox.shape gave them."""
    columns = sql.SQL(", ").join(map(sql.Identifier, types))
    return RowSource(
        dict(types), sql.SQL("SELECT {} FROM {}").format(columns, ANSWER), name=name, changed_at=changed_at
    )


def named(caller: Caller, text: str, dataset: Dataset | None = None) -> tuple[list[NamedDataset], list[str]]:
    """The Tables of the caller's that the text may mean, and the names of all that there are.

    Words are compared without parsing: a superfluous view does no harm, and PostgreSQL reports a missing one.
    """
    said = sql_text.names(text)
    known = list(caller.datasets().order_by().values_list("slug", flat=True))
    wanted = [slug for slug in known if slug in said]
    if len(wanted) > MAX_DATASETS:
        raise statement_errors.StatementRefused(
            f"A statement may name {MAX_DATASETS} datasets, and this one names {len(wanted)}."
        )
    found = caller.datasets().filter(slug__in=wanted).select_related("account").order_by("pk")
    tables = [NamedDataset(each.slug, each) for each in found]
    if dataset is not None:
        tables = [table for table in tables if table.name != "table"] + [NamedDataset("table", dataset)]
        known.append("table")
    return tables, known


def check_text(text: str) -> None:
    """Raises Refused where the text cannot be a statement, whatever it says."""
    if not text.strip():
        raise statement_errors.StatementRefused(
            "A statement is needed.", hint="For example: SELECT * FROM my_dataset LIMIT 10"
        )
    if len(text) > MAX_TEXT:
        raise statement_errors.StatementRefused(
            f"The statement has {len(text):,} characters, and {MAX_TEXT:,} are taken.", status=413, code="too_large"
        )
    if "\x00" in text:
        raise statement_errors.StatementRefused(
            "The statement contains a NUL character.", position=text.index("\x00") + 1
        )
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise statement_errors.StatementRefused("The statement is not Unicode.", position=problem.start + 1) from None


class Sandbox:
    """One statement on one connection, whose transaction the caller ends by rolling back."""

    def __init__(
        self,
        connection: psycopg.Connection,
        caller: Caller,
        tables: Sequence[NamedDataset],
        known: Sequence[str],
        limits: Limits,
        now: datetime,
    ) -> None:
        self.connection, self.caller, self.tables, self.known = connection, caller, tables, known
        self.limits, self.now = limits, now
        self.states: tuple[tuple, ...] = ()  # of the datasets: what an ETag is made of
        self.changed_at: datetime | None = None

    def open(self) -> None:
        """The transaction is in its moment, as the reader, who sees the tables and nothing else."""
        reader.check(self.connection)
        for _ in range(TRIES):
            if self._begin():
                break
            self.connection.rollback()
        else:
            raise Unavailable("The datasets are being rebuilt. Try again.")
        for table in self.tables:
            self._show(table)
        try:
            self.connection.execute(sql.SQL("SET LOCAL ROLE {}").format(reader.role()))
        except psycopg.Error:
            reader.forget()
            raise Unavailable("SQL is being set up just now. Try again.") from None

    def take(self, text: str, *, has_table: bool = False) -> list[tuple[str, str]]:
        """The statement becomes the view _query, or Refused is raised. Its columns: [(name, PostgreSQL's type)]."""
        readable, added = sql_text.readable(text, has_table=has_table)
        if sql_text.is_endless(readable):
            raise statement_errors.StatementRefused("The statement contains an operator that is too long.")
        shift = 0
        try:
            names = sql.SQL(", ").join(map(sql.Identifier, _unlike(_names(self.connection, readable))))
            front = sql.SQL("CREATE TEMPORARY VIEW _query ({}) AS ").format(names).as_string(self.connection)
            shift = len(front)
            _alone(self.connection, front + readable)
        except psycopg.Error as error:
            raise statement_errors.of_error(
                error, self.limits, readable, shift=shift, added=added, known=self.known
            ) from None
        columns = self.connection.execute(
            """
            SELECT a.attname::text, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text ELSE '' END
            FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = (
                SELECT oid FROM pg_catalog.pg_class WHERE oid = 'pg_temp._query'::regclass AND reloptions IS NULL
            ) AND a.attnum > 0 ORDER BY a.attnum
            """
        ).fetchall()
        if not columns:
            raise statement_errors.StatementRefused("View options are not allowed in a query.")
        return columns

    def check(self, text: str) -> None:
        """Raises Refused where the statement uses what it may not."""
        tree = allowed.tree_of(self.connection, "_query")
        found = allowed.strange(self.connection, tree, [*(table.name for table in self.tables), "_query"])
        if found is None:
            return
        kind, name = found
        position = sql_text.place_of(text, name)
        if kind == "table":
            raise statement_errors.unknown_table(name, self.known, position)
        raise statement_errors.not_offered(kind, f"{name}()" if kind == "function" else name, position)

    def shape(self, columns: Iterable[tuple[str, str]], *, packed: bool, limit: int | None = None) -> dict[str, str]:
        """_answer() gives the rows in types that files know; answers {column: that type}."""
        shaped = [_shaped(name, kind, packed) for name, kind in columns]
        most = self.limits.rows if limit is None else min(limit, self.limits.rows)
        is_cut = limit is not None and limit <= self.limits.rows
        self._ours(
            sql.SQL(
                """
                CREATE TEMPORARY VIEW _shaped AS SELECT {columns} FROM pg_temp._query;
                CREATE FUNCTION pg_temp._answer() RETURNS SETOF pg_temp._shaped LANGUAGE plpgsql SECURITY DEFINER AS $body$
                DECLARE
                    came bigint;
                BEGIN
                    RETURN QUERY SELECT * FROM pg_temp._shaped LIMIT {limit};
                    GET DIAGNOSTICS came = ROW_COUNT;
                    IF came > {most} THEN
                        RAISE EXCEPTION USING ERRCODE = {code}, MESSAGE = 'too many rows';
                    END IF;
                END
                $body$;
                SET TRANSACTION READ ONLY
                """
            ).format(
                columns=sql.SQL(", ").join(expression for _, _, expression in shaped),
                limit=sql.Literal(most if is_cut else most + 1),
                most=sql.Literal(most),
                code=sql.Literal(statement_errors.TOO_MANY_ROWS),
            )
        )
        return {name: kind for name, kind, _ in shaped}

    def _begin(self) -> bool:
        """Whether what was read about the datasets is still true in the open snapshot."""
        datasets = {table.dataset.pk: table.dataset for table in self.tables}
        self._there = snapshot.with_table(self.connection, datasets.values())
        lock = snapshot.lock([datasets[pk] for pk in sorted(self._there)])
        try:
            self.connection.execute(
                sql.SQL(
                    """
                    BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE;
                    SET LOCAL statement_timeout TO {seconds}; SET LOCAL lock_timeout TO {seconds};
                    SET LOCAL work_mem TO {memory}; SET LOCAL max_parallel_workers_per_gather TO 0; SET LOCAL jit TO off;
                    SET LOCAL standard_conforming_strings TO on; {lock}
                    """
                ).format(
                    seconds=sql.Literal(f"{self.limits.seconds}s"),
                    memory=sql.Literal(MEMORY),
                    lock=lock,
                )
            )
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            return False
        rows = self.connection.execute(
            "SELECT id, generation, version, rows, columns, changed_at FROM datasets_dataset WHERE id = ANY (%s::bigint[])",
            [list(datasets)],
        ).fetchall()
        found = {pk: rest for pk, *rest in rows}
        is_same = True
        for dataset in [table.dataset for table in self.tables]:
            if dataset.pk not in found:
                raise statement_errors.unknown_table(dataset.slug, [])
            generation, dataset.version, dataset.rows, dataset.columns, dataset.changed_at = found[dataset.pk]
            has_table = dataset.pk in self._there
            is_same = is_same and generation == dataset.generation and (has_table or not dataset.rows)
            dataset.generation = generation
        self.states = states(self.tables)
        self.changed_at = changed_at(self.tables)
        self.connection.execute(
            "SELECT set_config('temp_file_limit', %s, true) WHERE has_parameter_privilege('temp_file_limit', 'SET')",
            [TEMPORARY],
        )
        if is_same:
            take_everywhere(self.connection, self.caller.key)
        self.connection.execute("SET LOCAL search_path TO pg_catalog, pg_temp")
        return is_same

    def _show(self, table: NamedDataset) -> None:
        """A view of what the caller may see of the dataset, and the reader with it. Where the policy hides rows or changes values,
        it does before anything of the statement's is computed: else an error could tell what it hides."""
        dataset = table.dataset
        seen = replace(
            snapshot.glance(dataset, policy_of(self.caller, dataset), now=self.now),
            has_table=dataset.pk in self._there,
        )
        barrier = sql.SQL(" WITH (security_barrier)" if seen.barrier else "")
        view = sql.Identifier("pg_temp", table.name)
        self._ours(
            sql.SQL("CREATE TEMPORARY VIEW {}{} AS {}; GRANT SELECT ON {} TO {}").format(
                view, barrier, seen.view(), view, reader.role()
            )
        )

    def _ours(self, statement: sql.Composed) -> None:
        """A statement of our own making, with no place for values in it."""
        self.connection.execute(statement)


def states(tables: Iterable[NamedDataset]) -> tuple[tuple, ...]:
    """What the answer depends on besides the statement."""
    return tuple(
        (t.name, t.dataset.pk, t.dataset.generation, t.dataset.version, [c["name"] for c in t.dataset.columns])
        for t in tables
    )


def changed_at(tables: Iterable[NamedDataset]) -> datetime | None:
    """When rows of any of these have last changed; None where none has any."""
    return max((t.dataset.changed_at for t in tables if t.dataset.changed_at), default=None)


def _shaped(name: str, kind: str, packed: bool) -> tuple[str, str, sql.Composed]:
    """(name, the files' type, the expression): numbers, days, instants and booleans as they are, the rest as text.

    Lists and JSON stay what they are for JSON's sake; workbooks and Parquet take them as text. A binary fraction becomes
    the shortest decimal that stands for it, an instant without a zone is written in ISO 8601.
    """
    column = sql.Identifier(name)
    if kind in KINDS:
        how = "{0}::text::numeric" if kind.startswith("float") else "{0}"
        found = KINDS[kind]
    elif kind == "timestamp":
        how, found = "{0}::date || 'T' || {0}::time", "text"
    elif kind in PLAIN_TEXT or packed and kind in ("json", "jsonb"):
        how, found = "{0}::text", "text"
    elif packed:
        how, found = "to_jsonb({0})::text", "text"
    else:
        how, found = "to_jsonb({0})", "json"
    return name, found, sql.SQL(how + " AS {0}").format(column)


def _names(connection: psycopg.Connection, text: str) -> list[str]:
    """The names of the columns that the statement would give; it is understood, and not carried out."""
    for result in (connection.pgconn.prepare(b"", text.encode()), connection.pgconn.describe_prepared(b"")):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result, encoding="utf-8")
    found = [(result.fname(place) or b"").decode() for place in range(result.nfields)]
    if not found:
        raise statement_errors.StatementRefused(
            "Only statements that read are allowed, and this one gives no columns.",
            hint="Write one SELECT with at least one column.",
        )
    return found


def _unlike(names: Iterable[str]) -> list[str]:
    """Unique names: sum, sum_2; and a better name than ?column?."""
    found = []
    for place, name in enumerate(names, start=1):
        name = f"column_{place}" if name == "?column?" else name
        base, number = name.encode()[:59].decode(errors="ignore"), 2
        while name in found:
            name, number = f"{base}_{number}", number + 1
        found.append(name)
    return found


def _alone(connection: psycopg.Connection, text: str) -> None:
    """Runs exactly one statement: the extended protocol accepts only one."""
    result = connection.pgconn.exec_params(text.encode(), None)
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(result, encoding="utf-8")
