"""What the developers' page says of adding a report is what stands in the files."""

import inspect
import re
from pathlib import Path

import pytest

from connector.catalogue import create_and_download, outline
from connector.catalogue.order_values import TAKES

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "developers.md").read_text()


def added():
    """(file, line) of each line that the page's diffs add."""
    path = ""
    for block in re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("+++ "):
                path = line.removeprefix("+++ ")
            else:
                yield path, line.removeprefix("+")


@pytest.mark.parametrize(("path", "line"), list(added()))
def test_a_line_of_the_diff_stands_in_its_file(path, line):
    assert line in (PROJECT / path).read_text().splitlines()


def test_a_flat_file_takes_at_most_four_lines_beside_its_columns_and_sample():
    lines = [line for path, line in added() if not path.endswith((".txt", ".tsv"))]

    assert 0 < len(lines) <= 4


def test_the_outlines_that_explain_the_language_are_outlines():
    of_page = re.search(r"```\n(reportSpecification:.*?)```", PAGE, re.DOTALL)[1]
    of_module = re.search(r"(    reportSpecification:.*?)\n\n", outline.__doc__, re.DOTALL)[1]

    for text in (of_page, inspect.cleandoc(of_module)):
        shape = outline.parse(text, TAKES | {"order_programs": lambda value: (None, False)})
        assert (shape.path, shape.each, shape.rest.name) == ("orders", "orderItems", "other_fields")
        assert shape.columns[-2].meaning.startswith("how many were bought")


def test_the_users_page_names_each_type_that_takes_files_of_ones_own():
    """It named the all-orders files only."""
    page = " ".join((PROJECT / "docs" / "users.md").read_text().split())
    files = page.partition("## Files of your own")[2].partition("## What is in the columns")[0]

    for kind in create_and_download.TYPES:
        if kind.source.is_flat_file and kind.day_column:
            assert f"*{kind.title}*" in files
    assert "FBA customer returns" in create_and_download.CREATE_AND_DOWNLOAD.summary
