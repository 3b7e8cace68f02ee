"""Report documents: an address that lives five minutes, and the storage host behind it."""

import gzip
import hashlib
from functools import lru_cache
from urllib.parse import quote, urlencode

from . import document_corruption
from .answers import Answer, Refusal, errors, json_answer
from .report_types import REPORT_TYPES

PATH = "/storage/tortuga-prod/"


def get_report_document(simulator, request, caller, document_id):
    report = simulator.reports.by_document(document_id)
    if report is None or simulator.reports.get(report.id, caller) is None or not simulator.reports.has_document(report):
        raise Refusal(errors(404, "NotFound", "Resource not found", f"Document {document_id} was not found."))
    encoded = request.values().get("enableContentEncodingUrlHeader", "false").lower() == "true"
    content = {"reportDocumentId": document_id, "url": _address(simulator, request, document_id, encoded)}
    if simulator.settings.compress:
        content["compressionAlgorithm"] = "GZIP"
    return json_answer(content)


def _address(simulator, request, document_id, encoded):
    key = PATH + quote(document_id)
    query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": f"{simulator.clock.ticks():.3f}"}
    query["X-Amz-Expires"] = f"{simulator.settings.document_seconds:g}"
    if encoded:
        query["response-content-encoding"] = "gzip"
    query["X-Amz-Signature"] = simulator.signer.signature(key + urlencode(query))
    return f"{request.base}{key}?{urlencode(query)}"


def download(simulator, request):
    """What the storage host answers; like the real one it takes no credentials beside the address."""
    query = request.values()
    if "authorization" in request.headers or "x-amz-access-token" in request.headers:
        raise Refusal(_storage_error(400, "InvalidArgument", "Only one auth mechanism allowed"))
    signature = query.pop("X-Amz-Signature", "")
    if signature != simulator.signer.signature(request.path + urlencode(query)):
        raise Refusal(_storage_error(403, "SignatureDoesNotMatch", "The request signature does not match."))
    expires = float(query["X-Amz-Date"]) + float(query["X-Amz-Expires"])
    if expires <= simulator.clock.ticks() or _fault_kind(request) == "expired":
        raise Refusal(_storage_error(403, "AccessDenied", "Request has expired"))
    report = simulator.reports.by_document(request.path.removeprefix(PATH))
    if report is None:
        raise Refusal(_storage_error(404, "NoSuchKey", "The specified key does not exist."))
    body, charset = _content(simulator, request, report)
    answer = Answer(200, body, f"text/plain; charset={charset}" if charset else "text/plain")
    if "response-content-encoding" in query and simulator.settings.compress:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["ETag"] = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    answer.headers["Accept-Ranges"] = "bytes"
    return _ranged(request, answer)


def _content(simulator, request, report):
    if simulator.reports.status(report) == "FATAL":
        reason = (report.outcome or {}).get("text") or report.reason or "The report could not be generated."
        return _packed(simulator, reason.encode()), "UTF-8"
    fault = request.fault or {}
    report_type = REPORT_TYPES[report.type]
    charset, label = report_type.charset(report)
    columns = list(report_type.columns(simulator))
    if columns and (fault.get("kind") in document_corruption.TABLE_KINDS or {"cell", "cells"} & fault.keys()):
        columns, rows = document_corruption.table(fault, columns, list(report_type.rows(simulator, report)))
        text = report_type.write(report, rows, columns)
    else:
        text = _written(simulator, report, tuple(columns))
    if fault.get("kind") in document_corruption.TEXT_KINDS:
        text = document_corruption.text(fault, text)
    if fault.get("kind") == "charset":
        charset, label = fault["charset"], fault.get("label", fault["charset"])
    plain = text.encode(charset, "replace")
    for old, new in fault.get("bytes", {}).items() if fault.get("kind") == "charset" else ():
        plain = plain.replace(old.encode(charset), bytes.fromhex(new))
    if fault.get("kind") == "bom":
        plain = b"\xef\xbb\xbf" + plain
    if fault.get("kind") == "not_compressed":
        return plain, label
    packed = _packed(simulator, plain)
    if fault.get("kind") in document_corruption.PACKED_KINDS:
        packed = document_corruption.packed(fault, plain, packed)
    return packed, label


def _written(simulator, report, columns):
    """The text of a report; asking again is cheap, for an unchanged document."""
    return _write(simulator, simulator.run, report.id, columns, simulator.settings.reports_regional)


@lru_cache(maxsize=16)
def _write(simulator, run, report_id, columns, regional):
    report = simulator.reports.by_id(report_id)
    report_type = REPORT_TYPES[report.type]
    return report_type.write(report, report_type.rows(simulator, report), columns)


def _packed(simulator, plain):
    return gzip.compress(plain, compresslevel=3, mtime=0) if simulator.settings.compress else plain


def _fault_kind(request):
    return request.fault["kind"] if request.fault else None


def _ranged(request, answer):
    """A part from a byte on, when the caller names the version it already has the beginning of."""
    wanted = request.headers.get("range", "")
    if not (wanted.startswith("bytes=") and wanted.endswith("-") and wanted[6:-1].isdigit()):
        return answer
    start, total = int(wanted[6:-1]), len(answer.body)
    if request.headers.get("if-range", answer.headers["ETag"]) != answer.headers["ETag"]:
        return answer
    if start >= total:
        raise Refusal(_storage_error(416, "InvalidRange", "The requested range is not satisfiable"))
    answer.status, answer.body = 206, answer.body[start:]
    answer.headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
    return answer


def _storage_error(status, code, message):
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), "application/xml")
