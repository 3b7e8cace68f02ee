"""A report file that a person uploaded, in place of the document that Amazon would have sent.

From there it is processed like Amazon's own document: days, landing, the raw file beside those of Amazon.
"""

from dataclasses import replace

from connector.spapi import errors
from datasets.backfill.answers import parsed
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.report import Building, BuiltReport
from datasets.backfill.sources.source import Phase
from datasets.models import Answer, Request, UploadedFile
from datasets.tabular import isolated

CONTENT_TYPE = "text/tab-separated-values; charset=UTF-8"


class CannotLoad(Exception):
    """The file does not fit the dataset; the message says why and what to do. Nothing was changed."""


class OwnFile(BuiltReport):
    """A document that is here from the beginning: the request begins as ready, and its answer's document_id is the upload's."""

    kind = Answer.FILE
    phases = (Phase("ready", "To be read"), Phase("collected", "Saving"), Phase("done", "Saved"))

    def ask(self, asking: Asking, request: Request) -> None:
        request.advance(state=Request.State.READY)

    def collect(self, asking: Asking, request: Request) -> None:
        folder = request.answer.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            (folder / "document").write_bytes(self._document(request))
        except CannotLoad as problem:
            raise errors.AmazonRefused(str(problem)) from None
        parsed.forget(folder)
        request.collect(Building(content_type=CONTENT_TYPE).stored())

    def _document(self, request: Request) -> bytes:
        """The file as Amazon would have written it for this report."""
        upload = UploadedFile.objects.filter(pk=request.answer.document_id).first()
        if upload is None:
            raise CannotLoad("The uploaded file was deleted before its rows were loaded. Upload it again.")
        arguments = self.declared.reading(request.dataset.options)
        try:
            return isolated.run("as_tsv", [bytes(upload.content)], **arguments).content
        except isolated.JobRefused as problem:
            raise CannotLoad(f"{upload.name}: {problem}") from None

    def read(self, asking: Asking, request: Request, raw: Raw) -> Split:
        raw = replace(raw, is_of_file=True)
        try:
            split = super().read(asking, request, raw)
        except errors.DocumentRefused as problem:  # it stays as it is, however often it is read
            said = problem.message if problem.is_worded else f"{problem.fact} Nothing was loaded from it. {raw.again}"
            raise errors.AmazonRefused(said) from None
        name = UploadedFile.objects.filter(pk=request.answer.document_id).values_list("name", flat=True).first()
        from_where = f"From the uploaded file {name}." if name else "From an uploaded file."
        return replace(split, note=f"{from_where} {split.note}".strip())
