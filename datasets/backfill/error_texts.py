"""What Amazon's refusals mean for a run: for its days, for what happens next, and for the person who reads it.

What else happens to runs and requests is worded where it is decided; connector.spapi reports what happened and knows nothing
about datasets.
"""

from connector.accounts import error_texts
from connector.spapi import errors
from datasets import retries

MEANING = {
    errors.Throttled: "Nothing is lost; the work continues automatically.",
    errors.Unreachable: "Nothing was lost; the same request is sent again later.",
    errors.Doubted: (
        "This may be temporary: Amazon is asked again in a minute before anything is paused. Until then this run "
        "waits, and nothing is lost."
    ),
    errors.NotReady: "It is looked up again automatically.",
    errors.ConsentLost: error_texts.RE_AUTHORISE,
    errors.SecretRejected: (
        "Loaded rows are kept. Enter the current secret, and all accounts of the application continue automatically."
    ),
    errors.AccessDenied: (
        f"Nothing was loaded, and nothing will be until one of these is fixed: {error_texts.CAUSES_OF_FORBIDDEN}"
    ),
    errors.SignInRefused: (
        "Nothing was loaded; earlier rows are kept. Check the application's settings in Amazon's developer console, "
        "then run the dataset again."
    ),
    errors.Redirected: "Nothing was loaded. Check the addresses configured for this installation.",
    errors.EndlessPages: f"These days were not loaded; they are {retries.LATER}. Fewer days at a time may help.",
    errors.AnswerTooLarge: f"These days were not loaded; they are {retries.LATER}.",
    errors.PageTokenDied: "These days are read again from the first page.",
    errors.DocumentExpired: "Amazon is asked for a new one.",
    errors.DocumentBroken: (
        f"Nothing was loaded from it. It is downloaded again; if that does not help, its days are {retries.LATER}."
    ),
    errors.DocumentTooLarge: "Nothing was loaded from it. Choose fewer days, or raise the limit.",
    errors.DocumentElsewhere: (
        "Nothing was loaded from it. If that host should be used, add it to SPAPI_DOCUMENT_HOSTS."
    ),
    errors.DocumentRefused: f"These days were not loaded; they are {retries.LATER}.",
    errors.AmazonRefused: "These days were not loaded; the others continue. Check the dataset's options.",
}


def words(problem: errors.SpapiError) -> str:
    """The error in sentences for the person who reads a run or a day; unchanged if our own code has worded it."""
    return error_texts.words(problem, MEANING)
