"""Reports 2021-06-30: asking for a report, waiting for it, listing and cancelling."""

import json
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import checks, partners
from .answers import Answer, Refusal, errors, invalid, json_answer
from .clock import DAY, iso
from .report_types import REPORT_TYPES, find

STATUSES = ("CANCELLED", "DONE", "FATAL", "IN_PROGRESS", "IN_QUEUE")
KEPT_DAYS = 90
FILTERS = ("reportTypes", "processingStatuses", "marketplaceIds", "createdSince", "createdUntil", "pageSize")

# What a fault on createReport makes of the report.
OUTCOMES = (
    "fatal",
    "fatal_without_document",
    "cancelled",
    "stuck",
    "stuck_in_progress",
    "done_without_document",
)


@dataclass
class Report:
    id: str
    client_id: str
    partner: object
    type: str
    marketplace_ids: list
    start: float
    end: float
    options: dict
    created: float
    asked: float
    """In ticks, which also run while the world stands still."""
    outcome: dict | None = None
    cancelled: bool = False
    seconds: float = 0.0
    reason: str = ""
    """Why it is going to end FATAL."""
    repeated: bool = False
    empty: bool | None = field(default=None, repr=False)

    @property
    def document_id(self):
        return f"amzn1.spdoc.1.4.{self.partner.region.lower()}.{self.id}.T2SIMULATED"


class Reports:
    """All reports ever asked for since the last reset; with a folder they outlive the process."""

    def __init__(self, simulator, folder=None):
        self._simulator = simulator
        self._lock = threading.Lock()
        self._file = Path(folder) / "reports.jsonl" if folder else None
        self._reports = {}
        if self._file and self._file.exists():
            self._read()

    def reset(self):
        with self._lock:
            self._reports = {}
            if self._file:
                self._file.unlink(missing_ok=True)

    def add(self, **values):
        with self._lock:
            number = 50000000001 + 7 * len(self._reports)
            report = Report(id=str(number), **values)
            self._reports[report.id] = report
            self._keep(report)
            return report

    def cancel(self, report):
        with self._lock:
            report.cancelled = True
            self._keep(report)

    def _keep(self, report):
        if self._file:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(_line(report))

    def _read(self):
        """The last line of a report counts; one that a kill cut short is left out, also of the file."""
        for line in self._file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                values = json.loads(line)
                report = Report(**{**values, "partner": partners.BY_ID[values["partner"]]})
                self._reports[report.id] = report
        self._file.write_text("".join(_line(report) for report in self._reports.values()), encoding="utf-8")

    def get(self, report_id, caller):
        """The caller's own, not older than Amazon keeps them; otherwise None."""
        report = self._reports.get(report_id)
        if report and report.partner is caller.partner and report.client_id == caller.client_id and self._kept(report):
            return report
        return None

    def by_id(self, report_id):
        return self._reports[report_id]

    def by_name(self, name):
        """The report of this number, or whose document has this name; otherwise None."""
        return self._reports.get(name) or self.by_document(name)

    def by_document(self, document_id):
        return next((each for each in self.newest_first() if each.document_id == document_id), None)

    def newest_first(self):
        with self._lock:
            found = list(self._reports.values())
        return sorted(found, key=lambda report: (-report.created, -int(report.id)))

    def of(self, caller):
        own = (each for each in self.newest_first() if each.partner is caller.partner)
        return [each for each in own if each.client_id == caller.client_id and self._kept(each)]

    def _kept(self, report):
        return report.created > self._simulator.clock.now() - KEPT_DAYS * DAY

    def status(self, report):
        """Where it stands now; the end of its way is worked out when its time is up."""
        if report.cancelled:
            return "CANCELLED"
        outcome = (report.outcome or {}).get("kind")
        waited = self._simulator.clock.ticks() - report.asked
        seconds = report.seconds
        if outcome in ("stuck", "stuck_in_progress"):
            held = report.outcome.get("seconds")
            if held is None or waited < held:
                return "IN_QUEUE" if outcome == "stuck" else "IN_PROGRESS"
            outcome, seconds = None, max(seconds, held)
        if waited < seconds / 3:
            return "IN_QUEUE"
        if waited < seconds:
            return "IN_PROGRESS"
        if outcome in ("fatal", "fatal_without_document") or report.reason:
            return "FATAL"
        if outcome == "cancelled" or report.repeated:
            return "CANCELLED"
        if outcome != "done_without_document" and self._cancelled_for_want_of_rows(report):
            return "CANCELLED"
        return "DONE"

    def has_document(self, report):
        outcome = (report.outcome or {}).get("kind")
        status = self.status(report)
        return status in ("DONE", "FATAL") and outcome not in ("fatal_without_document", "done_without_document")

    def _cancelled_for_want_of_rows(self, report):
        if report.empty is None:
            report.empty = REPORT_TYPES[report.type].is_empty(self._simulator, report)
        return report.empty and self._simulator.settings.cancel_when_empty

    def as_json(self, report):
        status = self.status(report)
        content = {
            "reportId": report.id,
            "reportType": report.type,
            "marketplaceIds": report.marketplace_ids,
            "dataStartTime": iso(report.start),
            "dataEndTime": iso(report.end),
            "createdTime": iso(report.created),
            "processingStatus": status,
        }
        if status not in ("IN_QUEUE", "CANCELLED"):
            content["processingStartTime"] = iso(report.created + report.seconds / 3)
        if status in ("DONE", "FATAL", "CANCELLED"):
            content["processingEndTime"] = iso(report.created + report.seconds)
        if self.has_document(report):
            content["reportDocumentId"] = report.document_id
        return content


def _line(report):
    return json.dumps({**asdict(report), "partner": report.partner.id}) + "\n"


def create_report(simulator, request, caller):
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refusal(errors(415, "UnsupportedMediaType", "The entity of the request is in a format not supported."))
    body = _body(request)
    report_type = find(simulator, body.get("reportType"))
    if report_type is None:
        raise invalid(f"Invalid reportType: {body.get('reportType')!r}.")
    ids = body.get("marketplaceIds")
    if not isinstance(ids, list) or not 1 <= len(ids) <= 25 or not all(isinstance(each, str) for each in ids):
        raise invalid("marketplaceIds must name between 1 and 25 marketplaces.")
    checks.marketplaces_exist(ids, caller.partner)
    options = body.get("reportOptions") or {}
    if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
        raise invalid("reportOptions must be a map of strings.")
    now = simulator.clock.now()
    start, end = (_instant(body, name, now) for name in ("dataStartTime", "dataEndTime"))
    if start > end:
        raise invalid("dataStartTime must be before or equal to dataEndTime.")
    fault = request.fault
    earlier = [
        each
        for each in simulator.reports.of(caller)
        if (each.type, each.marketplace_ids, each.start, each.end, each.options)
        == (body["reportType"], ids, start, end, options)
        and simulator.clock.ticks() - each.asked < simulator.settings.report_spacing_seconds
    ]
    report = simulator.reports.add(
        client_id=caller.client_id,
        partner=caller.partner,
        type=body["reportType"],
        marketplace_ids=ids,
        start=start,
        end=end,
        options=options,
        created=now,
        asked=simulator.clock.ticks(),
        seconds=simulator.settings.processing_seconds,
        outcome=fault if fault and fault["kind"] in OUTCOMES else None,
        reason=report_type.reason_to_fail(start, end, options),
        repeated=bool(earlier),
    )
    return json_answer({"reportId": report.id}, 202)


def get_report(simulator, request, caller, report_id):
    return json_answer(simulator.reports.as_json(_found(simulator, caller, report_id)))


def cancel_report(simulator, request, caller, report_id):
    report = _found(simulator, caller, report_id)
    status = simulator.reports.status(report)
    if status != "IN_QUEUE":
        raise invalid(f"Report {report_id} is {status}; only a report that is IN_QUEUE can be cancelled.")
    simulator.reports.cancel(report)
    return Answer(200)


def get_reports(simulator, request, caller):
    asked = checks.parameters(request, (*FILTERS, "nextToken"))
    after = None
    if "nextToken" in asked:
        if len(request.pairs) > 1:
            raise invalid("nextToken must be the only parameter.")
        content = simulator.signer.open("reports page", asked["nextToken"])
        if content is None or content["for"] != [caller.client_id, caller.partner.id]:
            raise invalid("The nextToken is invalid.")
        asked, after = content["asked"], tuple(content["at"])
    if "reportTypes" not in asked:
        raise invalid("Either reportTypes or nextToken is required.")
    chosen = _chosen(simulator, caller, asked)
    if after:
        chosen = [each for each in chosen if (-each.created, -int(each.id)) > after]
    size = checks.whole_number(asked.get("pageSize", "10"), "pageSize", 1, 100)
    content = {"reports": [simulator.reports.as_json(each) for each in chosen[:size]]}
    if len(chosen) > size:
        last = chosen[size - 1]
        content["nextToken"] = simulator.signer.seal(
            "reports page",
            {"for": [caller.client_id, caller.partner.id], "asked": asked, "at": [-last.created, -int(last.id)]},
        )
    return json_answer(content)


def _chosen(simulator, caller, asked):
    now = simulator.clock.now()
    types = checks.words(asked["reportTypes"], "reportTypes", most=10)
    statuses = checks.words(asked.get("processingStatuses", ",".join(STATUSES)), "processingStatuses", STATUSES)
    ids = checks.words(asked["marketplaceIds"], "marketplaceIds", most=10) if "marketplaceIds" in asked else None
    since = checks.date_time(asked["createdSince"], "createdSince") if "createdSince" in asked else 0
    until = checks.date_time(asked["createdUntil"], "createdUntil") if "createdUntil" in asked else now
    return [
        each
        for each in simulator.reports.of(caller)
        if each.type in types
        and (ids is None or set(ids) & set(each.marketplace_ids))
        and since <= each.created <= until
        and simulator.reports.status(each) in statuses
    ]


def _found(simulator, caller, report_id):
    report = simulator.reports.get(report_id, caller)
    if report is None:
        raise Refusal(errors(404, "NotFound", "Resource not found", f"Report {report_id} was not found."))
    return report


def _body(request):
    try:
        body = request.json()
    except (ValueError, UnicodeDecodeError):
        raise invalid("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    return body


def _instant(body, name, now):
    if body.get(name) is None:
        return now
    instant = checks.date_time(body[name], name)
    if instant > now:
        raise invalid(f"{name} must be prior to or equal to the current date and time.")
    return instant
