"""Statements that want more than they may: each is told no in a sentence, within the limits, and none sees what is not its own."""

import json

import pytest

from tests.serving import shop

pytestmark = [pytest.mark.django_db, pytest.mark.integration, pytest.mark.slow]

MARK = "only bob may read this"


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(20))


@pytest.fixture(scope="module")
def secrets(make, people):
    """Bob's dataset, every row of which holds the mark."""
    account = make.run(shop.make_account, people[1], "Bob's")
    return make.dataset("bobs_orders", owner=people[1], account=account, rows=[{"title": MARK}, {"title": MARK}])


@pytest.fixture
def ask(client, orders, secrets, bearer, settings):
    settings.SQL_SECONDS, settings.SQL_ROWS = 1, 1000

    def ask(sql, path="datasets/orders_us/query"):
        sql = sql.replace("{theirs}", f"data.ds_{secrets.pk}").replace("{own}", f"data.ds_{orders.pk}")
        response = client.post(
            f"/api/v1/{path}", json.dumps({"sql": sql}), content_type="application/json", headers=bearer
        )
        response.whole = b"".join(response.streaming_content) if response.streaming else response.content
        assert MARK.encode() not in response.whole
        return response

    return ask


REFUSED = """
SELECT 1; SELECT 2
SELECT 1; DROP TABLE datasets_dataset
SELECT 1;; DELETE FROM datasets_dataset
; ; ;
INSERT INTO table VALUES (1)
INSERT INTO orders_us (title) VALUES ('x') RETURNING *
UPDATE table SET title = 'x'
UPDATE orders_us SET title = 'x' RETURNING title
DELETE FROM orders_us
TRUNCATE {own}
MERGE INTO orders_us o USING orders_us s ON true WHEN MATCHED THEN DELETE
WITH gone AS (DELETE FROM orders_us RETURNING *) SELECT * FROM gone
WITH new AS (INSERT INTO accounts_user (username) VALUES ('x') RETURNING *) SELECT * FROM new
WITH new AS (UPDATE datasets_dataset SET owner_id = 1 RETURNING *) SELECT * FROM new
SELECT * INTO stolen FROM orders_us
SELECT * INTO TEMP stolen FROM orders_us
CREATE TABLE x AS SELECT * FROM orders_us
CREATE VIEW x AS SELECT 1
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE ROLE me SUPERUSER
ALTER ROLE backhaul_reader SUPERUSER
GRANT ALL ON datasets_dataset TO backhaul_reader
DROP TABLE {theirs}
COPY orders_us TO STDOUT
COPY (SELECT 1) TO '/tmp/out'
COPY (SELECT 1) TO PROGRAM 'id'
SELECT 1) TO PROGRAM 'id' --
SELECT 1) AS r) TO STDOUT; SELECT (1
SELECT 1; COPY datasets_dataset TO PROGRAM 'id'
DO $$ BEGIN PERFORM pg_sleep(10); END $$
CALL something()
SET ROLE postgres
SET ROLE NONE
RESET ROLE
RESET ALL
SET SESSION AUTHORIZATION DEFAULT
SET TRANSACTION READ WRITE
SET statement_timeout = 0
SHOW data_directory
BEGIN
COMMIT
ROLLBACK
SELECT 1; COMMIT; DROP SCHEMA data CASCADE
LISTEN x
NOTIFY x, 'y'
LOCK TABLE orders_us
VACUUM
EXPLAIN SELECT * FROM orders_us
EXPLAIN ANALYZE SELECT * FROM orders_us
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE ALL
DECLARE c CURSOR FOR SELECT 1
FETCH ALL FROM c
DISCARD ALL
LOAD 'x'
REFRESH MATERIALIZED VIEW x
SELECT * FROM orders_us FOR UPDATE
SELECT * FROM orders_us WITH CHECK OPTION
SELECT pg_sleep(10)
SELECT pg_sleep(10) FROM orders_us
SELECT * FROM pg_sleep(10)
SELECT pg_sleep_for('10 s')
SELECT (SELECT pg_sleep(10)) IS NULL
SELECT "pg_sleep"(10)
SELECT pg_catalog.pg_sleep(10)
SELECT pg_/**/sleep(10)
SELECT U&"pg\\005fsleep"(10)
SELECT title FROM orders_us ORDER BY pg_sleep(1)
SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM orders_us
SELECT count(*) OVER (ORDER BY pg_sleep(1)::text) FROM orders_us
SELECT 1 WHERE EXISTS (SELECT pg_sleep(1))
SELECT CASE WHEN true THEN pg_sleep(1)::text END
SELECT 1 GROUP BY pg_sleep(1)::text
SELECT 1 LIMIT (SELECT length(pg_sleep(1)::text))
VALUES (pg_sleep(1))
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT * FROM pg_ls_dir('/')
SELECT pg_stat_file('/etc/passwd')
SELECT lo_import('/etc/passwd')
SELECT lo_create(0)
SELECT lo_from_bytea(0, 'x')
SELECT lo_get(1)
SELECT lo_export(1, '/tmp/x')
SELECT loread(lo_open(1, 262144), 100)
SELECT dblink('host=127.0.0.1', 'SELECT 1')
SELECT * FROM public.dblink('host=127.0.0.1', 'SELECT 1') AS t(a int)
SELECT dblink_connect('x')
SELECT set_config('role', 'postgres', false)
SELECT set_config('statement_timeout', '0', true)
SELECT set_config('transaction_read_only', 'off', true)
SELECT set_config('work_mem', '1TB', true), count(*) FROM orders_us
SELECT current_setting('data_directory')
SELECT current_setting('is_superuser')
SELECT current_user
SELECT session_user
SELECT current_database()
SELECT current_schema()
SELECT current_schemas(true)
SELECT version()
SELECT inet_server_addr()
SELECT pg_backend_pid()
SELECT pg_terminate_backend(1)
SELECT pg_cancel_backend(1)
SELECT pg_reload_conf()
SELECT pg_advisory_lock(1)
SELECT pg_try_advisory_lock(1)
SELECT pg_notify('x', 'y')
SELECT nextval('datasets_dataset_id_seq')
SELECT pg_switch_wal()
SELECT pg_export_snapshot()
SELECT txid_current()
SELECT query_to_xml('SELECT * FROM {theirs}', true, true, '')
SELECT query_to_xml('SELECT * FROM accounts_user', true, true, '')
SELECT table_to_xml('{theirs}', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT schema_to_xml('data', true, true, '')
SELECT cursor_to_xml('c', 1, true, true, '')
SELECT ts_stat('SELECT title::tsvector FROM {theirs}')
SELECT ts_rewrite('a'::tsquery, 'SELECT 1')
SELECT * FROM {theirs}
SELECT * FROM {own}
TABLE {theirs}
SELECT title FROM orders_us UNION SELECT title FROM {theirs}
SELECT * FROM orders_us WHERE title IN (SELECT title FROM {theirs})
SELECT (SELECT max(title) FROM {theirs}) FROM orders_us
WITH t AS (SELECT * FROM {theirs}) SELECT * FROM t
SELECT * FROM orders_us, LATERAL (SELECT * FROM {theirs}) AS x
SELECT * FROM "data"."ds_1"
SELECT * FROM bobs_orders
SELECT * FROM "bobs_orders"
SELECT * FROM `bobs_orders`
SELECT * FROM U&"bobs\\005forders"
SELECT * FROM pg_temp.bobs_orders
SELECT * FROM pg_temp._query
SELECT * FROM _query
SELECT * FROM pg_temp._answer()
SELECT * FROM public.datasets_dataset
SELECT * FROM datasets_dataset
SELECT * FROM accounts_user
SELECT password FROM public.accounts_user
SELECT secret_hash FROM public.datasets_accesstoken
SELECT refresh_token FROM public.accounts_account
SELECT session_data FROM public.django_session
SELECT * FROM pg_class
SELECT * FROM pg_catalog.pg_class
SELECT relname FROM "pg_class"
SELECT * FROM pg_tables
SELECT * FROM pg_stat_activity
SELECT * FROM pg_stats
SELECT * FROM pg_roles
SELECT * FROM pg_shadow
SELECT * FROM pg_authid
SELECT * FROM pg_settings
SELECT * FROM pg_file_settings
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_largeobject
SELECT * FROM pg_rewrite
SELECT * FROM pg_description
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.columns
SELECT '{theirs}'::regclass
SELECT 'accounts_user'::regclass::text
SELECT 16384::oid::regclass::text
SELECT to_regclass('{theirs}')
SELECT 'postgres'::regrole
SELECT 10::oid::regrole::text
SELECT 'pg_sleep'::regproc
SELECT pg_get_viewdef('orders_us'::regclass)
SELECT pg_get_functiondef('pg_sleep'::regproc)
SELECT has_table_privilege('backhaul_reader', 'accounts_user', 'SELECT')
SELECT pg_relation_size('{theirs}')
SELECT pg_total_relation_size('{theirs}')
SELECT pg_table_is_visible(1)
SELECT obj_description(1)
SELECT col_description('{theirs}'::regclass, 1)
SELECT pg_typeof(title) FROM orders_us
SELECT satisfies_hash_partition('{theirs}'::regclass, 1, 0, 1)
SELECT row_security_active('{theirs}')
SELECT x FROM json_to_recordset('[{"x": "{theirs}"}]') AS t(x regclass)
SELECT count(*) FROM json_to_recordset('[{"x": "accounts_user"}]') AS t(x regclass)
SELECT tableoid FROM orders_us
SELECT ctid FROM orders_us
SELECT * FROM orders_us TABLESAMPLE SYSTEM (10)
SELECT $1
SELECT :x
SELECT %s
SELECT %(x)s
SELECT {x}
SELECT 'unclosed
SELECT "unclosed
SELECT $tag$unclosed
SELECT /* unclosed
SELECT 1 /* /* nested */
SELECT E'\\'; DROP TABLE x; --
SELECT ROW(1, 2)
SELECT FROM orders_us
SELECT
SELECT * FROM
SELECT * FROM table table
SELECT 1/0
SELECT 'x'::int
SELECT '5'::xml
SELECT count(*) FROM generate_series(1, 1000000000000)
SELECT * FROM generate_series(1, 1000000000000)
SELECT n FROM generate_series(1, 1001) AS n
SELECT * FROM orders_us a, orders_us b, orders_us c, orders_us d, orders_us e, orders_us f, orders_us g
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t
SELECT repeat('x', 2000000000)
SELECT lpad('x', 2000000000)
SELECT factorial(100000)
SELECT 10::numeric ^ 1000000
SELECT 9223372036854775807 + 1
SELECT array_fill(1, ARRAY[100000, 100000])
SELECT random() FROM orders_us
SELECT gen_random_uuid()
SELECT clock_timestamp()
SELECT xmlparse(document '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')::text
SELECT title COLLATE "nowhere" FROM orders_us
SELECT title FROM orders_us ORDER BY 1 USING OPERATOR(public.<)
SELECT * FROM xmltable('/x' PASSING '<x/>' COLUMNS a int)
SELECT ‘smart quotes’
""".strip().splitlines()


CODES = ("bad_sql", "unknown_table", "not_offered", "query_timeout", "query_too_large", "too_many_rows")
OURS = ("_query", "_answer", "_shaped", "pg_temp_")


def test_each_is_refused_in_a_sentence(ask, settings):
    settings.SQL_SECONDS = 0.3
    wrong = []
    for sql in REFUSED:
        answer = ask(sql)
        said = json.loads(answer.whole)
        is_refusal = 400 <= answer.status_code < 500 or answer.status_code == 504
        is_said = answer["Content-Type"] == "application/problem+json" and said["detail"] and said["code"] in CODES
        names_ours = any(ours in said.get("detail", "") and ours not in sql for ours in OURS)
        if not (is_refusal and is_said) or names_ours:
            wrong.append((sql, answer.status_code, answer.whole[:200]))

    assert not wrong
    assert len(REFUSED) > 200


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(sql, id=name)
        for name, sql in [
            ("NUL", "SELECT '\x00'"),
            ("lone surrogate", "SELECT '\ud800'"),
            ("a megabyte", "SELECT '" + "x" * 900_000 + "'"),
            ("longest", "SELECT " + "1+" * 49_000 + "1"),
            ("brackets", "SELECT " + "(" * 45_000 + "1" + ")" * 45_000),
            ("subqueries", "SELECT * FROM " + "(SELECT * FROM " * 3_000 + "nothing" + ") AS x" * 3_000),
            ("casts", "SELECT 1" + "::text::xml" * 5_000),
            ("cases", "SELECT " + "CASE WHEN true THEN " * 3_000 + "x" + " END" * 3_000),
            ("columns", "SELECT " + ", ".join(f"1 AS c{n}" for n in range(5_000))),
            ("comments", "/*" * 40_000),
            ("signs", "SELECT 1 " + "+" * 90_000 + "1"),
            ("quotes", "'" * 99_999),
            ("dollars", "$a" * 40_000),
            ("blank", " \n\t"),
            ("words", "SELECT " + " ".join(f"w{n}" for n in range(14_000))),
            ("joins", "SELECT * FROM " + ", ".join(f"orders_us AS t{n}" for n in range(2_000))),
        ]
    ],
)
def test_odd_shapes_are_refused_too(ask, sql):
    answer = ask(sql)

    assert 400 <= answer.status_code < 500 or answer.status_code == 504, (answer.status_code, answer.whole[:200])
    assert json.loads(answer.whole)["detail"]


HONEST = [
    "SELECT 'datasets_dataset; DROP TABLE x; --' AS text",
    'SELECT 1 AS "f :funcid 2626 {FUNCEXPR :funcid 2626}"',
    "SELECT /* pg_sleep(10) */ 1 -- ; DROP TABLE x",
    "SELECT $a$'; SELECT pg_sleep(10); --$a$ AS x",
    "SELECT E'\\'; DROP TABLE x; --' AS x",
    "SELECT 'データ' AS \"ünï cödé 🛒\", * FROM orders_us;",
    "TABLE orders_us",
    "SELECT * FROM TABLE",
    "VALUES (1, 'a'), (2, 'b')",
    "(SELECT count(*) FROM table) UNION ALL (SELECT 5)",
    "SELECT o FROM orders_us AS o",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY item_price) FROM orders_us",
    "SELECT title, lag(quantity) OVER w, rank() OVER w FROM orders_us WINDOW w AS (ORDER BY purchase_date)",
    "SELECT date_trunc('month', purchase_date AT TIME ZONE 'Asia/Tokyo')::date AS m, string_agg(title, ',') FROM table GROUP BY 1",
    "SELECT d::date, coalesce(n, 0) FROM generate_series(date '2026-09-01', date '2026-09-30', '1 day') AS d"
    " LEFT JOIN (SELECT _day, count(*) AS n FROM table GROUP BY _day) AS c ON c._day = d::date",
    "SELECT title ILIKE '%a%' AS a, title ~* 'x|y' AS b, title COLLATE \"C\" < 'm' AS c, split_part(title, ' ', 1) AS d FROM table",
    "SELECT to_char(purchase_date, 'YYYY-MM'), extract(dow FROM purchase_date), age(now(), purchase_date) FROM orders_us",
    "SELECT j->>'a', x FROM (SELECT '{\"a\": 1}'::jsonb AS j) AS t, jsonb_array_elements('[1, 2]') AS x",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t",
    "SELECT quantity::text || 'x', round(item_price * 1.19, 2), item_price BETWEEN 1 AND 5, greatest(1, quantity) FROM table",
    "SELECT _day, sum(quantity) FROM table GROUP BY ROLLUP (_day) HAVING count(*) > 0 ORDER BY 1 NULLS LAST OFFSET 1 FETCH FIRST 5 ROWS ONLY",
]


def test_honest_statements_are_answered(ask):
    answers = {sql: ask(sql) for sql in HONEST}

    assert not [(sql, answer.whole) for sql, answer in answers.items() if answer.status_code != 200]


# The role alone


@pytest.fixture
def box(people, make, orders, secrets, client):
    """The sandbox without the look at the tree: what is left is the role and the transaction."""
    from django.utils import timezone

    from datasets.access.tokens import Caller
    from datasets.rows.pool import pool
    from datasets.serving.sql import sandbox
    from datasets.serving.sql.limits import Limits

    caller = Caller(people[0])
    with pool().connection() as connection:

        def run(sql):
            sql = sql.replace("{theirs}", f"data.ds_{secrets.pk}")
            tables, known = sandbox.named(caller, sql)
            box = sandbox.Sandbox(connection, caller, tables, known, Limits(seconds=1, rows=100), timezone.now())
            try:
                box.open()
                box.shape(box.take(sql), packed=True)
                return connection.execute("SELECT * FROM pg_temp._answer()").fetchall()
            finally:
                connection.rollback()

        yield run


ESCAPES = """
SELECT set_config('role', 'none', false)
SELECT set_config('role', current_setting('session_authorization'), true)
SELECT set_config('session_authorization', 'default', true)
SELECT set_config('role', 'none', true), query_to_xml('SELECT * FROM {theirs}', true, true, '')::text
SELECT query_to_xml('SELECT * FROM {theirs}', true, true, '')::text
SELECT query_to_xml('SELECT * FROM public.datasets_dataset', true, true, '')::text
SELECT set_config('transaction_read_only', 'off', true)
SELECT query_to_xml('SET ROLE NONE', true, true, '')::text
SELECT query_to_xml('RESET ROLE', true, true, '')::text
SELECT query_to_xml('CREATE TEMP TABLE x (a int)', true, true, '')::text
SELECT query_to_xml('COMMIT', true, true, '')::text
SELECT * FROM {theirs}
SELECT * FROM public.accounts_user
SELECT * FROM public.datasets_accesstoken
SELECT * FROM pg_authid
SELECT pg_read_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT pg_stat_file('/etc/passwd')
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/x')
SELECT pg_reload_conf()
SELECT pg_switch_wal()::text
SELECT current_setting('data_directory')
SELECT nextval('public.datasets_dataset_id_seq')
SELECT pg_sleep(60)::text
""".strip().splitlines()


def test_the_role_alone_lets_nothing_out(box):
    import psycopg

    from datasets.serving.sql.statement_errors import StatementRefused

    for sql in ESCAPES:
        with pytest.raises((psycopg.Error, StatementRefused)):
            print(sql, box(sql))


def test_the_role_is_who_computes(box):
    assert box("SELECT current_user::text, session_user = current_user") == [("backhaul_reader", False)]


def test_nothing_is_left_behind(ask, make):
    from django.db import connection

    for sql in ("SELECT * FROM orders_us", "SELECT 1/0", "SELECT pg_sleep(1)"):
        ask(sql)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname IN ('_query', '_shaped', 'orders_us')")
        views = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM pg_proc WHERE proname = '_answer'")
        functions = cursor.fetchone()[0]
    assert (views, functions) == (0, 0)


def test_of_functions_that_look_beyond_their_arguments_only_the_listed_are_offered():
    """All that this version of PostgreSQL has."""
    from datasets.rows import pool
    from datasets.serving.sql import allowed

    with pool.alone() as connection:
        every = connection.execute(
            "SELECT oid, proname, provolatile FROM pg_proc"
            " WHERE provolatile <> 'i' OR pronamespace <> 'pg_catalog'::regnamespace"
        )
        given = {"also": allowed.ALSO.split(), "types": [], "views": []}
        offered = {
            (name, volatility)
            for number, name, volatility in every.fetchall()
            if connection.execute(allowed.OTHER_FUNCTIONS, given | {"numbers": [number]}).fetchone() is None
        }

    assert {volatility for _, volatility in offered} == {"s"}
    assert {name for name, _ in offered} <= set(allowed.ALSO.split())
    assert {"date_trunc", "now", "json_agg", "to_char"} <= {name for name, _ in offered}
