"""Which of a dataset's columns tell of a buyer: what the catalogue says, kept with the dataset's own columns."""

from connector.catalogue import index


def declared(dataset):
    """The columns that the catalogue declares for the dataset's report, {"name", "type", "title", "meaning", "personal"}; none for a report
    that it has dropped."""
    try:
        return [column.as_json() for column in index.effective(dataset.report, dataset.options).columns]
    except KeyError:
        return []


def marked(dataset, columns):
    """A table's columns with `personal`. What was marked once stays so, whatever report the dataset is of by now."""
    personal = {column["name"] for column in (*declared(dataset), *dataset.columns) if column.get("personal")}
    return [column | {"personal": column["name"] in personal} for column in columns]
