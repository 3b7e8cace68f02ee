"""The kinds of sources there are, a line each."""

from connector.catalogue.report import Report
from datasets.backfill.sources.file import OwnFile
from datasets.backfill.sources.pages import PageChain
from datasets.backfill.sources.report import BuiltReport
from datasets.backfill.sources.source import Phase, Source
from datasets.models import Request

KINDS: dict[str, type[Source]] = {source.kind: source for source in (PageChain, BuiltReport, OwnFile)}


def of(report: Report) -> Source:
    """What answers the requests that a dataset of this report plans."""
    return KINDS[report.source.kind](report)


def of_request(request: Request, report: Report) -> Source:
    """What answers this request."""
    return KINDS[request.answer.kind](report)


def phases(kind: str) -> tuple[Phase, ...]:
    """The way of a request of this kind; of one that is not known here, the longest."""
    return KINDS.get(kind, BuiltReport).phases
