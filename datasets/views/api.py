"""The API tab: lines to copy, with this installation's address and this dataset's name, and a token made in place."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from datasets.access import access_log, tokens
from datasets.formats.index import FORMATS
from datasets.serving.http.response_format import absolute
from datasets.views.dataset import page_of
from datasets.views.find import find_dataset, look


@dataclass(frozen=True)
class Snippet:
    """A program, what to know about it, and the lines for it."""

    key: str
    title: str
    about: str
    lines: str


SNIPPETS = (
    Snippet(
        "curl",
        "curl",
        "The whole dataset as a file, compressed on the way.",
        """curl -fsS --compressed -H "Authorization: Bearer $BACKHAUL_TOKEN" \\
  -o {slug}.csv "{export}.csv"

# only some of it
curl -fsS --compressed -H "Authorization: Bearer $BACKHAUL_TOKEN" \\
  "{export}.csv?_day__gte=today-30\"""",
    ),
    Snippet(
        "pandas",
        "Python, pandas",
        "Set the environment variable BACKHAUL_TOKEN first.",
        """import os
import pandas as pd

rows = pd.read_csv(
    "{export}.csv",
    storage_options={{"Authorization": f"Bearer {{os.environ['BACKHAUL_TOKEN']}}"}},
)""",
    ),
    Snippet(
        "duckdb",
        "DuckDB",
        "Put the token where bh_… stands.",
        """CREATE SECRET backhaul (TYPE http, BEARER_TOKEN 'bh_…', SCOPE '{host}');
SELECT * FROM read_csv('{export}.csv');""",
    ),
    Snippet(
        "excel",
        "Excel and Power BI",
        "Data, Get Data, From OData Feed; or these lines in the Advanced Editor. When asked for credentials choose Basic,"
        " leave the user name empty and give the token as the password: it is kept apart from the file. Filters and"
        " chosen columns are sent here, so incremental refresh loads only its range.",
        """let
    Source = OData.Feed("{odata}", null, [Implementation = "2.0"]),
    Rows = Source{{[Name = "{slug}"]}}[Data]
in
    Rows""",
    ),
    Snippet(
        "tableau",
        "Tableau",
        "Connect, To a Server, OData. Authentication: Username and Password, with the token as the password.",
        """{odata}{slug}""",
    ),
    Snippet(
        "sheets",
        "Google Sheets",
        "Sheets sends no header, so it needs a link: create one above and put its end where bh_link_… stands. Google's"
        " servers have to be able to reach this address.",
        """=IMPORTDATA("{export}.csv?token=bh_link_…")""",
    ),
    Snippet(
        "r",
        "R",
        "Set the environment variable BACKHAUL_TOKEN first.",
        """token <- Sys.getenv("BACKHAUL_TOKEN")
rows <- read.csv(url("{export}.csv",
  headers = c(Authorization = paste("Bearer", token))))""",
    ),
)


def _context(request, dataset):
    path = reverse("export", args=[dataset.slug, "csv"]).removesuffix("/export.csv")
    base = absolute(request, path)
    words = {
        "slug": dataset.slug,
        "export": f"{base}/export",
        "host": base.removesuffix(path),
        "odata": absolute(request, reverse("odata")),
    }
    snippets = [Snippet(one.key, one.title, one.about, one.lines.format(**words)) for one in SNIPPETS]
    return page_of(
        request,
        dataset,
        "dataset-api",
        snippets=snippets,
        base=base,
        format_names=list(FORMATS),
        readers=access_log.latest(dataset, look(request, dataset).policy),
    )


@require_GET
@login_required
def api(request, slug):
    """GET /datasets/<slug>/api"""
    dataset = find_dataset(request, slug)
    return render(request, "datasets/dataset_api.html", _context(request, dataset))


@never_cache
@require_POST
@login_required
def make_token(request, slug):
    """A token or a link that reads this dataset and nothing else; the answer is the only page that ever shows it."""
    dataset = find_dataset(request, slug)
    name = request.POST.get("name", "").strip()
    context = _context(request, dataset)
    if request.POST.get("kind") == "link":
        made, text = tokens.issue_link(request.user, dataset, name or f"{dataset.name}, link")
        text = f"{context['base']}/export.csv?token={text}"
    else:
        name = name or f"{dataset.name}, reading"
        made, text = tokens.issue(request.user, name, scopes=["data:read"], datasets=[dataset])
    return render(request, "datasets/dataset_api.html", context | {"made": made, "text": text})
