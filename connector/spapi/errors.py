"""What can go wrong with Amazon: a class for each thing that the caller can do about it.

SpapiError
├── ComeBackLater            no failure; `wait` says in how many seconds to try again
│   ├── Throttled            our own bucket is empty, or Amazon answered 429
│   ├── Unreachable          5xx, time-outs, cut connections, answers that cannot be read
│   ├── Doubted              refused once; only a second refusal, after `wait` seconds, is final
│   └── NotReady             the report is still in Amazon's queue or being made
├── ReportFailed             FATAL; `document_id` may lead to Amazon's own explanation
├── ReportCancelled          CANCELLED: nothing to report, or asked for again too soon
├── NothingThere             done, and there is nothing in it
├── AmazonRefused            this exact request will not succeed, however often it is sent
│   ├── AccessDenied         nor will any other of its kind: a role, a consent or a setting is missing
│   │   └── SignInRefused    Amazon's sign-in service gives no token, for a reason that is neither consent nor secret
│   ├── Redirected           the answer points to another address
│   ├── EndlessPages         the chain of pages runs in a circle
│   ├── PageTokenDied        start this window again from its first page, or halve it
│   ├── AnswerTooLarge       ask for smaller pages
│   ├── AnotherReport        the report says of itself that it answers another question
│   └── DocumentRefused      Amazon's storage does not give the document out
│       ├── DocumentExpired  its address is older than five minutes: ask for it again
│       ├── DocumentBroken   truncated, damaged or a decompression bomb: fetch it again
│       ├── DocumentTooLarge larger than this installation takes
│       └── DocumentElsewhere  it does not lie where Amazon keeps documents
├── ConsentLost              the account needs its seller's or vendor's consent again
└── SecretRejected           the application needs its current client secret

These errors carry facts and speak of Amazon alone. Messages about rows, accounts or actions are written by the caller:
`datasets.backfill.error_texts` for a run, `connector.accounts.error_texts` for an account.
"""

from typing import Any


class SpapiError(Exception):
    """What Amazon did.

    fact        one plain sentence of what happened
    status      the HTTP status, where there was an answer
    code, said, details  Amazon's own error code, message and details, as it gave them
    request_id  Amazon's number of the request, for its support
    operation   the operation's name
    message     a complete text if our own code raises the error; else the fact
    """

    def __init__(
        self,
        message: str = "",
        *,
        fact: str = "",
        status: int | None = None,
        code: str = "",
        said: str = "",
        details: str = "",
        request_id: str = "",
        operation: str = "",
    ) -> None:
        super().__init__(message or fact)
        self.message = message or fact
        self.is_worded = bool(message)
        self.fact = fact or message
        self.status = status
        self.code = code
        self.said = said
        self.details = details
        self.request_id = request_id
        self.operation = operation

    @property
    def facts(self) -> dict[str, Any]:
        """All but the messages, to be passed on to another error."""
        names = ("status", "code", "said", "details", "request_id", "operation")
        return {name: getattr(self, name) for name in names}

    @property
    def words_of_amazon(self) -> str:
        """Status, code, message and details in one line, as far as there are any: 400, InvalidInput, Invalid input."""
        parts = (str(self.status or ""), self.code, self.said, self.details)
        return ", ".join(part for part in parts if part)


class ComeBackLater(SpapiError):
    """Nothing is wrong with the request: the same one may succeed in `wait` seconds."""

    def __init__(self, message: str = "", *, wait: float, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.wait = wait


class Throttled(ComeBackLater):
    """No request may be made before `wait` seconds are over."""


class Unreachable(ComeBackLater):
    """Amazon did not answer, or not in a way that can be read; the same request may succeed later."""


class Doubted(ComeBackLater):
    """Amazon refused what would stop all of somebody's data: this was the first look, the second one decides."""


class NotReady(ComeBackLater):
    """What was asked for is not there yet, or not to be had at this moment: it comes by itself."""


class ReportFailed(SpapiError):
    """Amazon ended the report with FATAL. What it left as an explanation is the document of `document_id`, where
    there is one."""

    def __init__(self, message: str = "", *, document_id: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.document_id = document_id
        self.reason = ""  # Amazon's own words, once they were read


class ReportCancelled(SpapiError):
    """Amazon cancelled the report: it had nothing to tell, or the same one was asked for too soon before."""


class NothingThere(SpapiError):
    """The report is done and Amazon made no document for it."""


class AmazonRefused(SpapiError):
    """Amazon will not answer this request."""


class AccessDenied(AmazonRefused):
    """Amazon refuses this kind of request to the account; asking for other days would only burn quota."""


class SignInRefused(AccessDenied):
    """Amazon's sign-in service refuses, and says neither that the consent is gone nor that the secret is wrong."""


class Redirected(AmazonRefused):
    """The answer points to another address, which is not followed."""


class EndlessPages(AmazonRefused):
    """A chain of pages that does not come to an end."""


class AnswerTooLarge(AmazonRefused):
    """The page would be larger than Amazon sends; a smaller one is not."""


class PageTokenDied(AmazonRefused):
    """The token of the next page is no longer accepted."""


class AnotherReport(AmazonRefused):
    """The report, or its document, says of itself that it answers another question than was asked."""


class DocumentRefused(AmazonRefused):
    """A document that cannot be had, or must not be read."""


class DocumentExpired(DocumentRefused):
    """The document's address has expired."""


class DocumentBroken(DocumentRefused):
    """Truncated, damaged or a decompression bomb."""


class DocumentTooLarge(DocumentRefused):
    """Larger than this installation takes."""


class DocumentElsewhere(DocumentRefused):
    """On a host that is none of Amazon's storage."""


class ConsentLost(SpapiError):
    """The seller or vendor has withdrawn the consent, or it ran out."""


class SecretRejected(SpapiError):
    """The application's client id and secret are not accepted."""
