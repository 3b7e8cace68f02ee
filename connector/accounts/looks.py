"""Second looks: what would stop all of somebody's data counts only once Amazon has said so twice, a minute apart.

The first refusal is written down where all workers see it, and nobody asks again before the minute is over. A second
refusal is final; an answer in between clears the first. A first look that is an hour old is forgotten, so that two
passing faults of different days are never taken for one lasting refusal.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings

from connector.accounts import direct
from connector.spapi.errors import Doubted, SpapiError


class Subject(Protocol):
    """An application, or an account: what is told apart by its id."""

    pk: Any


class Connected(Subject, Protocol):
    """An account, which stands under an application."""

    @property
    def application(self) -> Subject: ...


APART = 60.0  # seconds between the two looks, in Amazon's time
KEPT = 3600.0  # seconds for which a first look is remembered


# Subjects: whose what


def of_consent(account: Subject) -> str:
    """Whether Amazon takes the account's refresh token."""
    return f"consent of account {account.pk}"


def of_secret(application: Subject) -> str:
    """Whether Amazon takes the application's client secret."""
    return f"secret of application {application.pk}"


def of_sign_in(account: Subject) -> str:
    """Whether Amazon's sign-in service serves the account at all."""
    return f"sign-in of account {account.pk}"


def of_call(account: Subject, operation: str, query: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """A kind of request: the operation with its report type and marketplaces, whatever the dates."""
    places = body.get("marketplaceIds") or query.get("marketplaceIds") or ()
    asked = f"{body.get('reportType', '')} {' '.join(sorted(places))}"
    return f"{operation} of account {account.pk}: {hashlib.sha256(asked.encode()).hexdigest()[:16]}"


# Looks


def ready(subject: str) -> bool:
    """Whether the next look would be a second one; raises Doubted while that is not due."""
    found = direct.execute(_FIND, {"subject": subject, "kept": KEPT})
    if not found:
        return False
    age, fact = found[0]
    left = _apart() - age
    if left > 0:
        raise Doubted(fact=fact, wait=left)
    return True


def judge(subject: str, problem: SpapiError, *, took: float, is_final: bool = False) -> None:
    """Amazon has refused. Raises Doubted for a first look; returns where the refusal is final.

    took      seconds that the call lasted: a second look has to begin when the minute is over, not to end then
    is_final  the refusal counts, whatever was seen before: a person has asked, or it is known already
    """
    [(age,)] = direct.execute(_NOTE, {"subject": subject, "fact": problem.fact, "kept": KEPT})
    left = _apart() - max(0.0, age - took)
    if left > 0 and not is_final:
        raise Doubted(fact=problem.fact, wait=left, **problem.facts) from problem


def open_doubts(account: Connected) -> list[tuple[str, datetime]]:
    """[(what Amazon did, when)] of refusals that would stop the account and that no second look has confirmed or cleared."""
    subjects = [of_consent(account), of_secret(account.application), of_sign_in(account)]
    return direct.execute(_OPEN, {"subjects": subjects, "kept": KEPT})


def clear(*subjects: str) -> None:
    """Amazon has answered: what it refused before was a passing fault."""
    direct.execute("DELETE FROM first_look WHERE subject = ANY(%(subjects)s)", {"subjects": list(subjects)})


def _apart() -> float:
    return APART / settings.SPAPI_RATE_FACTOR


_AGE = "extract(epoch FROM clock_timestamp() - first_at)::float8"
_FIND = f"SELECT {_AGE}, fact FROM first_look WHERE subject = %(subject)s AND {_AGE} < %(kept)s"
_OPEN = (
    f"SELECT fact, first_at FROM first_look WHERE subject = ANY(%(subjects)s) AND {_AGE} < %(kept)s ORDER BY first_at"
)
_NOTE = f"""
    INSERT INTO first_look (subject, first_at, fact) VALUES (%(subject)s, clock_timestamp(), %(fact)s)
    ON CONFLICT (subject) DO UPDATE SET fact = excluded.fact,
        first_at = CASE WHEN extract(epoch FROM clock_timestamp() - first_look.first_at) < %(kept)s
            THEN first_look.first_at ELSE clock_timestamp() END
    RETURNING {_AGE}
"""
