"""Every fault that we know of has a test that names it: Amazon's (E), and those of processes (A), broker (B), database (C), clocks (D)."""

import ast
import inspect
import re

from tests.conftest import PROJECT
from tests.faults import test_documents, test_pages, test_reports, test_series, test_sign_in

AMAZONS = (test_pages, test_reports, test_series, test_documents, test_sign_in)
OURS = {"A": 17, "B": 6, "C": 12, "D": 5}
ELSEWHERE = {  # the test that holds it, where that is not in this room
    "A15": "tests/backfill/test_dispatch.py::test_days_without_a_tick_become_one_run",
    "C6": "tests/serving/test_sql.py::test_time_runs_out_as_504_and_the_connection_is_good_again",
    "C11": "tests/backfill/test_engine.py::test_a_table_that_somebody_holds_is_waited_for_and_nothing_is_lost",
    "D2": "tests/backfill/test_windows.py::test_a_daily_schedule_runs_once_on_each_local_day",
    "D3": "tests/backfill/test_windows.py::test_days_tile_time_without_gap_or_overlap",
}
NOT_TRIED = {
    "C3": "rows and checkpoint are one transaction, so they vanish together; no landing turns synchronous_commit off",
    "C8": "a journal without room needs a disk of its own, which a test has not",
    "D5": "the zone of an account is its home marketplace's; nobody can choose another",
}
IN_PAGES = {1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 21, 22, 23, 26, 36, 37}  # those that can befall any page of a chain


def promises_of(path):
    """{name: docstring} of a file's tests."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in found if node.name.startswith("test_")}


def test_each_of_the_38_faults_is_tried():
    tests = [value for module in AMAZONS for name, value in vars(module).items() if name.startswith("test_")]
    named = set(re.findall(r"\bE\d+\b", " ".join(test.__doc__ or "" for test in tests if callable(test))))

    assert named >= {f"E{number}" for number in range(1, 39)}, sorted({f"E{n}" for n in range(1, 39)} - named)


def test_what_can_befall_any_page_is_tried_at_the_start_in_the_middle_and_at_the_end():
    everywhere = " ".join(
        test.__doc__ or ""
        for name, test in vars(test_pages).items()
        if name.startswith("test_") and ".places(" in inspect.getsource(test)
    )

    assert {number for number in IN_PAGES if not re.search(rf"\bE{number}\b", everywhere)} == set()


def test_each_fault_of_our_own_parts_is_tried_or_its_absence_explained():
    said = " ".join(
        doc for path in (PROJECT / "tests" / "faults").glob("test_*.py") for doc in promises_of(path).values()
    )
    rows = {f"{letter}{number}" for letter, most in OURS.items() for number in range(1, most + 1)}
    here = rows & set(re.findall(r"\b[A-D]\d+\b", said))

    assert here | ELSEWHERE.keys() | NOT_TRIED.keys() == rows
    assert not here & NOT_TRIED.keys()
    for test in ELSEWHERE.values():
        path, name = test.split("::")
        assert name in promises_of(PROJECT / path), test
