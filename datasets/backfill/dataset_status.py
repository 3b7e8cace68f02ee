"""What can be said of a dataset from its days and runs: how far it is, how fresh, in what state.

The words, for pages and API alike:

days_total      days of the range that the dataset is to hold as of now
days_done       of those, the ones that are in: with rows, or empty by Amazon's word
days_failed     of those, the ones that could not be had
days_lacking    of those that are in, the ones without a marketplace that Amazon refuses
days_from_files  days outside of that range whose rows came from files that people uploaded; they are in none of the counts above
newest, oldest  the last and first day that is in, of that range or not
complete_through  from the oldest day of the range that is in up to this day none is missing or lacks a marketplace, and
                this day was over when Amazon was last asked for it. While a history fills newest day first, that is the newest day;
                a hole holds it back until the hole is filled.

Days are counted in the table that the latest run builds; `complete_through` and `newest` speak of the table that readers see.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from datasets.backfill.span import span_of
from datasets.backfill.window import zone_of
from datasets.models import Dataset, Run

STATES = {
    "new": "has never run",
    "loading": "a run is under way",
    "up_to_date": "the last run brought in all there was",
    "partial": "the last run ended with days missing, or without a marketplace that Amazon refuses",
    "failed": "the last run failed",
    "paused": "no run is scheduled until it is resumed",
}
OPEN = [str(state) for state in Run.OPEN]


@dataclass(frozen=True)
class DatasetStatus:
    days_total: int
    days_done: int
    days_failed: int
    newest: date | None
    oldest: date | None
    complete_through: date | None
    state: str
    last_run: Run | None = None
    days_lacking: int = 0
    days_from_files: int = 0

    @property
    def days_missing(self) -> int:
        return self.days_total - self.days_done


def status_of(dataset: Dataset, now: datetime | None = None) -> DatasetStatus:
    """The facts of one dataset."""
    return statuses_of([dataset], now)[dataset.pk]


def statuses_of(datasets: Iterable[Dataset], now: datetime | None = None) -> dict[int, DatasetStatus]:
    """{dataset.pk: DatasetStatus} of many datasets, in two queries however many they are. Give them with their account selected."""
    datasets = list(datasets)
    now = now or timezone.now()
    runs = _last_runs(datasets)
    counted = _count(datasets, runs, now)
    return {
        dataset.pk: DatasetStatus(
            **counted[dataset.pk],
            state=_state(dataset, runs.get(dataset.pk), counted[dataset.pk]),
            last_run=runs.get(dataset.pk),
        )
        for dataset in datasets
    }


def states_of(datasets: Iterable[Dataset], now: datetime | None = None) -> dict[int, str]:
    """{dataset.pk: state} of very many datasets: days are looked at only where the last run does not say it already."""
    datasets = list(datasets)
    now = now or timezone.now()
    runs = _last_runs(datasets)
    states = {dataset.pk: _known_state(dataset, runs.get(dataset.pk)) for dataset in datasets}
    unsure = [dataset for dataset in datasets if states[dataset.pk] is None]
    states |= dict.fromkeys(_with_holes(unsure, runs, now), "partial")
    unsure = [dataset for dataset in unsure if states[dataset.pk] is None]
    counted = _count(unsure, runs, now) if unsure else {}
    states |= {dataset.pk: _state(dataset, runs[dataset.pk], counted[dataset.pk]) for dataset in unsure}
    return cast(dict[int, str], states)  # each has one by now


# The same as `through` in COUNT, for every page of rows: of one dataset. As a rule its days have no hole, and counting them
# tells; without dates it is simply the newest day.
_DAYS_IN = """
    FROM datasets_day
    WHERE dataset_id = d.id AND generation = d.generation AND state IN ('landed', 'empty')
        AND day BETWEEN %(first)s AND %(last)s
        AND (NOT %(dated)s OR cardinality(lacking) = 0 AND (read_until IS NULL OR read_until >= ((day + 1)::timestamp AT TIME ZONE %(zone)s)))
"""
THROUGH = f"""
SELECT CASE WHEN NOT %(dated)s OR max(day) - min(day) + 1 = count(*) THEN max(day) ELSE (
    SELECT max(day) FROM (SELECT day, day - (row_number() OVER (ORDER BY day))::int AS block {_DAYS_IN}) AS days
    GROUP BY block ORDER BY block LIMIT 1
) END {_DAYS_IN}
"""


def complete_through(dataset: Dataset, now: datetime | None = None) -> date | None:
    """Only that one day."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ({THROUGH}) FROM datasets_dataset AS d WHERE id = %(id)s",
            through_values(dataset, now or timezone.now()) | {"id": dataset.pk},
        )
        row = cursor.fetchone()
    return row[0] if row else None


def through_values(dataset: Dataset, now: datetime) -> dict[str, Any]:
    """What THROUGH is to be given, where `d` is the dataset's own row."""
    found = _range(dataset, now)
    return {
        "first": found.first or date.min,
        "last": found.last or date.max,
        "zone": found.zone,
        "dated": found.is_dated,
    }


def zone(dataset: Dataset) -> str:
    """The time zone in which the dataset's days are counted."""
    report = dataset.effective_report
    return zone_of(report, dataset.account) if report else "UTC"


def _last_runs(datasets: Sequence[Dataset]) -> dict[int, Run]:
    latest = Run.objects.filter(dataset=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    ids = (
        Dataset.objects.filter(pk__in=[dataset.pk for dataset in datasets])
        .annotate(last=Subquery(latest))
        .values("last")
    )
    return {run.dataset_id: run for run in Run.objects.filter(pk__in=ids)}


def _state(dataset: Dataset, run: Run | None, counts: Mapping[str, Any]) -> str:
    """The state of a dataset; `counts` is looked at only where its last run does not say it already."""
    known = _known_state(dataset, run)
    if known is not None:
        return known
    return "partial" if counts["days_done"] < counts["days_total"] or counts["days_lacking"] else "up_to_date"


def _known_state(dataset: Dataset, run: Run | None) -> str | None:
    if run is not None and run.is_open:
        return "loading"
    if dataset.paused:
        return "paused"
    if run is None:
        return "new"
    if run.state == Run.State.FAILED:
        return "failed"
    if run.state == Run.State.SUCCEEDED:
        return "up_to_date"
    return None


@dataclass(frozen=True, slots=True)
class _Range:
    """The days that a dataset is to hold, both included and counted in `zone`; None where the days that are there are all that is known."""

    first: date | None
    last: date | None
    zone: str
    is_dated: bool = True  # False: each day is another look at the present, and the newest one is all that counts


def _range(dataset: Dataset, now: datetime) -> _Range:
    report = dataset.effective_report
    if report is None:  # dropped from the catalogue
        return _Range(None, None, "UTC")
    zone = zone_of(report, dataset.account)
    if not report.has_dates:
        return _Range(None, None, zone, is_dated=False)
    try:
        span = span_of(dataset, report, now)
    except ValueError:
        return _Range(None, None, zone)
    return _Range(span.first, span.last, zone)


# Days in a row have one and the same "day minus its number": the oldest such block is what is complete.
COUNT = """
WITH asked AS (
    SELECT * FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::date[], %s::date[], %s::text[])
        AS asked(id, shown, building, first, last, zone)
), all_known AS (
    SELECT asked.id, d.day, d.generation = asked.shown AS is_shown, d.generation = asked.building AS is_building, d.from_file,
        d.state IN ('landed', 'empty') AS is_in, d.state = 'failed' OR d.again AND d.request_id IS NULL AND d.attempts > 0 AS is_failed,
        cardinality(d.lacking) > 0 AS is_lacking,
        d.read_until IS NULL OR d.read_until >= ((d.day + 1)::timestamp AT TIME ZONE asked.zone) AS is_over,
        d.day >= coalesce(asked.first, '-infinity') AND d.day <= coalesce(asked.last, 'infinity') AS is_within
    FROM asked JOIN datasets_day d ON d.dataset_id = asked.id AND d.generation IN (asked.shown, asked.building)
), known AS (
    SELECT * FROM all_known WHERE is_within
), edges AS (
    SELECT id, max(day) FILTER (WHERE is_shown) AS newest, min(day) FILTER (WHERE is_shown) AS oldest,
        count(*) FILTER (WHERE is_building AND from_file AND NOT is_within) AS from_files
    FROM all_known WHERE is_in GROUP BY id
), blocks AS (
    SELECT id, day, day - (row_number() OVER (PARTITION BY id ORDER BY day))::int AS block
    FROM known WHERE is_shown AND is_in AND is_over AND NOT is_lacking
), counted AS (
    SELECT id, count(*) FILTER (WHERE is_building) AS days,
        count(*) FILTER (WHERE is_building AND is_in) AS done,
        count(*) FILTER (WHERE is_building AND is_failed) AS failed,
        count(*) FILTER (WHERE is_building AND is_in AND is_lacking) AS lacking,
        max(day) FILTER (WHERE is_building AND is_in AND is_lacking) = max(day) FILTER (WHERE is_building AND is_in) AS newest_lacks
    FROM known GROUP BY id
), oldest_blocks AS (
    SELECT DISTINCT ON (id) id, max(day) AS through FROM blocks GROUP BY id, block ORDER BY id, block
)
SELECT asked.id, greatest(asked.last - asked.first + 1, 0),
    coalesce(days, 0), coalesce(done, 0), coalesce(failed, 0), coalesce(lacking, 0), coalesce(newest_lacks, false), newest, oldest, through, coalesce(from_files, 0)
FROM asked LEFT JOIN counted USING (id) LEFT JOIN edges USING (id) LEFT JOIN oldest_blocks USING (id)
"""


# One look into the index by state a dataset, where counting reads all its days.
HOLES = """
SELECT asked.id FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::date[], %s::date[], %s::text[])
    AS asked(id, shown, building, first, last, zone)
WHERE EXISTS (SELECT FROM datasets_day d WHERE d.dataset_id = asked.id AND d.generation = asked.building
    AND d.state IN ('wanted', 'asked', 'failed')
    AND d.day BETWEEN coalesce(asked.first, '-infinity') AND coalesce(asked.last, 'infinity'))
"""


def _with_holes(datasets: Sequence[Dataset], runs: Mapping[int, Run], now: datetime) -> list[int]:
    """Those with a day in the ledger that is not in. One that shows the present has none: its newest day is all that counts."""
    ranges = {dataset.pk: _range(dataset, now) for dataset in datasets}
    datasets = [dataset for dataset in datasets if ranges[dataset.pk].is_dated]
    if not datasets:
        return []
    with connection.cursor() as cursor:
        cursor.execute(HOLES, _asked(datasets, runs, ranges))
        return [pk for (pk,) in cursor.fetchall()]


def _asked(datasets: Sequence[Dataset], runs: Mapping[int, Run], ranges: Mapping[int, _Range]) -> list[Any]:
    return [
        [dataset.pk for dataset in datasets],
        [dataset.generation for dataset in datasets],
        [runs[d.pk].generation if d.pk in runs else d.generation for d in datasets],
        [ranges[dataset.pk].first for dataset in datasets],
        [ranges[dataset.pk].last for dataset in datasets],
        [ranges[dataset.pk].zone for dataset in datasets],
    ]


def _count(datasets: Sequence[Dataset], runs: Mapping[int, Run], now: datetime) -> dict[int, dict[str, Any]]:
    ranges, found = {dataset.pk: _range(dataset, now) for dataset in datasets}, {}
    parameters = _asked(datasets, runs, ranges)
    for pk, span, days, done, failed, lacking, newest_lacks, newest, oldest, through, from_files in _rows(parameters):
        if not ranges[pk].is_dated:  # as of now: the dataset holds one day, and that is the newest one
            total, done, failed, through = min(days, 1) or 1, min(done, 1), 0 if done else min(failed, 1), newest
            lacking = int(newest_lacks)
        else:
            total = days if ranges[pk].first is None else span
        found[pk] = {
            "days_total": total,
            "days_done": done,
            "days_failed": failed,
            "days_lacking": lacking,
            "newest": newest,
            "oldest": oldest,
            "complete_through": through,
            "days_from_files": from_files,
        }
    return found


def _rows(parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as own:
        own.execute(COUNT, parameters)
        return own.fetchall()
