"""Amazon's client tells facts: what they mean for rows, accounts and actions is said by whoever asked."""

import ast
import re

import pytest

from connector.accounts import error_texts as of_accounts
from connector.spapi import errors
from datasets.backfill import error_texts as of_runs
from tests.conftest import PROJECT

ROOM = PROJECT / "connector" / "spapi"
CALLERS_WORDS = re.compile(
    r"dataset|\brows?\b|these days|this day|next run|\bnothing (?:is|of it|was (?:lost|loaded|changed|saved))\b|loaded|Accounts, |re-authorise|options\.",
    re.IGNORECASE,
)


def classes(base=errors.SpapiError):
    yield base
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from classes(each)


def texts(path):
    """Each text of the file that is no docstring and no SQL."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.stem)
def test_the_client_of_amazon_speaks_of_amazon_alone(path):
    found = [text for text in texts(path) if path.stem != "quota" and CALLERS_WORDS.search(text)]

    assert found == []


def made(kind, **more):
    return kind(**({"wait": 1} if issubclass(kind, errors.ComeBackLater) else {}), **more)


WORDED = [kind for kind in dict.fromkeys(classes()) if kind not in (errors.SpapiError, errors.ComeBackLater)]
SAID_BY_THE_ENGINE = {errors.ReportFailed, errors.ReportCancelled, errors.NothingThere}


@pytest.mark.parametrize("kind", [kind for kind in WORDED if kind not in SAID_BY_THE_ENGINE])
def test_each_error_is_worded_for_a_run(kind):
    said = of_runs.words(made(kind, fact="Amazon did this."))

    assert said.startswith("Amazon did this. ") and len(said) > 40


@pytest.mark.parametrize("kind", of_runs.MEANING)
def test_no_error_says_that_the_next_run_tries_again(kind):
    """Days that failed wait for a run after their own time, for up to a week."""
    assert "next run" not in of_runs.MEANING[kind]


@pytest.mark.parametrize("words", [of_runs.words, of_accounts.words])
def test_what_our_own_rooms_have_worded_stays_as_it_is(words):
    problem = errors.AmazonRefused("A whole text of ours.")

    assert words(problem) == "A whole text of ours."


def test_a_missing_role_is_worded_for_runs_and_for_accounts_with_its_likely_causes():
    problem = errors.AccessDenied(fact="Amazon refuses searchOrders to this account (403).", status=403)

    for words in (of_runs.words, of_accounts.words):
        for cause in ("role", "region", "vendor", "client secret"):
            assert cause in words(problem)
    assert "loaded" in of_runs.words(problem) and "loaded" not in of_accounts.words(problem)


def test_a_refusal_that_no_class_names_says_what_to_do_about_the_dataset_and_nothing_of_it_to_an_account():
    problem = errors.AmazonRefused(fact="Amazon does not answer this request to getOrder (400).")

    assert "Check the dataset's options" in of_runs.words(problem)
    assert of_accounts.words(problem) == problem.fact
