"""Every fault that we know of has a test that names it: Amazon's (E), and those of processes (A), broker (B), database (C), clocks (D)."""

import ast
import re

from tests.conftest import PROJECT

ROOM = PROJECT / "tests" / "faults"
AMAZONS = ("pages", "reports", "series", "series_documents", "documents", "sign_in", "set_aside")
OURS = {"A": 17, "B": 6, "C": 12, "D": 5}
ELSEWHERE = {  # the test that holds it, where that is not in this room
    "A15": "tests/backfill/test_dispatch.py::test_days_without_a_tick_become_one_run",
    "C6": "tests/serving/test_sql.py::test_time_runs_out_as_504_and_the_connection_is_good_again",
    "C11": "tests/backfill/test_engine.py::test_a_table_that_somebody_holds_is_waited_for_and_nothing_is_lost",
    "D2": "tests/backfill/test_windows.py::test_a_daily_schedule_runs_once_on_each_local_day",
    "D3": "tests/backfill/test_windows.py::test_days_tile_time_without_gap_or_overlap",
    "D5": "tests/accounts/test_consent.py::test_nothing_that_happens_to_an_account_sets_the_clock_of_its_days",
}
NOT_TRIED = {
    "D5": "nobody can choose a zone (see above); but a tz database that is updated only after the day whose rules it changes "
    "leaves that day as it was counted, unless it is young enough to be read again anyway",
}
FAULTS = {f"E{number}" for number in range(1, 41)}
# Of each fault the suite tries the start, the middle and the end: of a chain of pages, or of a backfill's reports. One that has no
# such places would stand here with its reason.
WITHOUT_PLACE = {}
PLACES = {"places", "rounds"}  # of tests/faults/driving.py: all three, none left out


def found_in(path):
    """{name: function} of a file's tests."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in found if node.name.startswith("test_")}


def promises_of(path):
    """{name: docstring} of a file's tests."""
    return {name: ast.get_docstring(test) or "" for name, test in found_in(path).items()}


def named(tests):
    return set(re.findall(r"\bE\d+\b", " ".join(ast.get_docstring(test) or "" for test in tests)))


def is_everywhere(test):
    """Whether a loop of the test's goes through all places, and begins again, with nothing loaded, at each."""
    return any(
        isinstance(loop, ast.For)
        and calls(loop.iter) & PLACES
        and calls(*loop.body) & {"again", "expire_at", "until_page"}
        for loop in ast.walk(test)
    ) and not any(isinstance(part, ast.Subscript) and calls(part.value) & PLACES for part in ast.walk(test))


def calls(*nodes):
    """The names of the functions called within."""
    found = [part.func for node in nodes for part in ast.walk(node) if isinstance(part, ast.Call)]
    return {getattr(name, "attr", getattr(name, "id", None)) for name in found}


def test_each_of_the_40_faults_is_tried_at_the_start_in_the_middle_and_at_the_end():
    tests = [test for name in AMAZONS for test in found_in(ROOM / f"test_{name}.py").values()]
    everywhere = named(test for test in tests if is_everywhere(test))

    assert named(tests) == FAULTS
    assert FAULTS - everywhere == WITHOUT_PLACE.keys()


def test_each_fault_of_our_own_parts_is_tried_or_its_absence_explained():
    said = " ".join(doc for path in ROOM.glob("test_*.py") for doc in promises_of(path).values())
    rows = {f"{letter}{number}" for letter, most in OURS.items() for number in range(1, most + 1)}
    here = rows & set(re.findall(r"\b[A-D]\d+\b", said))

    assert here | ELSEWHERE.keys() | NOT_TRIED.keys() == rows
    assert not here & NOT_TRIED.keys()
    for test in ELSEWHERE.values():
        path, name = test.split("::")
        assert name in promises_of(PROJECT / path), test
