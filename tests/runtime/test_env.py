"""The environment: each variable also as a file, each wrong value refused with how to fix it."""

import pytest

from connector.runtime import env


def test_a_value_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("SAMPLE_FILE", str(tmp_path / "secret"))

    assert env.text("SAMPLE") == "from the file"


def test_a_file_that_cannot_be_read_is_named(monkeypatch):
    monkeypatch.setenv("SAMPLE_FILE", "/nowhere/secret")

    with pytest.raises(env.Misconfigured, match="SAMPLE_FILE: cannot read /nowhere/secret"):
        env.text("SAMPLE")


@pytest.mark.parametrize(
    "word, meant", [("true", True), ("1", True), ("On", True), ("no", False), ("0", False), ("", True)]
)
def test_flags(monkeypatch, word, meant):
    monkeypatch.setenv("SAMPLE", word)

    assert env.flag("SAMPLE", True) is meant


@pytest.mark.parametrize(
    "read, wrong",
    [
        (lambda: env.flag("SAMPLE", False), "perhaps"),
        (lambda: env.number("SAMPLE", 1, least=0.001), "many"),
        (lambda: env.number("SAMPLE", 1, least=0.001), "0"),
        (lambda: env.number("SAMPLE", 1, least=0.001), "nan"),
        (lambda: env.whole("SAMPLE", 1, least=1, most=65535), "80.5"),
        (lambda: env.whole("SAMPLE", 1, least=1, most=65535), "65536"),
        (lambda: env.whole("SAMPLE", 1, least=1, most=65535), "٣"),
        (lambda: env.url("SAMPLE", "", schemes=("https",)), "ftp://example.com"),
        (lambda: env.origin("SAMPLE", ""), "https://example.com/path"),
        (lambda: env.origin("SAMPLE", ""), "https://example.com:many"),
        (lambda: env.origin("SAMPLE", ""), "https://user@example.com"),
        (lambda: env.origin("SAMPLE", ""), "example.com"),
        (lambda: env.one_of("SAMPLE", "INFO", ("INFO", "DEBUG")), "loud"),
        (lambda: env.database("SAMPLE", "mysql://a@b/c"), "mysql://a@b/c"),
        (lambda: env.database("SAMPLE", "postgresql://a@b"), "postgresql://a@b"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_with_the_fix(monkeypatch, read, wrong):
    monkeypatch.setenv("SAMPLE", wrong)

    with pytest.raises(env.Misconfigured) as refused:
        read()

    assert str(refused.value).startswith("SAMPLE: ")
    assert str(refused.value).count(".") >= 1


def test_a_refused_database_url_shows_no_password():
    with pytest.raises(env.Misconfigured) as refused:
        env.database("DATABASE_URL", "mysql://user:hunter2hunter2@host/name")

    assert "hunter2" not in str(refused.value)


def test_an_origin_loses_its_slash_and_its_capitals(monkeypatch):
    monkeypatch.setenv("SAMPLE", "https://Data.Example.com:8443/")

    assert env.origin("SAMPLE", "") == "https://data.example.com:8443"


def test_a_database_url_is_taken_apart():
    found = env.database("DATABASE_URL", "postgresql://us%40er:p%2Fw@db.example.com:6432/na%20me?sslmode=require")

    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"]) == (
        "us@er",
        "p/w",
        "db.example.com",
        "6432",
    )
    assert (found["NAME"], found["OPTIONS"]) == ("na me", {"sslmode": "require"})


def test_a_database_url_may_name_a_socket():
    found = env.database("DATABASE_URL", "postgresql://backhaul@/backhaul?host=%2Ftmp%2Fa+b")

    assert found["HOST"] == "/tmp/a+b"
