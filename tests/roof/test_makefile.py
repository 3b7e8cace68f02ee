"""What the Makefile says that it can do, it does."""

import re

from tests.conftest import PROJECT

TEXT = (PROJECT / "Makefile").read_text()


def test_every_command_that_is_named_has_its_recipe():
    named = set(re.search(r"^\.PHONY: (.*)$", TEXT, re.M)[1].split())
    named |= set(re.findall(r"^# make (\w+)", TEXT, re.M))
    for page in (PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")):
        named |= set(re.findall(r"`make (\w+)", page.read_text()))

    with_recipes = set(re.findall(r"^(\w+): [^\n:]*\n\t", TEXT, re.M)) | {
        "install"
    }  # all that it does is what it needs

    assert {"demo", "probe", "faults"} <= named
    assert named - with_recipes == set()
