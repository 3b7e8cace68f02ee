"""What the catalogue declares, pinned: people script against these keys, options, columns and types.

`declared.txt` holds all of it, one fact a line. A change that is meant is written there by
`python -m tests.catalogue.test_declared`, and its diff is read like code. Texts that only explain (summaries, help,
meanings) are free.
"""

from datetime import UTC, datetime
from pathlib import Path

from connector.catalogue import index

DECLARED = Path(__file__).with_name("declared.txt")
FROM, UNTIL = datetime(2026, 1, 1, 8, tzinfo=UTC), datetime(2026, 1, 31, 8, tzinfo=UTC)
FACTS = (
    "title", "group", "audience", "window", "reach_days", "lag", "settling_days", "day_column", "zone", "key_columns",
    "version_column", "modes", "forced_mode", "cooldown", "regional", "channel_column", "restricted", "retires_on", "offered",
)  # fmt: skip


def answers_of(report, given):
    """Every set of answers that makes another report of this one, as far as the report itself declares them."""
    yield given
    open_options = [name for name in report.variants if name not in given]
    if not open_options:
        return
    for value in report.variants[open_options[0]]:
        answers = given | {open_options[0]: value}
        yield from answers_of(report.varied(answers), answers)
    rest = {name: report.option(name).default for name in open_options[:1]}
    if len(open_options) > 1:
        yield from (so for so in answers_of(report, given | rest) if so != given | rest)


def facts(report):
    for name in FACTS:
        value = getattr(report, name)
        yield f"{name}: {', '.join(value) if isinstance(value, tuple) else value}"
    request = report.request(FROM, UNTIL, ("M1", "M2"), {option.name: option.default for option in report.options})
    burst = f" burst={report.source.burst}" if report.source.kind == "report" else ""
    yield f"source: {report.source.kind}{burst} page_rows={report.source.page_rows} {request}"
    if report.source.kind == "report":
        yield f"reading: {report.source.reader} {report.source.reading({})} {report.source.format_in('DE')}"
    for option in report.options:
        yield f"option {option.name}: {option.label} | {option.kind} required={option.required} most={option.most} default={option.default}"
        yield f"    {', '.join('='.join(choice) for choice in option.choices)} | {', '.join('='.join(pair) for pair in option.also.items())}"


def columns(report):
    for column in report.columns:
        flags = " personal" if column.personal else ""
        also = f" also {', '.join(column.also)}" if column.also else ""
        yield f"column {column.name} {column.type}{flags} | {column.title} | {column.source}{also}"


def told():
    """Each report with each set of answers: what differs from the report without any, and columns where they are new."""
    for plain in index.REPORTS:
        unanswered, known = set(facts(plain.varied({}))), {}
        for answers in answers_of(plain, {}):
            report = plain.varied(answers)
            found = list(facts(report))
            yield f"{plain.key} {answers or ''}".strip()
            yield from (f"  {fact}" for fact in found if fact not in unanswered or not answers)
            yield from (f"  - {gone}" for gone in sorted(unanswered - set(found)))
            block = tuple(columns(report))
            if block not in known:
                yield from (f"  {line}" for line in block)
            yield f"  {len(block)} columns, those of {known.setdefault(block, answers or plain.key)}"


def test_what_people_script_against_stays():
    assert DECLARED.read_text().splitlines() == list(told())


if __name__ == "__main__":
    DECLARED.write_text("".join(f"{line}\n" for line in told()))
