"""The lines to copy on the API tab: for each program lines that keep every value unchanged.

Programs that read CSV guess: `NA` becomes no value, a postal code a number, `1/2` a date. So files with types come first, and
where CSV is read the lines say each column's type, from the columns that the reader sees. tests/serving/test_snippets.py takes the lines from
the page and runs them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from datasets.rows.snapshot import Snapshot

DUCKDB = {"bigint": "BIGINT", "boolean": "BOOLEAN", "date": "DATE", "timestamptz": "TIMESTAMPTZ"}  # others: VARCHAR
WIDTH = 100  # letters of a line
PANDAS = {"bigint": "Int64", "boolean": "boolean"}  # others are read as text first


@dataclass(frozen=True)
class Snippet:
    """A program, what to know about it, and the lines for it."""

    key: str
    title: str
    about: str
    lines: str


@dataclass(frozen=True)
class Ground:
    """What the lines of one dataset are made of: its slug, addresses without an ending, and columns {"name", "type"}."""

    slug: str
    export: str
    host: str
    odata: str
    columns: tuple[dict, ...]

    def names(self, *types: str) -> list[str]:
        return [column["name"] for column in self.columns if column["type"] in types]


@dataclass(frozen=True)
class Program:
    """A Snippet of any dataset; `lines` makes them of its Ground."""

    key: str
    title: str
    about: str
    lines: Callable[[Ground], str]

    def of(self, ground: Ground) -> Snippet:
        return Snippet(self.key, self.title, self.about, self.lines(ground))


def snippets(seen: Snapshot, *, export: str, host: str, odata: str) -> list[Snippet]:
    """The Snippets of a dataset's Snapshot, in the order of the page: the lines name the columns that the reader sees."""
    ground = Ground(seen.slug, export, host, odata, seen.columns)
    return [program.of(ground) for program in PROGRAMS]


# Python

ASKED = """storage_options={"Authorization": f"Bearer {os.environ['BACKHAUL_TOKEN']}"}"""


def _pandas(ground: Ground) -> str:
    return f"""import os
import pandas as pd

rows = pd.read_parquet(
    "{ground.export}.parquet",
    {ASKED},
    dtype_backend="pyarrow",
)"""


def _pandas_csv(ground: Ground) -> str:
    types = {column["name"]: PANDAS[column["type"]] for column in ground.columns if column["type"] in PANDAS}
    parts = [
        f"""import os
from collections import defaultdict
from decimal import Decimal
import pandas as pd

types = {_listed(types)}
rows = pd.read_csv(
    "{ground.export}.csv",
    {ASKED},
    dtype=defaultdict(lambda: str, types),
    keep_default_na=False,
    na_values={{name: [""] for name in types}},
)"""
    ]
    if names := ground.names("date", "timestamptz"):
        parts.append(
            f"""for name in {_listed(names)}:
    rows[name] = pd.to_datetime(rows[name], format="ISO8601")"""
        )
    if names := ground.names("numeric"):
        parts.append(
            f"""for name in {_listed(names)}:
    rows[name] = [Decimal(text) if text else None for text in rows[name]]"""
        )
    return "\n".join(parts)


def _polars(ground: Ground) -> str:
    return f"""import os
from urllib.request import Request, urlopen
import polars as pl

asked = Request("{ground.export}.parquet", headers={{"Authorization": f"Bearer {{os.environ['BACKHAUL_TOKEN']}}"}})
rows = pl.read_parquet(urlopen(asked).read())"""


def _listed(values: Sequence[str] | Mapping[str, str]) -> str:
    """A list or a dict as Python writes it, in lines that fit the page."""
    if isinstance(values, dict):
        return "{" + _wrapped([f'"{name}": "{value}"' for name, value in values.items()]) + "}"
    return "[" + _wrapped([f'"{name}"' for name in values]) + "]"


def _wrapped(items: Sequence[str], indent: str = "    ") -> str:
    """The items separated by commas, as many to a line as fit."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > WIDTH:
            lines.append("")
        lines[-1] += f"{item}, "
    text = f"\n{indent}".join(line.strip() for line in lines).removesuffix(",")
    return text if len(lines) == 1 else f"\n{indent}{text},\n"


# The others


def _curl(ground: Ground) -> str:
    ask = 'curl -fsS --compressed -H "Authorization: Bearer $BACKHAUL_TOKEN"'
    return f"""# with its types
{ask} \\
  -o {ground.slug}.parquet "{ground.export}.parquet"

# as text
{ask} \\
  -o {ground.slug}.csv "{ground.export}.csv"

# only some of it
{ask} \\
  -o {ground.slug}_30_days.csv "{ground.export}.csv?_day__gte=today-30\""""


def _duckdb(ground: Ground) -> str:
    columns = _wrapped([f"'{each['name']}': '{DUCKDB.get(each['type'], 'VARCHAR')}'" for each in ground.columns], "  ")
    return f"""CREATE SECRET backhaul (TYPE http, BEARER_TOKEN 'bh_…', SCOPE '{ground.host}');
SELECT * FROM read_csv('{ground.export}.csv',
  auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\r\\n', allow_quoted_nulls = false,
  columns = {{{columns}}});"""


def _power_query(ground: Ground) -> str:
    return f"""let
    Source = OData.Feed("{ground.odata}", null, [Implementation = "2.0"]),
    Rows = Source{{[Name = "{ground.slug}"]}}[Data]
in
    Rows"""


def _tableau(ground: Ground) -> str:
    return f"{ground.odata}{ground.slug}"


def _sheets(ground: Ground) -> str:
    return f'=IMPORTDATA("{ground.export}.csv?_safe=1&token=bh_link_…")'


def _r(ground: Ground) -> str:
    return f"""token <- Sys.getenv("BACKHAUL_TOKEN")
rows <- read.csv(
  url("{ground.export}.csv", encoding = "UTF-8", headers = c(Authorization = paste("Bearer", token))),
  colClasses = "character", na.strings = character(), check.names = FALSE
)"""


SET_TOKEN = "Set the environment variable BACKHAUL_TOKEN first."
PROGRAMS = (
    Program(
        "curl",
        "curl",
        f'The whole dataset as a file. {SET_TOKEN} In CSV an empty field is no value and "" an empty text; a program that'
        " opens it may guess types, and then reads 01234 as a number and NA as no value.",
        _curl,
    ),
    Program(
        "pandas",
        "Python, pandas",
        f"{SET_TOKEN} Parquet includes column types, keeps every digit and distinguishes a missing value from an "
        "empty text; pyarrow must be installed.",
        _pandas,
    ),
    Program(
        "pandas-csv",
        "pandas, from CSV",
        "Without pyarrow. pandas guesses types unless every type is given: these are the current columns of this "
        "dataset. The difference between an empty text and no value is lost: both arrive as empty text.",
        _pandas_csv,
    ),
    Program("polars", "Python, Polars", f"{SET_TOKEN} Column types are included.", _polars),
    Program(
        "duckdb",
        "DuckDB",
        "Replace bh_… with the token. The types are those of this dataset's columns as they are now; decimals arrive "
        "as text, with every digit: CAST makes numbers of them.",
        _duckdb,
    ),
    Program(
        "excel",
        "Excel and Power BI",
        "Data, Get Data, From OData Feed; or these lines in the Advanced Editor. When asked for credentials choose Basic,"
        " leave the user name empty and give the token as the password: it is kept apart from the file. Each column comes with its"
        " type, so postal codes and ids stay text; of a number Excel holds 15 digits. Filters and"
        " chosen columns are sent here, so incremental refresh loads only its range.",
        _power_query,
    ),
    Program(
        "tableau",
        "Tableau",
        "Connect, To a Server, OData. Authentication: Username and Password, with the token as the password. Each column comes"
        " with its type.",
        _tableau,
    ),
    Program(
        "sheets",
        "Google Sheets",
        "Note: Sheets guesses types, and no formula can switch that off. 01234 becomes 1234, 1/2 a date, 1e5 a "
        "number, and numbers keep 15 digits. To keep such values, download the Excel file and open it with File, "
        "Import: its cells have types. The formula needs a link, because Sheets sends no header: create one above and "
        "put its last part in place of bh_link_…. Google's servers must be able to reach this address.",
        _sheets,
    ),
    Program(
        "r",
        "R",
        f"{SET_TOKEN} Every column arrives as text, as it is; type.convert or as.numeric converts the columns you "
        "choose to numbers. An empty text and no value cannot be told apart there.",
        _r,
    ),
)
