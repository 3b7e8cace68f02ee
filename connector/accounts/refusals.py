"""What Amazon's refusals mean for an account and its application, for the person who connects, checks or repairs one.

The one place that words them for accounts; connector.spapi tells what happened.
"""

from connector.spapi import errors

MEANING = {
    errors.Throttled: "Try again in a while.",
    errors.Unreachable: "Nothing was changed; try again later.",
    errors.Doubted: "That may pass: Amazon is asked once more in a minute before anything is given up.",
    errors.ConsentLost: (
        "Rows that are in stay. Re-authorise the account under Accounts, and its datasets go on by themselves."
    ),
    errors.Forbidden: (
        "One of these is the cause: the application lacks the role for this data (add it in the developer console, then "
        "re-authorise the account); the account was connected for another region; it is a vendor's account where a "
        "seller's is needed, or the reverse; the application's client secret was not replaced in time."
    ),
    errors.SignInRefused: "Nothing was changed. Check the application's settings in Amazon's developer console.",
    errors.Redirected: "Check the addresses that this installation is set up with.",
}


def words(problem):
    """The error in sentences for an account's page; as it is, where a room of ours has worded it."""
    if problem.is_worded:
        return problem.message
    meaning = next((MEANING[kind] for kind in type(problem).__mro__ if kind in MEANING), "")
    return f"{problem.fact} {meaning}".strip()
