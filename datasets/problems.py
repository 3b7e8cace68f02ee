"""What can go wrong between a request and its rows, a class for each kind; raise one anywhere below a view.
`serving/http/problems.py` renders them over HTTP.

Problem                 status  code
  BadRequest             400    bad_request, and per parameter: bad_parameter, unknown_parameter, unknown_column
  Unauthenticated        401    unauthenticated
  Forbidden              403    forbidden_scope, csrf_failed
  NotFound               404    not_found
  MethodNotAllowed       405    method_not_allowed
  NotAcceptable          406    not_acceptable
  Conflict               409    already_running, in_use …
  VersionGone            410    version_gone
  PreconditionFailed     412    precondition_failed
  TooLarge               413    too_large
  WrongContentType       415    unsupported_media_type
  TooMany                429    rate_limited
  Unavailable            503    unavailable
"""

import difflib
from collections.abc import Iterable, Mapping

CHALLENGE = 'Basic realm="Backhaul", charset="UTF-8", Bearer realm="Backhaul"'


class Problem(Exception):
    """A problem with a message on what is wrong and what to do; raise it anywhere below a view."""

    status, code, title = 500, "internal_error", "Something went wrong here"
    more: Mapping[str, object] = {}  # further members of the response, where a kind of problem has some
    is_event = True  # logged, like every refusal

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Iterable[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = list(errors)
        self.headers = headers or {}


class BadRequest(Problem):
    """The request could not be understood as it is."""

    status, code, title = 400, "bad_request", "The request could not be understood"


class BadParameters(BadRequest):
    """One or more parameters or fields are wrong; each is named."""

    code, title = "bad_parameter", "A parameter is wrong"

    def __init__(self, errors: Iterable[tuple[str, str]], *, code: str | None = None) -> None:
        named = [{"param": param, "detail": detail} for param, detail in errors]
        super().__init__(" ".join(error["detail"] for error in named), code=code, errors=named)


class Unauthenticated(Problem):
    """Nobody is known by what came with the request."""

    status, code, title = 401, "unauthenticated", "Not signed in"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": CHALLENGE})


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden_scope", "Not allowed"


class NotFound(Problem):
    """There is nothing of that name, or nothing that the caller may know of."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(Problem):
    """The address takes other methods, which the answer names."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        allowed = ", ".join(allowed)
        super().__init__(f"Allowed methods: {allowed}.", headers={"Allow": allowed})


class NotAcceptable(Problem):
    """There is no form of it that the client takes."""

    status, code, title = 406, "not_acceptable", "Not available in this format"


class Conflict(Problem):
    """It cannot be done as things stand."""

    status, code, title = 409, "conflict", "Not now"


class VersionGone(Problem):
    """The rows that a walk began on are no longer there."""

    status, code, title = 410, "version_gone", "These pages are no longer available"


class PreconditionFailed(Problem):
    """What the client has is not what is here, and it asked for nothing else."""

    status, code, title = 412, "precondition_failed", "Not the state that was asked for"


class TooLarge(Problem):
    """More than is taken at once."""

    status, code, title = 413, "too_large", "Too large"


class WrongContentType(Problem):
    """The body is of a type that is not read here."""

    status, code, title = 415, "unsupported_media_type", "Unsupported content type"


class TooMany(Problem):
    """Too often or too many at once; the answer says when to come back, from 1 to 120 seconds."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str, *, seconds: float) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, min(120, int(seconds))))})


class Unavailable(Problem):
    """The database cannot be reached just now."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(
        self, detail: str = "The database cannot be reached just now. Nothing is lost; try again in a few seconds."
    ) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})


def nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'x'?" for the most similar known word, or nothing."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean '{found[0]}'?" if found else ""


def printable(text: object, most: int = 80) -> str:
    """User text made safe for a sentence: short and printable."""
    plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in str(text))
    return plain if len(plain) <= most else plain[: most - 1] + "…"
