"""What can go wrong with Amazon: a class for each thing that the caller can do about it.

SpapiError
├── ComeBackLater            nobody is alarmed; `wait` says in how many seconds to try again
│   ├── Throttled            our own bucket is empty, or Amazon answered 429
│   ├── Unreachable          5xx, time-outs, cut connections, answers that cannot be read
│   └── NotReady             the report is still in Amazon's queue or being made
├── ReportFailed             FATAL; `document_id` may lead to Amazon's own explanation
├── ReportCancelled          CANCELLED: nothing to report, or asked for again too soon
├── NothingThere             done, and there is nothing in it
├── Refused                  this very request will not succeed, however often it is sent
│   ├── Forbidden            nor will any other of its kind: a role, a consent or a setting is missing
│   ├── PageTokenDied        start this window again from its first page, or halve it
│   ├── AnswerTooLarge       ask for smaller pages
│   ├── AnotherReport        the report says of itself that it answers another question
│   └── DocumentRefused      the document is broken, too large, or not where Amazon keeps documents
│       └── DocumentExpired  its address is older than five minutes: ask for it again
├── ConsentLost              the account needs its seller's or vendor's consent again
└── SecretRejected           the application needs its current client secret
"""


class SpapiError(Exception):
    """The message is a plain sentence for the person who reads the run; the rest is for the log."""

    def __init__(self, message, *, status=None, code="", request_id="", details=""):
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.details = details


class ComeBackLater(SpapiError):
    def __init__(self, message, *, wait, **facts):
        super().__init__(message, **facts)
        self.wait = wait


class Throttled(ComeBackLater):
    """No request may be made before `wait` seconds are over."""


class Unreachable(ComeBackLater):
    """Amazon did not answer, or not in a way that can be read; the same request may succeed later."""


class NotReady(ComeBackLater):
    """Amazon is still making the report."""


class ReportFailed(SpapiError):
    def __init__(self, message, *, document_id=None, **facts):
        super().__init__(message, **facts)
        self.document_id = document_id
        self.reason = ""  # Amazon's own words, once they were read


class ReportCancelled(SpapiError):
    """Amazon cancelled the report: it had nothing to tell, or the same one was asked for too soon before."""


class NothingThere(SpapiError):
    """The report is done and Amazon made no document for it."""


class Refused(SpapiError):
    """Amazon will not answer this request."""


class Forbidden(Refused):
    """Amazon refuses this kind of request to the account; asking for other days would only burn quota."""


class AnswerTooLarge(Refused):
    """The page would be larger than Amazon sends; a smaller one is not."""


class PageTokenDied(Refused):
    """The token of the next page is no longer accepted."""


class AnotherReport(Refused):
    """The report, or its document, says of itself that it answers another question than was asked."""


class DocumentRefused(Refused):
    """A document that must not be read: truncated, swollen, too large, or from a strange host."""


class DocumentExpired(DocumentRefused):
    """The document's address has run out."""


class ConsentLost(SpapiError):
    """The seller or vendor has withdrawn the consent, or it ran out."""


class SecretRejected(SpapiError):
    """The application's client id and secret are not accepted."""
