"""Which of a dataset's columns hold personal data of buyers: as the catalogue declares them, kept with the dataset's
own columns."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from connector.catalogue import index
from datasets.storage.read import EXTRA


class Columned(Protocol):
    """A dataset, as far as its columns go."""

    report: str
    options: Any  # answers to the report's questions
    columns: Any  # [{"name", "personal", …}]


def declared(dataset: Columned) -> list[dict[str, Any]]:
    """The columns that the catalogue declares for the dataset's report, {"name", "type", "title", "meaning", "personal"}; none for a report
    that it has dropped."""
    try:  # not by a property of the model's: migrations ask with models that have fields only
        report = index.effective(dataset.report, dataset.options)
    except KeyError:
        return []
    return [column.as_json() for column in report.columns]


def marked(dataset: Columned, columns: Iterable[Mapping[str, object]]) -> list[dict[str, Any]]:
    """A table's columns with `personal`. A column once marked stays marked, whatever the dataset's report is now.

    A value of any column may stand in _extra, so that tells of a buyer as soon as one column does.
    """
    personal = {column["name"] for column in (*declared(dataset), *dataset.columns) if column.get("personal")}
    if personal:
        personal.add(EXTRA)
    return [{**column, "personal": column["name"] in personal} for column in columns]
