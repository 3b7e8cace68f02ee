"""A report file that a person uploaded, as a request has it in place of what Amazon would have sent.

It goes the way of Amazon's own document from there: days, landing, the raw file beside those of Amazon.
"""

from datasets.models import UploadedFile
from datasets.tabular import isolated

KIND = "file"  # of a request; its document_id is the upload's
CONTENT_TYPE = "text/tab-separated-values; charset=UTF-8"


class CannotLoad(Exception):
    """The file does not fit the dataset; the message says why and what to do. Nothing was changed."""


def document(request, report) -> bytes:
    """The file as Amazon would have written it for this report; a worker takes it for what it would have downloaded."""
    upload = UploadedFile.objects.filter(pk=request.document_id).first()
    if upload is None:
        raise CannotLoad("The uploaded file was deleted before its rows were loaded. Upload it again.")
    try:
        return isolated.run("as_tsv", [bytes(upload.content)], **report.source.reading(request.dataset.options)).content
    except isolated.Refused as problem:
        raise CannotLoad(f"{upload.name}: {problem}") from None


def note(request) -> str:
    """What the pages of its days say of where their rows come from."""
    name = UploadedFile.objects.filter(pk=request.document_id).values_list("name", flat=True).first()
    return f"From the uploaded file {name}." if name else "From an uploaded file."
