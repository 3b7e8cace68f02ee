"""Where we stand on the insides of a library, its version is pinned exactly; another one is looked at before it is used."""

import ast
import re
from dataclasses import dataclass
from importlib.metadata import version

import pytest

from tests.conftest import PROJECT


@dataclass(frozen=True)
class Inside:
    """A module of ours, the version of the library it was read against, what of it is used, and what tells that it holds."""

    module: str
    library: str
    version: str
    packages: tuple  # of the library, imported by no other module of ours
    uses: str
    tests: str


INSIDES = (
    Inside(
        "connector/runtime/web.py",
        "gunicorn",
        "27.0.1",
        ("gunicorn.workers",),
        "ThreadWorker's accept(), handle() and nr_conns, and that the master makes workers before it forks",
        "tests/runtime/test_web.py",
    ),
    Inside(
        "gunicorn.conf.py",
        "gunicorn",
        "27.0.1",
        ("gunicorn.util", "gunicorn.glogging"),
        "util.write_error, which answers what is no HTTP, and the atoms of the access log",
        "tests/runtime/test_web.py tests/serving/test_bad_wire.py",
    ),
    Inside(
        "connector/runtime/redis_transport.py",
        "kombu",
        "5.7.0",
        ("kombu.transport.redis",),
        "Channel._brpop_read() and Transport._deliver(), by which every message comes",
        "tests/faults/test_broker.py",
    ),
    Inside(
        "datasets/serving/prepared.py",
        "django",
        "5.2.19",
        ("django.db.models.query",),
        "what a compiler keeps (klass_info, select, converters), get_related_populators() and Model.from_db()",
        "tests/serving/test_prepared.py",
    ),
    Inside(
        "connector/accounts/sealing.py",
        "django",
        "5.2.19",
        ("django.db.models.query_utils",),
        "DeferredAttribute as a field's descriptor_class, and that a model's __dict__ holds the value",
        "tests/accounts/test_sealing.py",
    ),
)
by_module = pytest.mark.parametrize("inside", INSIDES, ids=lambda inside: inside.module)


def pins(file):
    """Library → version, of the exact pins in a file of requirements."""
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([\w.]+)", (PROJECT / file).read_text(), re.M))


def imported(path):
    """Each module that a file imports, and each name with the module it is from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


@by_module
def test_the_insides_are_those_that_were_read(inside):
    found = version(inside.library)

    assert found == inside.version, (
        f"{inside.module} was read against {inside.library} {inside.version}, and {found} is installed. Compare what it uses "
        f"({inside.uses}) with the new version, run {inside.tests}, and write {found} here and into requirements.in."
    )


@by_module
@pytest.mark.parametrize("file", ["requirements.in", "requirements.txt"])
def test_the_version_is_pinned_exactly(inside, file):
    assert pins(file).get(inside.library) == inside.version, f"{file}: pin {inside.library}=={inside.version}"


@by_module
def test_nobody_else_stands_on_the_same_insides(inside):
    ours = [PROJECT / "gunicorn.conf.py", *PROJECT.glob("connector/**/*.py"), *PROJECT.glob("datasets/**/*.py")]
    users = {
        str(path.relative_to(PROJECT))
        for path in ours
        for name in imported(path)
        if any(name == package or name.startswith(package + ".") for package in inside.packages)
    }

    assert users == {inside.module}
