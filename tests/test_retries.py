"""The waits before the next try, and what people are told of them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from connector.spapi import errors
from datasets import retries
from datasets.backfill import error_texts


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(hours=1), "an hour"),
        (timedelta(hours=4), "4 hours"),
        (timedelta(days=1) - retries.SLACK, "a day"),
        (timedelta(days=3) - retries.SLACK, "3 days"),
        (timedelta(days=7) - retries.SLACK, "a week"),
    ],
)
def test_a_distance_in_words(distance, words):
    assert retries.in_words(distance) == words


def test_what_is_said_of_days_that_failed_names_the_first_and_the_last_distance():
    assert retries.LATER == (
        "retried by later runs, an hour after the first failure and then at increasing intervals of up to a week"
    )


@pytest.mark.parametrize(
    "kind", [errors.EndlessPages, errors.AnswerTooLarge, errors.DocumentBroken, errors.DocumentRefused]
)
def test_no_refusal_promises_a_try_that_the_next_run_does_not_make(kind):
    """Days that have failed wait for up to a week."""
    assert retries.LATER in error_texts.MEANING[kind]
    assert not any("next run" in words for words in error_texts.MEANING.values())


def test_no_sentence_about_failed_days_promises_the_next_run():
    """`retries.LATER` is what is true of them; the end of a run alone knows when their next try is due."""
    promise = re.compile(r"next run (?:tries|asks|reads)")
    backfill = Path(retries.__file__).with_name("backfill")
    found = {path.name for path in backfill.rglob("*.py") if promise.search(path.read_text())}

    assert found <= {"ending.py"}
