"""Settings as a whole: what starts, what is refused, and what https turns on. Each case is a process with its own environment."""

import ast
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests import clock

PROJECT = Path(__file__).resolve().parents[2]
READ = """
import json, sys
from connector import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""
KEY = "a" * 43 + "="
PRODUCTION = {
    "DATABASE_URL": "postgresql://user@db.example.com/backhaul",
    "BROKER_URL": "redis://broker.example.com/0",
    "SECRET_KEY": "production-key-" + "x9" * 30,
    "FIELD_KEYS": KEY,
    "PUBLIC_URL": "https://data.example.com",
}


def python(*arguments, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=kept | clock.environment() | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def read(*names, **environment):
    done = python("-c", READ, *names, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(**environment):
    done = python("-c", READ, **environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_keys_are_made_once_under_data_dir_for_us_alone(tmp_path):
    folder = tmp_path / "new" / "data"

    first = read("SECRET_KEY", "FIELD_KEYS", DATA_DIR=str(folder))
    second = read("SECRET_KEY", "FIELD_KEYS", DATA_DIR=str(folder))

    assert first == second
    assert len(first["SECRET_KEY"]) >= 50
    for name in ("secret_key", "field_keys"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert read("SECRET_KEY", DATA_DIR=str(tmp_path / "other"))["SECRET_KEY"] != first["SECRET_KEY"]


@pytest.mark.parametrize("missing", ["SECRET_KEY", "FIELD_KEYS"])
def test_a_missing_key_is_refused_where_no_folder_was_named_to_keep_one_in(missing):
    environment = {name: value for name, value in PRODUCTION.items() if name != missing}

    assert refused(**environment).startswith(f"{missing}: it is unset")


def test_two_processes_starting_at_once_agree_on_their_keys(tmp_path):
    command = [sys.executable, "-c", READ, "SECRET_KEY", "FIELD_KEYS"]
    environment = os.environ | {"DATA_DIR": str(tmp_path / "data")}
    started = [subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE) for _ in range(4)]

    assert len({process.communicate()[0] for process in started}) == 1


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("DATABASE_URL", "mysql://user@host/name"),
        ("BROKER_URL", "kafka://host"),
        ("PUBLIC_URL", "data.example.com"),
        ("PORT", "eighty"),
        ("DEBUG", "perhaps"),
        ("SPAPI_RATE_FACTOR", "fast"),
        ("SPAPI_ENDPOINT_NA", "sellingpartnerapi-na.amazon.com"),
        ("LOG_LEVEL", "loud"),
        ("SECRET_KEY_FILE", "/nowhere/key"),
    ],
)
def test_a_wrong_value_keeps_the_program_from_starting_and_says_which(name, wrong):
    assert refused(**PRODUCTION | {name: wrong}).startswith(f"{name}: ")


def test_https_turns_on_what_belongs_to_it():
    found = read(
        *(
            "SESSION_COOKIE_SECURE",
            "CSRF_COOKIE_SECURE",
            "SESSION_COOKIE_NAME",
            "SECURE_SSL_REDIRECT",
            "SECURE_HSTS_SECONDS",
        ),
        *("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DEBUG"),
        **PRODUCTION,
    )

    assert found == {
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session",
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 365 * 24 * 3600,
        "ALLOWED_HOSTS": ["data.example.com"],
        "CSRF_TRUSTED_ORIGINS": ["https://data.example.com"],
        "DEBUG": False,
    }


def test_two_installations_on_one_machine_have_sessions_of_their_own(tmp_path):
    names = {
        read("SESSION_COOKIE_NAME", DATA_DIR=str(tmp_path), PORT=port)["SESSION_COOKIE_NAME"]
        for port in ("8000", "8001")
    }

    assert len(names) == 2


@pytest.mark.slow
def test_the_deploy_checks_find_nothing_in_production_settings():
    done = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"PUBLIC_URL": "http://data.example.com"}, "connector.W001"),
        ({"PUBLIC_URL": "http://localhost:8000"}, "connector.W002"),
        ({"SPAPI_ENDPOINT_NA": "http://127.0.0.1:9100"}, "connector.W003"),
    ],
)
def test_the_deploy_checks_name_what_would_go_wrong(changes, expected):
    done = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | changes)

    assert done.returncode == 1
    assert expected in done.stderr
    assert "HINT" in done.stderr


def test_the_example_names_every_variable_and_no_other():
    text = "\n".join((PROJECT / name).read_text() for name in ("connector/settings.py", "gunicorn.conf.py"))
    asked = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text)) | {
        "SPAPI_ENDPOINT_NA",
        "SPAPI_ENDPOINT_EU",
        "SPAPI_ENDPOINT_FE",
    }
    named = set(re.findall(r"^([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))

    assert named == asked


def reads_the_environment(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asked = f"{node.value.id}.{node.attr}"
            if asked in ("os.environ", "os.getenv") or asked.startswith("env."):
                return True
    return False


def test_only_settings_read_the_environment():
    """Elsewhere a variable would go unnamed in the example; the process group and the launchers pass it on as it is."""
    passers = {"embedded", "simulator", "running.py", "simulated.py", "env.py", "celery.py", "wsgi.py", "settings.py"}
    passers |= {"dbshell.py"}  # its psql inherits the environment, with one folder more to look into
    paths = [*PROJECT.glob("connector/**/*.py"), *PROJECT.glob("datasets/**/*.py")]

    assert not [path for path in paths if not passers & set(path.parts) and reads_the_environment(path)]


def test_the_procfile_has_what_platforms_look_for():
    lines = dict(line.split(": ", 1) for line in (PROJECT / "Procfile").read_text().splitlines())

    assert set(lines) == {"release", "web", "worker", "beat"}
    assert "0.0.0.0" in (PROJECT / "gunicorn.conf.py").read_text()  # platforms ask from outside, on the PORT they give
