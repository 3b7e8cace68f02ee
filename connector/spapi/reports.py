"""The Reports API, one step at a time: ask, look, find again, fetch. No step waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeGuard

from connector.spapi import pages
from connector.spapi.client import Answer, Client, Downloaded
from connector.spapi.errors import (
    AnotherReport,
    DocumentExpired,
    NothingThere,
    NotReady,
    ReportCancelled,
    ReportFailed,
    Unreachable,
)
from connector.spapi.specification import Asked, difference
from connector.spapi.transport import RETRY_SECONDS

POLL_SECONDS = 15.0
MAX_BYTES = 20 << 30
ADDRESSES = 3  # one document's address is asked for so often; each lives five minutes
_LONGEST = {"reportId": 200, "reportDocumentId": 500, "url": 1 << 14}
_MAX_MARKETPLACES = 10  # that getReports takes as a filter


@dataclass(frozen=True, slots=True)
class FoundReport:
    """A report as getReports tells of it; `status` is Amazon's processingStatus, None where it names none."""

    report_id: str
    status: str | None
    created_at: datetime | None


def create(
    client: Client,
    report_type: str,
    marketplace_ids: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    options: Mapping[str, str] | None = None,
) -> str:
    """The id of a new report. Amazon never notices that it was asked for the same one before.

    `start` and `end` are aware instants, `options` are Amazon's report options. Raises what `Client.call` does,
    and Unreachable where the answer has no id.
    """
    body: dict[str, object] = {"reportType": report_type, "marketplaceIds": list(marketplace_ids)}
    if start is not None:
        body["dataStartTime"] = _written(start)
    if end is not None:
        body["dataEndTime"] = _written(end)
    if options:
        body["reportOptions"] = dict(options)
    return _text(client.call("createReport", body=body), "reportId")


def check(client: Client, report_id: str, asked: Asked | None = None) -> str:
    """The id of the finished report's document.

    Raises what else may have become of it: NotReady, NothingThere, ReportCancelled, ReportFailed; with `asked`
    also AnotherReport, where the report says that it answers another question.
    """
    report = client.call("getReport", path={"reportId": report_id}).json
    if asked is not None:
        _refuse_another(report, report_id, asked)
    status = report.get("processingStatus") if isinstance(report, dict) else None
    document_id = (report.get("reportDocumentId") or None) if isinstance(report, dict) else None
    if document_id is not None and not _is_id(document_id, "reportDocumentId"):
        document_id, status = None, "" if status == "DONE" else status  # not an id: looked at again later
    if status == "DONE":
        if document_id:
            return document_id
        raise NothingThere(fact="Amazon has finished the report, and it is empty.", operation="getReport")
    if status == "CANCELLED":
        fact = "Amazon cancelled the report: there is no data, or the same report was requested too recently."
        raise ReportCancelled(fact=fact, operation="getReport")
    if status == "FATAL":
        raise ReportFailed(fact="Amazon could not make the report.", document_id=document_id, operation="getReport")
    raise NotReady(
        fact="Amazon is still making the report.", wait=POLL_SECONDS, code=status or "", operation="getReport"
    )


def _refuse_another(report: Any, report_id: str, asked: Asked) -> None:
    said = report.get("reportId") if isinstance(report, dict) else None
    if said not in (None, report_id):
        raise AnotherReport(
            f"Amazon was asked about report {report_id} and answered about another one: {str(said)[:80]}."
        )
    if found := difference(report, asked):
        raise AnotherReport(f"Amazon's report {report_id} is not the one that was requested: {found}.")


def find(
    client: Client,
    report_type: str,
    marketplace_ids: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    since: datetime | None = None,
) -> list[FoundReport]:
    """The reports that Amazon holds for exactly this question, newest first. `start`, `end` and `since` are instants."""
    query = {"reportTypes": [report_type], "pageSize": 100}
    if len(marketplace_ids) <= _MAX_MARKETPLACES:
        query["marketplaceIds"] = list(marketplace_ids)
    if since is not None:
        query["createdSince"] = _written(since)
    found = []
    for page, _ in pages.pages(client, "getReports", query):
        for report in page["reports"]:
            places = report.get("marketplaceIds") or list(marketplace_ids)
            same_places = isinstance(places, list) and sorted(map(str, places)) == sorted(marketplace_ids)
            same_window = _same(report.get("dataStartTime"), start) and _same(report.get("dataEndTime"), end)
            report_id = report.get("reportId")
            if (
                report.get("reportType") == report_type
                and same_places
                and same_window
                and _is_id(report_id, "reportId")
            ):
                found.append(FoundReport(report_id, report.get("processingStatus"), _read(report.get("createdTime"))))
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda entry: entry.created_at or oldest, reverse=True)


def fetch_document(client: Client, document_id: str, path: str | Path, max_bytes: int = MAX_BYTES) -> Downloaded:
    """The document as a file at `path`: its address is asked for and used in one step, again where it has run out.

    Raises what `Client.download` does; DocumentExpired only once three addresses have run out.
    """
    attempt = 0
    while True:
        attempt += 1
        url = _text(client.call("getReportDocument", path={"reportDocumentId": document_id}), "url")
        try:
            return client.download(url, path, max_bytes)
        except DocumentExpired:
            if attempt == ADDRESSES:
                raise


def _text(answer: Answer, name: str) -> str:
    value = answer.json.get(name) if isinstance(answer.json, dict) else None
    if not _is_id(value, name):
        raise Unreachable(
            fact=f"Amazon's answer came without its {name}.",
            wait=RETRY_SECONDS,
            status=answer.status,
            request_id=answer.request_id,
        )
    return value


def _is_id(value: object, name: str) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST[name]


def _written(moment: datetime) -> str:
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds") + "Z"


def _read(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _same(text: Any, moment: datetime | None) -> bool:
    """Whether Amazon's moment is the one we asked for, to the second."""
    told = _read(text)
    return moment is None or (told is not None and abs((told - moment).total_seconds()) < 1)
