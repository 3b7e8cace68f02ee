"""Every fault of Amazon's that we know of has a test that names it."""

import re

from tests.faults import test_documents, test_pages, test_reports, test_sign_in

MODULES = (test_pages, test_reports, test_documents, test_sign_in)


def test_each_of_the_38_faults_is_tried():
    tests = [value for module in MODULES for name, value in vars(module).items() if name.startswith("test_")]
    told = " ".join([module.__doc__ for module in MODULES] + [test.__doc__ or "" for test in tests if callable(test)])
    named = set(re.findall(r"\bE\d+\b", " ".join(test.__doc__ or "" for test in tests if callable(test))))

    assert named >= {f"E{number}" for number in range(1, 39)}, sorted({f"E{n}" for n in range(1, 39)} - named)
    assert told
