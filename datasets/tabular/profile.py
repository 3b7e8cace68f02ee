"""What a column holds: how much of it is filled, how many different values, the smallest, the largest, the most frequent.

Runs in the child. It is given a sample as COPY writes CSV: an empty cell is null, a quoted empty one is an empty text.
"""

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv

MAX_FREQUENT = 5
MAX_SHOWN = 80  # characters of a value in the result
# The text of the other types is in the order of its values. Instants come as ISO 8601 in UTC, whose Z stands behind a point in
# that order, and before it in time.
IN_ORDER: dict[str, Callable[[str], Any]] = {
    "bigint": int,
    "numeric": Decimal,
    "timestamptz": lambda text: text.removesuffix("Z"),
}


def profile(stream: io.BufferedIOBase, *, columns: list[dict]) -> tuple[dict, bytes]:
    """`columns` are {"name", "type"} in the order of the CSV, which has no header.

    Answers {"rows", "columns": [{"name", "filled", "distinct", "smallest", "largest", "frequent": [[value, count], …]}]}.
    Values are text of at most 80 characters; `smallest` and `largest` are None where nothing is filled. An empty text counts
    as not filled. `frequent` is empty where no value comes twice.
    """
    table = _table(stream.read(), [column["name"] for column in columns])
    found = [
        {"name": column["name"]} | _of(table.column(index).to_pandas(types_mapper=pd.ArrowDtype), column["type"])
        for index, column in enumerate(columns)
    ]
    return {"rows": table.num_rows, "columns": found}, b""


def _table(content: bytes, names: list[str]) -> pa.Table:
    if not content:  # which pyarrow takes for a mistake
        return pa.table({name: pa.array([], pa.string()) for name in names})
    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=4 << 20),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _of(values: pd.Series, kind: str) -> dict[str, Any]:
    filled = values[values.notna() & (values != "")]
    counts = filled.value_counts()
    if kind == "numeric":  # 1.5 and 1.50 are one number
        counts = counts.groupby(_plain).sum().sort_values(ascending=False, kind="stable")
    ordered = sorted(counts.index, key=IN_ORDER.get(kind))
    repeated = counts[counts > 1].head(MAX_FREQUENT)
    return {
        "filled": len(filled),
        "distinct": len(counts),
        "smallest": _shown(ordered[0]) if ordered else None,
        "largest": _shown(ordered[-1]) if ordered else None,
        "frequent": [[_shown(value), int(count)] for value, count in repeated.items()],
    }


def _plain(number: str) -> str:
    """As text, because a Decimal that is made shorter is rounded to 28 digits, and numbers here have more."""
    short = number.rstrip("0").rstrip(".") if "." in number else number
    return "0" if short == "-0" else short


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
