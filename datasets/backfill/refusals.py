"""What Amazon's refusals mean for a run: for its days, for what happens next, and for the person who reads it.

The one place that words them; connector.spapi tells what happened, and nothing about datasets.
"""

from connector.accounts import refusals
from connector.spapi import errors
from datasets import retries

MEANING = {
    errors.Throttled: "Nothing is lost, the work goes on by itself.",
    errors.Unreachable: "Nothing was lost; the same request is sent again later.",
    errors.Doubted: (
        "That may pass: Amazon is asked once more in a minute before anything is given up. Until then this run waits, and "
        "nothing is lost."
    ),
    errors.NotReady: "It is looked for again by itself.",
    errors.ConsentLost: refusals.RE_AUTHORISE,
    errors.SecretRejected: (
        "Rows that are in stay. Enter the current secret, and all accounts of the application go on by themselves."
    ),
    errors.Forbidden: (
        f"Nothing was loaded, and it stays so until one of these is mended: {refusals.CAUSES_OF_FORBIDDEN}"
    ),
    errors.SignInRefused: (
        "Nothing was loaded, what is in stays. Check the application's settings in Amazon's developer console, then run "
        "the dataset again."
    ),
    errors.Redirected: "Nothing was loaded. Check the addresses that this installation is set up with.",
    errors.EndlessPages: f"These days were not loaded; they are {retries.LATER}. Fewer days at a time may help.",
    errors.AnswerTooLarge: f"These days were not loaded; they are {retries.LATER}.",
    errors.PageTokenDied: "What was read of these days is read again from the first page.",
    errors.DocumentExpired: "Amazon is asked for a new one.",
    errors.DocumentBroken: (
        f"Nothing of it was loaded. It is fetched from Amazon again; if that does not help, its days are {retries.LATER}."
    ),
    errors.DocumentTooLarge: "Nothing of it was loaded. Choose fewer days, or raise the limit.",
    errors.DocumentElsewhere: (
        "Nothing of it was loaded. If that host is meant to be used, name it in SPAPI_DOCUMENT_HOSTS."
    ),
    errors.DocumentRefused: f"These days were not loaded; they are {retries.LATER}.",
    errors.Refused: "These days were not loaded; the others go on. Check the dataset's options.",
}


def words(problem: errors.SpapiError) -> str:
    """The error in sentences for the person who reads a run or a day; as it is, where a room of ours has worded it."""
    return refusals.words(problem, MEANING)
