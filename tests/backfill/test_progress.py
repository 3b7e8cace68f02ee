"""What a request has come to is kept as JSON: what another version wrote is read, and what has its default is not written."""

import pytest

from connector.catalogue import index as catalogue
from datasets.backfill.sources import index
from datasets.backfill.sources.pages import Chain
from datasets.backfill.sources.progress import Progress, Trace
from datasets.backfill.sources.report import Building
from datasets.models import Answer

TRACE = {"left": ["CA"], "fine": {"US": "51"}, "refused": {"MX": "no"}, "kind": "Refused", "fact": "No.", "facts": {}}


@pytest.mark.parametrize(
    ("view", "cursor", "known"),
    [
        (Building, {}, Building()),
        (Building, {"polls": 0}, Building()),
        (Building, {"polls": 7}, Building(polls=7)),
        (Building, {"sought": True}, Building(sought=True)),
        (
            Building,
            {"content_type": "text/plain", "charset": "cp1252", "because": "its bytes"},
            Building(content_type="text/plain", charset="cp1252", because="its bytes"),
        ),
        (Building, {"content_type": ""}, Building()),
        (Chain, {"pages": 3, "replaced": 0, "chain": {"token": "t"}}, Chain(pages=3, chain={"token": "t"})),
        (Chain, {"page_size": 50, "pages": 1, "replaced": 2}, Chain(page_size=50, pages=1, replaced=2)),
        (Chain, {"nothing": "Amazon says so."}, Chain(nothing="Amazon says so.")),
        (Building, {"traced": True}, Building(traced=True)),
        (
            Progress,
            {"tracing": TRACE, "a later version's": 1},
            Progress(tracing=Trace(("CA",), "Refused", "No.", {}, {"US": "51"}, {"MX": "no"})),
        ),
    ],
)
def test_what_the_version_before_wrote_is_read(view, cursor, known):
    assert view.of(Answer(progress=cursor)) == known


@pytest.mark.parametrize(
    ("progress", "cursor"),
    [
        (Building(), {}),
        (Building(polls=2), {"polls": 2}),
        (Chain(pages=3, chain={"token": "t"}, page_size=50), {"page_size": 50, "pages": 3, "chain": {"token": "t"}}),
        (Progress(traced=True), {"traced": True}),
    ],
)
def test_what_has_its_default_is_not_written(progress, cursor):
    assert progress.stored() == cursor


def test_a_trace_is_kept_as_the_version_before_kept_it():
    known = Progress.of(Answer(progress={"tracing": TRACE}))

    assert Progress.of(Answer(progress=known.stored())) == known
    assert {**known.stored()["tracing"], "left": ["CA"]} == TRACE


def test_every_report_of_the_catalogue_has_a_source():
    for report in catalogue.REPORTS:
        assert index.of(report).kind == report.source.kind
        assert [phase.state for phase in index.of(report).phases][-1] == "done"
