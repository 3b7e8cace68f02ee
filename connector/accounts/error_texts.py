"""What Amazon's refusals mean for an account and its application, for the person who connects, checks or repairs one.

All messages for accounts are here; connector.spapi reports what happened.
"""

from collections.abc import Mapping

from connector.spapi import errors

RE_AUTHORISE = "Loaded rows are kept. Re-authorise the account under Accounts, and its datasets continue automatically."
CAUSES_OF_FORBIDDEN = (
    "the application lacks the role for this data (add it in the developer console, then re-authorise the account); the "
    "account was connected for another region; it is a vendor account where a seller account is needed, or the "
    "reverse; the application's client secret was not replaced in time."
)
MEANING = {
    errors.Throttled: "Try again later.",
    errors.Unreachable: "Nothing was changed; try again later.",
    errors.Doubted: "This may be temporary: Amazon is asked again in a minute before anything is paused.",
    errors.ConsentLost: RE_AUTHORISE,
    errors.AccessDenied: f"One of these is the cause: {CAUSES_OF_FORBIDDEN}",
    errors.SignInRefused: "Nothing was changed. Check the application's settings in Amazon's developer console.",
    errors.Redirected: "Check the addresses configured for this installation.",
}


def words(problem: errors.SpapiError, meanings: Mapping[type, str] = MEANING) -> str:
    """The error in sentences for an account's page, or as `meanings` have it; unchanged if our own code has worded
    it."""
    if problem.is_worded:
        return problem.message
    meaning = next((meanings[kind] for kind in type(problem).__mro__ if kind in meanings), "")
    return f"{problem.fact} {meaning}".strip()
