"""The floor plan: imports only fall. Each room stands on the ones below and knows nothing of those above or beside it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent

# From the ground up. Rooms on one floor do not know each other; the longest name that fits is a module's room.
FLOORS = (
    (
        "connector.runtime",
        "connector.database",
        "connector.spapi.charsets",
        "datasets.storage",
        "datasets.formats",
        "datasets.schedule",
        "datasets.problems",
        "datasets.calendar",
        "datasets.retries",
        "datasets.raw_files",
    ),
    ("connector.spapi", "connector.catalogue", "connector.runtime.embedded", "datasets.tabular"),
    ("connector.accounts", "connector.runtime.installation"),
    ("datasets.models", "datasets.personal"),
    ("datasets.backfill",),
    ("datasets.backfill.dataset_status", "datasets.backfill.tasks"),
    ("datasets.rows",),
    ("datasets.access",),
    ("datasets.definition", "datasets.serving", "datasets.destinations", "datasets.uploads", "datasets.profiles"),
    ("datasets.views", "datasets.serving.api", "datasets.admin", "datasets.templatetags"),
    ("datasets", "datasets.serving.urls", "connector"),  # apps, and the roof: settings, site map, celery, probes
    ("datasets.management",),
)

# The simulator is a house of its own: from what a thing is, over the world and what is written of it, to who answers.
SIMULATOR = tuple(
    tuple(f"connector.simulator.{name}".removesuffix(".") for name in floor)
    for floor in (
        ("", "answers", "applications", "buckets", "clock", "marketplaces", "money", "operations", "people", "products")
        + ("requestlog", "settings", "signing", "document_corruption", "xml_orders"),
        ("checks", "orderids", "participations", "partners"),
        ("world",),
        ("analytics", "order_json", "truth"),
        ("flat_file",),
        ("sampled",),
        ("report_types",),
        ("consent", "documents", "orders", "reports", "tokens"),
        ("faults",),
        ("control",),
        ("simulator",),
        ("server",),
        ("__main__",),
    )
)
ROOMS = {room: floor for plan in (FLOORS, SIMULATOR) for floor, rooms in enumerate(plan) for room in rooms}
WRITES_ROWS = re.compile(r"\b(INSERT INTO|DELETE FROM|UPDATE|TRUNCATE|COPY)\s+\{")


def is_simulator(name):
    return name == "connector.simulator" or name.startswith("connector.simulator.")


def modules():
    """Name → file of every module."""
    found = {}
    for path in sorted([*PROJECT.glob("connector/**/*.py"), *PROJECT.glob("datasets/**/*.py")]):
        name = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        if ".migrations" not in name:
            found[name] = path
    return found


MODULES = modules()
PRODUCT = {name: path for name, path in MODULES.items() if not is_simulator(name)}


@cache
def tree(path):
    return ast.parse(path.read_text())


@cache
def nodes(path):
    return tuple(ast.walk(tree(path)))


@cache
def imports(name, path):
    """Everything a module imports, wherever in it the import stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                steps = package.split(".")
                base = ".".join(steps[: len(steps) - node.level + 1] + ([node.module] if node.module else []))
            for each in node.names:
                whole = f"{base}.{each.name}"
                found.append(whole if whole in MODULES else base)
    return tuple(found)


def room_of(name):
    """The simulator's modules each stand on a floor of their own plan; a new one has to be put there."""
    if is_simulator(name):
        return name
    return max((room for room in ROOMS if name == room or name.startswith(room + ".")), key=len)


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_fall(name):
    room = room_of(name)
    for target in imports(name, MODULES[name]):
        if target in MODULES and room_of(target) != room:
            assert ROOMS[room_of(target)] < ROOMS[room], f"{name} may not know {target}"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("connector")])
def test_connector_never_imports_datasets(name):
    assert not [target for target in imports(name, MODULES[name]) if target.split(".")[0] == "datasets"]


@pytest.mark.parametrize("name", PRODUCT)
def test_no_room_of_the_product_imports_the_simulator(name):
    assert not [target for target in imports(name, MODULES[name]) if is_simulator(target)]


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(PRODUCT)))
def test_the_simulator_takes_nothing_from_the_product(name):
    """Else it would share our mistakes and call them right. It reads samples, and no declaration of a column."""
    ours = [target for target in imports(name, MODULES[name]) if target.split(".")[0] in ("connector", "datasets")]

    assert all(is_simulator(target) for target in ours)
    assert "catalogue" not in MODULES[name].read_text()


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(PRODUCT)))
def test_every_module_of_the_simulator_stands_on_a_floor(name):
    assert name in ROOMS, f"put {name} on the simulator's plan, above what it imports"


@pytest.mark.parametrize("room", ["connector.spapi", "connector.catalogue", "connector.runtime.embedded"])
def test_these_rooms_know_no_django(room):
    for name, path in PRODUCT.items():
        if room_of(name) == room:
            assert not [target for target in imports(name, path) if target.split(".")[0] in ("django", "celery")], name


def test_storage_knows_tables_and_columns_but_no_model():
    for name, path in MODULES.items():
        if room_of(name) == "datasets.storage":
            assert not [
                target for target in imports(name, path) if target.endswith(".models") or target == "django.db.models"
            ]


def test_only_accounts_builds_a_signed_client():
    builders = {
        room_of(name)
        for name, path in MODULES.items()
        if any(target == "connector.spapi.client" for target in imports(name, path))
    }

    assert builders <= {"connector.accounts", "connector.spapi"}


def uses_of(module, path):
    """What a file takes from a module that it calls by its last name; an exception's class may be caught anywhere."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module:
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").endswith(f"storage.{module}"):
            yield from (each.name for each in node.names)


def test_only_land_writes_rows():
    """Statements on a dataset's own table stand in storage, and only land.py has them carried out."""
    for name, path in MODULES.items():
        if room_of(name) == "datasets.storage" or name == "datasets.backfill.land":
            continue
        texts = [node.value for node in nodes(path) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        assert not [text for text in texts if WRITES_ROWS.search(text)], f"{name} may not write rows"
        assert not [use for use in uses_of("modes", path) if use.islower()], f"{name} may not write rows"


READS_TABLES = ("table", "table_name", "totals", "SCHEMA")
MAY_READ = {
    "datasets.rows.snapshot": READS_TABLES,  # for readers, under a policy
    "datasets.backfill.land": ("table", "totals"),  # for the ledger, which is shown under a policy
    "datasets.backfill.housekeeping": ("SCHEMA",),  # which tables there are
}


def test_only_the_snapshot_makes_statements_that_read_a_datasets_table():
    """Whoever wants rows asks it, and has to name a policy: there is no other way to a table."""
    for name, path in MODULES.items():
        if room_of(name) == "datasets.storage":
            continue
        used = {use for use in uses_of("read", path) if use in READS_TABLES}
        assert used <= set(MAY_READ.get(name, ())), f"{name} may not read rows past the snapshot: {used}"
        named = [
            node.value
            for node in nodes(path)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.search(r"\bdata\.(ds_|\{)", node.value)
        ]
        assert not named, f"{name} may not name a dataset's table: {named}"


def test_no_snapshot_and_no_page_is_had_without_a_policy():
    import inspect

    from datasets.rows import snapshot
    from datasets.rows.page import Page

    for maker in (snapshot.Snapshot, snapshot.glance, snapshot.take, Page):
        policy = inspect.signature(maker).parameters["policy"]
        assert policy.default is inspect.Parameter.empty, f"{maker.__name__} has an open default"
    makers = {
        f"{name} {node.name}"
        for name, path in MODULES.items()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(each, ast.Call) and getattr(each.func, "id", "") == "Snapshot" for each in ast.walk(node))
    }
    assert makers == {"datasets.rows.snapshot glance"}


def test_only_access_makes_a_policy():
    makers = {
        name
        for name, path in MODULES.items()
        for node in nodes(path)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Policy"
    }

    assert makers == {"datasets.access.policies"}


LEDGER_OF_ROWS = ("rows", "columns", "totals_before", "totals_after", "differences")
MAY_TELL = {"datasets.rows.snapshot", "datasets.rows.policy", "datasets.rows.page", "datasets.serving.sql.sandbox"}


def test_what_the_ledger_knows_of_rows_is_told_through_a_policy():
    """Counts, column lists and sums of a dataset come from its snapshot, not from the model: the policy has cut them there."""
    upper = ROOMS["datasets.rows"]
    for name, path in MODULES.items():
        if ROOMS[room_of(name)] < upper or name in MAY_TELL or not name.startswith("datasets"):
            continue
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and node.attr in LEDGER_OF_ROWS:
                said = ast.unparse(node)
                is_model = re.search(r"(dataset|change)\.\w+$", said) or said.endswith("['dataset'].rows")
                told = re.search(rf"policy\.\w+\([^()]*{re.escape(said)}", ast.unparse(tree(path)))
                assert not is_model or told, f"{name} tells {said} past the policy"
    for path in PROJECT.glob("templates/**/*.html"):
        assert not re.search(r"\bdataset\.(rows|columns)\b", path.read_text()), (
            f"{path.name} tells of rows past the policy"
        )


SOURCES = ("Pages", "Document", "PageChain", "BuiltReport", "OwnFile")
A_KIND = re.compile(r"(^|\.)(source|request|answer)\.kind$")


def asks_for_the_kind(node):
    """Whether what the code does here hangs on which kind of source it has before it."""
    if isinstance(node, ast.Attribute):
        return node.attr == "is_report"
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
        return any(isinstance(each, ast.Name) and each.id in SOURCES for each in ast.walk(node.args[1]))
    looked_at = {
        ast.Compare: lambda: [node.left, *node.comparators],
        ast.Match: lambda: [node.subject],
        ast.Subscript: lambda: [node.slice],
    }.get(type(node), list)
    return any(A_KIND.search(ast.unparse(each)) for each in looked_at())


def test_only_the_sources_ask_for_the_kind_of_a_source():
    """Else a further kind would be an `if` in every room, and not a module in `backfill/sources/` and its line in `index.py`."""
    for name, path in PRODUCT.items():
        # The ledger stands below the sources, and knows of a file only that its rows are not Amazon's.
        if name.startswith(("datasets.backfill.sources", "connector.catalogue", "datasets.models")):
            continue
        found = [ast.unparse(node) for node in nodes(path) if asks_for_the_kind(node)]
        assert not found, f"{name} asks for the kind of a source: {found}"


@pytest.mark.parametrize(
    "line",
    [
        "report.source.is_report",
        "request.answer.kind == 'file'",
        "'pages' != self.report.source.kind",
        "WORDS[answer.kind]",
        "isinstance(report.source, Document)",
    ],
)
def test_a_line_that_asks_for_the_kind_is_seen(line):
    assert any(asks_for_the_kind(node) for node in ast.walk(ast.parse(line)))


def with_packages(target):
    """A module and the packages around it, whose __init__ Python runs before it."""
    steps = target.split(".")
    return {".".join(steps[: count + 1]) for count in range(len(steps))}


def test_modules_import_each_other_in_no_circle():
    """Packages count: a facade that imports its own modules, which import their neighbours, is a circle; so do imports for
    types."""
    below = {
        name: {each for target in imports(name, path) for each in with_packages(target) if each in MODULES} - {name}
        for name, path in MODULES.items()
    }
    done = set()

    def walk(name, trail):
        if name in trail:
            raise AssertionError(" → ".join([*trail[trail.index(name) :], name]))
        if name in done:
            return
        for target in below[name]:
            walk(target, [*trail, name])
        done.add(name)

    for name in MODULES:
        walk(name, [])


def test_folders_import_each_other_in_no_circle_of_two():
    def folder(name):
        return str(MODULES[name].parent.relative_to(PROJECT))

    one_way = {
        (folder(name), folder(target))
        for name, path in MODULES.items()
        for target in imports(name, path)
        if target in MODULES and folder(name) != folder(target)
    }

    assert {tuple(sorted(pair)) for pair in one_way if pair[::-1] in one_way} == set()


def test_the_plan_names_only_rooms_that_could_exist():
    """A room that was renamed drops out of its floor, and everything in it onto the roof's: that must not go unseen."""
    later = {"datasets.destinations", "datasets.admin"}
    for room in set(ROOMS) - later:
        assert any(name == room or name.startswith(room + ".") for name in MODULES), room
