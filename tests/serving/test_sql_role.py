"""The role that statements run as: made where the login may make it, else the operator is told what to run."""

import secrets

import pytest
from psycopg import sql

from datasets.rows import pool
from datasets.serving.sql import reader

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def servers_owner():
    with pool.alone() as connection:
        if not connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:
            pytest.skip("only a superuser can make the logins that this is about")
        yield connection


@pytest.fixture
def login(servers_owner, settings):
    """A connection as somebody who may do nothing about roles, and names that nobody else uses."""
    mark = secrets.token_hex(4)
    settings.SQL_ROLE, name = f"reader_{mark}", f"app_{mark}"
    servers_owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    with pool.alone() as connection:
        connection.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(name)))
        connection.mark = name
        yield connection
        connection.rollback()
    for role in (settings.SQL_ROLE, name):
        servers_owner.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def test_who_may_make_it_needs_do_nothing(login, servers_owner):
    servers_owner.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(sql.Identifier(login.mark)))

    assert reader.problem(login) is None

    row = servers_owner.execute(
        "SELECT rolcanlogin, rolsuper, rolinherit FROM pg_roles WHERE rolname = %s", [reader.name()]
    ).fetchone()
    assert row[:2] == (False, False)


def test_who_may_not_is_told_what_to_run(login, servers_owner):
    said = reader.problem(login)
    assert f"CREATE ROLE {reader.name()} NOLOGIN; GRANT {reader.name()} TO" in said

    servers_owner.execute(f"CREATE ROLE {reader.name()} NOLOGIN")
    said = reader.problem(login)
    assert f"GRANT {reader.name()} TO" in said
    assert "CREATE ROLE" not in said

    servers_owner.execute(f"GRANT {reader.name()} TO {login.mark}")
    assert reader.problem(login) is None


@pytest.mark.parametrize("power", ["SUPERUSER", "CREATEROLE", "BYPASSRLS"])
def test_a_role_with_power_is_not_used(login, servers_owner, power):
    servers_owner.execute(f"CREATE ROLE {reader.name()} NOLOGIN {power}")
    servers_owner.execute(f"GRANT {reader.name()} TO {login.mark}")

    assert "has too many rights" in reader.problem(login)


def test_a_role_that_belongs_to_another_is_not_used(login, servers_owner):
    servers_owner.execute(f"CREATE ROLE {reader.name()} NOLOGIN")
    servers_owner.execute(f"GRANT pg_read_all_data TO {reader.name()}")

    assert "belong to no other role" in reader.problem(login)


def test_the_call_says_so_with_501(client, make, servers_owner, settings):
    settings.SQL_ROLE = f"reader_{secrets.token_hex(4)}"
    servers_owner.execute(f"CREATE ROLE {settings.SQL_ROLE} SUPERUSER")
    try:
        response = client.get("/api/v1/query?sql=SELECT 1", headers={"Authorization": f"Bearer {make.token()}"})
    finally:
        servers_owner.execute(f"DROP ROLE {settings.SQL_ROLE}")

    assert response.status_code == 501
    assert response.json()["code"] == "sql_not_set_up"
    assert "NOSUPERUSER" in response.json()["detail"]
