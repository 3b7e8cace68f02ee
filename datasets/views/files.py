"""The Files pages: upload a spreadsheet, see what was read from it, load it into a dataset, delete it."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connector.accounts.models import SignedInRequest
from datasets.backfill.runs import AlreadyRunning
from datasets.backfill.sources.file import CannotLoad
from datasets.models import Dataset, UploadedFile
from datasets.tabular.isolated import JobRefused
from datasets.uploads import keeping, loading
from datasets.views.actions import UNDER_WAY

ENDINGS = ".xlsx,.xlsm,.xls,.ods,.csv,.tsv,.txt"


class UploadForm(forms.Form):
    file = forms.FileField(
        label="Spreadsheet",
        help_text="XLSX, XLS, ODS, CSV or text with tabs, at most 20 MB, with column titles in the first row.",
        widget=forms.FileInput(attrs={"accept": ENDINGS}),
    )
    sheet = forms.CharField(
        required=False,
        max_length=200,
        help_text="Only for a workbook with several sheets that have values: the name of the sheet to load.",
    )


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def files(request: SignedInRequest) -> HttpResponse:
    """GET /files – the user's files; POST uploads one."""
    form = UploadForm(request.POST or None, request.FILES or None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            kept = keeping.keep(request.user, given["file"], sheet=given["sheet"].strip(), now=timezone.now())
        except JobRefused as problem:
            form.add_error("file", str(problem))
        else:
            messages.success(request, f"{kept.name} was read: {kept.rows:,} rows.")
            return redirect("file", kept.pk)
    mine = UploadedFile.objects.of(request.user).defer("content")
    context = {"form": form, "files": mine}
    return render(request, "datasets/files.html", context, status=422 if form.errors else 200)


@never_cache
@require_GET
@login_required
def file(request: SignedInRequest, file_id: int) -> HttpResponse:
    """GET /files/<id> – what was read, and the datasets that can take it."""
    kept = _of(request, file_id)
    context = {
        "file": kept,
        "rows": kept.preview,
        "datasets": [dataset for dataset in _datasets(request) if loading.takes_files(dataset)],
    }
    return render(request, "datasets/file.html", context)


@require_POST
@login_required
def load(request: SignedInRequest, file_id: int) -> HttpResponse:
    """Starts a run that loads the file into one of one's datasets."""
    kept = _of(request, file_id)
    dataset = get_object_or_404(_datasets(request), slug=request.POST.get("dataset", ""))
    try:
        started = loading.load(dataset, kept, request.user, now=timezone.now())
    except AlreadyRunning:
        messages.info(request, UNDER_WAY)
    except CannotLoad as problem:
        messages.error(request, f"Nothing was loaded. {problem}")
    else:
        many = f"{started.days:,} days are being loaded" if started.days > 1 else "1 day is being loaded"
        in_already = (
            f" {started.days_kept:,} are already loaded or come from Amazon, and do not change."
            if started.days_kept
            else ""
        )
        messages.success(request, f"{many} from {kept.name}.{in_already}")
        return redirect("dataset", dataset.slug)
    return redirect("file", kept.pk)


@require_POST
@login_required
def delete(request: SignedInRequest, file_id: int) -> HttpResponse:
    kept = _of(request, file_id)
    kept.delete()
    messages.success(request, f"{kept.name} was deleted. Rows loaded from it are kept.")
    return redirect("files")


def _of(request: SignedInRequest, file_id: int) -> UploadedFile:
    return get_object_or_404(UploadedFile.objects.of(request.user).defer("content"), pk=file_id)


def _datasets(request: SignedInRequest) -> QuerySet[Dataset]:
    return Dataset.objects.of(request.user).select_related("account").order_by("name")
