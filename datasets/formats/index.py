"""Every format there is, once. Addresses, exports, the API's description, the pages' download menus and the docs' test read it."""

from datasets.formats.parquet import Parquet
from datasets.formats.text import JsonArray, JsonLines, Separated
from datasets.formats.xlsx import Xlsx

FORMATS = {
    each.name: each
    for each in (
        Separated("csv", "CSV", "text/csv", in_pages=True, in_menus=True),
        Separated(
            "tsv",
            "TSV",
            "text/tab-separated-values",
            delimiter=b"\t",
            copy_options="(FORMAT csv, DELIMITER E'\\t')",
        ),
        JsonArray("json", "JSON", "application/json", in_pages=True, in_menus=True),
        JsonLines("ndjson", "JSON lines", "application/x-ndjson", in_pages=True),
        Xlsx("xlsx", "Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", in_menus=True),
        Parquet("parquet", "Parquet", "application/vnd.apache.parquet", in_menus=True),
    )
}
OF_PAGES = {name: each for name, each in FORMATS.items() if each.in_pages}
IN_MENUS = tuple(each for each in FORMATS.values() if each.in_menus)


def understanding(option: str) -> str:
    """The titles of the formats that understand an option of Layout, as a sentence lists them: CSV, TSV and Excel."""
    titles = [each.title for each in FORMATS.values() if option in each.options]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)
