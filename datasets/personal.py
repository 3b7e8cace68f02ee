"""Which of a dataset's columns hold personal data of buyers: as the catalogue declares them, kept with the dataset's
own columns."""

from collections.abc import Iterable, Mapping
from typing import Any

from datasets.models import Dataset


def declared(dataset: Dataset) -> list[dict[str, Any]]:
    """The columns that the catalogue declares for the dataset's report, {"name", "type", "title", "meaning", "personal"}; none for a report
    that it has dropped."""
    report = dataset.effective_report
    return [column.as_json() for column in report.columns] if report else []


def marked(dataset: Dataset, columns: Iterable[Mapping[str, object]]) -> list[dict[str, Any]]:
    """A table's columns with `personal`. A column once marked stays marked, whatever the dataset's report is now."""
    personal = {column["name"] for column in (*declared(dataset), *dataset.columns) if column.get("personal")}
    return [{**column, "personal": column["name"] in personal} for column in columns]
